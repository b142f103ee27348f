"""Where an interrupt may hit and what it may leave behind, with one thread in this process."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Condition
from typing import Any

import pytest

from front import wait_until
from messages import Frame, frames_of, record
from typhon_worker.application.cancellation import RequestTimeout, find_setter
from typhon_worker.process import page_queue
from typhon_worker.process.channel import Channel
from typhon_worker.wire import frames
from typhon_worker.wire.settings import Settings
from typhon_worker.wsgi.exchange import ThreadSlot, WsgiExchange
from typhon_worker.wsgi.interrupt import Interrupter, InterruptGuard
from typhon_worker.wsgi.server import CALLERS, WsgiServer
from typhon_worker.wsgi.websocket import Sockets


class Bench:
    """A thread's slot with its channel in this process, whose thread serves one application."""

    def __init__(self, folder: Path) -> None:
        self.front, ours = socket.socketpair()
        self.channel = Channel(ours.detach())
        self.notes = page_queue.Notes(page_queue.create_notes(str(folder / "notes"), 1))
        self.changed = Condition()
        self.slot = ThreadSlot(0, self.notes, self.channel, self.changed)
        self.interrupter = Interrupter(self.channel, [self.slot], CALLERS)
        self._decoder = frames.FrameDecoder()
        self._frames: list[Frame] = []

    def serve(self, *apps: Callable[..., Any]) -> threading.Thread:
        """Runs them as the requests 1, 2 … of one thread."""

        def run() -> None:
            self.slot.bind_thread()
            for request, app in enumerate(apps, 1):
                names, values = record()
                exchange = WsgiExchange(self.slot, request, 0, 0.0, names, values, b"")
                self.slot.exchange = exchange
                WsgiServer(app, SETTINGS, sys.stderr, Sockets("")).serve(exchange)
                self.slot.exchange = None

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def next_frame(self) -> Frame:
        while not self._frames:
            chunk = self.front.recv(65_536)
            self._frames += frames_of(self._decoder, chunk)
        return self._frames.pop(0)

    def close(self) -> None:
        self.notes.close()
        self.front.close()
        os.close(self.channel.fd)


SETTINGS = Settings(
    {
        **dict.fromkeys(("app", "app_dir", "root_path", "software"), ""),
        "threads": 1,
        "workers": 1,
        "env": {},
    }
)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    made.front.settimeout(20)
    yield made
    made.close()


def fine(environ: Any, start_response: Any) -> list[bytes]:
    for _ in range(100_000):
        pass
    start_response("200 OK", [])
    return [b"fine"]


def test_what_is_raised_on_the_way_out_of_c_code_ends_the_request_only(bench: Bench) -> None:
    near, far = socket.socketpair()
    begun = threading.Event()

    def breaks(environ: Any, start_response: Any) -> list[bytes]:
        begun.set()
        # Its own failure leads straight into code of ours.
        return [near.recv(1)]

    with near, far:
        thread = bench.serve(breaks, fine)
        assert begun.wait(20)
        exchange = bench.slot.exchange
        assert exchange is not None
        exchange.is_cancelled = True
        bench.interrupter.interrupt(bench.slot, 1)
        guard = bench.slot.channel
        assert isinstance(guard, InterruptGuard)
        wait_until(lambda: guard._set_exception is not None, "the exception to be set")
        # Closed with something unread in it: a reset.
        near.send(b"unread")
        far.close()
        thread.join()
    last = bench.next_frame()
    assert (last.kind, last.request, last.is_end) == (frames.BODY, 1, True)
    following = bench.next_frame()
    assert (following.kind, following.request, following.body()) == (frames.HEAD, 2, b"fine")
    assert bench.slot.channel is bench.channel


def test_takes_back_what_is_set_before_it_sends_a_frame(bench: Bench) -> None:
    may_go_on = threading.Event()

    def waits(environ: Any, start_response: Any) -> list[bytes]:
        may_go_on.wait(20)
        return fine(environ, start_response)

    done: list[tuple[int, object]] = []

    def set_raised(thread: int, kind: type[BaseException] | None) -> None:
        done.append((thread, kind))

    thread = bench.serve(waits, fine)
    guard = bench.slot.channel = InterruptGuard(bench.channel, bench.slot, 1)
    wait_until(lambda: guard.try_interrupt(set_raised, CALLERS), "the application")
    assert done == [(thread.ident, RequestTimeout)]
    may_go_on.set()
    thread.join()
    assert done[1:] == [(thread.ident, None)]
    assert [bench.next_frame().body() for _ in range(2)] == [b"fine", b"fine"]


def test_interrupts_no_code_of_the_server_or_of_the_library_below_it(bench: Bench) -> None:
    def waits_for_credit(environ: Any, start_response: Any) -> list[bytes]:
        exchange = bench.slot.exchange
        assert exchange is not None
        exchange.granted = 1
        write = start_response("200 OK", [])
        write(b"x")
        write(b"y")
        return []

    set_raised = find_setter()
    assert set_raised is not None
    thread = bench.serve(waits_for_credit)
    assert bench.next_frame().body() == b"x"
    # Inside of threading.Condition, above us: an exception there could leave it locked.
    waiting: Any = bench.changed
    wait_until(lambda: waiting._waiters, "the wait for credit")
    guard = InterruptGuard(bench.channel, bench.slot, 1)
    for _ in range(20):
        assert not guard.try_interrupt(set_raised, CALLERS)
    exchange = bench.slot.exchange
    assert exchange is not None
    exchange.take_credit(1)
    thread.join()
    assert [bench.next_frame().payload for _ in range(2)] == [b"y", b""]
    # And when it has ended, there is nothing left to do.
    assert guard.try_interrupt(set_raised, CALLERS)
