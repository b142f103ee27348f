"""Interrupting a request past its deadline: an exception in the thread that runs it.

    CANCEL (deadline) ──▶ trying ── the application's code runs ──▶ set ──▶ raised there
                          │    ▲
                          └────┘ the server's code runs: again in 20 ms, for a second

The exception has to hit the application's code, and only while it works for that request. So one
hold of the interpreter's lock both sees that code on top and sets the exception; and from then on
the request sends its frames through an InterruptGuard, which takes back an exception that is set
and not yet raised. A request ends by sending a frame, so no exception outlives its request. One
long call into C is not interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from types import CodeType

from typhon_worker.application.cancellation import RequestTimeout, find_setter, is_application_code
from typhon_worker.process.channel import Channel
from typhon_worker.process.native import allocate_lock, sleep, start_new_thread

from .exchange import ThreadSlot

SetException = Callable[[int, type[BaseException] | None], object]

# Time between two tries, and their number. The server's code on top is soon done, or it waits for
# the front and CANCEL ends the wait.
STEP_SECONDS = 0.02
MAX_STEPS = 50


class Interrupter:
    """Interrupts requests; `callers`: the functions of the server that call the application."""

    def __init__(
        self, channel: Channel, slots: list[ThreadSlot], callers: Collection[CodeType]
    ) -> None:
        self._channel = channel
        self._slots = slots
        self._callers = callers
        # While it is held nothing is set: a report shows threads where they are.
        self.pause = allocate_lock()

    def interrupt(self, slot: ThreadSlot, request: int) -> None:
        """Begins to interrupt a request, once; does not wait."""
        if isinstance(slot.channel, InterruptGuard) and slot.channel.request == request:
            return
        guard = slot.channel = InterruptGuard(self._channel, slot, request)
        try:
            # Not a threading.Thread, whose start waits for the thread: the listener may not wait.
            start_new_thread(self._try_repeatedly, (guard,))
        except RuntimeError:
            # No more threads can be made. The front ends a worker that does not come back.
            pass

    # Tries until the exception is set or no longer needed, for about a second.
    def _try_repeatedly(self, guard: InterruptGuard) -> None:
        set_exception = find_setter()
        if set_exception is None:
            return
        for _ in range(MAX_STEPS):
            # The wait comes first, because the front asks for stacks at the same moment.
            sleep(STEP_SECONDS)
            with self.pause:
                # Yields: a thread that has just got the interpreter's lock then keeps it for a
                # switch interval.
                sleep(0)
                if guard.try_interrupt(set_exception, self._callers):
                    return

    def close_in_child(self) -> None:
        """In a forked child: removes guards, whose locks a thread of the parent may hold."""
        for slot in self._slots:
            slot.channel = self._channel


class InterruptGuard:
    """The channel of a request that is being interrupted; the next request removes it."""

    def __init__(self, channel: Channel, slot: ThreadSlot, request: int) -> None:
        self.request = request
        self._channel = channel
        self._slot = slot
        # Only entered by `with`, which no exception can interrupt.
        self._lock = allocate_lock()
        # Not None once the exception is set; it may have been raised by now.
        self._set_exception: SetException | None = None

    def try_interrupt(self, set_exception: SetException, callers: Collection[CodeType]) -> bool:
        """Sets the exception if the application's code runs. True: nothing is left to do."""
        slot = self._slot
        with self._lock:
            exchange = slot.exchange
            if exchange is None or exchange.request != self.request or exchange.has_ended:
                return True
            if not is_application_code(sys._current_frames().get(slot.thread), callers):
                return False
            self._set_exception = set_exception
            set_exception(slot.thread, RequestTimeout)
            return True

    def send(self, frame: bytes) -> None:
        """As Channel.send; nothing is raised during and after it."""
        with self._lock:
            self._take_back()
            self._channel.send(frame)

    def send_body(self, kind: int, request: int, payload: memoryview, flags: int) -> None:
        with self._lock:
            self._take_back()
            self._channel.send_body(kind, request, payload, flags)

    def log(self, level: int, text: str, request: int = 0) -> None:
        with self._lock:
            self._take_back()
            self._channel.log(level, text, request)

    # Called in the slot's own thread.
    def _take_back(self) -> None:
        if self._set_exception is not None:
            self._set_exception(self._slot.thread, None)
            self._set_exception = None
        exchange = self._slot.exchange
        if exchange is None or exchange.request != self.request:
            self._slot.channel = self._channel
