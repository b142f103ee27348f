"""The soft interrupt of a request past its deadline: an exception in the thread that runs it.

    CANCEL, deadline ──▶ trying ── the application's code runs ──▶ set ──▶ raised in it
                         │    ▲
                         └────┘ code of ours runs: again in 20 ms, for a second

It is to hit the application's code, and for that request only. So it is set while that code is on
top, seen and done in one hold of the interpreter's lock; and what the request sends from then on
passes a Shield, which takes back what is set and not yet raised. The last thing that a request does
is to send a frame, so nothing outlives it. One long call into C is not interrupted.
"""

from __future__ import annotations

import sys
import time
from _thread import allocate_lock, start_new_thread

from .faults import is_machinery, is_ours

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from types import CodeType, FrameType

    from .channel import Channel
    from .gate import Seat

    SetRaised = Callable[[int, type[BaseException] | None], object]

# Between two looks at a thread, and how often it is looked: what is ours on top is soon done, or
# waits for the front, which CANCEL ends.
STEP_SECONDS = 0.02
MAX_STEPS = 50


class RequestTimeout(BaseException):
    """Raised in the application's code: nobody waits for this request any more.

    No Exception, so that what repairs ordinary failures does not repair this one and go on.
    """

    def __init__(self, text: str = "the request ran past its deadline") -> None:
        super().__init__(text)


class Interrupter:
    """Interrupts requests; `callers` is the code of ours that calls the application's."""

    __slots__ = ("_callers", "_channel", "_seats", "pause")

    def __init__(self, channel: Channel, seats: list[Seat], callers: Collection[CodeType]) -> None:
        self._channel = channel
        self._seats = seats
        self._callers = callers
        # Held by who wants to see threads where they are: meanwhile nothing is set.
        self.pause = allocate_lock()

    def interrupt(self, seat: Seat, request: int) -> None:
        """Begins to interrupt this request of this seat, once; returns at once."""
        if isinstance(seat.channel, Shield) and seat.channel.request == request:
            return
        shield = seat.channel = Shield(self._channel, seat, request)
        try:
            # No threading.Thread: its start waits for the thread, and the listener may not wait.
            start_new_thread(self.pursue, (shield,))
        except RuntimeError:
            # No more threads: the front ends a worker that does not come back.
            pass

    def pursue(self, shield: Shield) -> None:
        """Tries until the exception is set or no longer needed, for about a second."""
        set_raised = find_setter()
        if set_raised is None:
            return
        for _ in range(MAX_STEPS):
            # First of all, because the front asks for stacks in the same moment.
            time.sleep(STEP_SECONDS)
            with self.pause:
                # Whoever has just got the interpreter's lock keeps it for a switch interval.
                time.sleep(0)
                if shield.strike(set_raised, self._callers):
                    return

    def close_in_child(self) -> None:
        """In a child of the application: the thread that may hold a shield's lock is not there."""
        for seat in self._seats:
            seat.channel = self._channel


class Shield:
    """The channel as a request sees it that is being interrupted; the next request takes it off."""

    __slots__ = ("_channel", "_lock", "_seat", "_set_raised", "request")

    def __init__(self, channel: Channel, seat: Seat, request: int) -> None:
        self.request = request
        self._channel = channel
        self._seat = seat
        # Entered by `with` alone, which no exception can come in between.
        self._lock = allocate_lock()
        # Not None: the exception is set, and may have been raised.
        self._set_raised: SetRaised | None = None

    def strike(self, set_raised: SetRaised, callers: Collection[CodeType]) -> bool:
        """Sets the exception if the application's code runs. True: nothing is left to do."""
        seat = self._seat
        with self._lock:
            exchange = seat.exchange
            if exchange is None or exchange.request != self.request or exchange.has_ended:
                return True
            if not _is_application(sys._current_frames().get(seat.thread), callers):
                return False
            self._set_raised = set_raised
            set_raised(seat.thread, RequestTimeout)
            return True

    def send(self, frame: bytes) -> None:
        """As Channel.send; nothing is raised in it and after it."""
        with self._lock:
            self._settle()
            self._channel.send(frame)

    def send_body(self, kind: int, request: int, payload: memoryview, flags: int) -> None:
        """As Channel.send_body."""
        with self._lock:
            self._settle()
            self._channel.send_body(kind, request, payload, flags)

    def log(self, level: int, text: str, request: int = 0) -> None:
        """As Channel.log."""
        with self._lock:
            self._settle()
            self._channel.log(level, text, request)

    # Called by the seat's own thread.
    def _settle(self) -> None:
        if self._set_raised is not None:
            self._set_raised(self._seat.thread, None)
            self._set_raised = None
        exchange = self._seat.exchange
        if exchange is None or exchange.request != self.request:
            self._seat.channel = self._channel


# Whether the code on top is the application's. The library's counts as whose caller it is: above
# the application it may be interrupted like that, above ours it may hold a lock of ours. The import
# system would leave its own locks behind.
def _is_application(frame: FrameType | None, callers: Collection[CodeType]) -> bool:
    if frame is None or is_machinery(frame.f_code.co_filename):
        return False
    while frame is not None:
        if is_ours(frame.f_code.co_filename):
            return frame.f_code in callers
        frame = frame.f_back
    return False


def find_setter() -> SetRaised | None:
    """What sets an exception, or takes it back, in a thread; None where there is no such thing."""
    try:
        import ctypes

        # By index it is an object of its own, whatever the application makes of the shared one.
        function = ctypes.pythonapi["PyThreadState_SetAsyncExc"]
    except (ImportError, AttributeError):
        return None

    def set_raised(thread: int, kind: type[BaseException] | None) -> object:
        value = None if kind is None else ctypes.py_object(kind)
        return function(ctypes.c_ulong(thread), value)

    return set_raised
