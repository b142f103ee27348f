"""Requests that wait for one another or for the test: order shown by outcome, not by time.

All meeting places are files in the folder of the variable GATE_DIR.
"""

import ctypes
import os
import re
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

Environ = dict[str, Any]
FOLDER = Path(os.environ["GATE_DIR"])
PLAIN = [("Content-Type", "text/plain")]
PATIENCE = float(os.environ.get("GATE_PATIENCE", "15"))


def wait_for(is_there: Any) -> bool:
    """Looks until it is there; False when patience ends."""
    last = time.monotonic() + PATIENCE
    while not is_there():
        if time.monotonic() > last:
            return False
        time.sleep(0.005)
    return True


def ask(environ: Environ, name: str, default: str = "") -> str:
    return parse_qs(environ["QUERY_STRING"]).get(name, [default])[0]


def meet(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Answers 200 when `n` requests of `group` run at the same time, else 500."""
    group = FOLDER / ask(environ, "group")
    wanted = int(ask(environ, "n"))
    group.mkdir(exist_ok=True)
    (group / ask(environ, "id")).write_text(str(os.getpid()))
    met = wait_for(lambda: len(os.listdir(group)) >= wanted)
    start_response("200 OK" if met else "500 Alone", list(PLAIN))
    return [str(os.getpid()).encode()]


def hold(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Says that it runs (NAME.running holds its process), then waits for NAME.go."""
    name = ask(environ, "name")
    draft = FOLDER / f"{name}.draft"
    draft.write_text(str(os.getpid()))
    draft.rename(FOLDER / f"{name}.running")
    met = wait_for((FOLDER / f"{name}.go").exists)
    start_response("200 OK" if met else "500 Forgotten", list(PLAIN))
    return [f"held {name} {os.getpid()}".encode()]


def steps(environ: Environ, start_response: Any) -> Iterator[bytes]:
    """Streams step by step: the next chunk comes when the test has seen the one before."""
    name = ask(environ, "name")
    start_response("200 OK", list(PLAIN))
    for number in range(1, int(ask(environ, "n")) + 1):
        yield f"step {number}\n".encode()
        if not wait_for((FOLDER / f"{name}.{number}").exists):
            raise RuntimeError("nobody let the next step go")


def deaf(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Runs without end and without letting anybody in; only a kill ends it."""
    (FOLDER / f"{ask(environ, 'name')}.running").write_text(str(os.getpid()))
    while True:
        pass


def asleep(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Waits in one call that no exception can interrupt; other threads of the process can run."""
    (FOLDER / f"{ask(environ, 'name')}.running").write_text(str(os.getpid()))
    time.sleep(600)
    return []


def backtrack(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Computes in C without ever letting go of the interpreter's lock, after `after` seconds."""
    (FOLDER / f"{ask(environ, 'name')}.running").write_text(str(os.getpid()))
    time.sleep(float(ask(environ, "after", "0")))
    re.match(r"(a+)+$", "a" * 64 + "b")
    return []


def frozen(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Waits in C for ever without letting go of the interpreter's lock, after `after` seconds.

    Like `backtrack`, but leaves the processor to others: a mutex of its own is taken twice.
    """
    (FOLDER / f"{ask(environ, 'name')}.running").write_text(str(os.getpid()))
    time.sleep(float(ask(environ, "after", "0")))
    # A PyDLL, unlike a CDLL, keeps the interpreter's lock; zeros are PTHREAD_MUTEX_INITIALIZER.
    lock = ctypes.PyDLL(None).pthread_mutex_lock
    mutex = ctypes.create_string_buffer(64)
    lock(mutex)
    lock(mutex)
    return []


def locked(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Waits for a lock that nobody gives back."""
    (FOLDER / f"{ask(environ, 'name')}.running").write_text(str(os.getpid()))
    lock = threading.Lock()
    with lock, lock:
        pass
    return []


def gone(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Works until its client has left, as it is told, and notes that."""
    name = ask(environ, "name")
    (FOLDER / f"{name}.running").write_text(str(os.getpid()))
    wait_for(environ["typhon.client_gone"])
    (FOLDER / f"{name}.gone").write_text("gone")
    start_response("200 OK", list(PLAIN))
    return []


def nap(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Takes `ms` milliseconds."""
    time.sleep(int(ask(environ, "ms")) / 1000)
    start_response("200 OK", list(PLAIN))
    return [str(os.getpid()).encode()]


def quick(_environ: Environ, start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", list(PLAIN))
    return [f"quick {os.getpid()}".encode()]


def count(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Notes its id for good before it answers with it: one line a run, in one write.

    The pauses before and after are what a killed worker is mostly caught in.
    """
    number = environ["QUERY_STRING"]
    time.sleep(0.0005)
    log = os.open(FOLDER / "runs", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(log, f"{number} {os.getpid()}\n".encode())
    os.close(log)
    time.sleep(0.0005)
    start_response("200 OK", list(PLAIN))
    return [number.encode()]


def flood(environ: Environ, start_response: Any) -> Iterator[bytes]:
    """`mb` megabytes whose bytes can be foretold: block k is full of the byte k."""
    megabytes = int(ask(environ, "mb"))
    start_response("200 OK", [*PLAIN, ("X-Pid", str(os.getpid()))])
    try:
        for number in range(megabytes * 16):
            yield bytes([number & 255]) * 65536
    finally:
        (FOLDER / "flood.closed").write_text("closed")


ROUTES = {
    "/meet": meet,
    "/hold": hold,
    "/steps": steps,
    "/deaf": deaf,
    "/asleep": asleep,
    "/backtrack": backtrack,
    "/frozen": frozen,
    "/locked": locked,
    "/gone": gone,
    "/nap": nap,
    "/count": count,
    "/flood": flood,
}


def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """By the last part of the path: `/slow/hold` is `/hold`, and may have a deadline of its own."""
    page = "/" + environ["PATH_INFO"].rpartition("/")[2]
    return ROUTES.get(page, quick)(environ, start_response)
