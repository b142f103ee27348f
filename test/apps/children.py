"""Processes and threads of an application: what they hold, and that they work."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable
from typing import Any

Environ = dict[str, Any]

ticks = 0
started = threading.Event()


def tick() -> None:
    """A thread that was started at import must run in the worker."""
    global ticks
    while True:
        ticks += 1
        started.set()
        threading.Event().wait(0.01)


threading.Thread(target=tick, daemon=True).start()


def list_descriptors(pid: int | str = "self") -> list[str]:
    """Number and target of each open file but those of the listing itself."""
    folder = f"/proc/{pid}/fd"
    shown = []
    for number in sorted(os.listdir(folder), key=int):
        try:
            shown.append(f"{number} {os.readlink(f'{folder}/{number}')}")
        except FileNotFoundError:
            continue
    return shown


def report(queue: Any) -> None:
    queue.put(list_descriptors())


def square(number: int) -> int:
    return number * number


def from_multiprocessing(method: str) -> list[str]:
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    child = context.Process(target=report, args=(queue,))
    child.start()
    found: list[str] = queue.get(timeout=15)
    child.join(15)
    return found


def from_subprocess() -> list[str]:
    """close_fds=False: what is inheritable at all is inherited."""
    program = (
        "import json, os;"
        "names = sorted(os.listdir('/proc/self/fd'), key=int);"
        "print(json.dumps([n + ' ' + os.readlink('/proc/self/fd/' + n)"
        " for n in names if os.path.lexists('/proc/self/fd/' + n)]))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, close_fds=False
    )
    found: list[str] = json.loads(result.stdout)
    return found


def from_fork() -> list[str]:
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write_end, json.dumps(list_descriptors()).encode())
        os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as stream:
        found: list[str] = json.loads(stream.read())
    os.waitpid(child, 0)
    return found


def start_daemon(path: str) -> list[str]:
    """A double fork: the grandchild outlives the request and the worker. It writes its number."""
    child = os.fork()
    if child == 0:
        os.setsid()
        if os.fork() == 0:
            null = os.open(os.devnull, os.O_RDWR)
            for number in (0, 1, 2):
                os.dup2(null, number)
            with open(f"{path}.draft", "w", encoding="ascii") as note:
                note.write(str(os.getpid()))
            os.rename(f"{path}.draft", path)
            signal.pause()
        os._exit(0)
    os.waitpid(child, 0)
    return []


def signal_dispositions() -> list[str]:
    """What a child inherits: nothing but Python's own SIGPIPE and SIGXFSZ may be ignored."""
    with open("/proc/self/status", encoding="ascii") as status:
        own = [line.strip() for line in status if line.startswith(("SigIgn", "SigBlk"))]
    shown = subprocess.run(
        ["cat", "/proc/self/status"], capture_output=True, check=True, text=True
    ).stdout
    return own + [
        "child " + line for line in shown.splitlines() if line.startswith(("SigIgn", "SigBlk"))
    ]


def pool_squares() -> list[str]:
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return [str(number) for number in pool.map(square, range(5))]


def terminate_child() -> list[str]:
    """A child of the application ends by SIGTERM as anywhere else."""
    child = multiprocessing.get_context("fork").Process(target=signal.pause)
    child.start()
    child.terminate()
    child.join(5)
    exit_code = child.exitcode
    child.kill()
    return [str(exit_code)]


def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path == "/thread":
        found = ["ticking" if started.wait(10) and ticks > 0 else "no thread"]
    elif path == "/own":
        found = list_descriptors()
    elif path == "/fork":
        found = from_fork()
    elif path == "/subprocess":
        found = from_subprocess()
    elif path == "/daemon":
        found = start_daemon(environ["QUERY_STRING"])
    elif path == "/signals":
        found = signal_dispositions()
    elif path == "/pool":
        found = pool_squares()
    elif path == "/terminate":
        found = terminate_child()
    else:
        found = from_multiprocessing(path.removeprefix("/multiprocessing-"))
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(found).encode()]
