"""Deadlines: what is raised in the application, where, and that nothing else is struck."""

from __future__ import annotations

import os
import random
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Condition
from typing import Any

import pytest

from conftest import Serve, write_module
from front import Front, Worker, answer_of, wait_until
from messages import Frame, record
from typhon_worker import interrupt, notes, wire
from typhon_worker.channel import Channel
from typhon_worker.gate import Seat
from typhon_worker.interrupt import Interrupter, Shield
from typhon_worker.settings import Settings
from typhon_worker.wsgi import CALLERS, Answer, WsgiServer

APP = """
import threading, time

seen = []

def tell_begun(environ):
    # Opening the FIFO waits for the test to do so too.
    open(environ["QUERY_STRING"], "w").close()

def loop(environ, start_response):
    tell_begun(environ)
    while True:
        pass

def steps(environ, start_response):
    tell_begun(environ)
    while True:
        time.sleep(0.001)

def library(environ, start_response):
    tell_begun(environ)
    never = threading.Event()
    while True:
        never.wait(0.001)

def cleans_up(environ, start_response):
    tell_begun(environ)
    try:
        while True:
            pass
    except Exception:
        seen.append("no exception")
    except BaseException as error:
        seen.append(f"{type(error).__name__}: {error}")
        raise
    finally:
        seen.append("cleaned up")

def generates(environ, start_response):
    start_response("200 OK", [])
    yield b"first"
    tell_begun(environ)
    while True:
        pass

def catches(environ, start_response):
    count = 0
    tell_begun(environ)
    try:
        while True:
            pass
    except BaseException:
        count += 1
    until = time.monotonic() + 0.1
    try:
        while time.monotonic() < until:
            pass
    except BaseException:
        count += 1
    start_response("200 OK", [])
    return [str(count).encode()]

def asks(environ, start_response):
    while not environ["typhon.client_gone"]():
        time.sleep(0.001)
    until = time.monotonic() + 0.1
    while time.monotonic() < until:
        pass
    start_response("200 OK", [])
    return [b"not interrupted"]

def spins(environ, start_response):
    until = time.monotonic() + int(environ["QUERY_STRING"]) / 1000
    while time.monotonic() < until:
        pass
    start_response("200 OK", [])
    return [b"spun"]

def what_was_seen(environ, start_response):
    start_response("200 OK", [])
    text = ", ".join(seen)
    seen.clear()
    return [text.encode()]

def app(environ, start_response):
    return globals()[environ["PATH_INFO"][1:]](environ, start_response)
"""

CLIENT_GONE = 1


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    folder = tmp_path_factory.mktemp("interrupt")
    module = write_module(folder, APP)
    with Front(f"{module}:app", str(folder)) as front:
        yield front.start_taking()


def begin(worker: Worker, folder: Path, name: str) -> int:
    """Asks, and waits until the application has begun."""
    path = folder / name
    os.mkfifo(path)
    request = worker.front.ask(path=f"/{name}", query=str(path))
    path.read_text()
    return request


def let_pass(worker: Worker, request: int) -> None:
    """Tells the worker that the deadline is over."""
    worker.send(wire.CANCEL, request, count=wire.DEADLINE)


def what_was_seen(worker: Worker) -> str:
    return answer_of(worker, worker.front.ask(path="/what_was_seen"))[1].decode()


@pytest.mark.parametrize("name", ["loop", "steps", "library"])
def test_ends_what_runs_in_python_and_logs_nothing(
    worker: Worker, tmp_path: Path, name: str
) -> None:
    request = begin(worker, tmp_path, name)
    let_pass(worker, request)
    last = worker.expect(wire.BODY, request)
    assert (last.is_end, last.payload) == (True, b"")
    # The next frame is that of the next request: there was no line for the log.
    assert what_was_seen(worker) == ""
    assert worker.read_err() == ""
    wait_until(lambda: not worker.noted(), "an empty note")


def test_ends_a_generator_that_has_begun_to_answer(worker: Worker, tmp_path: Path) -> None:
    request = begin(worker, tmp_path, "generates")
    assert worker.expect(wire.HEAD, request).body() == b"first"
    let_pass(worker, request)
    last = worker.expect(wire.BODY, request)
    assert (last.is_end, last.payload) == (True, b"")


def test_tells_the_application_why_and_lets_it_clean_up(worker: Worker, tmp_path: Path) -> None:
    request = begin(worker, tmp_path, "cleans_up")
    let_pass(worker, request)
    assert worker.expect(wire.BODY, request).is_end
    why = "RequestTimeout: the request ran past its deadline"
    assert what_was_seen(worker) == f"{why}, cleaned up"


def test_interrupts_once_an_application_that_goes_on(worker: Worker, tmp_path: Path) -> None:
    request = begin(worker, tmp_path, "catches")
    let_pass(worker, request)
    let_pass(worker, request)
    assert worker.expect(wire.HEAD, request).body() == b"1"


def test_a_client_that_leaves_interrupts_nothing_but_can_be_asked_for(worker: Worker) -> None:
    request = worker.front.ask(path="/asks")
    wait_until(lambda: worker.noted() == [request], "the request")
    worker.send(wire.CANCEL, request, count=CLIENT_GONE)
    assert worker.expect(wire.HEAD, request).body() == b"not interrupted"


def test_strikes_no_other_request_of_the_thread(worker: Worker) -> None:
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    for _ in range(60):
        # Some have ended when the exception is about to be set, most have not.
        late = worker.front.ask(path="/spins", query=str(chance.randrange(10, 50)))
        next_one = worker.front.ask(path="/spins", query="5")
        wait_until(lambda late=late: worker.noted() != [] or worker.has_frame(), "the request")
        let_pass(worker, late)
        frame = worker.next_frame()
        ends = {(wire.HEAD, b"spun"), (wire.BODY, b"")}
        assert (frame.kind, frame.body()) in ends, f"seed {seed}"
        assert (frame.request, frame.is_end) == (late, True), f"seed {seed}"
        assert worker.expect(wire.HEAD, next_one).body() == b"spun", f"seed {seed}"


def test_raises_nothing_where_there_is_no_ctypes(serve: Serve) -> None:
    front = serve("import sys\nsys.modules['ctypes'] = None\n" + APP)
    worker = front.start_taking()
    request = front.ask(path="/asks")
    wait_until(lambda: worker.noted() == [request], "the request")
    let_pass(worker, request)
    assert worker.expect(wire.HEAD, request).body() == b"not interrupted"
    assert worker.read_err() == ""


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
            self._frames += [Frame(*frame) for frame in self._decoder.push(chunk)]
        return self._frames.pop(0)

    def close(self) -> None:
        self.notes.close()
        self.front.close()
        os.close(self.channel.fd)


SETTINGS = Settings(
    {
        **dict.fromkeys(("app", "app_dir", "interface", "root_path", "software"), ""),
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

    set_raised = interrupt._find_setter()
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
