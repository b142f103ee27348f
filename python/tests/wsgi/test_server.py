"""PEP 3333 as an application sees it, in a real worker."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator

import pytest

from conftest import Serve, write_module
from front import Front, Worker, response_to
from messages import Frame
from typhon_worker.wire import frames

# Applications by path, so that one worker serves a whole file of tests.
APPS = '''
import io, os, sys
closed = []

def log_of_closed(environ, start_response):
    start_response("200 OK", [])
    text = ",".join(closed)
    closed.clear()
    return [text.encode()]

class Iterable:
    """Yields chunks; an exception among them is raised."""
    def __init__(self, name, chunks, on_close=None):
        self.name, self.chunks, self.on_close = name, iter(chunks), on_close
    def __iter__(self):
        return self
    def __next__(self):
        chunk = next(self.chunks)
        if isinstance(chunk, BaseException):
            raise chunk
        return chunk
    def close(self):
        closed.append(self.name)
        if self.on_close:
            raise self.on_close

def hello(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-A", "\\xe9")])
    return [b"Hello, ", b"world!"]

def single(environ, start_response):
    start_response("201 Made", [])
    return (b"one",)

def empty(environ, start_response):
    start_response("204 No Content", [])
    return []

def generator(environ, start_response):
    start_response("200 OK", [])
    yield b""
    yield b"a"
    yield b""
    yield b"b"

def late_start(environ, start_response):
    start_response("200 OK", [("X-Late", "1")])
    yield b"x"

def empty_generator(environ, start_response):
    start_response("200 OK", [("X-Empty", "1")])
    return iter([])

def writes(environ, start_response):
    write = start_response("200 OK", [])
    write(b"written ")
    write(b"")
    write(b"twice ")
    return [b"and returned"]

def declared(environ, start_response):
    start_response("200 OK", [("Content-Length", "4")])
    return Iterable("declared", [b"ab", b"cd"])

def declared_generator(environ, start_response):
    start_response("200 OK", [("Content-Length", "4")])
    yield b"ab"
    yield b"cd"

def large(environ, start_response):
    start_response("200 OK", [])
    return [b"x" * 700_000]

def file(environ, start_response):
    start_response("200 OK", [])
    stream = io.BytesIO(b"f" * 300_000)
    stream.seek(1)
    return environ["wsgi.file_wrapper"](stream, 10)

def short_file(environ, start_response):
    start_response("200 OK", [("Content-Length", "5")])
    return environ["wsgi.file_wrapper"](Iterable_file(b"0123456789"))

class Iterable_file(io.BytesIO):
    def close(self):
        closed.append("file")
        super().close()

def wrapped_file(environ, start_response):
    start_response("200 OK", [])
    return (block for block in environ["wsgi.file_wrapper"](io.BytesIO(b"abcdefg"), 3))

def head(environ, start_response):
    start_response("200 OK", [("Content-Length", "5")])
    return [b"hello"]

def head_stream(environ, start_response):
    start_response("200 OK", [])
    return Iterable("head", [b"a", RuntimeError("went on after the head")])

def replaced(environ, start_response):
    start_response("200 OK", [("X-First", "1"), ("Content-Length", "99")])
    try:
        raise ValueError("inside")
    except ValueError:
        start_response("500 Oops", [("X-Second", "1")], sys.exc_info())
    return [b"replaced"]

def replaced_late(environ, start_response):
    write = start_response("200 OK", [])
    write(b"out")
    try:
        raise ValueError("too late")
    except ValueError:
        start_response("500 Oops", [], sys.exc_info())
    return [b"never"]

def twice(environ, start_response):
    start_response("200 OK", [])
    start_response("200 OK", [])
    return []

def raises(environ, start_response):
    raise ValueError("on purpose")

def raises_chained(environ, start_response):
    try:
        raises(environ, start_response)
    except ValueError as error:
        raise KeyError("outer") from error

def raises_in_body(environ, start_response):
    start_response("200 OK", [])
    return Iterable("raises", [b"a", ValueError("in the body")])

def raises_before_body(environ, start_response):
    start_response("200 OK", [])
    return Iterable("before", [ValueError("before the body")])

def raises_in_close(environ, start_response):
    start_response("200 OK", [])
    return Iterable("close", [b"whole"], OSError("in close"))

def exits(environ, start_response):
    sys.exit(7)

def interrupts(environ, start_response):
    raise KeyboardInterrupt

def no_start(environ, start_response):
    return [b"body"]

def no_start_stream(environ, start_response):
    return iter([b"body"])

def no_start_no_body(environ, start_response):
    return iter([])

def returns_none(environ, start_response):
    start_response("200 OK", [])

def returns_bytes(environ, start_response):
    start_response("200 OK", [])
    return b"bytes"

def returns_text(environ, start_response):
    start_response("200 OK", [])
    return ["text"]

def yields_text(environ, start_response):
    start_response("200 OK", [])
    yield b"a"
    yield "text"

def status_number(environ, start_response):
    start_response(200, [])
    return []

def headers_dict(environ, start_response):
    start_response("200 OK", {"a": "b"})
    return []

def header_number(environ, start_response):
    start_response("200 OK", [("Content-Length", 5)])
    return []

def header_triple(environ, start_response):
    start_response("200 OK", [("a", "b", "c")])
    return []

def header_unicode(environ, start_response):
    start_response("200 OK", [("X-Euro", "\\u20ac")])
    return []

def too_many(environ, start_response):
    start_response("200 OK", [("Content-Length", "3")])
    return [b"abcd"]

def too_few(environ, start_response):
    start_response("200 OK", [("Content-Length", "5")])
    return [b"abcd"]

def too_many_later(environ, start_response):
    start_response("200 OK", [("Content-Length", "3")])
    return Iterable("many", [b"abc", b"d"])

def too_many_generated(environ, start_response):
    start_response("200 OK", [("Content-Length", "3")])
    yield b"abc"
    yield b"d"

def too_few_streamed(environ, start_response):
    start_response("200 OK", [("Content-Length", "5")])
    return Iterable("few", [b"ab", b"c"])

def nothing_declared_some(environ, start_response):
    start_response("200 OK", [("Content-Length", "5")])
    return iter([])

def not_modified(environ, start_response):
    start_response("304 Not Modified", [("Content-Length", "5")])
    return [b""]

def prints(environ, start_response):
    print("to stdout é")
    print("to stderr \\udc80", file=environ["wsgi.errors"])
    environ["wsgi.errors"].write("partial")
    environ["wsgi.errors"].flush()
    start_response("200 OK", [])
    return []

def app(environ, start_response):
    return globals()[environ["PATH_INFO"][1:]](environ, start_response)
'''


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    folder = tmp_path_factory.mktemp("wsgi")
    module = write_module(folder, APPS)
    with Front(f"{module}:app", str(folder)) as front:
        yield front.start_taking()


def ask(worker: Worker, name: str, method: str = "GET") -> int:
    return worker.front.ask(method, f"/{name}")


def closed(worker: Worker) -> str:
    return response_to(worker, ask(worker, "log_of_closed"))[1].decode()


def fault(worker: Worker, name: str, method: str = "GET") -> str:
    """The text of the fault, which is the only frame."""
    text = worker.expect(frames.FAULT, ask(worker, name, method)).text()
    assert "typhon_worker" not in text, text
    return text


def frames_from(worker: Worker, name: str, method: str = "GET") -> list[Frame]:
    """All frames of a response, up to the last one."""
    request = ask(worker, name, method)
    seen = [worker.next_frame()]
    while not (seen[-1].is_end or seen[-1].kind == frames.FAULT):
        seen.append(worker.next_frame())
    assert {frame.request for frame in seen} == {request}
    return seen


def test_sends_a_list_as_one_frame(worker: Worker) -> None:
    [frame] = frames_from(worker, "hello")
    assert frame.head() == ["200 OK", "Content-Type", "text/plain", "X-A", "\xe9"]
    assert frame.count == 2
    assert frame.body() == b"Hello, world!"


@pytest.mark.parametrize(
    ("name", "status", "body"),
    [
        ("single", "201 Made", b"one"),
        ("empty", "204 No Content", b""),
        ("empty_generator", "200 OK", b""),
        ("replaced", "500 Oops", b"replaced"),
    ],
)
def test_sends_in_one_frame(worker: Worker, name: str, status: str, body: bytes) -> None:
    [frame] = frames_from(worker, name)
    assert frame.head()[0] == status
    assert frame.body() == body
    assert frame.is_end


def test_sends_each_chunk_at_once_and_nothing_for_an_empty_one(worker: Worker) -> None:
    bodies = [(frame.body(), frame.is_end) for frame in frames_from(worker, "generator")]
    assert bodies == [(b"a", False), (b"b", False), (b"", True)]


def test_takes_the_head_that_a_generator_gives_when_it_begins(worker: Worker) -> None:
    assert frames_from(worker, "late_start")[0].head() == ["200 OK", "X-Late", "1"]


def test_sends_what_write_gets_before_what_is_returned(worker: Worker) -> None:
    bodies = [frame.body() for frame in frames_from(worker, "writes")]
    assert bodies == [b"written ", b"twice ", b"and returned", b""]


def test_ends_an_iterable_of_declared_length_with_its_last_chunk(worker: Worker) -> None:
    bodies = [(frame.body(), frame.is_end) for frame in frames_from(worker, "declared")]
    assert bodies == [(b"ab", False), (b"cd", False), (b"", True)]
    assert closed(worker) == "declared"
    bodies = [(frame.body(), frame.is_end) for frame in frames_from(worker, "declared_generator")]
    assert bodies == [(b"ab", False), (b"cd", False), (b"", True)]


def test_cuts_a_large_body_into_frames(worker: Worker) -> None:
    seen = frames_from(worker, "large")
    sizes = [len(frame.body()) for frame in seen]
    assert sizes == [262_144, 262_144, 175_712, 0]
    assert b"".join(frame.body() for frame in seen) == b"x" * 700_000


def test_sends_a_file_in_blocks_of_its_own_from_where_it_stands(worker: Worker) -> None:
    assert [len(frame.body()) for frame in frames_from(worker, "file")] == [262_144, 37_855, 0]


def test_sends_a_file_up_to_the_declared_length_and_closes_it(worker: Worker) -> None:
    [frame] = frames_from(worker, "short_file")
    assert frame.body() == b"01234"
    assert closed(worker) == "file"


def test_lets_middleware_iterate_a_file(worker: Worker) -> None:
    bodies = [frame.body() for frame in frames_from(worker, "wrapped_file")]
    assert bodies == [b"abc", b"def", b"g", b""]


def test_sends_no_body_to_head_and_checks_no_length(worker: Worker) -> None:
    [frame] = frames_from(worker, "head", "HEAD")
    assert frame.head() == ["200 OK", "Content-Length", "5"]
    assert frame.body() == b""
    assert frames_from(worker, "not_modified")[0].body() == b""
    assert frames_from(worker, "too_few", "HEAD")[0].is_end


def test_stops_a_stream_for_head_after_its_first_chunk_and_closes_it(worker: Worker) -> None:
    [frame] = frames_from(worker, "head_stream", "HEAD")
    assert frame.body() == b""
    assert closed(worker) == "head"


def test_replaces_the_head_with_exc_info_while_nothing_was_sent(worker: Worker) -> None:
    assert frames_from(worker, "replaced")[0].head() == ["500 Oops", "X-Second", "1"]


def test_raises_exc_info_when_the_head_was_sent(worker: Worker) -> None:
    first, last = frames_from(worker, "replaced_late")
    assert first.body() == b"out"
    assert last.kind == frames.FAULT
    assert last.text().endswith("ValueError: too late")


def test_refuses_a_second_start_response_without_exc_info(worker: Worker) -> None:
    text = fault(worker, "twice")
    assert text.endswith("AssertionError: start_response() was called again without exc_info")
    assert "in twice" in text


def test_tells_an_exception_with_the_frames_of_the_application_only(worker: Worker) -> None:
    text = fault(worker, "raises")
    assert text.startswith("Traceback (most recent call last):\n")
    assert 'raise ValueError("on purpose")' in text
    assert text.endswith("ValueError: on purpose")
    chained = fault(worker, "raises_chained")
    assert "ValueError: on purpose" in chained
    assert chained.endswith("KeyError: 'outer'")


def test_faults_after_the_head_when_the_body_raises_and_closes_once(worker: Worker) -> None:
    first, last = frames_from(worker, "raises_in_body")
    assert first.body() == b"a"
    assert last.kind == frames.FAULT
    assert closed(worker) == "raises"


def test_faults_without_a_head_when_the_body_raises_first(worker: Worker) -> None:
    assert fault(worker, "raises_before_body").endswith("ValueError: before the body")
    assert closed(worker) == "before"


def test_logs_what_close_raises_after_the_response(worker: Worker) -> None:
    request = ask(worker, "raises_in_close")
    assert response_to(worker, request)[1] == b"whole"
    log = worker.expect(frames.LOG, request)
    assert log.count == 3
    assert log.text().endswith("OSError: in close")
    assert closed(worker) == "close"


@pytest.mark.parametrize(
    ("name", "last_line"), [("exits", "SystemExit: 7"), ("interrupts", "KeyboardInterrupt")]
)
def test_survives_an_application_that_ends_its_program(
    worker: Worker, name: str, last_line: str
) -> None:
    assert fault(worker, name).endswith(last_line)
    assert frames_from(worker, "single")


NOT_STARTED = "the application returned without calling start_response()"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("no_start", NOT_STARTED),
        ("no_start_stream", "the application sent a body before calling start_response()"),
        ("no_start_no_body", NOT_STARTED),
        ("returns_none", "the application returned None; PEP 3333 wants an iterable of bytes"),
        ("returns_bytes", "the application returned bytes; PEP 3333 wants an iterable"),
        ("returns_text", "the application gave a str as body; PEP 3333 wants bytes"),
        ("status_number", "the status is an int, PEP 3333 wants a str"),
        ("headers_dict", "the headers are a dict, PEP 3333 wants a list"),
        ("header_number", "a header's value is an int, not a str"),
        ("header_triple", "a header is a tuple, PEP 3333 wants (name, value)"),
        ("header_unicode", "the value of header 'X-Euro' is not latin-1"),
        ("too_many", "gave at least 4 bytes of body, but its Content-Length says 3"),
        ("too_few", "gave 4 bytes of body, but its Content-Length says 5"),
        ("too_many_later", "gave at least 4 bytes of body, but its Content-Length says 3"),
        ("nothing_declared_some", "gave 0 bytes of body, but its Content-Length says 5"),
    ],
)
def test_names_the_fault(worker: Worker, name: str, text: str) -> None:
    assert text in fault(worker, name)
    closed(worker)


@pytest.mark.parametrize(
    ("name", "sent", "text"),
    [
        ("yields_text", [b"a"], "gave a str as body"),
        ("too_many_generated", [b"abc"], "at least 4 bytes of body, but its Content-Length says 3"),
        ("too_few_streamed", [b"ab", b"c"], "gave 3 bytes of body, but its Content-Length says 5"),
    ],
)
def test_names_the_fault_that_shows_after_the_head(
    worker: Worker, name: str, sent: list[bytes], text: str
) -> None:
    *before, last = frames_from(worker, name)
    assert [frame.body() for frame in before] == sent
    assert last.kind == frames.FAULT
    assert text in last.text()
    closed(worker)


def test_gives_the_application_line_buffered_streams(worker: Worker) -> None:
    frames_from(worker, "prints")
    assert worker.read_out() == "to stdout é\n"
    assert worker.read_err() == "to stderr \\udc80\npartial"


def test_stays_silent_under_the_validator(serve: Serve) -> None:
    front = serve(
        """
        import warnings
        warnings.simplefilter("error")
        from wsgiref.validate import validator

        @validator
        def app(environ, start_response):
            body = environ["wsgi.input"]
            seen = [body.read(2), body.readline(), b"".join(body.readlines()), b"".join(body)]
            environ["wsgi.errors"].write("noted\\n")
            environ["wsgi.errors"].flush()
            start_response("200 OK", [("Content-Type", "text/plain")])
            return iter([b"|".join(seen)])
        """,
        root_path="/app",
    )
    worker = front.start_taking()
    body = b"12345\n67890\nrest"
    fields = (("host", "a"), ("content-length", "16"), ("content-type", "text/plain"))
    assert response_to(worker, front.ask("POST", "/x", fields, body=body))[1] == (
        b"12|345\n|67890\nrest|"
    )
    assert response_to(worker, front.ask("GET", "/app/y%20z", query="a=b"))[1] == b"|||"
    assert worker.read_err() == "noted\nnoted\n"


def test_tells_since_when_it_ran_what_failed(worker: Worker) -> None:
    before = time.monotonic()
    request = ask(worker, "raises")
    worker.expect(frames.FAULT, request)
    told = worker.times[-1]
    assert told.request == request
    assert before <= struct.unpack("<d", told.payload)[0] <= time.monotonic()
