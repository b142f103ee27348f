"""Flask, after gevent or eventlet (the variable GREEN) has replaced the standard library's waiting.

What the variable names are keyword arguments of the library's own patching, such as
`gevent:select=False`.
"""

import importlib
import os

library, _, arguments = os.environ["GREEN"].partition(":")
options = {name: False for name in arguments.split(",") if name}
if library == "gevent":
    importlib.import_module("gevent.monkey").patch_all(**options)
else:
    importlib.import_module("eventlet").monkey_patch(**options)

import threading  # noqa: E402
import time  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from typing import Any  # noqa: E402

from flask import Flask, request  # noqa: E402
from flask_sock import Sock  # noqa: E402

app = Flask(__name__)
sock = Sock(app)
waiting = threading.Semaphore(0)


@app.get("/")
def home() -> str:
    time.sleep(0.001)
    return f"{library} {os.getpid()}"


@app.post("/sum")
def add() -> str:
    return str(sum(request.get_data()))


@app.get("/stream")
def stream() -> Iterator[bytes]:
    def make() -> Iterator[bytes]:
        for _ in range(64):
            time.sleep(0.001)
            yield b"x" * 65_536

    return make()


@app.get("/wait")
def wait() -> str:
    """Waits for a request to /wake in another thread of the same worker."""
    return "woken" if waiting.acquire(timeout=20) else "never woken"


@app.get("/wake")
def wake() -> str:
    waiting.release()
    return "waking"


@app.get("/thread")
def thread() -> str:
    """A thread of the application's own, which the library makes a greenlet."""
    found: list[str] = []
    own = threading.Thread(target=lambda: found.append("ran"))
    own.start()
    own.join()
    return found[0]


@sock.route("/echo")
def echo(ws: Any) -> None:
    while True:
        ws.send(ws.receive())
