"""What the requests of an ASGI worker are doing: the stacks of its threads and of its tasks."""

from __future__ import annotations

import os
import time
from asyncio import Task
from collections import Counter
from collections.abc import Iterator
from types import FrameType

from typhon_worker.process.stacks import describe_request, describe_threads
from typhon_worker.process.tracebacks import is_ours

from .intake import AsgiIntake

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Places at which tasks wait, in a report; those with the most tasks come first.
MAX_PLACES_TOLD = 20
# Coroutines that wait for each other in one task; a longer chain is cut.
_MAX_FRAMES = 100
_STANDARD_LIBRARY = os.path.dirname(os.__file__) + os.sep
_PACKAGES = f"{os.sep}site-packages{os.sep}"


def describe_loop(intake: AsgiIntake, thread: int, tasks: set[Task[Any]], late: int) -> str:
    """Formats the stacks of the request `late` and of all threads but the caller's.

    The other tasks are counted by the place where they wait. `thread` is the loop's. `tasks` may
    include tasks that the application made. Any thread may call this.
    """
    current = intake.find_current()
    found = intake.find(late)
    report = []
    if found is not None and found is not current:
        stack = "  (its head has not come)" if found.task is None else _stack_of(found.task)
        report.append(f"Task of {describe_request(found, time.monotonic())}:\n{stack}")
    report.append(describe_threads({thread: current}, late))
    exchanges = [one for one in list(intake.running.values()) if one not in (found, current)]
    others = tasks.difference([exchange.task for exchange in list(intake.running.values())])
    for what, waiting in (
        ("requests", [exchange.task for exchange in exchanges]),
        ("tasks without a request", list(others)),
    ):
        places = Counter(_place_of(task) for task in waiting if task is not None)
        if places:
            report.append(f"Other {what} by place:\n{_list_places(places)}")
    return "\n".join(part for part in report if part)


def _list_places(places: Counter[str]) -> str:
    told = places.most_common(MAX_PLACES_TOLD)
    lines = [f"  {count} × {place}" for place, count in told]
    left = places.total() - sum(count for _, count in told)
    return "\n".join(lines + ([f"  {left} at other places"] if left else []))


# The innermost frame that is the application's own, or else the innermost one.
def _place_of(task: Task[Any]) -> str:
    frames = list(_frames_of(task.get_coro()))
    own = [frame for frame in frames if not _is_library(frame.f_code.co_filename)]
    if not frames:
        return "(no frame)"
    frame = (own or frames)[-1]
    return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"


def _is_library(filename: str) -> bool:
    return is_ours(filename) or filename.startswith(_STANDARD_LIBRARY) or _PACKAGES in filename


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
