"""The stacks of all threads of this process: reported for requests that run past their deadline."""

from __future__ import annotations

import os
import sys
import threading

from .native import get_ident, monotonic
from .process_setup import move_high, reopen
from .tracebacks import is_ours

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Protocol

    class RunningRequest(Protocol):
        """The part of an exchange that a report names."""

        request: int
        taken: float


# A real-time signal from the middle of the range: the C libraries keep the first three, and
# programs that use others count from either end. The front sends this one if STACKS is not
# answered.
STACKS_SIGNAL = 40


def describe_threads(runs: dict[int, RunningRequest | None], late: int = 0) -> str:
    """Formats the stacks of all threads but the caller's; `runs`: requests by thread identifier.

    The thread that runs the request `late` comes first, then other requests. Threads without a
    request that are at the same place are told as one.
    """
    # By the identifiers of the kernel's threads: a green library may have replaced threading's.
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    now = monotonic()
    report: list[str] = []
    idle: dict[str, list[str]] = {}
    frames = sys._current_frames()
    # Threads without a name come last.
    for ident in dict.fromkeys((*names, *frames)):
        frame = frames.get(ident or 0)
        if ident is None or frame is None or ident == get_ident():
            continue
        name = names.get(ident, f"{ident:#x}")
        stack = _describe_stack(frame)
        exchange = runs.get(ident)
        if exchange is not None:
            told = f'Thread "{name}", {describe_request(exchange, now)}{stack}'
            report.insert(0 if exchange.request == late else len(report), told)
        elif stack or ident in names:
            idle.setdefault(stack, []).append(name)
    for stack, idle_names in idle.items():
        more = f" and {len(idle_names) - 1} more" if idle_names[1:] else ""
        report.append(f'Thread "{idle_names[0]}"{more}, no request{stack}')
    return "\n".join(report)


# The outer frames, up to the call of the application, are the server's. An idle thread has no
# others.
def _describe_stack(frame: FrameType) -> str:
    import traceback

    stack = traceback.extract_stack(frame)
    first = next((at for at, one in enumerate(stack) if not _is_outer(one.filename)), len(stack))
    lines = "".join(traceback.format_list(stack[first:])).rstrip("\n")
    return f":\n{lines}" if lines else ""


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
    fd = move_high(reopen(fifo, os.O_WRONLY | os.O_NONBLOCK))
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
