"""Where an interrupt may strike and what it may leave behind, with one thread in this process."""

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
from typhon_worker import interrupt, notes, wire
from typhon_worker.channel import Channel
from typhon_worker.gate import Seat
from typhon_worker.interrupt import Interrupter, Shield
from typhon_worker.settings import Settings
from typhon_worker.wsgi import CALLERS, Answer, WsgiServer


class Bench:
    """A seat with its channel in this process, whose thread serves one application."""

    def __init__(self, folder: Path) -> None:
        self.front, ours = socket.socketpair()
        self.channel = Channel(ours.detach())
        self.notes = notes.Notes(notes.create(str(folder / "notes"), 1), 1)
        self.news = Condition()
        self.seat = Seat(0, self.notes, self.channel, self.news)
        self.interrupter = Interrupter(self.channel, [self.seat], CALLERS)
        self._decoder = wire.FrameDecoder()
        self._frames: list[Frame] = []

    def serve(self, *apps: Callable[..., Any]) -> threading.Thread:
        """Runs them as the requests 1, 2 … of one thread."""

        def run() -> None:
            self.seat.thread = threading.get_ident()
            for request, app in enumerate(apps, 1):
                names, values = record()
                text = values.decode("latin-1")
                answer = Answer(self.seat, request, 0, 0.0, names, text, b"")
                self.seat.exchange = answer
                WsgiServer(app, SETTINGS, sys.stderr).serve(answer)
                self.seat.exchange = None

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
        exchange = bench.seat.exchange
        assert exchange is not None
        exchange.is_cancelled = True
        bench.interrupter.interrupt(bench.seat, 1)
        shield = bench.seat.channel
        assert isinstance(shield, Shield)
        wait_until(lambda: shield._set_raised is not None, "the exception to be set")
        # Closed with something unread in it: a reset.
        near.send(b"unread")
        far.close()
        thread.join()
    last = bench.next_frame()
    assert (last.kind, last.request, last.is_end) == (wire.BODY, 1, True)
    following = bench.next_frame()
    assert (following.kind, following.request, following.body()) == (wire.HEAD, 2, b"fine")
    assert bench.seat.channel is bench.channel


def test_takes_back_what_is_set_before_it_sends_a_frame(bench: Bench) -> None:
    gate = threading.Event()

    def waits(environ: Any, start_response: Any) -> list[bytes]:
        gate.wait(20)
        return fine(environ, start_response)

    done: list[tuple[int, object]] = []

    def set_raised(thread: int, kind: type[BaseException] | None) -> None:
        done.append((thread, kind))

    thread = bench.serve(waits, fine)
    shield = bench.seat.channel = Shield(bench.channel, bench.seat, 1)
    wait_until(lambda: shield.strike(set_raised, CALLERS), "the application")
    assert done == [(thread.ident, interrupt.RequestTimeout)]
    gate.set()
    thread.join()
    assert done[1:] == [(thread.ident, None)]
    assert [bench.next_frame().body() for _ in range(2)] == [b"fine", b"fine"]


def test_strikes_no_code_of_the_server_or_of_the_library_below_it(bench: Bench) -> None:
    def waits_for_credit(environ: Any, start_response: Any) -> list[bytes]:
        exchange = bench.seat.exchange
        assert exchange is not None
        exchange.granted = 1
        write = start_response("200 OK", [])
        write(b"x")
        write(b"y")
        return []

    set_raised = interrupt.find_setter()
    assert set_raised is not None
    thread = bench.serve(waits_for_credit)
    assert bench.next_frame().body() == b"x"
    # Inside of threading.Condition, above us: an exception there could leave it locked.
    waiting: Any = bench.news
    wait_until(lambda: waiting._waiters, "the wait for credit")
    shield = Shield(bench.channel, bench.seat, 1)
    for _ in range(20):
        assert not shield.strike(set_raised, CALLERS)
    exchange = bench.seat.exchange
    assert exchange is not None
    with bench.news:
        exchange.take_credit(1)
        bench.news.notify_all()
    thread.join()
    assert [bench.next_frame().payload for _ in range(2)] == [b"y", b""]
    # And when it has ended, there is nothing left to do.
    assert shield.strike(set_raised, CALLERS)
