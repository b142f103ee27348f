"""The standard library's waiting functions, as they are before the application is imported.

gevent and eventlet replace them in their modules (`monkey.patch_all()`) by functions that switch
between greenlets, or remove them. The worker's own threads need the real ones, so worker code that
runs after the import takes them from here. `Condition` and `start_thread` are here because the
classes of `threading` look up the replaced functions at each call.
"""

from __future__ import annotations

import sys
import threading
from _thread import LockType, RLock, allocate_lock, get_ident, start_new_thread
from collections.abc import Callable
from os import fork, read, write, writev
from select import EPOLLEXCLUSIVE, EPOLLIN, POLLIN, epoll, poll
from socket import MSG_DONTWAIT, socket
from threading import Thread
from time import monotonic, sleep

__all__ = [
    "EPOLLEXCLUSIVE",
    "EPOLLIN",
    "MSG_DONTWAIT",
    "POLLIN",
    "Condition",
    "LockType",
    "allocate_lock",
    "epoll",
    "find_green_library",
    "forget_children",
    "fork",
    "get_ident",
    "monotonic",
    "poll",
    "read",
    "renew_green_library",
    "sleep",
    "socket",
    "start_new_thread",
    "start_thread",
    "write",
    "writev",
]


class Condition:
    """The parts of threading.Condition that the worker uses; entered by `with`, also twice."""

    __slots__ = ("_lock", "_waiting")

    def __init__(self) -> None:
        self._lock = RLock()
        self._waiting: list[LockType] = []

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def wait_for(self, predicate: Callable[[], object], timeout: float | None = None) -> None:
        """Waits until `predicate` is true, at most so many seconds; called inside of one `with`."""
        latest = None if timeout is None else monotonic() + timeout
        while not predicate():
            left = -1.0 if latest is None else latest - monotonic()
            if latest is not None and left <= 0.0:
                return
            wakeup = allocate_lock()
            wakeup.acquire()
            self._waiting.append(wakeup)
            self._lock.release()
            try:
                wakeup.acquire(timeout=left)
            finally:
                self._lock.acquire()
                if wakeup in self._waiting:
                    self._waiting.remove(wakeup)

    def notify_all(self) -> None:
        """Wakes all threads that wait; called inside of `with`."""
        for wakeup in self._waiting:
            wakeup.release()
        self._waiting.clear()


def find_green_library() -> str:
    """Returns "gevent" or "eventlet" if it has replaced the threads of `threading`, else ""."""
    current = threading.get_ident
    return "" if current is get_ident else current.__module__.partition(".")[0]


def renew_green_library() -> None:
    """In a process forked by `fork`: gives gevent and eventlet, if they are there, new loops."""
    if "gevent" in sys.modules:
        sys.modules["gevent"].reinit()
    if "eventlet.hubs" in sys.modules:
        sys.modules["eventlet.hubs"].use_hub()


def forget_children() -> None:
    """In a process forked by `fork`: multiprocessing, if it is there, has no children.

    It would wait for those of the other process at its end.
    """
    if "multiprocessing.process" in sys.modules:
        sys.modules["multiprocessing.process"]._children.clear()


def start_thread(run: Callable[[], None], name: str) -> LockType:
    """Starts a daemonic thread of the kernel; returns a lock that is released when it has ended.

    It is a threading.Thread, which debuggers and coverage tools know, except where a green library
    would start a greenlet instead.
    """
    ended = allocate_lock()
    ended.acquire()

    def run_to_the_end() -> None:
        try:
            run()
        finally:
            ended.release()

    if find_green_library():
        start_new_thread(run_to_the_end, ())
    else:
        Thread(target=run_to_the_end, name=name, daemon=True).start()
    return ended
