"""Which thread leads: a stuck leader is replaced, a quick one is not, and stopping is told once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from front import DEADLINE, wait_until
from typhon_worker.wsgi import leader_followers
from typhon_worker.wsgi.leader_followers import LeaderFollowers


class Bench:
    """Threads that take work from `queue`, each piece a function that runs as one request."""

    def __init__(self, threads: int) -> None:
        self.slots: list[Any] = [self._make_slot(number) for number in range(threads)]
        self.queue: list[Callable[[], object]] = []
        self.ready = threading.Semaphore(0)
        # Numbers of the slots that ran a request, in the order of their beginning.
        self.ran: list[int] = []
        self.stops = 0
        self.group = LeaderFollowers(self.slots, self._work, self._on_stopped)
        self.first = threading.Thread(target=self._run)

    @staticmethod
    def _make_slot(number: int) -> Any:
        wakeup = threading.Lock()
        wakeup.acquire()
        return SimpleNamespace(number=number, wakeup=wakeup, exchange=None, is_reading=False)

    def _run(self) -> None:
        self.group.run(self.slots[0])
        self.group.join()

    def _on_stopped(self) -> None:
        self.stops += 1

    def _work(self, slot: Any) -> None:
        group = self.group
        while group.leader is slot:
            slot.is_reading = True
            if group.is_stopping:
                break
            # A thread that has stopped leading keeps the page that it was woken for.
            if not self.ready.acquire(timeout=0.01):
                continue
            request = len(self.ran) + 1
            self.ran.append(slot.number)
            slot.exchange = SimpleNamespace(request=request)
            slot.is_reading = False
            if not group.is_watched:
                group.ensure_watcher()
            self.queue[request - 1]()
            slot.exchange = None
        slot.is_reading = False
        if group.is_stopping:
            group.leave()

    def give(self, work: Callable[[], object]) -> None:
        self.queue.append(work)
        self.ready.release()

    def stop(self) -> None:
        self.group.stop()
        self.first.join(DEADLINE)
        assert not self.first.is_alive(), "the threads have not ended"


def quick() -> None:
    pass


@pytest.fixture
def gates() -> Any:
    return [threading.Event() for _ in range(3)]


def blocked(event: threading.Event) -> Callable[[], object]:
    return lambda: event.wait(DEADLINE)


def test_quick_requests_stay_with_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    # Longer than a busy machine may keep a thread from running.
    monkeypatch.setattr(leader_followers, "TICK_SECONDS", 2.0)
    bench = Bench(3)
    bench.first.start()
    for number in range(50):
        bench.give(quick)
        wait_until(lambda n=number: len(bench.ran) > n, "the request")
    bench.stop()
    assert set(bench.ran) == {0}
    assert bench.stops == 1


def test_another_thread_takes_while_the_leader_is_stuck(gates: list[threading.Event]) -> None:
    bench = Bench(2)
    bench.first.start()
    bench.give(blocked(gates[0]))
    bench.give(quick)
    wait_until(lambda: len(bench.ran) == 2, "the second thread")
    assert bench.ran == [0, 1]
    assert bench.group.leader is bench.slots[1]
    gates[0].set()
    bench.stop()


def test_as_many_run_at_once_as_there_are_threads(gates: list[threading.Event]) -> None:
    bench = Bench(3)
    bench.first.start()
    for event in gates:
        bench.give(blocked(event))
    bench.give(quick)
    wait_until(lambda: len(bench.ran) == 3, "three threads")
    assert sorted(bench.ran) == [0, 1, 2]
    assert bench.ready._value == 1
    # The first thread that is done watches the leader, which is stuck, and takes in its place.
    gates[0].set()
    wait_until(lambda: len(bench.ran) == 4, "the fourth request")
    assert bench.ran[3] == bench.ran[0]
    for event in gates:
        event.set()
    bench.stop()


def test_nobody_watches_when_nothing_runs() -> None:
    bench = Bench(2)
    bench.first.start()
    bench.give(quick)
    wait_until(lambda: bench.group._ends, "the watcher")
    wait_until(lambda: bench.group._followers, "the watcher's rest")
    # On a busy machine the quick request may seem stuck, and the other thread leads.
    wait_until(lambda: not bench.group.is_watched, "the end of the watch")
    assert bench.group._followers == [
        slot for slot in bench.slots if slot is not bench.group.leader
    ]
    bench.stop()


def test_stopping_is_told_once_and_after_what_was_being_read() -> None:
    bench = Bench(1)
    bench.slots[0].is_reading = True
    bench.group.stop()
    assert bench.stops == 0
    bench.slots[0].is_reading = False
    bench.group.ensure_watcher()
    bench.group.leave()
    assert bench.stops == 1


def test_one_thread_alone_needs_no_watcher() -> None:
    bench = Bench(1)
    assert bench.group.is_watched
    bench.first.start()
    bench.give(quick)
    wait_until(lambda: bench.ran == [0], "the request")
    bench.stop()
    assert bench.group._ends == []
