"""Watching a loop that the application may block: a thread that acts when nobody else can.

    sleeping ── the channel has something ──▶ patient ── the loop has read it ──▶ sleeping
        ▲                                       └─ it has not ─▶ standing in
        └────────────────────── the loop is back ────────────────────┘

It sleeps in the kernel while nothing comes from the front, and after each look it naps, so that it
costs a busy loop a few wake-ups a second at most and an idle one none. While it stands in, it reads
the channel, tells stacks, and interrupts who blocks the loop once a deadline has passed.
"""

from __future__ import annotations

import asyncio
import os
import select
import selectors
import sys
import time
from threading import Thread, get_ident

from .faults import is_machinery, is_ours
from .interrupt import RequestTimeout, find_setter
from .wire import CANCEL, DEADLINE, STACKS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType

    from .asgi_intake import AsgiIntake
    from .asgi_listener import AsgiListener
    from .channel import Channel

# So long the loop may leave a frame unread before somebody looks after it.
PATIENCE_SECONDS = 0.05
STEP_SECONDS = 0.02
# Who blocks the loop need not be who is late: so long only that one is interrupted, then whoever
# it is. The front ends a worker a second after the deadline, with all of its requests.
COURTESY_SECONDS = 0.5

_LOOP_FOLDERS = (os.path.dirname(asyncio.__file__) + os.sep, selectors.__file__)


class LoopBlocked(RequestTimeout):
    """Raised where the loop is blocked while the deadline of another request passes."""

    def __init__(
        self, text: str = "it blocked the event loop while another request ran past its deadline"
    ) -> None:
        super().__init__(text)


class Watchdog:
    """Of the loop in the thread that makes it; `callers` is the code of ours that calls theirs."""

    def __init__(
        self,
        channel: Channel,
        intake: AsgiIntake,
        listener: AsgiListener,
        callers: frozenset[CodeType],
        tell_stacks: Callable[[], None],
    ) -> None:
        self._fd = channel.fd
        self._intake = intake
        self._listener = listener
        self._callers = callers
        self._tell_stacks = tell_stacks
        self._thread = get_ident()

    def start(self) -> None:
        """Begins to watch."""
        Thread(target=self._run, name="typhon-watchdog", daemon=True).start()

    def _run(self) -> None:
        readable = select.poll()
        readable.register(self._fd, select.POLLIN)
        while True:
            readable.poll()
            visits = self._listener.visits
            time.sleep(PATIENCE_SECONDS)
            if self._listener.visits == visits:
                self._stand_in()

    def _stand_in(self) -> None:
        late: dict[int, float] = {}
        while True:
            frames = self._listener.read_for_loop()
            if not (frames or self._listener.is_behind):
                return
            for kind, _flags, count, request, _payload in frames:
                if kind == STACKS:
                    self._tell_stacks()
                elif kind == CANCEL and count == DEADLINE:
                    late[request] = time.monotonic()
            if late and self._strike(late):
                late.clear()
            time.sleep(STEP_SECONDS)

    # Sets the exception if the application's code runs; looked at and done in one hold of the
    # interpreter's lock. True: nothing is left to do.
    def _strike(self, late: dict[int, float]) -> bool:
        set_raised = find_setter()
        if set_raised is None:
            return True
        # Whoever has just got the lock keeps it for a switch interval.
        time.sleep(0)
        if not self._is_application(sys._current_frames().get(self._thread)):
            return False
        exchange = self._intake.find_current()
        if exchange is not None and exchange.request in late:
            exchange.is_gone = True
            set_raised(self._thread, RequestTimeout)
            return True
        if time.monotonic() - min(late.values()) < COURTESY_SECONDS:
            return False
        set_raised(self._thread, LoopBlocked)
        return True

    # Whether the code on top is the application's, and not the loop's or ours, which must not be
    # hit: a task of a request has our caller below, others have the loop.
    def _is_application(self, frame: FrameType | None) -> bool:
        if frame is None or is_machinery(frame.f_code.co_filename):
            return False
        is_above = False
        while frame is not None:
            filename = frame.f_code.co_filename
            if is_ours(filename):
                return is_above and frame.f_code in self._callers
            if filename.startswith(_LOOP_FOLDERS):
                return is_above
            is_above = True
            frame = frame.f_back
        return False
