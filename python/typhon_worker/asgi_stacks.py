"""What the requests of an ASGI worker are doing: its threads, and the tasks in its loop."""

from __future__ import annotations

import time

from .stacks import describe_request, describe_threads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import Task
    from collections.abc import Iterator
    from types import FrameType
    from typing import Any

    from .asgi_intake import AsgiIntake

# Of each kind; a report has a limit, and the oldest requests come first.
MAX_TASKS_TOLD = 50


def describe_loop(intake: AsgiIntake, thread: int, others: set[Task[Any]]) -> str:
    """The stacks of all threads but the caller's, and of tasks, each with its request.

    `thread` is the loop's, `others` may hold tasks of the application's own. For any thread.
    """
    current = intake.find_current()
    now = time.monotonic()
    told = [describe_threads({thread: current})]
    running = sorted(intake.running.values(), key=lambda exchange: exchange.taken)
    waiting = [exchange for exchange in running if exchange is not current]
    for exchange in waiting[:MAX_TASKS_TOLD]:
        stack = "  (its head has not come)" if exchange.task is None else _tell(exchange.task)
        told.append(f"Task of {describe_request(exchange, now)}:\n{stack}")
    theirs = others.difference([exchange.task for exchange in running])
    told += [
        f'Task "{task.get_name()}", no request of its own:\n{_tell(task)}'
        for task in list(theirs)[:MAX_TASKS_TOLD]
    ]
    left = max(0, len(waiting) - MAX_TASKS_TOLD) + max(0, len(theirs) - MAX_TASKS_TOLD)
    if left:
        told.append(f"… and {left} tasks more")
    return "\n".join(part for part in told if part)


def _tell(task: Task[Any]) -> str:
    import traceback

    frames = ((frame, frame.f_lineno) for frame in _frames_of(task.get_coro()))
    return "".join(traceback.StackSummary.extract(frames).format()).rstrip("\n")


# From the outermost coroutine to what it waits for, as far as that can be seen.
def _frames_of(waiting: Any) -> Iterator[FrameType]:
    for _ in range(100):
        for kind, next_one in (("cr", "await"), ("gi", "yieldfrom"), ("ag", "await")):
            frame = getattr(waiting, f"{kind}_frame", None)
            if frame is not None:
                yield frame
                waiting = getattr(waiting, f"{kind}_{next_one}", None)
                break
        else:
            return
