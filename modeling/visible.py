"""Untrusted texts -> texts that a terminal only shows: every control character is made visible.

A terminal takes "\\x1b]0;..." as its title and "\\x1b[31m" as a colour; a right-to-left mark turns around what follows.
"""

import re
import unicodedata

HIDDEN_CATEGORIES = ("Cc", "Cf", "Cs", "Zl", "Zp", "Co", "Cn")
"""Controls, format marks (among them those of direction), halves of surrogate pairs, line separators, no characters."""
_PLAIN = re.compile(r"[ -~]*")


def visible(text: object, *, keep: str = "") -> str:
    r"""Return a text with its control characters written as escapes; those in `keep` stay.

    >>> visible("open \x1b[31mfridge\n"), visible("a\nb", keep="\n")
    ('open \\x1b[31mfridge\\n', 'a\nb')
    """
    told = str(text)
    if _PLAIN.fullmatch(told):
        return told
    return "".join(character if character in keep else _shown(character) for character in told)


def _shown(character: str) -> str:
    if unicodedata.category(character) not in HIDDEN_CATEGORIES:
        return character
    return character.encode("unicode_escape", errors="surrogatepass").decode("ascii")


def is_unicode(text: str) -> bool:
    """Tell whether a text can be written as UTF-8; half of a surrogate pair cannot.

    >>> is_unicode("Küche"), is_unicode("\\ud800")
    (True, False)
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
