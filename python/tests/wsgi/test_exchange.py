"""Credit, cancels, and what is fetched over the channel."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import Serve, write_module
from front import IS_LONG, Front, Worker, response_to, wait_until
from messages import encode_page, record
from typhon_worker.wire import frames, pages

APP = """
import resource, sys

closed = []

class Endless:
    def __init__(self, chunk):
        self.chunk = chunk
        self.has_failed = False
    def __iter__(self):
        return self
    def __next__(self):
        return self.chunk
    def close(self):
        closed.append("endless")

def endless(environ, start_response):
    start_response("200 OK", [])
    return Endless(b"x" * 50_000)

def endless_live(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/event-stream")])
    return Endless(b"x" * 50_000)

def endless_write(environ, start_response):
    write = start_response("200 OK", [])
    try:
        while True:
            write(b"x" * 50_000)
    except ConnectionError as error:
        closed.append(type(error).__name__)
        raise

def stubborn(environ, start_response):
    write = start_response("200 OK", [])
    for _ in range(100):
        try:
            write(b"x" * 50_000)
        except ConnectionError:
            pass
    closed.append("stubborn")
    return [b"more"]

def slow_head(environ, start_response):
    # Cancelled before it has said anything.
    environ["wsgi.input"].read()
    start_response("200 OK", [])
    return Endless(b"x")

def large(environ, start_response):
    start_response("200 OK", [])
    return [b"y" * 3_000_000]

def echo(environ, start_response):
    start_response("200 OK", [("X-Length", environ.get("CONTENT_LENGTH", "none"))])
    return [environ["wsgi.input"].read()]

def ignore(environ, start_response):
    start_response("200 OK", [])
    return [environ["QUERY_STRING"][:10].encode()]

def lines(environ, start_response):
    start_response("200 OK", [])
    return [str([len(line) for line in environ["wsgi.input"]]).encode()]

def what_was_closed(environ, start_response):
    start_response("200 OK", [])
    text = ",".join(closed)
    closed.clear()
    return [text.encode()]

def peak(environ, start_response):
    start_response("200 OK", [])
    return [str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss).encode()]

def megabytes(environ, start_response):
    start_response("200 OK", [])
    chunk = b"z" * 1_000_000
    for _ in range(int(environ["QUERY_STRING"])):
        yield chunk

def read_all(environ, start_response):
    size = 0
    while piece := environ["wsgi.input"].read(100_000):
        size += len(piece)
    start_response("200 OK", [])
    return [str(size).encode()]

def app(environ, start_response):
    return globals()[environ["PATH_INFO"][1:]](environ, start_response)
"""


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    folder = tmp_path_factory.mktemp("exchange")
    module = write_module(folder, APP)
    with Front(f"{module}:app", str(folder)) as front:
        yield front.start_taking()


def closed(worker: Worker) -> str:
    return response_to(worker, worker.front.ask(path="/what_was_closed"))[1].decode()


def receive(worker: Worker, request: int, size: int) -> None:
    """Takes exactly so many bytes of body."""
    while size > 0:
        frame = worker.next_frame()
        assert frame.request == request
        assert not frame.is_end
        assert len(frame.body()) <= 262_144
        size -= len(frame.body())
    assert size == 0


def grant(worker: Worker, request: int, size: int) -> None:
    worker.send(frames.CREDIT, request, struct.pack("<I", size))


def cancel(worker: Worker, request: int) -> None:
    """Cancels, and takes what comes up to the one last frame, which is an empty end."""
    worker.send(frames.CANCEL, request, count=1)
    while True:
        frame = worker.next_frame()
        assert frame.request == request
        if frame.is_end:
            break
    assert (frame.kind, frame.payload) == (frames.BODY, b"")
    wait_until(lambda: not worker.noted(), "an empty note")


@pytest.mark.parametrize("name", ["endless", "endless_write"])
def test_sends_exactly_what_it_has_credit_for(worker: Worker, name: str) -> None:
    request = worker.front.ask(path=f"/{name}")
    receive(worker, request, 1_048_576)
    assert not worker.has_frame()
    grant(worker, request, 1)
    receive(worker, request, 1)
    grant(worker, request, 300_000)
    receive(worker, request, 300_000)
    assert not worker.has_frame()
    assert worker.noted() == [request]
    cancel(worker, request)
    assert closed(worker) == {"endless": "endless", "endless_write": "ClientGone"}[name]


def test_sends_less_of_a_live_response_ahead_of_its_client(worker: Worker) -> None:
    request = worker.front.ask(path="/endless_live")
    receive(worker, request, 262_144)
    assert not worker.has_frame()
    grant(worker, request, 65_536)
    receive(worker, request, 65_536)
    assert not worker.has_frame()
    cancel(worker, request)
    assert closed(worker) == "endless"


def test_a_response_without_a_body_begins_with_the_first_write(worker: Worker) -> None:
    request = worker.front.ask("HEAD", "/endless_write")
    assert worker.expect(frames.HEAD, request).body() == b""
    cancel(worker, request)
    assert closed(worker) == "ClientGone"


def test_sends_a_large_body_as_credit_comes(worker: Worker) -> None:
    _, body = response_to(worker, worker.front.ask(path="/large"))
    assert body == b"y" * 3_000_000


def test_closes_the_iterable_once_when_the_client_leaves_while_it_yields(worker: Worker) -> None:
    request = worker.front.ask(path="/endless")
    worker.expect(frames.HEAD, request)
    cancel(worker, request)
    assert closed(worker) == "endless"


def test_ends_a_cancelled_request_that_goes_on_writing(worker: Worker) -> None:
    request = worker.front.ask(path="/stubborn")
    receive(worker, request, 1_048_576)
    cancel(worker, request)
    assert closed(worker) == "stubborn"


def test_cancels_a_request_that_waits_for_its_body(worker: Worker) -> None:
    request = worker.front.ask("POST", "/slow_head", flags=pages.BODY_ON_CHANNEL)
    worker.expect(frames.FETCH, request)
    cancel(worker, request)


def test_forgets_what_is_about_a_request_that_has_ended(worker: Worker) -> None:
    request = worker.front.ask(path="/ignore", query="q")
    response_to(worker, request)
    worker.send(frames.CANCEL, request, count=1)
    grant(worker, request, 5)
    worker.send(frames.INPUT, request, b"late", flags=frames.END)
    worker.send(frames.RECORD, request, frames._PAIR.pack(0, 0))
    assert response_to(worker, worker.front.ask(path="/ignore", query="r"))[1] == b"r"


def test_fetches_a_body_when_it_is_read(worker: Worker) -> None:
    fields = (("content-length", "300000"),)
    request = worker.front.ask("POST", "/echo", fields, flags=pages.BODY_ON_CHANNEL)
    worker.expect(frames.FETCH, request)
    body = bytes(range(256)) * 1171 + b"x" * 224
    worker.send(frames.INPUT, request, body[:262_144])
    worker.send(frames.INPUT, request, body[262_144:], flags=frames.END)
    frame = worker.expect(frames.HEAD, request)
    assert frame.head()[2] == "300000"
    received = frame.body()
    while not frame.is_end:
        frame = worker.expect(frames.BODY, request)
        received += frame.payload
    assert received == body


def test_fetches_nothing_for_an_application_that_does_not_read(worker: Worker) -> None:
    request = worker.front.ask("POST", "/ignore", flags=pages.BODY_ON_CHANNEL, query="unread")
    assert worker.expect(frames.HEAD, request).body() == b"unread"


def test_reads_lines_of_a_fetched_body(worker: Worker) -> None:
    request = worker.front.ask("POST", "/lines", flags=pages.BODY_ON_CHANNEL)
    worker.expect(frames.FETCH, request)
    for piece in (b"ab", b"c\nd", b"\n"):
        worker.send(frames.INPUT, request, piece)
    worker.send(frames.INPUT, request, b"", flags=frames.END)
    assert worker.expect(frames.HEAD, request).body() == b"[4, 2]"


def test_fetches_a_record_that_did_not_fit_and_its_body_at_once(worker: Worker) -> None:
    front = worker.front
    request = front.next_id()
    front.put(encode_page(request, pages.RECORD_ON_CHANNEL | pages.BODY_ON_CHANNEL))
    worker.expect(frames.FETCH, request)
    fields = (("cookie", "c" * 9000), ("content-length", "4"))
    names, values = record("POST", "/echo", fields)
    lengths = struct.pack("<II", len(names), len(values))
    worker.send(frames.RECORD, request, lengths + names + values)
    worker.send(frames.INPUT, request, b"body", flags=frames.END)
    frame = worker.expect(frames.HEAD, request)
    assert frame.head() == ["200 OK", "X-Length", "4"]
    assert frame.body() == b"body"


def test_fetches_a_record_whose_body_is_in_a_file(worker: Worker, tmp_path: Path) -> None:
    path = tmp_path / "body"
    path.write_bytes(b"from a file")
    front = worker.front
    request = front.next_id()
    front.put(encode_page(request, pages.RECORD_ON_CHANNEL | pages.BODY_IN_FILE))
    worker.expect(frames.FETCH, request)
    names, values = record("POST", "/echo", body_file=str(path), body_length="11")
    worker.send(
        frames.RECORD, request, struct.pack("<II", len(names), len(values)) + names + values
    )
    frame = worker.expect(frames.HEAD, request)
    assert frame.head()[2] == "11"
    assert frame.body() == b"from a file"


def test_cancels_a_request_that_waits_for_its_record(worker: Worker) -> None:
    request = worker.front.next_id()
    worker.front.put(encode_page(request, pages.RECORD_ON_CHANNEL))
    worker.expect(frames.FETCH, request)
    cancel(worker, request)


def test_faults_when_the_body_file_has_gone(worker: Worker) -> None:
    request = worker.front.ask("POST", "/echo", flags=pages.BODY_IN_FILE, body_file="/nowhere/b")
    assert "FileNotFoundError" in worker.expect(frames.FAULT, request).text()


def test_large_bodies_pass_through_flat_memory_both_ways(worker: Worker, tmp_path: Path) -> None:
    megabytes = 1000 if IS_LONG else 200

    def peak() -> int:
        return int(response_to(worker, worker.front.ask(path="/peak"))[1])

    before = peak()
    request = worker.front.ask(path="/megabytes", query=str(megabytes))
    frame = worker.expect(frames.HEAD, request)
    size = len(frame.body())
    while not frame.is_end:
        frame = worker.expect(frames.BODY, request)
        size += len(frame.payload)
        if frame.payload:
            grant(worker, request, len(frame.payload))
    assert size == megabytes * 1_000_000
    path = tmp_path / "body"
    with path.open("wb") as file:
        file.truncate(megabytes * 1_000_000)
    request = worker.front.ask(
        "POST",
        "/read_all",
        flags=pages.BODY_IN_FILE,
        body_file=str(path),
        body_length=str(megabytes * 1_000_000),
    )
    assert int(worker.expect(frames.HEAD, request).body()) == megabytes * 1_000_000
    assert peak() - before < 8 * 1024


@pytest.mark.parametrize(
    ("kind", "payload", "text"),
    [
        (0x7F, b"", "a frame of type 0x7f and 0 bytes"),
        (frames.HEAD, b"", "a frame of type 0x10"),
        (frames.CREDIT, b"12", "a CREDIT frame of 2 bytes"),
        (frames.RECORD, b"12", "a RECORD frame without lengths"),
        (frames.INPUT, b"unasked", "an INPUT frame that request 1 has no use for"),
    ],
)
def test_says_that_the_channel_is_broken_and_exits(
    serve: Serve, kind: int, payload: bytes, text: str
) -> None:
    front = serve(APP)
    worker = front.start_taking()
    request = front.ask(path="/endless")
    receive(worker, request, 1_048_576)
    worker.send(kind, request, payload)
    assert worker.expect(frames.LOG).text() == f"the channel carried {text}"
    assert front.hear("ended")["code"] == 1


def test_exits_when_a_frame_of_the_front_does_not_go_on(serve: Serve) -> None:
    front = serve(
        """
        from typhon_worker.process import channel
        channel.FRAME_MS = 50
        def app(environ, start_response):
            start_response("200 OK", [])
            return [b"x"]
        """
    )
    worker = front.start_taking()
    assert worker.channel is not None
    worker.channel.sendall(frames.encode(frames.CREDIT, 1, bytes(4))[:-1])
    fault = "the channel carried a frame that was begun and not ended"
    assert worker.expect(frames.LOG).text() == fault
    assert front.hear("ended")["code"] == 1


def test_refuses_more_input_than_can_be_held(serve: Serve) -> None:
    front = serve(APP)
    worker = front.start_taking()
    request = front.next_id()
    front.put(encode_page(request, pages.RECORD_ON_CHANNEL | pages.BODY_ON_CHANNEL))
    worker.expect(frames.FETCH, request)
    for _ in range(5):
        worker.send(frames.INPUT, request, bytes(262_144))
    assert "bytes of body" in worker.expect(frames.LOG).text()
    assert front.hear("ended")["code"] == 1


def test_exits_when_the_channel_ends(serve: Serve) -> None:
    front = serve(APP)
    worker = front.start_taking()
    assert worker.channel is not None
    worker.channel.close()
    worker.channel = None
    assert front.hear("ended")["code"] == 1
