"""What a process is set up with: streams, signals, name, lifeline, priorities, fork hooks.

Children that the application makes (os.fork, multiprocessing, subprocess) have to be ordinary
processes: signals end them, and they hold nothing of the server's. A fork, unlike an exec, ignores
close-on-exec, so hooks close the server's descriptors in each forked child.
"""

from __future__ import annotations

import fcntl
import io
import os
import signal
import stat
import sys
from collections.abc import Callable
from functools import cache
from types import FrameType

from .native import fork, get_ident, poll

EXIT_ORPHANED = 1
# The server's descriptors in a worker have this number or a higher one. Above what an application
# opens or closes by number, below the usual limit of 1,024, and cheap: the kernel's table of a
# process has room up to the highest one.
HIGH_FD = 900

# Added to a worker's OOM score, so that the kernel kills a worker before the front; the kernel's
# scale ends at 1000.
OOM_SCORE_STEP = 300
MAX_OOM_SCORE = 1000

# Ctrl-C, the end of a terminal and a service manager signal the whole process group at once. The
# front alone decides when a worker ends.
FRONT_DECIDES = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# The kernel keeps 15 bytes of a name.
_MAX_NAME_BYTES = 15

_masks: dict[int, set[int]] = {}
_close_in_children: list[Callable[[], None]] = []
# Threads that fork a process of the server's own.
_own_forkers: set[int] = set()


# A handler and not SIG_IGN: programs that the application runs would inherit an ignored signal, but
# not a handler.
def _leave_to_front(_signal: int, _frame: FrameType | None) -> None:
    pass


def ignore_signals() -> None:
    """Ignores the signals whose meaning the front decides."""
    for number in FRONT_DECIDES:
        signal.signal(number, _leave_to_front)


def ignore_signals_to_the_end() -> None:
    """As `ignore_signals`, also while the interpreter ends: it gives up handlers before that."""
    for number in FRONT_DECIDES:
        signal.signal(number, signal.SIG_IGN)


def guard_children() -> None:
    """Makes forked children close what `close_in_children` names from now on, and obey signals."""
    # What a template closes in children of the application is not a worker's affair.
    _close_in_children.clear()
    _register_hooks()


# Once, also in a process that was forked afterwards.
@cache
def _register_hooks() -> None:
    os.register_at_fork(
        before=_block_signals, after_in_parent=_unblock_signals, after_in_child=_become_child
    )


def fork_own() -> int:
    """Forks a process of the server's own, which `guard_children` leaves as it is."""
    thread = get_ident()
    _own_forkers.add(thread)
    try:
        return fork()
    finally:
        _own_forkers.discard(thread)


# Blocked around the fork: the parent's handler would swallow a signal that reaches the child before
# the child has restored its own handlers.
def _block_signals() -> None:
    if get_ident() in _own_forkers:
        return
    held = signal.pthread_sigmask(signal.SIG_BLOCK, FRONT_DECIDES)
    _masks[get_ident()] = held


def _unblock_signals() -> None:
    if get_ident() in _own_forkers:
        return
    signal.pthread_sigmask(signal.SIG_SETMASK, _masks.pop(get_ident(), ()))


def close_in_children(close: Callable[[], None]) -> None:
    """Calls `close` in each child that is forked from now on."""
    _close_in_children.append(close)


def _become_child() -> None:
    if get_ident() in _own_forkers:
        return
    while _close_in_children:
        try:
            _close_in_children.pop()()
        except OSError:
            # The application has already closed this descriptor; the others still have to go.
            continue
    for number in FRONT_DECIDES:
        if signal.getsignal(number) is _leave_to_front:
            default = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
            signal.signal(number, default)
    _unblock_signals()


def move_high(fd: int) -> int:
    """Moves a descriptor of the server to a high number, if there is room; returns the number.

    Programs that make daemons of themselves, and careless ones, close the low numbers. An
    application that closes one of the server's would also get its number for a file of its own,
    and the server's frames in that file.
    """
    try:
        moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, HIGH_FD)
    except OSError:
        return fd  # The limit of open files is lower.
    os.close(fd)
    return moved


def is_socket(fd: int) -> bool:
    """Whether `fd` is open and a socket."""
    try:
        return stat.S_ISSOCK(os.fstat(fd).st_mode)
    except OSError:
        return False


def close_passed_on(descriptors: list[int]) -> None:
    """Closes what the front's own parent left open; what start-up hooks have opened stays."""
    for fd in descriptors:
        try:
            os.close(fd)
        except OSError:
            continue  # A start-up hook has closed it.


def reopen(fd: int, flags: int) -> int:
    """Opens the file of `fd` again, for an open file description that is shared with nobody."""
    return os.open(f"/proc/self/fd/{fd}", flags | os.O_CLOEXEC)


def signal_at_end(lifeline: int, number: int) -> None:
    """Makes the kernel send this process a signal when the last writer of the lifeline ends.

    The open file description of the descriptor must be this process's own.
    """
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETSIG, number)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, os.O_NONBLOCK | os.O_ASYNC)


def hold_lifeline(lifeline: int) -> int:
    """Arms the lifeline: when its last writer ends, the kernel kills this process at once.

    No thread of the worker could do that while the application computes with the interpreter's lock
    held. Returns the descriptor that has to stay open.
    """
    fd = move_high(reopen(lifeline, os.O_RDONLY | os.O_NONBLOCK))
    signal_at_end(fd, signal.SIGKILL)
    # The last writer may have ended before the lifeline was armed.
    ended = poll()
    ended.register(fd, 0)
    if ended.poll(0):
        os._exit(EXIT_ORPHANED)
    return fd


def take_streams(out: int, err: int, *, is_open: bool = False) -> None:
    """Makes the pipes `out` and `err` (any access mode) the standard streams; input is empty.

    `is_open`: Python's objects for them are there, and may be the application's.
    """
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    os.dup2(null, 0)
    os.close(null)
    for fd, standard in ((out, 1), (err, 2)):
        pipe = reopen(fd, os.O_WRONLY)
        os.dup2(pipe, standard)
        os.close(pipe)
    if is_open:
        return
    sys.stdout = sys.__stdout__ = _text_stream(sys.stdout, 1)  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _text_stream(sys.stderr, 2)  # type: ignore[misc]


def _text_stream(stream: object, fd: int) -> io.TextIOWrapper:
    if not isinstance(stream, io.TextIOWrapper):
        stream = io.TextIOWrapper(io.BufferedWriter(io.FileIO(fd, "wb", closefd=False)))
    stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    return stream


def flush_streams() -> None:
    """Writes what the application has printed, before an exit that skips Python's own flush."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            continue


def run_in_batches(front: int) -> None:
    """Asks for SCHED_BATCH (sched(7)) for the front, this process and all that it forks.

    A process that becomes ready then does not preempt another one. Where cores are scarce, each
    process handles several requests before a switch: a fifth less CPU a request.
    """
    for process in (0, front):
        try:
            os.sched_setscheduler(process, os.SCHED_BATCH, os.sched_param(0))
        except (AttributeError, OSError):
            continue  # A container may forbid it. It only saves time.


def offer_to_oom_killer() -> None:
    """Makes this process a likelier victim than the front when memory runs out. Best effort."""
    try:
        with open("/proc/self/oom_score_adj", "r+b", buffering=0) as score:
            raised = int(score.read(16)) + OOM_SCORE_STEP
            score.write(b"%d" % min(raised, MAX_OOM_SCORE))
    except (OSError, ValueError):
        pass


def explain_unencodable(text: str) -> str:
    """Explains why `text` can be neither a path nor a variable in this locale; "" if it can."""
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        encoding = sys.getfilesystemencoding()
        return (
            f"{text!a} cannot be written in {encoding}, the encoding of the interpreter's "
            "locale; set LC_ALL=C.UTF-8, or PYTHONUTF8=1"
        )
    return ""


def take_name(name: str) -> None:
    """Gives the process a name for ps and top. Best effort."""
    try:
        with open("/proc/self/comm", "wb", buffering=0) as comm:
            comm.write(name.encode()[:_MAX_NAME_BYTES])
    except OSError:
        pass
