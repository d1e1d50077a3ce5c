"""JSON text from an untrusted source -> plain values, or ValueError; no other exception is raised."""

import json
from typing import Any


def parse_json(text: str | bytes) -> Any:
    """Return the value of a JSON text. ValueError when it is no JSON, is nested too deep, or holds invalid Unicode.

    Python's own reader raises RecursionError for "[[[[...", and lets half a surrogate pair through, which no file can
    hold later.
    """
    try:
        value = json.loads(text)
        if b"\\ud" in (text.lower() if isinstance(text, bytes) else text.lower().encode(errors="surrogatepass")):
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    except UnicodeEncodeError as error:
        raise ValueError("it holds half of a surrogate pair, which is no Unicode text") from error
    return value
