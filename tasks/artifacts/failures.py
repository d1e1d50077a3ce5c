"""Exceptions of items -> counted reasons. Only a few exceptions end a run.

These end a run, because no item causes them: Ctrl-C, a full disk, and failed assertions of our own code.
"""

import errno
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tasks.config import RunOptions

Item = TypeVar("Item")
Result = TypeVar("Result")

REPOSITORY = Path(__file__).resolve().parents[2]
OURS = tuple(str(REPOSITORY / name) + "/" for name in ("flows", "tasks", "evaluation", "modeling"))
DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})
AWAY = frozenset(
    {errno.ETIMEDOUT, errno.ESTALE, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH}
)
"""A server, or a shared folder, that did not answer."""
LONGEST_MESSAGE = 500
"""Largest number of characters of a kept message."""
TRANSIENT = "transient"
"""Column of a failed row; true when another attempt may succeed without any change."""


def ends_the_stage(error: Exception) -> Exception:
    """Return the same error, marked as one that no item causes: what all items need is not there."""
    error.ends_the_stage = True  # type: ignore[attr-defined]
    return error


def ends_the_run(error: BaseException) -> bool:
    """Tell whether an exception ends the run, because no item causes it."""
    if not isinstance(error, Exception) or getattr(error, "ends_the_stage", False):
        return True
    if isinstance(error, OSError) and error.errno in DISK_FULL:
        return True
    return isinstance(error, AssertionError) and _is_ours(error)


def _is_ours(error: BaseException) -> bool:
    """Tell whether a line of this project raised an exception, not a library that it calls."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return last is not None and last.tb_frame.f_code.co_filename.startswith(OURS)


def reason_of(error: BaseException) -> str:
    """Return the reason by which an error is counted: its own `reason`, or else the name of its class."""
    own = getattr(error, "reason", None)
    return own if isinstance(own, str) and own.isidentifier() else type(error).__name__


def may_pass(error: BaseException) -> bool:
    """Tell whether an error may disappear by itself: memory was short, a server did not answer."""
    is_away = isinstance(error, OSError) and error.errno in AWAY
    return is_away or isinstance(error, MemoryError | ConnectionError) or getattr(error, TRANSIENT, False) is True


def message_of(error: BaseException) -> str:
    """Return class and first line of an error."""
    text = str(error).strip()
    line = text.splitlines()[0][:LONGEST_MESSAGE] if text else ""
    return f"{type(error).__name__}: {line}" if line else type(error).__name__


def failed(reason: str, message: str, *, transient: bool = False) -> dict[str, Any]:
    """Return the columns that a failed row gets in addition."""
    columns = {"status": "failed", "reason": reason, "message": message}
    return columns | ({TRANSIENT: True} if transient else {})


def is_transient(row: dict[str, Any]) -> bool:
    """Tell whether a failed row may succeed next time."""
    return row["status"] == "failed" and row.get(TRANSIENT) is True


def shall_retry(row: dict[str, Any], options: RunOptions) -> bool:
    """Tell whether a failed row of an unchanged item is tried again."""
    return row["status"] == "failed" and (options.retry_failed or row.get(TRANSIENT) is True)


@dataclass(frozen=True)
class Failure:
    """The failure of an item without a result."""

    reason: str
    """Reason under which it is counted: an error's own reason or class, or crashed, killed, timed_out."""
    message: str
    """The failure in a sentence."""
    transient: bool = False
    """True when another attempt may succeed without any change."""

    @classmethod
    def of(cls, error: BaseException) -> "Failure":
        """Return an exception as a failure."""
        return cls(reason_of(error), message_of(error), may_pass(error))


def guarded(function: Callable[[Item], Result], item: Item) -> Result | Failure:
    """Return the function's result, or its exception as a Failure; an error that no item causes is raised."""
    try:
        return function(item)
    except BaseException as error:
        if ends_the_run(error):
            raise
        return Failure.of(error)


class StageFailed(Exception):
    """A stage cannot be finished; the user can remove the cause, and the message says where and how."""

    transient = False  # True: the cause may disappear by itself
