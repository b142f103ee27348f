"""The launcher's end of one template: what it was asked for, and which workers it has forked.

    loading ── loaded ──▶ forks one worker at a time, as asked ── leaving, and no worker ──▶ ends

A start is sent when the one before it is answered, so that the socket's buffer holds one start at
most. Decides nothing about the front.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping

from .control import Control, encode
from .native import write

# A kill is repeated every second: a template that has not read two of them does not answer.
MAX_UNHEARD_KILLS = 2


class TemplateLink:
    """One template, as its launcher sees it."""

    def __init__(self, pid: int, fd: int, generation: int, first: int) -> None:
        """`first`: the worker with whose files it was started, and which it forks unasked."""
        os.set_blocking(fd, False)
        self.control = Control(fd)
        self.pid = pid
        self.generation = generation
        self.first = first
        self.has_loaded = False
        # Whether it ends as soon as it has no worker.
        self.is_leaving = False
        self.workers: set[int] = set()
        # Run directories of workers that were asked for.
        self.directories: dict[int, str] = {}
        # The start that the template is to answer now, and those that wait.
        self._asked: int | None = first
        self._starts: dict[int, bytes] = {}
        # How often each worker was to be killed since the template has answered.
        self._unheard: dict[int, int] = {}

    @property
    def is_idle(self) -> bool:
        """Whether it has no worker and none to start."""
        return not self.workers and self._asked is None and not self._starts

    def knows(self, number: int) -> bool:
        """Whether it has forked the worker, or will."""
        return number in self.workers or number in self.waiting()

    def waiting(self) -> list[int]:
        """The workers that were asked for and not forked."""
        return [*([] if self._asked is None else [self._asked]), *self._starts]

    def ask_to_start(self, number: int, directory: str, message: Mapping[str, object]) -> None:
        """Lets the template fork a worker, at the latest when it has loaded."""
        self.directories[number] = directory
        self._starts[number] = encode(message)
        self.send_next()

    def answered(self, number: int) -> None:
        """The template has forked the worker, or could not."""
        self.directories.pop(number, None)
        if number == self._asked:
            self._asked = None

    def send_next(self) -> None:
        """Sends the next start, if the template can take one."""
        if self.has_loaded and self._asked is None and self._starts:
            number = next(iter(self._starts))
            self._asked = number
            self._send(self._starts.pop(number))

    def pass_on(self, number: int, which: int) -> None:
        """Lets the template signal a worker. One that does not answer is killed instead."""
        if which == signal.SIGKILL:
            kills = self._unheard[number] = self._unheard.get(number, 0) + 1
            if kills > MAX_UNHEARD_KILLS:
                os.kill(self.pid, signal.SIGKILL)
                return
        self._send(encode({"op": "signal", "worker": number, "signal": which}))

    def signalled(self, number: int) -> None:
        """The template has passed on what this worker was sent, or the worker has ended."""
        self._unheard.pop(number, None)

    def owes_kill(self, number: int) -> bool:
        """Whether the worker was to be killed and the template has not answered."""
        return number in self._unheard

    def close(self) -> None:
        """Closes the socket, at which the template ends."""
        os.close(self.control.fd)
        self.control.fd = -1

    # A template that has not read its socket for so long is stuck: its workers go on without it.
    def _send(self, line: bytes) -> None:
        if self.control.fd < 0:
            return  # It was closed, and is reaped next.
        try:
            write(self.control.fd, line)
        except BlockingIOError:
            os.kill(self.pid, signal.SIGKILL)
        except OSError:
            pass  # It has ended, and is reaped next.
