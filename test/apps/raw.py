"""Plain WSGI answers by path, each wrapped in wsgiref's validator, which must stay silent.

What an application is allowed to do: lists, generators, write(), exc_info, file_wrapper, every way
of reading the body. What it is not allowed to do is in faults.py.
"""

import hashlib
import io
import json
import os
import sys
import threading
from collections.abc import Iterable, Iterator
from typing import Any
from wsgiref.validate import validator

Environ = dict[str, Any]

TEXT = [("Content-Type", "text/plain; charset=utf-8")]


def echo_environ(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Everything in environ that JSON can say, and the types of the rest."""
    shown = {
        name: value
        if isinstance(value, (str, bool, int, tuple, list))
        else f"<{type(value).__name__}>"
        for name, value in environ.items()
    }
    shown["test.cwd"] = os.getcwd()
    shown["test.pid"] = os.getpid()
    shown["test.thread"] = threading.get_ident()
    shown["test.sys.path"] = sys.path
    body = json.dumps(shown).encode("ascii")
    start_response(
        "200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    )
    return [body]


def echo_body(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """The body as it came, and what CONTENT_LENGTH said of it."""
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    declared = environ.get("CONTENT_LENGTH", "none")
    start_response("200 OK", [*TEXT, ("X-Content-Length", declared)])
    return [body]


def hash_body(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Reads the body in pieces until there is no more: length and SHA-256."""
    digest = hashlib.sha256()
    length = 0
    while piece := environ["wsgi.input"].read(65536):
        digest.update(piece)
        length += len(piece)
    start_response("200 OK", [*TEXT, ("X-Pid", str(os.getpid()))])
    return [f"{length} {digest.hexdigest()}".encode()]


def read_ways(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """readline, readlines and iteration over the same input, one after the other."""
    stream = environ["wsgi.input"]
    first = stream.readline()
    start = stream.readline(3)
    rest = stream.readline()
    two = stream.readlines(1)
    others = list(stream)
    end = stream.read(10)
    start_response("200 OK", list(TEXT))
    return [json.dumps([str(part) for part in (first, start, rest, two, others, end)]).encode()]


def ignore_body(_environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Answers without looking at the body."""
    start_response("200 OK", list(TEXT))
    return [b"ignored"]


def make_chunks(_environ: Environ, start_response: Any) -> Iterator[bytes]:
    """A generator: start_response is called at the first step, empty chunks send nothing."""
    start_response("200 OK", list(TEXT))
    yield b"one "
    yield b""
    yield b"two "
    yield b"three"


def use_write(_environ: Environ, start_response: Any) -> Iterable[bytes]:
    """The old way: write() before the iterable."""
    write = start_response("200 OK", list(TEXT))
    write(b"written ")
    write(b"twice ")
    return [b"and returned"]


def replace_head(_environ: Environ, start_response: Any) -> Iterable[bytes]:
    """exc_info before anything was sent: the second head counts."""
    start_response("200 OK", [*TEXT, ("X-Head", "first")])
    try:
        raise ValueError("half way")
    except ValueError:
        start_response("503 Half Way", [*TEXT, ("X-Head", "second")], sys.exc_info())
    return [b"replaced"]


def wrap_file(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """file_wrapper around something that only has read and close."""

    class Source(io.BytesIO):
        def close(self) -> None:
            note_close("file")
            super().close()

    start_response("200 OK", list(TEXT))
    wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](Source(b"x" * 100_000), 8192)
    return wrapped


def no_content(_environ: Environ, start_response: Any) -> Iterable[bytes]:
    """204: no body and no type."""
    start_response("204 No Content", [("X-Head", "kept")])
    return []


def many_fields(_environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Repeated fields and obs-text stay as they are."""
    fields = [*TEXT, ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-Name", "caf\xe9")]
    start_response("299 As It Pleases", fields)
    return [b"fields"]


def set_length(_environ: Environ, start_response: Any) -> Iterable[bytes]:
    """A declared length, in several pieces."""
    start_response("200 OK", [*TEXT, ("Content-Length", "10")])
    return [b"01234", b"567", b"89"]


def write_errors(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """wsgi.errors takes text."""
    errors = environ["wsgi.errors"]
    errors.write("a complaint of the application\n")
    errors.writelines(["two lines\n", "at once\n"])
    errors.flush()
    start_response("200 OK", list(TEXT))
    return [b"complained"]


CLOSED = threading.Lock()
CLOSES: list[str] = []


def note_close(name: str) -> None:
    """Says on standard output that a close() ran: a test counts them."""
    with CLOSED:
        CLOSES.append(name)
        print(f"closed {name} ({CLOSES.count(name)})", flush=True)


class Closing:
    """An iterable whose close() is counted."""

    def __init__(self, name: str, chunks: Iterable[bytes]) -> None:
        self.name = name
        self.chunks = iter(chunks)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self.chunks)

    def close(self) -> None:
        note_close(self.name)


def close_once(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Closed after the last chunk."""
    start_response("200 OK", list(TEXT))
    return Closing(environ["QUERY_STRING"], [b"closed ", b"once"])


ROUTES = {
    "/environ": echo_environ,
    "/echo": echo_body,
    "/hash": hash_body,
    "/ways": read_ways,
    "/ignore": ignore_body,
    "/generator": make_chunks,
    "/write": use_write,
    "/exc-info": replace_head,
    "/file": wrap_file,
    "/none": no_content,
    "/fields": many_fields,
    "/length": set_length,
    "/errors": write_errors,
    "/close": close_once,
}


def route(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """By the first segment of the path."""
    first = "/" + environ["PATH_INFO"].split("/")[1]
    return ROUTES.get(first, echo_environ)(environ, start_response)


app = validator(route)
