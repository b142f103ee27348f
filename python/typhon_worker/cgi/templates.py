# ruff: noqa: ARG002
"""The templates of warm programs: processes that have loaded a program and fork for each run."""

from __future__ import annotations

import select

from typhon_worker.process.reaper import ProcessEnd

from .run import ProgramRun, RunListener


class Templates:
    """All templates of the launcher.

    The launcher gives it the events of its descriptors (`takes`, `on_event`), the ends of its
    processes (`reaped`) and the time (`wait_seconds`, `tick`).
    """

    def __init__(self, idle_seconds: float, poll: select.epoll, listener: RunListener) -> None:
        """A template without a run ends after `idle_seconds`."""

    def start(self, run: ProgramRun) -> bool:
        """Whether a template takes the run: `started` or `start_cold` of the listener follows.

        The run's own ends of the streams stay open until then. `ended` follows `started`, unless
        the process becomes a child of the launcher because its template has died.
        """
        return False

    def takes(self, fd: int) -> bool:
        """Whether `fd`, registered in the poll object, belongs to a template."""
        return False

    def on_event(self, fd: int, event: int) -> None:
        """Something has happened on a descriptor of a template."""

    def reaped(self, end: ProcessEnd) -> bool:
        """Whether a process that has ended was a template."""
        return False

    def wait_seconds(self, now: float) -> float | None:
        """Time until `tick` has to be called; None: no such time."""
        return None

    def tick(self, now: float) -> None:
        """Ends templates that were idle for too long."""

    def close(self) -> None:
        """Ends all templates."""
