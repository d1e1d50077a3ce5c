"""CPU seconds of a function with its child processes; other load on the machine disturbs them least."""

import resource
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def cpu_seconds() -> float:
    """Return the CPU seconds, user and system, of this process and its finished children."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def cpu_of(work: Callable[[], T]) -> tuple[float, T]:
    """Do `work`; return its CPU seconds and its result."""
    began = cpu_seconds()
    result = work()
    return cpu_seconds() - began, result
