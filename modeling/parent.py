"""Let a process end when its parent ends, for whatever reason."""

import ctypes
import signal

_PR_SET_PDEATHSIG = 1


def die_with_parent(signal_number: int = signal.SIGKILL) -> None:
    """Ask Linux to send this process `signal_number` when its parent dies, kill -9 included; elsewhere do nothing."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_PDEATHSIG, signal_number)
    except (OSError, AttributeError):
        return
