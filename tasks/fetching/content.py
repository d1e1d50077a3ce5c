"""Is what a server sent a page of words instead of a video? First bytes and content type -> what is wrong, or None.

Log-in pages, notes on maintenance and errors come with status 200 from servers that mean no harm.
"""

TEXT_SUFFIXES = frozenset({".csv", ".txt", ".json", ".jsonl", ".md", ".xml", ".html"})
"""Of files that hold text and are not looked at."""
HEAD_BYTES = 512
PAGES = ("text/html", "application/xhtml", "application/json", "application/xml", "text/xml")
"""Beginnings of the content types that servers give to words."""
_VIDEO_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip", b"styp")
_VIDEO_STARTS = (
    *(b"RIFF", b"\x1a\x45\xdf\xa3", b"OggS", b"FLV", b"\x47", b"\0\0\x01", b"\0\0\0\x01", b"DKIF", b"\x30\x26\xb2\x75"),
    *(b"\x06\x0e\x2b\x34", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"PK\x03\x04"),
)
"""Of video files and archives."""


def why_no_video(head: bytes, content_type: str = "") -> str | None:
    """Return what the first HEAD_BYTES of a file are instead of a video's, in words, or None.

    >>> why_no_video(b"<!DOCTYPE html><title>Log in</title>")
    'a page of text ("<!DOCTYPE html><title>Log in</title>")'
    >>> why_no_video(b"\\0\\0\\0\\x18ftypmp42" + bytes(9), "text/html") is None
    True
    """
    if not head:
        return "empty"
    if head[4:8] in _VIDEO_BOXES or head.startswith(_VIDEO_STARTS):
        return None
    text = _as_text(head)
    if text is not None:
        return f'a page of text ("{" ".join(text.split())[:60]}")'
    if content_type.lower().startswith(PAGES):
        return f"of the content type {content_type.split(';')[0].strip()[:40]}"
    return None


def _as_text(head: bytes) -> str | None:
    """Return bytes as text; None where they are none: control characters, or no UTF-8 up to a cut last character."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return head.decode("utf-16", errors="replace")
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3 or len(head) < HEAD_BYTES:
            return None
        text = head[: error.start].decode("utf-8")
    is_plain = all(ord(character) >= 32 or character in "\t\r\n\f" for character in text)
    return text if is_plain else None
