"""Which thread of this worker may take from the queue.

One thread takes. While it runs requests, a second one looks every few milliseconds whether the same
request still runs, and if so begins to take in its place. So free processes come first, and threads
do not fight over the interpreter's lock as long as requests are short.

                     ┌────────── still the same request at a tick ─────────┐
    standing by ──▶ watching                                               ▼
        ▲  ▲   (woken by the taker) ── nothing ran for a while ──┐       taking
        │  └─────────────────────────────────────────────────────┘         │
        └───────────── its request is done, and another one takes ─────────┘

When nothing runs, nobody watches and nothing wakes up. Knows threads, not requests.
"""

from __future__ import annotations

import time
from _thread import allocate_lock
from threading import Condition, Thread

from .notes import Notes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .channel import Channel
    from .exchange import Exchange
    from .interrupt import Shield

# Shorter than what a person notices, longer than nearly every request that is not waiting.
TICK_SECONDS = 0.005
# Each tick at which nothing is stuck doubles the next one up to here. A tick has to win the
# interpreter's lock from a busy taker, which takes dozens of wake-ups: always at 5 ms they are 3 %
# of the CPU of a Flask hello (worker-hello.py).
MAX_TICK_SECONDS = 0.080
# So long after a request was stuck the next one is expected to be, and ticks stay short.
ALERT_SECONDS = 2.0
# After such a pause between requests ticks are short again: whoever comes then notices them most.
QUIET_SECONDS = 0.5
# So many ticks without a request and the watcher sleeps: being woken costs the taker a system call.
IDLE_TICKS = 3


class Seat:
    """What one thread has: its slot, and the exchange that it runs."""

    __slots__ = (
        "_notes",
        "baton",
        "channel",
        "exchange",
        "is_reading",
        "news",
        "page",
        "slot",
        "thread",
    )

    def __init__(self, slot: int, notes: Notes, channel: Channel, news: Condition) -> None:
        self.slot = slot
        self.page = notes.page(slot)
        self.channel: Channel | Shield = channel
        self.news = news
        self.exchange: Exchange | None = None
        # As threading.get_ident() tells; 0 until the thread has begun.
        self.thread = 0
        # True from before it looks into the queue until it has begun what it found there.
        self.is_reading = False
        # Locked while the thread does not stand by or watch; released to wake it.
        self.baton = allocate_lock()
        self.baton.acquire()
        self._notes = notes

    def clear_note(self) -> None:
        """The request of this seat is answered."""
        self._notes.clear(self.slot)


class Gate:
    """Decides who takes. `work(seat)` takes and runs until the seat is not the taker any more."""

    def __init__(
        self, seats: list[Seat], work: Callable[[Seat], None], stopped: Callable[[], None]
    ) -> None:
        self.seats = seats
        self.taker = seats[0]
        # False: whoever begins a request has to call `attend` when it has done so.
        self.is_watched = len(seats) == 1
        self.is_stopping = False
        self._work = work
        self._stopped = stopped
        self._has_stopped = False
        self._tick = TICK_SECONDS
        self._watched_at = 0.0
        self._alert_until = 0.0
        self._lock = allocate_lock()
        self._standing_by: list[Seat] = []
        self._unstarted = seats[:0:-1]
        self._threads: list[Thread] = []

    def run(self, seat: Seat) -> None:
        """The life of a thread that takes now; returns when taking has stopped."""
        self._work(seat)
        while self._stand_by(seat):
            self._work(seat)

    def attend(self) -> None:
        """Sees to it that somebody watches the taker, which has just begun a request."""
        with self._lock:
            if self.is_stopping:
                self._tell_stopped()
            elif self.is_watched:
                return
            elif self._standing_by:
                self.is_watched = True
                self._standing_by.pop().baton.release()
            elif self._unstarted:
                self.is_watched = True
                self._start(self._unstarted.pop())
            # Else every thread runs a request; the first one that is done watches.

    def stop(self) -> None:
        """Nobody begins to take any more; `stopped` is called once nobody can be about to."""
        with self._lock:
            self.is_stopping = True
            # From here on who still begins a request attends, and tells.
            self.is_watched = False
            for seat in self.seats:
                if seat.baton.locked():
                    seat.baton.release()
            self._tell_stopped()

    def leave(self) -> None:
        """A thread has seen that taking stops."""
        with self._lock:
            self._tell_stopped()

    def join(self) -> None:
        """Waits for the other threads; called by the first one, which has stopped taking."""
        for thread in self._threads:
            thread.join()

    def _tell_stopped(self) -> None:
        if self._has_stopped or any(seat.is_reading for seat in self.seats):
            return
        self._has_stopped = True
        self._stopped()

    def _start(self, seat: Seat) -> None:
        thread = Thread(
            target=self._watch_first, args=(seat,), name=f"typhon-{seat.slot}", daemon=True
        )
        self._threads.append(thread)
        thread.start()

    def _watch_first(self, seat: Seat) -> None:
        if self._watch(seat) or self._stand_by(seat):
            self.run(seat)

    # True: `seat` is to take. False: taking has stopped.
    def _stand_by(self, seat: Seat) -> bool:
        while not self.is_stopping:
            if not self._is_needed(seat):
                # Released by `attend` to watch, or by `stop`.
                seat.baton.acquire()
            if self._watch(seat):
                return True
        return False

    # Where the last free thread began a request, nobody was there to watch it: who comes next does.
    def _is_needed(self, seat: Seat) -> bool:
        with self._lock:
            if self.is_stopping:
                return True
            if not self.is_watched and self.taker.exchange is not None:
                self.is_watched = True
                return True
            self._standing_by.append(seat)
            return False

    # True: the taker is stuck, and `seat` takes. False: nothing runs, or taking stops.
    def _watch(self, seat: Seat) -> bool:
        idle = 0
        last = self._running()
        if time.monotonic() - self._watched_at > QUIET_SECONDS:
            self._tick = TICK_SECONDS
        while not self.is_stopping:
            # Released before its time by `stop` alone.
            seat.baton.acquire(timeout=self._tick)
            running = self._running()
            self._watched_at = time.monotonic()
            if running == 0:
                idle += 1
                if idle >= IDLE_TICKS and self._may_rest():
                    return False
            elif running == last:
                return self._take_over(seat)
            else:
                idle = 0
            last = running
            if self._watched_at >= self._alert_until:
                self._tick = min(2 * self._tick, MAX_TICK_SECONDS)
        return False

    # The order matters: a request that begins after the first line finds nobody watching and
    # attends; one that began before it is seen by the second.
    def _may_rest(self) -> bool:
        self.is_watched = False
        if self._running() == 0:
            return True
        with self._lock:
            if self.is_watched or self.is_stopping:
                return True
            self.is_watched = True
            return False

    def _take_over(self, seat: Seat) -> bool:
        with self._lock:
            if self.is_stopping:
                return False
            self.taker = seat
            self.is_watched = False
            self._tick = TICK_SECONDS
            self._alert_until = time.monotonic() + ALERT_SECONDS
            return True

    def _running(self) -> int:
        exchange = self.taker.exchange
        return 0 if exchange is None else exchange.request
