"""What every thread of this process is doing: for requests that run past their deadline."""

from __future__ import annotations

import os
import sys
import threading
import time

from .faults import is_ours
from .surroundings import reopen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Running(Protocol):
        """A request."""

        request: int
        taken: float


# A real-time signal: the C libraries keep the first three for themselves, and who uses others by
# hand counts from either end. The front sends it where STACKS is not answered.
STACKS_SIGNAL = 40


def describe_threads(runs: dict[int, Running | None]) -> str:
    """The stacks of all threads but the caller's; `runs` tells which request each of them runs."""
    import traceback

    frames = sys._current_frames()
    now = time.monotonic()
    told = []
    for thread in threading.enumerate():
        frame = frames.get(thread.ident or 0)
        if frame is None or thread is threading.current_thread():
            continue
        exchange = runs.get(thread.ident or 0)
        doing = "no request" if exchange is None else describe_request(exchange, now)
        stack = traceback.extract_stack(frame)
        # What led to the application is the server's, and all of it where nothing runs.
        first = next((at for at, one in enumerate(stack) if not _leads(one.filename)), len(stack))
        lines = "".join(traceback.format_list(stack[first:])).rstrip("\n")
        told.append(f'Thread "{thread.name}", {doing}' + (f":\n{lines}" if lines else ""))
    return "\n".join(told)


def _leads(filename: str) -> bool:
    return is_ours(filename) or filename in ("<string>", threading.__file__)


def describe_request(exchange: Running, now: float) -> str:
    """Which request it is, and how long it has run."""
    return f"request {exchange.request}, taken {now - exchange.taken:.3f} s ago"


def tell_at_signal(fifo: int) -> int:
    """Lets STACKS_SIGNAL write the stacks into `fifo`, whoever holds the interpreter's lock.

    Returns the descriptor that has to stay open, of a description of its own that never blocks.
    """
    fd = reopen(fifo, os.O_WRONLY | os.O_NONBLOCK)
    try:
        import faulthandler

        faulthandler.register(STACKS_SIGNAL, file=fd, all_threads=True, chain=False)
    except (ImportError, AttributeError, ValueError, OSError):
        # Not everywhere, and without it only such stacks are missing.
        pass
    return fd


def leave_signal(fd: int) -> None:
    """In a child of the application: the signal is an ordinary one, and `fd` is closed."""
    try:
        import faulthandler

        faulthandler.unregister(STACKS_SIGNAL)
    except (ImportError, AttributeError, ValueError):
        pass
    os.close(fd)
