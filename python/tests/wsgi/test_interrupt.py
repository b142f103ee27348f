"""Deadlines: what is raised in the application, and that nothing else is struck."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import Serve, write_module
from front import IS_LONG, Front, Worker, response_to, wait_until
from typhon_worker.wire import frames

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
    tell_begun(environ)
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
    worker.send(frames.CANCEL, request, count=frames.DEADLINE)


def what_was_seen(worker: Worker) -> str:
    return response_to(worker, worker.front.ask(path="/what_was_seen"))[1].decode()


@pytest.mark.parametrize("name", ["loop", "steps", "library"])
def test_ends_what_runs_in_python_and_logs_nothing(
    worker: Worker, tmp_path: Path, name: str
) -> None:
    request = begin(worker, tmp_path, name)
    let_pass(worker, request)
    last = worker.expect(frames.BODY, request)
    assert (last.is_end, last.payload) == (True, b"")
    # The next frame is that of the next request: there was no line for the log.
    assert what_was_seen(worker) == ""
    assert worker.read_err() == ""
    wait_until(lambda: not worker.noted(), "an empty note")


def test_ends_a_generator_that_has_begun_to_answer(worker: Worker, tmp_path: Path) -> None:
    request = begin(worker, tmp_path, "generates")
    assert worker.expect(frames.HEAD, request).body() == b"first"
    let_pass(worker, request)
    last = worker.expect(frames.BODY, request)
    assert (last.is_end, last.payload) == (True, b"")


def test_tells_the_application_why_and_lets_it_clean_up(worker: Worker, tmp_path: Path) -> None:
    request = begin(worker, tmp_path, "cleans_up")
    let_pass(worker, request)
    assert worker.expect(frames.BODY, request).is_end
    why = "RequestTimeout: the request ran past its deadline"
    assert what_was_seen(worker) == f"{why}, cleaned up"


def test_interrupts_once_an_application_that_goes_on(worker: Worker, tmp_path: Path) -> None:
    request = begin(worker, tmp_path, "catches")
    let_pass(worker, request)
    let_pass(worker, request)
    assert worker.expect(frames.HEAD, request).body() == b"1"


def test_a_client_that_leaves_interrupts_nothing_but_can_be_asked_for(
    worker: Worker, tmp_path: Path
) -> None:
    request = begin(worker, tmp_path, "asks")
    worker.send(frames.CANCEL, request, count=CLIENT_GONE)
    assert worker.expect(frames.HEAD, request).body() == b"not interrupted"


def test_strikes_no_other_request_of_the_thread(worker: Worker) -> None:
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    for _ in range(200 if IS_LONG else 20):
        # Some have ended when the exception is about to be set, most have not.
        late = worker.front.ask(path="/spins", query=str(chance.randrange(10, 50)))
        next_one = worker.front.ask(path="/spins", query="5")
        wait_until(lambda late=late: worker.noted() != [] or worker.has_frame(), "the request")
        let_pass(worker, late)
        frame = worker.next_frame()
        ends = {(frames.HEAD, b"spun"), (frames.BODY, b"")}
        assert (frame.kind, frame.body()) in ends, f"seed {seed}"
        assert (frame.request, frame.is_end) == (late, True), f"seed {seed}"
        assert worker.expect(frames.HEAD, next_one).body() == b"spun", f"seed {seed}"


def test_raises_nothing_where_there_is_no_ctypes(serve: Serve, tmp_path: Path) -> None:
    front = serve("import sys\nsys.modules['ctypes'] = None\n" + APP)
    worker = front.start_taking()
    request = begin(worker, tmp_path, "asks")
    let_pass(worker, request)
    assert worker.expect(frames.HEAD, request).body() == b"not interrupted"
    assert worker.read_err() == ""
