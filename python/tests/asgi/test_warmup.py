"""Requests that an ASGI worker asks itself before it is ready."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conftest import Serve
from front import Front, response_to, wait_until
from typhon_worker.wire import frames

APP = """
import asyncio, json

seen = []

async def respond(send, status, text=b""):
    await send({"type": "http.response.start", "status": status})
    await send({"type": "http.response.body", "body": text})

async def missing(scope, receive, send):
    await respond(send, 404)

async def raises(scope, receive, send):
    raise ValueError("on purpose")

async def raises_later(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"begun", "more_body": True})
    raise ValueError("on purpose")

async def returns(scope, receive, send):
    pass

async def ends_the_program(scope, receive, send):
    raise SystemExit(1)

async def large(scope, receive, send):
    await receive()
    await send({"type": "http.response.start", "status": 200})
    for _ in range(5):
        await send({"type": "http.response.body", "body": b"x" * 1_000_000, "more_body": True})
    await asyncio.sleep(0.001)
    await send({"type": "http.response.body"})

async def tell(scope, receive, send):
    request_id = dict(scope["headers"])[b"x-request-id"].decode()
    if request_id.startswith("warmup-"):
        seen.append([request_id, scope["method"], scope["path"], scope["query_string"].decode(),
                     dict(scope["headers"])[b"host"].decode(), scope["client"], scope["server"],
                     scope["state"], str(await receive())])
    await respond(send, 200, json.dumps(seen).encode())

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        scope["state"]["started"] = True
        return await send({"type": "lifespan.startup.complete"})
    await globals()[scope["path"][1:].replace(" ", "")](scope, receive, send)
"""


def begin(serve: Serve, *paths: str) -> tuple[Front, list[str]]:
    """A worker that is ready, and what it has logged on the way."""
    front = serve(APP, warmup=list(paths))
    worker = front.start()
    told = []
    frame = worker.next_frame()
    while frame.kind == frames.LOG:
        assert (frame.count, frame.request) == (2, 0)
        told.append(frame.text())
        frame = worker.next_frame()
    assert frame.kind == frames.READY
    wait_until(lambda: not worker.noted(), "empty notes")
    worker.send(frames.TAKE)
    return front, told


def test_asks_for_each_path_after_the_start_and_before_it_is_ready(serve: Serve) -> None:
    front, told = begin(serve, "/tell?a=1&b=%20", "/te%20ll", "/large")
    assert told == []
    worker = front.workers[0]
    seen = json.loads(response_to(worker, front.ask(path="/tell"))[1])
    body = "{'type': 'http.request', 'body': b'', 'more_body': False}"
    rest = ["localhost", ["127.0.0.1", 0], ["localhost", 80], {"started": True}, body]
    assert seen == [
        ["warmup-1", "GET", "/tell", "a=1&b=%20", *rest],
        ["warmup-2", "GET", "/te ll", "", *rest],
    ]


@pytest.mark.parametrize(
    ("path", "first", "last"),
    [
        ("/missing", "status 404", "status 404"),
        ("/raises", "status 500", "ValueError: on purpose"),
        ("/raises_later", "failed after status 200", "ValueError: on purpose"),
        ("/returns", "status 500", "ASGI callable returned without starting response."),
        ("/ends_the_program", "status 500", "SystemExit: 1"),
    ],
)
def test_what_fails_is_a_line_in_the_log_and_no_more(
    serve: Serve, tmp_path: Path, path: str, first: str, last: str
) -> None:
    front, told = begin(serve, path, "/missing")
    assert len(told) == 2
    assert told[0].startswith(f"warm-up GET {path}: {first}")
    assert told[0].endswith(last)
    assert response_to(front.workers[0], front.ask(path="/tell"))[1] == b"[]"
