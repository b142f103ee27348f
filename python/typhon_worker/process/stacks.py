"""The stacks of all threads of this process: reported for requests that run past their deadline."""

from __future__ import annotations

import os
import sys
import threading

from .native import get_ident, monotonic
from .process_setup import reopen
from .tracebacks import is_ours

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class RunningRequest(Protocol):
        """The part of an exchange that a report names."""

        request: int
        taken: float


# A real-time signal from the middle of the range: the C libraries keep the first three, and
# programs that use others count from either end. The front sends this one if STACKS is not
# answered.
STACKS_SIGNAL = 40


def describe_threads(runs: dict[int, RunningRequest | None]) -> str:
    """Formats the stacks of all threads but the caller's; `runs`: requests by thread identifier."""
    import traceback

    # By the identifiers of the kernel's threads: a green library may have replaced threading's.
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    now = monotonic()
    report = []
    frames = sys._current_frames()
    # Threads without a name come last.
    for ident in dict.fromkeys((*names, *frames)):
        frame = frames.get(ident or 0)
        if ident is None or frame is None or ident == get_ident():
            continue
        exchange = runs.get(ident)
        doing = "no request" if exchange is None else describe_request(exchange, now)
        stack = traceback.extract_stack(frame)
        # The outer frames, up to the call of the application, are the server's. An idle thread has
        # no others.
        first = next(
            (at for at, one in enumerate(stack) if not _is_outer(one.filename)), len(stack)
        )
        lines = "".join(traceback.format_list(stack[first:])).rstrip("\n")
        if not lines and exchange is None and ident not in names:
            continue
        name = names.get(ident, f"{ident:#x}")
        report.append(f'Thread "{name}", {doing}' + (f":\n{lines}" if lines else ""))
    return "\n".join(report)


# "<string>" is the program that started the launcher (python -c).
def _is_outer(filename: str) -> bool:
    return is_ours(filename) or filename in ("<string>", threading.__file__)


def describe_request(exchange: RunningRequest, now: float) -> str:
    """Names a request and how long it has run."""
    return f"request {exchange.request}, taken {now - exchange.taken:.3f} s ago"


def write_at_signal(fifo: int) -> int:
    """Lets STACKS_SIGNAL write the stacks into `fifo`, even while the interpreter's lock is held.

    Returns the descriptor that the handler writes to, which has to stay open. It has an open file
    description of its own and never blocks.
    """
    fd = reopen(fifo, os.O_WRONLY | os.O_NONBLOCK)
    try:
        import faulthandler

        faulthandler.register(STACKS_SIGNAL, file=fd, all_threads=True, chain=False)
    except (ImportError, AttributeError, ValueError, OSError):
        # Not every platform has it. Only this report is missing then.
        pass
    return fd


def leave_signal(fd: int) -> None:
    """In a forked child of the application: makes the signal an ordinary one and closes `fd`."""
    try:
        import faulthandler

        faulthandler.unregister(STACKS_SIGNAL)
    except (ImportError, AttributeError, ValueError):
        pass
    os.close(fd)
