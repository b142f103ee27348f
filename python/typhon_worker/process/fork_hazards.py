"""What a fork does not copy as an application may expect, found around its load (--preload).

Threads are gone in a forked process. Connections and event loops are there, but all workers share
them. Programs that were started are the template's children. Nothing is repaired here: the log
tells, and a hook of the application starts or opens these things in each worker.
"""

from __future__ import annotations

import os
import sys
import threading
from socket import AF_INET, AF_INET6, AF_UNIX, SOCK_STREAM

from .native import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

_DESCRIPTORS = "/proc/self/fd"
_EVENT_LOOP = "anon_inode:[eventpoll]"
# Names in a line, of each kind.
MAX_NAMED = 5
# Their threads start anew in a forked process when they are needed next.
_RENEWED = ("sentry_sdk",)
_REMEDY = (
    "a hook that each worker runs does it there: worker_start of typhon_server.hooks, "
    "gunicorn's post_fork"
)


class Hazards:
    """Looks before and after the load, in the template; describes in the worker."""

    def __init__(self) -> None:
        self._before: set[int] = set()
        # The package whose code runs in each thread, by the thread's name.
        self._threads: dict[str, str] = {}
        self._connections: list[str] = []
        self._programs: list[str] = []
        self._has_event_loop = False

    def begin(self) -> None:
        """Before the load."""
        self._before = set(_links())

    def end(self, *, is_green: bool) -> None:
        """After the load. `is_green`: the event loop is that of a green library."""
        opened = {fd: link for fd, link in _links().items() if fd not in self._before}
        self._has_event_loop = _EVENT_LOOP in opened.values() and not is_green
        sockets = [fd for fd, link in opened.items() if link.startswith("socket:")]
        self._connections = sorted({name for name in map(_peer, sockets) if name})
        frames = sys._current_frames()
        for thread in threading.enumerate():
            package = _package_of(frames.get(thread.ident or 0))
            if thread is not threading.main_thread() and package not in _RENEWED:
                self._threads[thread.name] = package
        self._programs = _programs()

    def describe(self) -> str:
        """In the worker, after hooks of forks have run: one sentence, "" if there is nothing."""
        alive = {thread.name for thread in threading.enumerate()}
        gone = [
            f'"{name}" ({package})' if package else f'"{name}"'
            for name, package in self._threads.items()
            if name not in alive
        ]
        found = []
        if gone:
            found.append(f"threads run in the template and in no worker: {_join(gone)}")
        if self._connections:
            found.append(f"all workers share the connections to {_join(self._connections)}")
        if self._has_event_loop:
            found.append("all workers share the descriptors of an event loop")
        if self._programs:
            found.append(f"programs are children of the template: {_join(self._programs)}")
        if not found:
            return ""
        return f"of what was started while the application loaded, {'; '.join(found)} ({_REMEDY})"


def _join(names: list[str]) -> str:
    more = [f"{len(names) - MAX_NAMED} more"] if len(names) > MAX_NAMED else []
    return ", ".join(names[:MAX_NAMED] + more)


# What each open descriptor is, by its number.
def _links() -> dict[int, str]:
    links = {}
    try:
        names = os.listdir(_DESCRIPTORS)
    except OSError:
        return {}
    for name in names:
        try:
            links[int(name)] = os.readlink(f"{_DESCRIPTORS}/{name}")
        except OSError:
            continue  # The descriptor by which the folder was read.
    return links


# The other end of a connected socket, "" if it is none or has no name.
def _peer(fd: int) -> str:
    with socket(fileno=os.dup(fd)) as found:
        try:
            if found.type & SOCK_STREAM == 0:
                return ""
            name = found.getpeername()
        except OSError:
            return ""
        if found.family == AF_UNIX:
            return name if isinstance(name, str) else ""
        return f"{name[0]}:{name[1]}" if found.family in (AF_INET, AF_INET6) else ""


# Whose code a thread runs: the package of the innermost frame that is not the standard library's.
def _package_of(frame: FrameType | None) -> str:
    library = os.path.dirname(threading.__file__) + os.sep
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith(("<", library)) or "-packages" + os.sep in file:
            return str(frame.f_globals.get("__name__", "")).partition(".")[0]
        frame = frame.f_back
    return ""


# Children of this process, but for the tracker that multiprocessing shares on purpose.
def _programs() -> list[str]:
    tasks = _list("/proc/self/task")
    pids = [pid for task in tasks for pid in _read(f"/proc/self/task/{task}/children").split()]
    return [
        f"{_read(f'/proc/{pid}/comm').strip()} ({pid})"
        for pid in pids
        if "multiprocessing.resource_tracker" not in _read(f"/proc/{pid}/cmdline")
    ]


def _list(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
