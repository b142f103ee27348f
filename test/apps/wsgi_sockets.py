"""WebSockets under WSGI: Flask-Sock as its users write it, and what no library does, by hand."""

import base64
import hashlib
import json
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import simple_websocket
from flask import Flask
from flask_sock import Sock

FOLDER = Path(os.environ.get("GATE_DIR", "."))
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
Environ = dict[str, Any]

flask = Flask(__name__)
sock = Sock(flask)


@sock.route("/ws")
def echo(ws: simple_websocket.Server) -> None:
    while True:
        ws.send(ws.receive())


@sock.route("/told")
def told(ws: simple_websocket.Server) -> None:
    """Writes down how the client left."""
    ws.send("ready")
    try:
        while True:
            ws.receive()
    except simple_websocket.ConnectionClosed as closed:
        (FOLDER / "told").write_text(str(int(closed.reason)))


@sock.route("/bye")
def bye(ws: simple_websocket.Server) -> None:
    ws.send("x" * 1_000_000)


@sock.route("/fails")
def fails(ws: simple_websocket.Server) -> None:
    ws.send("first")
    raise RuntimeError("raised by the handler")


@flask.get("/")
def index() -> str:
    return f"{os.getpid()}"


def accept(environ: Environ) -> socket.socket:
    """The handshake by hand."""
    client: socket.socket = environ["werkzeug.socket"]
    client.sendall(acceptance(environ))
    return client


def acceptance(environ: Environ) -> bytes:
    key = (environ["HTTP_SEC_WEBSOCKET_KEY"] + GUID).encode()
    digest = base64.b64encode(hashlib.sha1(key, usedforsecurity=False).digest()).decode()
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"X-Own: 1\r\nSec-WebSocket-Accept: {digest}\r\n\r\n"
    ).encode()


def frame(payload: bytes, opcode: int = 1) -> bytes:
    head = bytes((0x80 | opcode,))
    if len(payload) < 126:
        return head + bytes((len(payload),)) + payload
    if len(payload) < 65_536:
        return head + b"\x7e" + struct.pack(">H", len(payload)) + payload
    return head + b"\x7f" + struct.pack(">Q", len(payload)) + payload


def tell_environ(environ: Environ, start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "application/json")])
    keys = ("HTTP_UPGRADE", "HTTP_CONNECTION", "wsgi.url_scheme")
    told = {key: environ.get(key) for key in keys}
    names = [key for key in environ if key.endswith(".socket")]
    return [json.dumps({**told, "sockets": sorted(names)}).encode()]


def stream(_environ: Environ, start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"one "
    yield b"two"


def not_accepted(environ: Environ, _start_response: Any) -> Iterable[bytes]:
    environ["werkzeug.socket"].sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    return []


def wrong_key(environ: Environ, _start_response: Any) -> Iterable[bytes]:
    environ["gunicorn.socket"].sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n"
    )
    return []


def endless_head(environ: Environ, _start_response: Any) -> Iterable[bytes]:
    environ["werkzeug.socket"].sendall(b"HTTP/1.1 101 Switching Protocols\r\nX: " + b"x" * 20_000)
    return []


def half_head(environ: Environ, _start_response: Any) -> Iterable[bytes]:
    environ["werkzeug.socket"].sendall(b"HTTP/1.1 101 Switching Protocols\r\n")
    environ["werkzeug.socket"].close()
    return []


def late(environ: Environ, _start_response: Any) -> Iterable[bytes]:
    """Waits on its socket and does not say a word."""
    environ["werkzeug.socket"].recv(1)
    return []


def raises_before(_environ: Environ, _start_response: Any) -> Iterable[bytes]:
    raise RuntimeError("raised before the handshake")


def raises_after(environ: Environ, _start_response: Any) -> Iterable[bytes]:
    accept(environ).sendall(frame(b"first") + frame(struct.pack(">H", 4001), 8))
    raise RuntimeError("raised behind the close frame")


def stops_iteration(environ: Environ, _start_response: Any) -> Iterable[bytes]:
    """As simple-websocket ends under gunicorn."""
    accept(environ).sendall(frame(b"stopped") + frame(b"", 8))
    raise StopIteration


def returns_nothing(environ: Environ, _start_response: Any) -> None:
    accept(environ).sendall(frame(b"nothing") + frame(b"", 8))


def closes(environ: Environ, _start_response: Any) -> Iterable[bytes]:
    """Closes without a close frame, and goes on with something else until the client has gone."""
    client = accept(environ)
    client.sendall(frame(b"first"))
    client.close()
    while not environ["typhon.client_gone"]():
        time.sleep(0.01)
    (FOLDER / "closes").write_text("gone")
    return []


def closes_late(environ: Environ, _start_response: Any) -> Iterable[bytes]:
    """As simple-websocket does: its thread reads a fault, tells the handler, and then closes."""
    client = accept(environ)
    told = threading.Event()

    def read() -> None:
        client.recv(100)
        told.set()
        time.sleep(0.05)
        client.send(frame(struct.pack(">H", 1007), 8))
        client.close()

    threading.Thread(target=read, daemon=True).start()
    told.wait()
    return []


def cut_frame(environ: Environ, _start_response: Any) -> Iterable[bytes]:
    accept(environ).sendall(frame(b"whole") + frame(b"x" * 1000)[:500])
    return []


def slow_frame(environ: Environ, _start_response: Any) -> Iterable[bytes]:
    """A frame in two halves: the second one when it is let, and more behind it."""
    client = accept(environ)
    whole = frame(b"x" * 1000)
    client.sendall(whole[:500])
    while not (FOLDER / "go").exists():
        time.sleep(0.01)
    client.sendall(whole[500:] + frame(b"too late"))
    client.recv(100)
    return []


def flood(environ: Environ, _start_response: Any) -> Iterable[bytes]:
    """Sends far more than anybody holds, and counts what was taken."""
    client = accept(environ)
    for count in range(200):
        client.sendall(frame(bytes((count,)) * 100_000, 2))
        (FOLDER / "sent").write_text(str(count + 1))
    client.sendall(frame(b"", 8))
    return []


def drinks(environ: Environ, _start_response: Any) -> Iterable[bytes]:
    """Reads nothing until it is let, then all, and says how many bytes of frames came."""
    client = accept(environ)
    client.sendall(frame(b"ready"))
    while not (FOLDER / "drink").exists():
        time.sleep(0.01)
    count = 0
    while chunk := client.recv(65_536):
        count += len(chunk)
    client.sendall(frame(str(count).encode()))
    return []


def answers_twice(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """On the socket, by its descriptor, unseen by the worker, and in the ordinary way as well."""
    os.write(environ["werkzeug.socket"].fileno(), acceptance(environ) + frame(b"here"))
    start_response("200 OK", [])
    try:
        while True:
            yield b"and there"
    finally:
        (FOLDER / "twice").write_text("closed")


PLAIN: dict[str, Callable[..., Any]] = {
    "/environ": tell_environ,
    "/stream": stream,
    "/not-accepted": not_accepted,
    "/wrong-key": wrong_key,
    "/endless-head": endless_head,
    "/half-head": half_head,
    "/late": late,
    # The same with a deadline of its own.
    "/silent": late,
    "/raises-before": raises_before,
    "/raises-after": raises_after,
    "/stops-iteration": stops_iteration,
    "/returns-nothing": returns_nothing,
    "/closes": closes,
    "/closes-late": closes_late,
    "/cut-frame": cut_frame,
    "/slow-frame": slow_frame,
    "/flood": flood,
    "/drinks": drinks,
    "/answers-twice": answers_twice,
}


def app(environ: Environ, start_response: Any) -> Any:
    """What is written by hand, else Flask's."""
    return PLAIN.get(environ["PATH_INFO"], flask.wsgi_app)(environ, start_response)
