"""First bytes and content type of an answer -> an error when the server sent a page of text instead of a video.

Even friendly servers send log-in pages, maintenance notes and errors with status 200.
"""

TEXT_SUFFIXES = frozenset({".csv", ".txt", ".json", ".jsonl", ".md", ".xml", ".html"})
"""Extensions of text files; these are not checked."""
HEAD_BYTES = 512
PAGES = ("text/html", "application/xhtml", "application/json", "application/xml", "text/xml")
"""Beginnings of the content types of text."""
_VIDEO_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip", b"styp", b"pnot")
_VIDEO_STARTS = (
    *(b"RIFF", b"\x1a\x45\xdf\xa3", b"OggS", b"FLV", b"\x47", b"\0\0\x01", b"\0\0\0\x01", b"DKIF", b"\x30\x26\xb2\x75"),
    *(b"\x06\x0e\x2b\x34", b"GIF8", b"\x1f\x07\0"),
)
"""First bytes of video files; a zero byte comes after them, which no text has."""
_ARCHIVE_STARTS = {
    b"\x1f\x8b": "packed by gzip",
    b"BZh": "packed by bzip2",
    b"\xfd7zXZ": "packed by xz",
    b"PK\x03\x04": "a zip",
}
_OTHER_STARTS = {b"\x89PNG": "a picture (PNG)", b"\xff\xd8\xff": "a picture (JPEG)", b"%PDF": "a PDF"}
_OTHER_RIFF = {b"WEBP": "a picture (WebP)", b"WAVE": "sound (WAVE)"}
ARCHIVES = frozenset({".gz", ".tgz", ".zip", ".tar", ".bz2", ".xz"})


def why_no_video(head: bytes, content_type: str = "", *, is_archive: bool = False) -> str | None:
    """Return in words what the first HEAD_BYTES of a file are, when they are not a video's; else None.

    `is_archive`: an archive is expected.

    >>> why_no_video(b"<!DOCTYPE html><title>Log in</title>")
    'a page of text ("<!DOCTYPE html><title>Log in</title>")'
    >>> why_no_video(b"\\0\\0\\0\\x18ftypmp42" + bytes(9), "text/html") is None
    True
    >>> why_no_video(b"Get free access"), why_no_video(b"\\xff\\xd8\\xff\\xe0")
    ('a page of text ("Get free access")', 'a picture (JPEG)')
    """
    if not head:
        return "empty"
    other = _OTHER_RIFF.get(head[8:12]) if head.startswith(b"RIFF") else None
    starts = _OTHER_STARTS | ({} if is_archive else _ARCHIVE_STARTS)
    other = other or next((kind for start, kind in starts.items() if head.startswith(start)), None)
    if other is not None:
        return other
    has_zero = b"\0" in head
    if has_zero and (
        head[4:8] in _VIDEO_BOXES or head.startswith(_VIDEO_STARTS) or head[4:5] == b"\x47" == head[196:197]
    ):
        return None
    if is_archive and head.startswith(tuple(_ARCHIVE_STARTS)):
        return None
    text = _as_text(head)
    if text is not None:
        return f'a page of text ("{" ".join(text.split())[:60]}")'
    if content_type.lower().startswith(PAGES):
        return f"of the content type {content_type.split(';')[0].strip()[:40]}"
    return None


def _as_text(head: bytes) -> str | None:
    """Return bytes as text; None when they hold control characters, or are neither UTF-8 nor markup.

    The last character may be cut off.
    """
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return head.decode("utf-16", errors="replace")
    if head.startswith((b"<\0", b"\0<")):
        return head.decode("utf-16-le" if head.startswith(b"<") else "utf-16-be", errors="replace")
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        is_markup = head.lstrip().startswith((b"<", b"{"))
        if not is_markup and (error.start < len(head) - 3 or len(head) < HEAD_BYTES):
            return None
        # Markup in an encoding of one country (ISO 8859, Shift JIS): its letters have no control characters either.
        text = head.decode("latin-1") if is_markup else head[: error.start].decode("utf-8")
    is_plain = all(ord(character) >= 32 or character in "\t\r\n\f" for character in text)
    return text if is_plain else None
