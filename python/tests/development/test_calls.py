"""An application with pages is still the application: its protocol stays, deadlines reach it."""

from __future__ import annotations

import asyncio
import io
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from typhon_worker.application.cancellation import is_application_code
from typhon_worker.development import watch
from typhon_worker.development.asgi import AsgiPages
from typhon_worker.development.wsgi import WsgiPages

Heads = list[tuple[str, list[tuple[str, str]], Any]]


def environ_of(accept: str = "text/html") -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/",
        "QUERY_STRING": "",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "localhost",
        "HTTP_ACCEPT": accept,
        "wsgi.errors": io.StringIO(),
        "wsgi.file_wrapper": type("FileWrapper", (), {}),
    }


def call(app: Any, accept: str = "text/html") -> tuple[Heads, Any]:
    heads: Heads = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        heads.append((status, headers, exc_info))
        return lambda data: heads.append(("written", data, None))

    return heads, WsgiPages(app, True)(environ_of(accept), start_response)


def fail() -> None:
    raise ValueError("ours")


def test_a_deadline_may_interrupt_the_application_and_not_its_pages() -> None:
    found = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        found.append(is_application_code(sys._getframe(), ()))
        start_response("200 OK", [])
        return []

    call(app)
    assert found == [True]

    class Errors(io.StringIO):
        def write(self, text: str) -> int:
            # Called by the pages' own code.
            found.append(is_application_code(sys._getframe(1), ()))
            return len(text)

    environ = {**environ_of(), "wsgi.errors": Errors()}

    def logs(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        environ["wsgi.errors"].write("a")
        start_response("200 OK", [])
        return []

    WsgiPages(logs, True)(environ, lambda *_: None)
    assert found == [True, False]


def test_lists_and_files_are_passed_on_as_they_are() -> None:
    body = [b"a", b"b"]
    file = environ_of()["wsgi.file_wrapper"]()

    def listed(_environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [("A", "b")])
        return body

    heads, result = call(listed)
    assert result is body
    assert heads == [("200 OK", [("A", "b")], None)]

    environ = {**environ_of(), "wsgi.file_wrapper": type(file)}
    assert WsgiPages(lambda *_: file, True)(environ, lambda *_: None) is file
    assert WsgiPages(lambda *_: None, True)(environ, lambda *_: None) is None


def test_a_body_is_closed_and_the_exception_goes_on_then() -> None:
    closed = []

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            fail()
            yield b""

        def close(self) -> None:
            closed.append(True)

    def app(_environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return Body()

    heads, result = call(app)
    (page,) = list(result)
    assert b"<h1>ValueError</h1>" in page
    assert heads[-1][0] == "500 Internal Server Error"
    assert heads[-1][2][0] is ValueError
    with pytest.raises(ValueError, match="ours"):
        result.close()
    assert closed == [True]


def test_an_error_response_in_pieces_and_one_that_is_written_stay_whole() -> None:
    def app(body: list[bytes], *, writes: bool = False) -> Any:
        def generate(_environ: Any, start_response: Any) -> Iterator[bytes]:
            try:
                fail()
            except ValueError:
                logging.getLogger("test").error("told", exc_info=True)
            write = start_response("502 Bad", [("Content-Type", "text/html"), ("Set-Cookie", "a")])
            if writes:
                write(b"written ")
            yield from body

        return generate

    watch.install()
    heads, result = call(app([b"small", b" body"]))
    assert b"<h1>ValueError" in b"".join(result)
    assert heads[0][0] == "502 Bad"
    assert ("set-cookie", "a") in heads[0][1]

    heads, result = call(app([b"x" * 40_000] * 3))
    assert b"".join(result) == b"x" * 120_000
    assert heads == [("502 Bad", [("Content-Type", "text/html"), ("Set-Cookie", "a")], None)]

    heads, result = call(app([b"own Traceback of a framework"]))
    assert b"".join(result) == b"own Traceback of a framework"

    heads, result = call(app([b"rest"], writes=True))
    assert b"".join(result) == b"rest"
    assert heads[1] == ("written", b"written ", None)

    heads, result = call(app([b"ours"]), "application/json")
    assert b"".join(result) == b"ours"


def serve(app: Any, scope: dict[str, Any] | None = None) -> tuple[list[Any], BaseException | None]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    usual = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "query_string": b"",
        "headers": [(b"accept", b"text/html"), (b"host", b"localhost")],
        "client": ("127.0.0.1", 1),
    }
    try:
        asyncio.run(AsgiPages(app, True)({**usual, **(scope or {})}, receive, send))
    except Exception as error:
        return sent, error
    return sent, None


def message(status: int, headers: Any = ()) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": headers}


def piece(body: bytes, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": more}


def test_asgi_messages_pass_in_their_order() -> None:
    hint = {"type": "http.response.early_hint", "links": []}
    trailers = {"type": "http.response.trailers", "headers": []}

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send(hint)
        await send(message(200, iter([(b"a", b"b")])))
        await send(piece(b"1", True))
        await send(piece(b"2"))
        await send(trailers)

    sent, error = serve(app)
    assert error is None
    assert sent == [*(hint, message(200, [(b"a", b"b")]), piece(b"1", True), piece(b"2"), trailers)]


def test_an_asgi_application_of_version_2_and_a_start_without_a_body() -> None:
    def app(scope: Any) -> Any:
        async def run(_receive: Any, send: Any) -> None:
            await send(message(204, []))

        return run

    sent, error = serve(app)
    assert error is None
    assert sent == [message(204, [])]


@pytest.mark.parametrize("is_raised_again", [False, True])
def test_an_asgi_response_becomes_a_page_once(is_raised_again: bool) -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        try:
            fail()
        except ValueError:
            await send(message(500, [(b"content-type", b"text/plain")]))
            await send(piece(b"Internal ", True))
            await send(piece(b"Server Error"))
            if is_raised_again:
                raise

    sent, error = serve(app)
    assert (error is not None) == is_raised_again
    assert [one["type"] for one in sent] == ["http.response.start", "http.response.body"]
    assert b"<h1>ValueError" in sent[1]["body"]


def test_an_asgi_response_that_is_long_or_the_frameworks_own_stays() -> None:
    def app(pieces: list[bytes]) -> Any:
        async def run(_scope: Any, _receive: Any, send: Any) -> None:
            try:
                fail()
            except ValueError:
                await send(message(500, [(b"content-type", b"text/html")]))
                for number, one in enumerate(pieces, 1):
                    await send(piece(one, number < len(pieces)))

        return run

    for pieces in ([b"x" * 40_000] * 3, [b"x" * 70_000], [b"a Traceback"], [b""] * 2):
        sent, error = serve(app(pieces))
        assert error is None
        body = b"".join(one["body"] for one in sent[1:])
        if any(pieces):
            assert body == b"".join(pieces)
            assert not sent[-1].get("more_body")
        else:
            assert b"<h1>ValueError" in body


def test_an_exception_after_the_first_bytes_passes() -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send(message(200, []))
        await send(piece(b"begun", True))
        fail()

    sent, error = serve(app)
    assert isinstance(error, ValueError)
    assert len(sent) == 2


def test_a_websocket_has_no_pages() -> None:
    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        fail()

    sent, error = serve(app, {"type": "websocket"})
    assert isinstance(error, ValueError)
    assert sent == []
