"""Requests that a worker asks itself before it is ready."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conftest import Serve
from front import Front, response_to, wait_until
from typhon_worker.wire import frames

APP = """
import io, json

told = []

class Chunks:
    def __init__(self, *chunks):
        self.chunks = iter(chunks)
    def __iter__(self):
        return self
    def __next__(self):
        return next(self.chunks)
    def close(self):
        told.append("closed")

def missing(environ, start_response):
    start_response("404 Not Found", [])
    return [b"no"]

def raises(environ, start_response):
    raise ValueError("on purpose")

def raises_later(environ, start_response):
    start_response("200 OK", [])
    yield b"begun"
    raise ValueError("on purpose")

def breaks_a_rule(environ, start_response):
    return [b"no head"]

def ends_the_program(environ, start_response):
    raise SystemExit(1)

def large(environ, start_response):
    start_response("200 OK", [])
    return Chunks(*[b"x" * 1_000_000] * 5)

def file(environ, start_response):
    start_response("200 OK", [])
    return environ["wsgi.file_wrapper"](io.BytesIO(b"x" * 3_000_000))

def moved(environ, start_response):
    start_response("302 Found", [("Location", "/")])
    return []

def tell(environ, start_response):
    if environ["HTTP_X_REQUEST_ID"].startswith("warmup-"):
        told.append({name: value for name, value in environ.items() if isinstance(value, str)})
    start_response("200 OK", [])
    return [json.dumps(told).encode()]

def app(environ, start_response):
    return globals().get(environ["PATH_INFO"][1:], tell)(environ, start_response)
"""


def test_asks_for_each_path_as_a_client_would_before_it_is_ready(serve: Serve) -> None:
    front = serve(APP, warmup=["/a%20b?x=1&y=?", "/app/é"], root_path="/app")
    worker = front.start_taking()
    first, second = json.loads(response_to(worker, front.ask())[1])
    assert first == {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "/app",
        "PATH_INFO": "/a b",
        "QUERY_STRING": "x=1&y=?",
        "REQUEST_URI": "/a%20b?x=1&y=?",
        "RAW_URI": "/a%20b?x=1&y=?",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_SOFTWARE": "typhon/test",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "0",
        "HTTP_X_REQUEST_ID": "warmup-1",
        "HTTP_HOST": "localhost",
        "wsgi.url_scheme": "http",
    }
    assert second["HTTP_X_REQUEST_ID"] == "warmup-2"
    assert second["PATH_INFO"] == "/\xc3\xa9"


def test_takes_responses_of_any_size_and_closes_them(serve: Serve) -> None:
    front = serve(APP, warmup=["/large", "/file", "/moved"])
    worker = front.start_taking()
    assert json.loads(response_to(worker, front.ask())[1]) == ["closed"]
    assert not worker.has_frame()
    wait_until(lambda: not worker.noted(), "empty notes")


@pytest.mark.parametrize(
    ("path", "begin", "end"),
    [
        ("/missing?a", "status 404", "status 404"),
        ("/raises", "status 500\nTraceback ", "ValueError: on purpose"),
        ("/raises_later", "failed after status 200\nTraceback ", "ValueError: on purpose"),
        (
            "/breaks_a_rule",
            "status 500\n",
            "the application returned without calling start_response()",
        ),
        ("/ends_the_program", "status 500\nTraceback ", "SystemExit: 1"),
    ],
)
def test_tells_in_one_message_what_fails_and_starts(
    serve: Serve, path: str, begin: str, end: str
) -> None:
    front = serve(APP, warmup=[path, "/"])
    worker = front.start()
    log = worker.expect(frames.LOG, 0)
    assert log.count == 2
    assert log.text().startswith(f"warm-up GET {path}: {begin}")
    assert log.text().endswith(end)
    assert "typhon_worker" not in log.text()
    worker.expect(frames.READY)
    worker.send(frames.TAKE)
    assert len(json.loads(response_to(worker, front.ask())[1])) == 1


@pytest.mark.parametrize("paths", [["relative"], [""], ["/a\0b"], [5], [None]])
def test_refuses_what_is_no_path(tmp_path: Path, paths: list[object]) -> None:
    with Front("main:app", str(tmp_path), warmup=paths, opens=False, hears=False) as front:
        text = front.hear("fault")["text"]
    assert text == "ValueError: warmup: paths that begin with / are needed"
