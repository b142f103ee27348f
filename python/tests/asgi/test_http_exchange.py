"""What an ASGI application answers, and what it is told when it breaks a rule."""

from __future__ import annotations

import pytest

from conftest import Serve
from front import Worker, response_to, wait_until
from typhon_worker.wire import frames

APP = """
import asyncio, sys

told = []

def start(status=200, *headers, **more):
    return {"type": "http.response.start", "status": status, "headers": headers, **more}

def body(chunk=b"", more=False):
    return {"type": "http.response.body", "body": chunk, "more_body": more}

async def hello(scope, receive, send):
    await send(start(200, (b"Content-Type", b"text/plain")))
    await send(body(b"hello"))

async def waits(scope, receive, send):
    await asyncio.sleep(0)
    await hello(scope, receive, send)

async def defaults(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body"})

async def chunks(scope, receive, send):
    await send(start())
    for chunk in (b"one", b"", b"two"):
        await send(body(chunk, True))
    await send(body())

async def flushes(scope, receive, send):
    await send(start())
    await send(body(b"", True))
    await send(body(b"later"))

async def lists(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": iter([[b"a", b"b"]])})
    await send(body(bytearray(b"an array"), True))
    await send(body(memoryview(b" and a view")))

async def length(scope, receive, send):
    given, said = scope["query_string"].split(b",")
    await send(start(200, (b"content-length", said)))
    await send(body(b"x" * int(given)))

async def length_of_chunks(scope, receive, send):
    given, said = scope["query_string"].split(b",")
    await send(start(200, (b"content-length", said)))
    for _ in range(int(given)):
        await send(body(b"x", True))
    await send(body())

async def status(scope, receive, send):
    await send(start(int(scope["query_string"])))
    await send(body(b"body"))

async def large(scope, receive, send):
    await send(start())
    await send(body(b"y" * 1_000_000))

async def nothing(scope, receive, send):
    pass

async def no_end(scope, receive, send):
    await send(start())
    if scope["query_string"]:
        await send(body(b"begun", True))

async def raises(scope, receive, send):
    if scope["query_string"]:
        await send(start())
        await send(body(b"begun", True))
    raise ValueError("on purpose")

async def raises_after(scope, receive, send):
    await hello(scope, receive, send)
    await asyncio.sleep(0)
    raise ValueError("on purpose")

async def exits(scope, receive, send):
    sys.exit(3)

async def breaks(scope, receive, send):
    messages = {
        "body_first": [body()],
        "start_twice": [start(), start()],
        "start_after": [start(), body(b"", True), start()],
        "after_end": [start(), body(), body()],
        "unknown": [{"type": "http.response.unknown"}],
        "unknown_later": [start(), {"type": "http.response.unknown"}],
        "trailers": [start(), body(b"", True), {"type": "http.response.trailers"}],
        "text_body": [start(), body("text")],
        "text_name": [start(200, ("name", b"value"))],
        "text_value": [start(200, (b"name", "value"))],
        "pair": [start(200, (b"name",))],
        "headers": [{"type": "http.response.start", "status": 200, "headers": 5}],
        "text_status": [start("200 OK")],
        "no_type": [{}],
        "websocket": [{"type": "websocket.accept"}],
    }[scope["query_string"].decode()]
    try:
        for message in messages:
            await send(message)
    except Exception as error:
        told.append(f"{type(error).__name__}: {error}")
        raise

async def what_was_told(scope, receive, send):
    await send(start())
    await send(body(told.pop().encode() if told else b""))

async def app(scope, receive, send):
    await globals()[scope["path"][1:]](scope, receive, send)
"""


def get_response(
    worker: Worker, path: str, method: str = "GET", **more: str
) -> tuple[list[str], bytes]:
    return response_to(worker, worker.front.ask(method, path, **more))


@pytest.mark.parametrize("path", ["/hello", "/waits"])
def test_sends_a_response_that_is_there_whole_in_one_frame(worker: Worker, path: str) -> None:
    request = worker.front.ask(path=path)
    frame = worker.expect(frames.HEAD, request)
    assert (frame.is_end, frame.count, frame.body()) == (True, 1, b"hello")
    assert frame.head() == ["200 OK", "Content-Type", "text/plain"]
    wait_until(lambda: not worker.noted(), "an empty note")


def test_takes_what_is_left_out_for_its_default(worker: Worker) -> None:
    assert get_response(worker, "/defaults") == (["200 OK"], b"")


def test_sends_chunks_as_they_come_and_nothing_for_empty_ones(worker: Worker) -> None:
    request = worker.front.ask(path="/chunks")
    assert worker.expect(frames.HEAD, request).body() == b"one"
    assert worker.expect(frames.BODY, request).payload == b"two"
    last = worker.expect(frames.BODY, request)
    assert (last.is_end, last.payload) == (True, b"")


def test_sends_the_head_with_the_first_body_even_an_empty_one(worker: Worker) -> None:
    request = worker.front.ask(path="/flushes")
    head = worker.expect(frames.HEAD, request)
    assert (head.is_end, head.body()) == (False, b"")
    assert worker.expect(frames.BODY, request).payload == b"later"


def test_takes_any_iterable_of_headers_and_any_bytes(worker: Worker) -> None:
    assert get_response(worker, "/lists") == (["200 OK", "a", "b"], b"an array and a view")


@pytest.mark.parametrize(
    ("status", "line"),
    [("200", "200 OK"), ("404", "404 Not Found"), ("299", "299 "), ("599", "599 ")],
)
def test_adds_the_reason_to_the_status(worker: Worker, status: str, line: str) -> None:
    assert get_response(worker, "/status", query=status)[0] == [line]


@pytest.mark.parametrize(("method", "status"), [("HEAD", "200"), ("GET", "204"), ("GET", "304")])
def test_keeps_a_body_that_may_not_be_sent(worker: Worker, method: str, status: str) -> None:
    assert get_response(worker, "/status", method, query=status)[1] == b""


def test_sends_a_large_body_as_credit_comes(worker: Worker) -> None:
    assert get_response(worker, "/large")[1] == b"y" * 1_000_000


@pytest.mark.parametrize("path", ["/length", "/length_of_chunks"])
def test_holds_a_body_to_its_length(worker: Worker, path: str) -> None:
    assert get_response(worker, path, query="5,5") == (["200 OK", "content-length", "5"], b"xxxxx")
    assert get_response(worker, path, "HEAD", query="3,5")[0] == ["200 OK", "content-length", "5"]
    for query, text in (("6,5", "longer"), ("4,5", "shorter")):
        request = worker.front.ask(path=path, query=query)
        frame = worker.next_frame()
        while frame.kind != frames.FAULT:
            assert frame.request == request
            frame = worker.next_frame()
        assert f"RuntimeError: Response content {text} than Content-Length" in frame.text()
    wait_until(lambda: not worker.noted(), "an empty note")


@pytest.mark.parametrize(
    ("path", "query", "text"),
    [
        ("/nothing", "", "ASGI callable returned without starting response."),
        ("/no_end", "", "ASGI callable returned without completing response."),
        ("/no_end", "begun", "ASGI callable returned without completing response."),
    ],
)
def test_tells_what_is_missing_from_a_response(
    worker: Worker, path: str, query: str, text: str
) -> None:
    request = worker.front.ask(path=path, query=query)
    if query:
        assert worker.expect(frames.HEAD, request).body() == b"begun"
    assert worker.expect(frames.FAULT, request).text() == text
    wait_until(lambda: not worker.noted(), "an empty note")


@pytest.mark.parametrize("query", ["", "begun"])
def test_tells_an_exception_without_frames_of_ours(worker: Worker, query: str) -> None:
    request = worker.front.ask(path="/raises", query=query)
    if query:
        worker.expect(frames.HEAD, request)
    text = worker.expect(frames.FAULT, request).text()
    assert text.startswith("Traceback")
    assert text.endswith("ValueError: on purpose")
    assert "in raises" in text
    assert "typhon_worker" not in text


def test_logs_what_is_raised_after_the_response(worker: Worker) -> None:
    request = worker.front.ask(path="/raises_after")
    assert worker.expect(frames.HEAD, request).body() == b"hello"
    log = worker.expect(frames.LOG, request)
    assert log.count == 3
    assert log.text().endswith("ValueError: on purpose")


def test_a_request_that_ends_the_program_ends_alone(worker: Worker) -> None:
    request = worker.front.ask(path="/exits")
    assert worker.expect(frames.FAULT, request).text().endswith("SystemExit: 3")
    assert get_response(worker, "/hello")[1] == b"hello"


START = "http.response.start"
BODY = "http.response.body"
COMPLETED = "after response already completed"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("body_first", f"RuntimeError: Expected ASGI message '{START}', but got '{BODY}'."),
        ("start_twice", f"RuntimeError: Expected ASGI message '{BODY}', but got '{START}'."),
        ("start_after", f"RuntimeError: Expected ASGI message '{BODY}', but got '{START}'."),
        (
            "after_end",
            f"RuntimeError: Unexpected ASGI message '{BODY}' sent, {COMPLETED}.",
        ),
        (
            "unknown",
            f"RuntimeError: Expected ASGI message '{START}', but got 'http.response.unknown'.",
        ),
        (
            "unknown_later",
            f"RuntimeError: Expected ASGI message '{BODY}', but got 'http.response.unknown'.",
        ),
        (
            "trailers",
            f"RuntimeError: Expected ASGI message '{BODY}', but got 'http.response.trailers'.",
        ),
        ("text_body", f"TypeError: {BODY}: the body is a str, not bytes"),
        ("text_name", f"TypeError: {START}: the name of header 'name' is a str, not bytes"),
        ("text_value", f"TypeError: {START}: the value of header b'name' is a str, not bytes"),
        ("pair", f"TypeError: {START}: a header is a tuple, ASGI wants [name, value]"),
        ("headers", f"TypeError: {START}: the headers are an int, ASGI wants a list"),
        ("text_status", f"TypeError: {START}: the status is a str, not an int"),
        ("no_type", "KeyError: 'type'"),
        (
            "websocket",
            f"RuntimeError: Expected ASGI message '{START}', but got 'websocket.accept'.",
        ),
    ],
)
def test_raises_in_an_application_that_breaks_a_rule(worker: Worker, name: str, told: str) -> None:
    request = worker.front.ask(path="/breaks", query=name)
    frame = worker.next_frame()
    while not (frame.kind in (frames.FAULT, frames.LOG) or frame.is_end):
        frame = worker.next_frame()
    assert frame.request == request
    if frame.kind == frames.HEAD:
        worker.expect(frames.LOG, request)
    assert get_response(worker, "/what_was_told")[1].decode() == told


CLASS_OF_ASGI_2 = """
class app:
    def __init__(self, scope):
        self.scope = scope

    async def __call__(self, receive, send):
        await respond(self.scope, receive, send)
"""
FUNCTION_OF_ASGI_2 = """
def app(scope):
    async def inner(receive, send):
        await respond(scope, receive, send)
    return inner
"""


@pytest.mark.parametrize("source", [CLASS_OF_ASGI_2, FUNCTION_OF_ASGI_2])
def test_calls_an_application_of_asgi_2_twice(serve: Serve, source: str) -> None:
    front = serve(
        "async def respond(scope, receive, send):\n"
        "    await send({'type': 'http.response.start', 'status': 200})\n"
        "    version = scope['asgi']['version'].encode()\n"
        "    await send({'type': 'http.response.body', 'body': version})\n" + source
    )
    worker = front.start_taking(interface="asgi")
    assert get_response(worker, "/")[1] == b"2.0"


def test_calls_a_plain_function_that_returns_what_can_be_awaited(serve: Serve) -> None:
    front = serve(APP + "\nreal = hello\ndef app(*call): return real(*call)", interface="asgi")
    worker = front.start_taking(interface="asgi")
    assert get_response(worker, "/")[1] == b"hello"
