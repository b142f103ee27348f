"""Leader/followers: which thread of this worker may take from the queue.

One thread, the leader, takes and runs requests. A second one, the watcher, looks every few
milliseconds whether the leader still runs the same request, and if so becomes the leader. So idle
processes get requests before busy ones, and threads do not compete for the interpreter's lock as
long as requests are short.

                ┌────────── the leader runs the same request at two ticks ─────────┐
    follower ──▶ watcher                                                           ▼
      ▲   ▲  (woken by the leader) ── the leader ran nothing for some ticks ──┐  leader
      │   └───────────────────────────────────────────────────────────────────┘    │
      └──────── its request is done, and another thread has become the leader ─────┘

While the leader runs nothing, nobody watches and no thread wakes up.
"""

from __future__ import annotations

from collections.abc import Callable

from typhon_worker.process.native import LockType, allocate_lock, monotonic, start_thread

from .exchange import ThreadSlot

# Too short for a person to notice, and longer than nearly every request that does not wait for
# something.
TICK_SECONDS = 0.005
# Each tick without a stuck request doubles the next one, up to this. A watcher has to win the
# interpreter's lock from a busy leader, which takes dozens of wake-ups: ticks of 5 ms throughout
# cost 3 % of the CPU of a Flask hello (worker-hello.py).
MAX_TICK_SECONDS = 0.080
# After a request was stuck another one is likely, and ticks stay short for this long.
ALERT_SECONDS = 2.0
# After such a pause between requests ticks are short again: a first request after a pause is the
# one whose delay a person notices.
QUIET_SECONDS = 0.5
# After so many ticks without a request the watcher stops watching. Not after the first one, because
# waking a watcher costs the leader a system call.
IDLE_TICKS = 3


class LeaderFollowers:
    """Decides which thread leads. `work(slot)` takes and runs requests while `slot` leads."""

    def __init__(
        self,
        slots: list[ThreadSlot],
        work: Callable[[ThreadSlot], None],
        on_stopped: Callable[[], None],
    ) -> None:
        self.slots = slots
        self.leader = slots[0]
        # False: a leader that has begun a request has to call `ensure_watcher`.
        self.is_watched = len(slots) == 1
        self.is_stopping = False
        self._work = work
        self._on_stopped = on_stopped
        self._has_stopped = False
        self._tick = TICK_SECONDS
        self._watched_at = 0.0
        self._alert_until = 0.0
        self._lock = allocate_lock()
        self._followers: list[ThreadSlot] = []
        # Slots whose threads have not been started: they are started when they are needed.
        self._unstarted = slots[:0:-1]
        # One for each thread that was started, released when the thread has ended.
        self._ends: list[LockType] = []

    def run(self, slot: ThreadSlot) -> None:
        """Runs a thread that leads now; returns when taking has stopped."""
        self._work(slot)
        while self._follow(slot):
            self._work(slot)

    def ensure_watcher(self) -> None:
        """Gives the leader, which has just begun a request, a watcher if a thread is free."""
        with self._lock:
            if self.is_stopping:
                self._tell_stopped()
            elif self.is_watched:
                return
            elif self._followers:
                self.is_watched = True
                self._followers.pop().wakeup.release()
            elif self._unstarted:
                self.is_watched = True
                self._start(self._unstarted.pop())
            # Else every thread runs a request, and the first one that is done watches.

    def stop(self) -> None:
        """Stops taking; `on_stopped` is called once no thread can be about to take."""
        with self._lock:
            self.is_stopping = True
            # A thread that still begins a request calls `ensure_watcher`, which tells.
            self.is_watched = False
            for slot in self.slots:
                if slot.wakeup.locked():
                    slot.wakeup.release()
            self._tell_stopped()

    def leave(self) -> None:
        """Called by a thread that has seen that taking stops."""
        with self._lock:
            self._tell_stopped()

    def join(self) -> None:
        """Waits for the other threads; called by the first one, which has stopped taking."""
        for end in self._ends:
            end.acquire()

    def _tell_stopped(self) -> None:
        if self._has_stopped or any(slot.is_reading for slot in self.slots):
            return
        self._has_stopped = True
        self._on_stopped()

    def _start(self, slot: ThreadSlot) -> None:
        self._ends.append(start_thread(lambda: self._begin(slot), f"typhon-{slot.number}"))

    # A thread is started as a watcher.
    def _begin(self, slot: ThreadSlot) -> None:
        if self._watch(slot) or self._follow(slot):
            self.run(slot)

    # Returns True if `slot` has become the leader, False if taking has stopped.
    def _follow(self, slot: ThreadSlot) -> bool:
        while not self.is_stopping:
            if not self._has_to_watch(slot):
                # Released by `ensure_watcher`, to watch, or by `stop`.
                slot.wakeup.acquire()
            if self._watch(slot):
                return True
        return False

    # Whether the leader has a request and no watcher, because no thread was free when the request
    # began. Otherwise `slot` becomes a follower.
    def _has_to_watch(self, slot: ThreadSlot) -> bool:
        with self._lock:
            if self.is_stopping:
                return True
            if not self.is_watched and self.leader.exchange is not None:
                self.is_watched = True
                return True
            self._followers.append(slot)
            return False

    # Returns True if the leader is stuck and `slot` has become the leader, False if there is
    # nothing to watch or taking has stopped.
    def _watch(self, slot: ThreadSlot) -> bool:
        idle = 0
        last = self._running()
        if monotonic() - self._watched_at > QUIET_SECONDS:
            self._tick = TICK_SECONDS
        while not self.is_stopping:
            # Acquired before the tick ends only after `stop`.
            slot.wakeup.acquire(timeout=self._tick)
            running = self._running()
            self._watched_at = monotonic()
            if running == 0:
                idle += 1
                if idle >= IDLE_TICKS and self._may_stop_watching():
                    return False
            elif running == last:
                return self._become_leader(slot)
            else:
                idle = 0
            last = running
            if self._watched_at >= self._alert_until:
                self._tick = min(2 * self._tick, MAX_TICK_SECONDS)
        return False

    # The order matters. A request that begins after `is_watched` is cleared calls `ensure_watcher`;
    # one that began before is seen by the look at what runs.
    def _may_stop_watching(self) -> bool:
        self.is_watched = False
        if self._running() == 0:
            return True
        with self._lock:
            if self.is_watched or self.is_stopping:
                return True
            self.is_watched = True
            return False

    def _become_leader(self, slot: ThreadSlot) -> bool:
        with self._lock:
            if self.is_stopping:
                return False
            self.leader = slot
            self.is_watched = False
            self._tick = TICK_SECONDS
            self._alert_until = monotonic() + ALERT_SECONDS
            return True

    # The id of the leader's request, 0 if there is none.
    def _running(self) -> int:
        exchange = self.leader.exchange
        return 0 if exchange is None else exchange.request
