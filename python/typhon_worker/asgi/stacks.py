"""What the requests of an ASGI worker are doing: the stacks of its threads and of its tasks."""

from __future__ import annotations

import time
from asyncio import Task
from collections.abc import Iterator
from types import FrameType

from typhon_worker.process.stacks import describe_request, describe_threads

from .intake import AsgiIntake

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Tasks of each kind in a report; the oldest requests come first.
MAX_TASKS_TOLD = 50
# Coroutines that wait for each other in one task; a longer chain is cut.
_MAX_FRAMES = 100


def describe_loop(intake: AsgiIntake, thread: int, tasks: set[Task[Any]]) -> str:
    """Formats the stacks of all threads but the caller's, and of tasks, each with its request.

    `thread` is the loop's. `tasks` may include tasks that the application made. Any thread may
    call this.
    """
    current = intake.find_current()
    now = time.monotonic()
    report = [describe_threads({thread: current})]
    running = sorted(intake.running.values(), key=lambda exchange: exchange.taken)
    waiting = [exchange for exchange in running if exchange is not current]
    for exchange in waiting[:MAX_TASKS_TOLD]:
        stack = "  (its head has not come)" if exchange.task is None else _stack_of(exchange.task)
        report.append(f"Task of {describe_request(exchange, now)}:\n{stack}")
    others = tasks.difference([exchange.task for exchange in running])
    report += [
        f'Task "{task.get_name()}", no request of its own:\n{_stack_of(task)}'
        for task in list(others)[:MAX_TASKS_TOLD]
    ]
    left = max(0, len(waiting) - MAX_TASKS_TOLD) + max(0, len(others) - MAX_TASKS_TOLD)
    if left:
        report.append(f"… and {left} tasks more")
    return "\n".join(part for part in report if part)


def _stack_of(task: Task[Any]) -> str:
    import traceback

    frames = ((frame, frame.f_lineno) for frame in _frames_of(task.get_coro()))
    return "".join(traceback.StackSummary.extract(frames).format()).rstrip("\n")


# From the outermost coroutine to the innermost one that can be seen.
def _frames_of(waiting: Any) -> Iterator[FrameType]:
    for _ in range(_MAX_FRAMES):
        for kind, awaited in (("cr", "await"), ("gi", "yieldfrom"), ("ag", "await")):
            frame = getattr(waiting, f"{kind}_frame", None)
            if frame is not None:
                yield frame
                waiting = getattr(waiting, f"{kind}_{awaited}", None)
                break
        else:
            return
