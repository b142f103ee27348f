"""Extensions of HTTP in ASGI: files by path, trailers, early hints, debugging."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from front import Worker, first_frame, offered_file, response_to, wait_until
from typhon_worker.wire import frames

APP = """
import os

def start(*headers, **more):
    return {"type": "http.response.start", "status": 200, "headers": headers, **more}

def body(chunk=b"", more=False):
    return {"type": "http.response.body", "body": chunk, "more_body": more}

def trailers(*headers, more=False):
    return {"type": "http.response.trailers", "headers": headers, "more_trailers": more}

async def file(scope, receive, send):
    path, _, length = scope["query_string"].decode().partition(",")
    await send(start((b"content-length", length.encode())) if length else start())
    await send({"type": "http.response.pathsend", "path": path})

async def named(scope, receive, send):
    await send(start((b"Content-Length", b"5"), (b"X-Sendfile", b"/srv/file")))
    await send(body(scope["query_string"]))

async def file_and_more(scope, receive, send):
    await file(scope, receive, send)
    await send(body(b"more"))

async def trails(scope, receive, send):
    await send(start((b"trailer", b"x-a"), trailers=True))
    await send(body(b"body"))
    await send(trailers((b"x-a", b"1"), more=True))
    await send(trailers((b"x-b", b"2"), (b"x-c", b"")))

async def trails_chunks(scope, receive, send):
    await send(start(trailers=True))
    await send(body(b"one", True))
    await send(body(b"two"))
    await send(trailers())

async def trails_without(scope, receive, send):
    await send(start(trailers=True))
    await send(body(b"body"))

async def trails_unannounced(scope, receive, send):
    await send(start())
    await send(body(b"body", True))
    await send(trailers())

async def body_again(scope, receive, send):
    await send(start(trailers=True))
    await send(body(b"body"))
    await send(body(b"body"))

async def hints(scope, receive, send):
    links = [b"</a.css>; rel=preload; as=style", b"</b.js>; rel=preload"]
    await send({"type": "http.response.early_hint", "links": links})
    await send(start())
    await send(body(b"hinted"))

def hint(link):
    return {"type": "http.response.early_hint", "links": [link]}

async def hints_behind_start(scope, receive, send):
    await send(start())
    await send(hint(b"<1>"))
    await send(hint(b"<2>"))
    await send(body(b"hinted"))

async def hints_behind_head(scope, receive, send):
    await send(start())
    await send(body(b"one", True))
    await send(hint(b"<1>"))
    await send(body(b"two"))

async def hints_behind_body(scope, receive, send):
    await send(start(trailers=True))
    await send(body(b"body"))
    await send(hint(b"<1>"))

async def hints_too_large(scope, receive, send):
    await send(hint(b"x" * 1_200_000))

async def hints_too_many(scope, receive, send):
    await send({"type": "http.response.early_hint", "links": [b""] * 70_000})

async def trails_too_large(scope, receive, send):
    await send(start(trailers=True))
    await send(body(b"body"))
    await send(trailers((b"x-a", b"x" * 1_200_000)))

async def file_by_number(scope, receive, send):
    await send(start())
    await send({"type": "http.response.pathsend", "path": 0})

async def hints_text(scope, receive, send):
    await send({"type": "http.response.early_hint", "links": ["</a.css>"]})

async def debugs(scope, receive, send):
    await send({"type": "http.response.debug", "info": {"template": "x"}})
    await send(start())
    await send(body(b"debugged"))

async def app(scope, receive, send):
    await globals()[scope["path"][1:]](scope, receive, send)
"""


def ask(worker: Worker, path: str, query: object = "", method: str = "GET") -> int:
    return worker.front.ask(method, path, query=str(query))


def fault_of(worker: Worker, request: int) -> str:
    frame = worker.next_frame()
    while frame.kind != frames.FAULT:
        assert frame.request == request
        frame = worker.next_frame()
    wait_until(lambda: not worker.noted(), "an empty note")
    return frame.text()


@pytest.mark.parametrize("size", [0, 1, 262_143, 262_144, 262_145, 1_000_000])
def test_sends_a_file_by_its_path(worker: Worker, tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * (size // 256) + bytes(size % 256))
    head, sent = response_to(worker, ask(worker, "/file", f"{path},{size}"))
    assert head == ["200 OK", "content-length", str(size)]
    assert sent == path.read_bytes()
    assert response_to(worker, ask(worker, "/file", path)) == (["200 OK"], sent)
    wait_until(lambda: not worker.noted(), "an empty note")


def test_sends_a_small_file_in_one_frame(worker: Worker, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100_000)
    assert worker.expect(frames.HEAD, ask(worker, "/file", path)).is_end


def test_sends_no_file_to_head(worker: Worker, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 1_000_000)
    request = ask(worker, "/file", f"{path},1000000", "HEAD")
    assert response_to(worker, request) == (["200 OK", "content-length", "1000000"], b"")


def test_a_file_that_is_not_there_is_a_fault_before_any_head(
    worker: Worker, tmp_path: Path
) -> None:
    request = ask(worker, "/file", tmp_path / "missing")
    assert "FileNotFoundError" in worker.expect(frames.FAULT, request).text()
    assert "IsADirectoryError" in worker.expect(frames.FAULT, ask(worker, "/file", tmp_path)).text()
    assert "TypeError" in worker.expect(frames.FAULT, ask(worker, "/file_by_number")).text()


def test_holds_a_file_to_its_length(worker: Worker, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 500_000)
    for length in (499_999, 500_001):
        text = fault_of(worker, ask(worker, "/file", f"{path},{length}"))
        assert "than Content-Length" in text


def test_a_file_is_the_whole_body(worker: Worker, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    request = ask(worker, "/file_and_more", path)
    assert worker.expect(frames.HEAD, request).is_end
    assert "after response already completed" in worker.expect(frames.LOG, request).text()


def test_a_large_file_is_offered_to_the_front(worker: Worker, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 300_000)
    request = ask(worker, "/file_and_more", path)
    head, body = offered_file(worker, request)
    assert (head, len(body)) == (["200 OK"], 300_000)
    assert "after response already completed" in worker.expect(frames.LOG, request).text()
    wait_until(lambda: not worker.noted(), "an empty note")


def test_the_length_of_a_named_file_is_not_that_of_an_empty_body(worker: Worker) -> None:
    head, body = response_to(worker, ask(worker, "/named"))
    assert (head[:3], body) == (["200 OK", "Content-Length", "5"], b"")
    assert "shorter than Content-Length" in fault_of(worker, ask(worker, "/named", "one"))


def test_a_client_that_leaves_while_a_file_is_offered_ends_it(
    worker: Worker, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 300_000)
    request = ask(worker, "/file", path)
    worker.expect(frames.FILE, request)
    worker.send(frames.CANCEL, request, count=frames.CLIENT_GONE)
    assert worker.expect(frames.BODY, request).is_end
    worker.send(frames.FILE_RESULT, request, count=frames.OPENED)
    # The front had not heard of the end: the worker goes on.
    assert response_to(worker, ask(worker, "/file", path))[1] == b"x" * 300_000


def test_a_client_that_leaves_amid_a_file_ends_it(worker: Worker, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 1_000_000)
    request = ask(worker, "/file", path)
    first_frame(worker, request)
    worker.send(frames.CANCEL, request, count=frames.CLIENT_GONE)
    last = worker.expect(frames.BODY, request)
    assert (last.is_end, last.payload) == (True, b"")


def test_ends_a_response_with_trailers(worker: Worker) -> None:
    request = ask(worker, "/trails")
    head = worker.expect(frames.HEAD, request)
    assert (head.is_end, head.body()) == (False, b"body")
    last = worker.expect(frames.TRAILERS, request)
    assert (last.is_end, last.count) == (True, 3)
    assert last.payload == b"x-a\x001\0x-b\x002\0x-c\0"
    wait_until(lambda: not worker.noted(), "an empty note")


def test_trailers_may_be_empty_and_follow_chunks(worker: Worker) -> None:
    request = ask(worker, "/trails_chunks")
    assert worker.expect(frames.HEAD, request).body() == b"one"
    body = worker.expect(frames.BODY, request)
    assert (body.is_end, body.payload) == (False, b"two")
    last = worker.expect(frames.TRAILERS, request)
    assert (last.is_end, last.count, last.payload) == (True, 0, b"")


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/trails_without", "ASGI callable returned without completing response."),
        ("/trails_unannounced", "'http.response.body', but got 'http.response.trailers'."),
        ("/body_again", "'http.response.trailers', but got 'http.response.body'."),
        ("/hints_behind_body", "'http.response.trailers', but got 'http.response.early_hint'."),
        ("/hints_too_large", "1 fields of 1200021 bytes are too many"),
        ("/hints_too_many", "70000 fields of 420015 bytes are too many"),
        ("/trails_too_large", "1 fields of 1200004 bytes are too many"),
        ("/hints_text", "the value of header b'link' is a str, not bytes"),
    ],
)
def test_extensions_have_their_order(worker: Worker, path: str, told: str) -> None:
    assert fault_of(worker, ask(worker, path)).endswith(told)


def test_hints_before_it_answers(worker: Worker) -> None:
    request = ask(worker, "/hints")
    hint = worker.expect(frames.EARLY_HINT, request)
    assert hint.count == 2
    assert hint.payload.split(b"\0") == [
        b"103 Early Hints",
        b"link",
        b"</a.css>; rel=preload; as=style",
        b"link",
        b"</b.js>; rel=preload",
    ]
    assert worker.expect(frames.HEAD, request).body() == b"hinted"


def test_hints_between_the_start_and_the_first_body(worker: Worker) -> None:
    request = ask(worker, "/hints_behind_start")
    for number in (b"1", b"2"):
        hint = worker.expect(frames.EARLY_HINT, request)
        assert hint.payload == b"103 Early Hints\0link\0<" + number + b">"
    assert worker.expect(frames.HEAD, request).body() == b"hinted"


def test_drops_hints_behind_the_head(worker: Worker) -> None:
    request = ask(worker, "/hints_behind_head")
    assert worker.expect(frames.HEAD, request).body() == b"one"
    last = worker.expect(frames.BODY, request)
    assert (last.payload, last.is_end) == (b"two", True)


def test_takes_what_is_meant_for_debugging(worker: Worker) -> None:
    assert worker.expect(frames.HEAD, ask(worker, "/debugs")).body() == b"debugged"


def test_waits_for_credit_amid_a_file(worker: Worker, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 300_000)
    request = ask(worker, "/file", path)
    assert len(first_frame(worker, request).body()) == 262_144
    assert worker.expect(frames.HEAD, ask(worker, "/debugs")).is_end
    worker.send(frames.CREDIT, request, struct.pack("<I", 262_144))
    last = worker.expect(frames.BODY, request)
    assert (len(last.payload), last.is_end) == (300_000 - 262_144, True)
