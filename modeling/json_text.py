"""JSON that anybody may have written -> plain values, or a ValueError: nothing else comes out of reading it."""

import json
from typing import Any


def parse_json(text: str | bytes) -> Any:
    """Return the value of a JSON text. ValueError for what is none, is nested too deep, or holds no Unicode text.

    Python's reader alone raises RecursionError for "[[[[...", and passes half a surrogate pair on, which can be written
    to no file later.
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
