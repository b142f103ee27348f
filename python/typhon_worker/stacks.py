"""What every thread of this process is doing: for requests that run past their deadline."""

from __future__ import annotations

import sys
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .gate import Seat


def describe_threads(seats: list[Seat]) -> str:
    """The stacks of all threads but the caller's, each with the request that it runs."""
    import traceback

    frames = sys._current_frames()
    runs = {seat.thread: seat.exchange for seat in seats}
    now = time.monotonic()
    told = []
    for thread in threading.enumerate():
        frame = frames.get(thread.ident or 0)
        if frame is None or thread is threading.current_thread():
            continue
        exchange = runs.get(thread.ident or 0)
        doing = "no request"
        if exchange is not None:
            doing = f"request {exchange.request}, taken {now - exchange.taken:.3f} s ago"
        stack = "".join(traceback.format_stack(frame)).rstrip("\n")
        told.append(f'Thread "{thread.name}", {doing}:\n{stack}')
    return "\n".join(told)
