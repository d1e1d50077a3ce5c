"""An item's failure is an item's failure, whatever raised it: an exception -> the reason that is counted, or the end.

Only what no item can be blamed for ends a run: Ctrl-C, a full disk, and the assertions of our own code.
"""

import errno
from pathlib import Path
from typing import Any

from tasks.config import RunOptions

REPOSITORY = Path(__file__).resolve().parents[2]
OURS = tuple(str(REPOSITORY / name) + "/" for name in ("flows", "tasks", "evaluation", "modeling"))
DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})
LONGEST_MESSAGE = 500
"""Characters of a message that are kept."""
TRANSIENT = "transient"
"""Column of a failed row, true where another attempt may go better though nothing was changed."""


def ends_the_run(error: BaseException) -> bool:
    """Tell whether an exception is no item's failure."""
    if not isinstance(error, Exception):
        return True
    if isinstance(error, OSError) and error.errno in DISK_FULL:
        return True
    return isinstance(error, AssertionError) and _is_ours(error)


def _is_ours(error: BaseException) -> bool:
    """Tell whether an exception was raised by a line of this project, and not by a library that it calls."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return last is not None and last.tb_frame.f_code.co_filename.startswith(OURS)


def reason_of(error: BaseException) -> str:
    """Return the word that is counted: an error's own `reason` where it has one, else its class."""
    own = getattr(error, "reason", None)
    return own if isinstance(own, str) and own.isidentifier() else type(error).__name__


def may_pass(error: BaseException) -> bool:
    """Tell whether an error may pass by itself: memory was short, a server was away."""
    return isinstance(error, MemoryError | ConnectionError) or getattr(error, TRANSIENT, False) is True


def message_of(error: BaseException) -> str:
    """Return class and first line of an error."""
    text = str(error).strip()
    line = text.splitlines()[0][:LONGEST_MESSAGE] if text else ""
    return f"{type(error).__name__}: {line}" if line else type(error).__name__


def failed(reason: str, message: str, *, transient: bool = False) -> dict[str, Any]:
    """Return the columns that a failed row has beside its own."""
    columns = {"status": "failed", "reason": reason, "message": message}
    return columns | ({TRANSIENT: True} if transient else {})


def is_transient(row: dict[str, Any]) -> bool:
    """Tell whether a row failed in a way that may go better next time."""
    return row["status"] == "failed" and row.get(TRANSIENT) is True


def shall_retry(row: dict[str, Any], options: RunOptions) -> bool:
    """Tell whether a row of an item, whose input is as it was, shall be tried again."""
    return row["status"] == "failed" and (options.retry_failed or row.get(TRANSIENT) is True)
