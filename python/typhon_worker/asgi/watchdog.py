"""Watching for a blocked loop: a thread that acts while the application keeps the loop's thread.

    sleeping ── the channel has something ──▶ patient ── the loop has read it ──▶ sleeping
        ▲                                       └─ it has not ─▶ standing in
        └────────────────────── the loop is back ────────────────────┘

The thread sleeps in the kernel until something comes from the front, and pauses after each look: it
wakes up a few times a second beside a busy loop, and beside an idle one when the front asks whether
the loop runs. While it stands in for the loop, it reads the channel, reports stacks, and interrupts
the code that blocks the loop once a deadline has passed.
"""

from __future__ import annotations

import asyncio
import os
import selectors
import sys
from collections.abc import Callable
from types import CodeType

from typhon_worker.application.cancellation import RequestTimeout, find_setter, is_application_code
from typhon_worker.process.channel import Channel
from typhon_worker.process.native import (
    POLLIN,
    get_ident,
    monotonic,
    poll,
    sleep,
    start_thread,
)
from typhon_worker.wire import frames

from .intake import AsgiIntake
from .listener import AsgiListener

# How long the loop may leave a frame unread before the watchdog reads it.
PATIENCE_SECONDS = 0.05
STEP_SECONDS = 0.02
# The request that blocks the loop need not be the one that is late. For this long only a late
# request is interrupted, then whatever blocks the loop. The front ends a worker a second after the
# deadline, with all of its requests.
COURTESY_SECONDS = 0.5
# The id in a CANCEL that is about the loop and no request.
LOOP = 0

_LOOP_FILES = (os.path.dirname(asyncio.__file__) + os.sep, selectors.__file__)


class LoopBlocked(RequestTimeout):
    """Raised in code that blocks the loop while another request's deadline passes."""

    def __init__(
        self, text: str = "it blocked the event loop while another request ran past its deadline"
    ) -> None:
        super().__init__(text)


class LoopTimeout(LoopBlocked):
    """Raised in code that blocks the loop for longer than the loop's own timeout."""

    def __init__(self) -> None:
        super().__init__("it blocked the event loop for longer than --loop-timeout")


class Watchdog:
    """Watches the loop of the thread that makes it.

    `callers`: the functions of the server that call the application.
    """

    def __init__(
        self,
        channel: Channel,
        intake: AsgiIntake,
        listener: AsgiListener,
        callers: frozenset[CodeType],
        tell_stacks: Callable[[int], None],
    ) -> None:
        self._fd = channel.fd
        self._intake = intake
        self._listener = listener
        self._callers = callers
        self._tell_stacks = tell_stacks
        self._thread = get_ident()

    def start(self) -> None:
        """Begins to watch."""
        start_thread(self._run, "typhon-watchdog")

    def _run(self) -> None:
        readable = poll()
        readable.register(self._fd, POLLIN)
        while True:
            readable.poll()
            visits = self._listener.visits
            sleep(PATIENCE_SECONDS)
            if self._listener.visits == visits:
                self._stand_in()

    def _stand_in(self) -> None:
        # Late requests, each with the second when its deadline was seen to have passed. 0 is the
        # loop itself.
        late: dict[int, float] = {}
        while True:
            received = self._listener.read_for_loop()
            if not (received or self._listener.is_behind):
                return
            for kind, _flags, count, request, _payload in received:
                if kind == frames.STACKS:
                    self._tell_stacks(request)
                elif kind == frames.CANCEL and count == frames.DEADLINE:
                    late[request] = monotonic()
            if late and self._try_interrupt(late):
                late.clear()
            sleep(STEP_SECONDS)

    # Sets the exception if the application's code runs; one hold of the interpreter's lock sees and
    # sets. True: nothing is left to do.
    def _try_interrupt(self, late: dict[int, float]) -> bool:
        set_exception = find_setter()
        if set_exception is None:
            return True
        # Yields: a thread that has just got the lock then keeps it for a switch interval.
        sleep(0)
        frame = sys._current_frames().get(self._thread)
        if not is_application_code(frame, self._callers, _LOOP_FILES):
            return False
        exchange = self._intake.find_current()
        if exchange is not None and exchange.request in late:
            exchange.is_cancelled = True
            set_exception(self._thread, RequestTimeout)
            return True
        if LOOP in late:
            set_exception(self._thread, LoopTimeout)
            return True
        if monotonic() - min(late.values()) < COURTESY_SECONDS:
            return False
        set_exception(self._thread, LoopBlocked)
        return True
