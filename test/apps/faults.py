"""What an application must not do: every path breaks PEP 3333 or HTTP in one way.

The server's answer is 500 or a cut connection, and a log line that names the fault.
"""

import ctypes
import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any

Environ = dict[str, Any]
PLAIN = ("Content-Type", "text/plain")

# What goes wrong in the head alone: status and fields given to start_response.
HEADS: dict[str, tuple[Any, Any]] = {
    "/value-crlf": ("200 OK", [("X-A", "1\r\nSet-Cookie: stolen=1")]),
    "/value-lf": ("200 OK", [("X-A", "1\nX-B: 2")]),
    "/value-nul": ("200 OK", [("X-A", "1\0X-B\x002")]),
    "/name-space": ("200 OK", [("X A", "1")]),
    "/name-colon": ("200 OK", [("X-A: 1\r\nX-B", "2")]),
    "/name-empty": ("200 OK", [("", "1")]),
    "/name-nul": ("200 OK", [("X\0A", "1")]),
    "/status-crlf": ("200 OK\r\nX-B: 2", [PLAIN]),
    "/status-word": ("OK", [PLAIN]),
    "/status-low": ("099 Early", [PLAIN]),
    "/status-interim": ("103 Early Hints", [PLAIN]),
    "/status-number": (200, [PLAIN]),
    "/hop-connection": ("200 OK", [PLAIN, ("Connection", "close, upgrade")]),
    "/hop-transfer": ("200 OK", [PLAIN, ("Transfer-Encoding", "chunked")]),
    "/hop-upgrade": ("200 OK", [PLAIN, ("Upgrade", "websocket")]),
    "/two-lengths": ("200 OK", [PLAIN, ("Content-Length", "5"), ("content-length", "2")]),
    "/length-word": ("200 OK", [PLAIN, ("Content-Length", "five")]),
    "/length-minus": ("200 OK", [PLAIN, ("Content-Length", "-5")]),
    "/value-bytes": ("200 OK", [("X-A", b"1")]),
    "/value-unicode": ("200 OK", [("X-A", "\u20ac")]),
}


def raise_before(_environ: Environ, _start_response: Any) -> Iterable[bytes]:
    """Raises before it has answered anything."""
    raise RuntimeError("broken before the head")


def raise_after_start(_environ: Environ, start_response: Any) -> Iterable[bytes]:
    """The head is given but not sent: the client still gets 500."""
    start_response("200 OK", [PLAIN])
    raise RuntimeError("broken after start_response")


def raise_in_body(_environ: Environ, start_response: Any) -> Iterator[bytes]:
    """The head and a chunk are sent: only a cut connection can tell the client."""
    start_response("200 OK", [PLAIN])
    yield b"the first half"
    raise RuntimeError("broken in the body")


def raise_in_sized_body(_environ: Environ, start_response: Any) -> Iterator[bytes]:
    """The same with a declared length."""
    start_response("200 OK", [PLAIN, ("Content-Length", "100")])
    yield b"the first half"
    raise RuntimeError("broken in the body")


def exc_info_too_late(_environ: Environ, start_response: Any) -> Iterator[bytes]:
    """start_response with exc_info after the head was sent raises what it is given."""
    start_response("200 OK", [PLAIN])
    yield b"already sent"
    try:
        raise KeyError("too late")
    except KeyError:
        start_response("500 Too Late", [PLAIN], sys.exc_info())
    yield b"never sent"


def exit_program(_environ: Environ, _start_response: Any) -> Iterable[bytes]:
    """sys.exit() in a request is an error of the application, not the worker's end."""
    sys.exit(7)


def too_many_bytes(_environ: Environ, start_response: Any) -> Iterable[bytes]:
    """More than declared, in one piece."""
    start_response("200 OK", [PLAIN, ("Content-Length", "5")])
    return [b"0123456789"]


def too_many_chunks(_environ: Environ, start_response: Any) -> Iterator[bytes]:
    """More than declared, after the head has left."""
    start_response("200 OK", [PLAIN, ("Content-Length", "5")])
    yield b"012"
    yield b"3456789"


def too_few_bytes(_environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Less than declared, in one piece."""
    start_response("200 OK", [PLAIN, ("Content-Length", "10")])
    return [b"01234"]


def too_few_chunks(_environ: Environ, start_response: Any) -> Iterator[bytes]:
    """Less than declared, after the head has left."""
    start_response("200 OK", [PLAIN, ("Content-Length", "10")])
    yield b"01"
    yield b"234"


def never_start(_environ: Environ, _start_response: Any) -> Iterable[bytes]:
    """No start_response at all."""
    return [b"headless"]


def start_twice(_environ: Environ, start_response: Any) -> Iterable[bytes]:
    """start_response again without exc_info."""
    start_response("200 OK", [PLAIN])
    start_response("200 OK", [PLAIN])
    return [b"twice"]


def text_body(_environ: Environ, start_response: Any) -> Iterable[Any]:
    """str where bytes belong."""
    start_response("200 OK", [PLAIN])
    return ["text"]


def no_iterable(_environ: Environ, start_response: Any) -> Any:
    """Returns None."""
    start_response("200 OK", [PLAIN])


def kill_worker(_environ: Environ, _start_response: Any) -> Iterable[bytes]:
    """The worker ends without a word."""
    os._exit(9)


def segfault(_environ: Environ, _start_response: Any) -> Iterable[bytes]:
    """The worker is ended by the kernel."""
    print("about to fall", file=sys.stderr)
    return [ctypes.string_at(0)]


def fine(_environ: Environ, start_response: Any) -> Iterable[bytes]:
    """To see that the server goes on."""
    start_response("200 OK", [PLAIN, ("Content-Length", "4")])
    return [b"fine"]


ROUTES = {
    "/raise-before": raise_before,
    "/raise-after-start": raise_after_start,
    "/raise-in-body": raise_in_body,
    "/raise-in-sized-body": raise_in_sized_body,
    "/exc-info-too-late": exc_info_too_late,
    "/exit": exit_program,
    "/too-many-bytes": too_many_bytes,
    "/too-many-chunks": too_many_chunks,
    "/too-few-bytes": too_few_bytes,
    "/too-few-chunks": too_few_chunks,
    "/never-start": never_start,
    "/start-twice": start_twice,
    "/text-body": text_body,
    "/no-iterable": no_iterable,
    "/kill-worker": kill_worker,
    "/segfault": segfault,
}


def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """By the path."""
    path = environ["PATH_INFO"]
    if path in HEADS:
        status, fields = HEADS[path]
        start_response(status, fields)
        return [b"hello"]
    return ROUTES.get(path, fine)(environ, start_response)
