"""The pages of the chaos applications: each path is one fault, or one thing to watch under faults.

Knows no framework: chaos_raw.py and chaos_flask.py serve the same pages; chaos_async.py has them as
coroutines. What has happened is noted in files of the folder CHAOS_DIR, one O_APPEND write a line,
so that it stands there whatever becomes of the process. Other files say what an import is to do
(`fault`), and which version of the code this is (`version`).
"""

import ctypes
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

Environ = dict[str, Any]
Body = Iterable[bytes]

FOLDER = Path(os.environ["CHAOS_DIR"])
# Whoever is never let go ends by himself, so that a test that broke leaves nothing.
PATIENCE_SECONDS = 60.0
CHUNK = b"0123456789abcdef" * 4096
TYPE = ("Content-Type", "text/plain")


def read_file(name: str, fallback: str) -> str:
    try:
        return (FOLDER / name).read_text().strip()
    except FileNotFoundError:
        return fallback


VERSION = read_file("version", "0")
_files: dict[str, int] = {}


def note(name: str, line: str) -> None:
    """One line in the file of that name, in one write."""
    if name not in _files:
        _files[name] = os.open(FOLDER / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(_files[name], f"{line}\n".encode())


def note_start(began: float) -> None:
    """The application is imported; `began`: when that began. Then what `fault` asks for."""
    now = time.monotonic()
    note("starts", f"{os.getpid()} {VERSION} {now:.6f} {now - began:.6f}")
    fault = read_file("fault", "")
    if fault == "raise":
        raise RuntimeError("this version does not load")
    if fault == "exit":
        os._exit(1)
    if fault == "exit-soon":
        threading.Timer(0.1, os._exit, [1]).start()


def wait_for(path: Path) -> bool:
    last = time.monotonic() + PATIENCE_SECONDS
    while not path.exists():
        if time.monotonic() > last:
            return False
        time.sleep(0.005)
    return True


def ask(environ: Environ, name: str, fallback: str = "") -> str:
    return parse_qs(environ["QUERY_STRING"]).get(name, [fallback])[0]


def quick(_environ: Environ) -> Body:
    return [f"quick {VERSION} {os.getpid()}".encode()]


def sleep(environ: Environ) -> Body:
    time.sleep(float(ask(environ, "s")))
    return [f"slept {os.getpid()}".encode()]


def talk(environ: Environ) -> Body:
    """Writes many lines to standard error."""
    for _ in range(int(ask(environ, "lines"))):
        print("x" * 100, file=sys.stderr)
    return [b"talked"]


# Ways to be stuck. The name of the function is what a stack report has to show.


def sleep_in_steps(_environ: Environ) -> Body:
    while True:
        time.sleep(0.01)


def spin(_environ: Environ) -> Body:
    while True:
        pass


def take_lock_twice(_environ: Environ) -> Body:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()
    return []


def backtrack(environ: Environ) -> Body:
    """Stuck in C with the interpreter's lock held, at once or after so many seconds."""
    time.sleep(float(ask(environ, "after", "0")))
    re.match(r"(a+)+$", "a" * 64 + "b")
    return []


def sleep_long(_environ: Environ) -> Body:
    time.sleep(600)
    return []


STUCK = ("/sleep_in_steps", "/spin", "/take_lock_twice", "/backtrack", "/sleep_long")


# Ways to cost something.


def hoard(environ: Environ) -> Body:
    """Keeps so many MiB for the life of the process."""
    _hoard.append(b"\1" * (int(ask(environ, "mib")) << 20))
    return [f"{len(_hoard)} {os.getpid()}".encode()]


_hoard: list[bytes] = []


def devour(_environ: Environ) -> Body:
    """Takes memory until there is none."""
    note("deaths", f"{os.getpid()} {time.monotonic():.6f}")
    while True:
        _hoard.append(b"\1" * (8 << 20))


def leave_orphan(_environ: Environ) -> Body:
    """Starts a program that starts another and does not wait for it."""
    subprocess.run(["sh", "-c", "sleep 0.05 &"], check=True)
    return [b"left"]


def warm(_environ: Environ) -> Body:
    """Notes which process is warm, after what such work may take."""
    time.sleep(0.1)
    note("warm", str(os.getpid()))
    return [b"warm"]


# Ways to die.


def die(way: str) -> None:
    """Notes when, then ends this process without a word."""
    note("deaths", f"{os.getpid()} {time.monotonic():.6f}")
    if way == "segfault":
        ctypes.string_at(0)
    if way == "exit":
        os._exit(9)
    os.kill(os.getpid(), signal.SIGKILL)


def hold(environ: Environ) -> Body:
    """Says that it runs, waits for the file GROUP.go, then answers, or dies as `then` asks."""
    name = ask(environ, "name")
    note("holds", f"{name} {os.getpid()}")
    is_free = wait_for(FOLDER / f"{ask(environ, 'group')}.go")
    way = ask(environ, "then")
    if way != "":
        die(way)
    return [f"{'held' if is_free else 'forgotten'} {name} {os.getpid()}".encode()]


def token(environ: Environ) -> Body:
    """Notes the run, then answers with the token: of the query, or of the body that was posted."""
    name = ask(environ, "t")
    note("runs", name)
    time.sleep(float(ask(environ, "s", "0")))
    if environ["REQUEST_METHOD"] == "POST":
        name = environ["wsgi.input"].read().decode()
    text = f"{name} {environ.get('HTTP_X_REQUEST_ID', '-')} {VERSION}"
    if ask(environ, "way") == "stream":
        return (part.encode() for part in (text[:3], text[3:7], text[7:]))
    return [text.encode()]


class Download:
    """Chunks of 64 KiB with a pause after each. Its begin and its close() are noted.

    No generator: that would be closed by the garbage collector, whatever the server forgets.
    """

    def __init__(self, chunks: int, pause: float) -> None:
        self.left = chunks
        self.pause = pause
        note("downloads", "begun")

    def __iter__(self) -> "Download":
        return self

    def __next__(self) -> bytes:
        if self.left == 0:
            raise StopIteration
        if self.left > 1:
            time.sleep(self.pause)
        self.left -= 1
        return CHUNK

    def close(self) -> None:
        note("downloads", "ended")


def download(environ: Environ) -> Body:
    return Download(int(ask(environ, "chunks")), float(ask(environ, "pause", "0")))


def whole(environ: Environ) -> Body:
    """So many KiB in one piece."""
    return [b"w" * (int(ask(environ, "kib")) << 10)]


def wait_for_leaving(environ: Environ) -> Body:
    """Notes whether it was told, while it ran, that its client has left."""
    is_gone = environ["typhon.client_gone"]
    note("leavings", "begun")
    last = time.monotonic() + PATIENCE_SECONDS
    while not is_gone() and time.monotonic() < last:
        time.sleep(0.01)
    note("leavings", "told" if is_gone() else "never")
    return [b"nobody reads this"]


def upload(environ: Environ) -> Body:
    """How many bytes came."""
    length = 0
    while piece := environ["wsgi.input"].read(65536):
        length += len(piece)
    return [str(length).encode()]


PAGES: dict[str, Callable[[Environ], Body]] = {
    "/quick": quick,
    "/sleep": sleep,
    "/talk": talk,
    "/sleep_in_steps": sleep_in_steps,
    "/spin": spin,
    "/take_lock_twice": take_lock_twice,
    "/backtrack": backtrack,
    "/sleep_long": sleep_long,
    "/hold": hold,
    "/token": token,
    "/download": download,
    "/whole": whole,
    "/upload": upload,
    "/wait_for_leaving": wait_for_leaving,
    "/hoard": hoard,
    "/devour": devour,
    "/leave_orphan": leave_orphan,
    "/warm": warm,
}


def respond(environ: Environ) -> Body:
    """The body of the page that PATH_INFO names."""
    path = environ["PATH_INFO"]
    if path in STUCK:
        note("stuck", path)
    return PAGES.get(path, quick)(environ)
