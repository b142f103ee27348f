"""What a worker process lives in: standard streams, signals, its name, its lifeline, its children.

Children that the application makes (os.fork, multiprocessing, subprocess) are to be ordinary
processes: signals end them, and they hold nothing of the server's. Descriptors of ours are closed
in them by hooks, since a fork, unlike an exec, ignores close-on-exec.
"""

from __future__ import annotations

import fcntl
import io
import os
import select
import signal
import sys
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

EXIT_ORPHANED = 1

# So much sooner than the rest a worker goes when memory runs out; the kernel's scale ends at 1000.
OOM_SCORE_STEP = 300
MAX_OOM_SCORE = 1000

# Ctrl-C, a terminal's end and a service manager reach the whole group at once; the front alone
# decides when a worker goes.
FRONT_DECIDES = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# The kernel keeps 15 bytes of a name.
_MAX_NAME_BYTES = 15

_masks: dict[int, set[int]] = {}
_close_in_children: list[Callable[[], None]] = []


# A handler instead of SIG_IGN: ignored signals stay ignored in programs that the application runs,
# handlers do not.
def _leave_it_to_the_front(_signal: int, _frame: FrameType | None) -> None:
    pass


def ignore_signals() -> None:
    """Lets the front decide about this process's end."""
    for number in FRONT_DECIDES:
        signal.signal(number, _leave_it_to_the_front)


def guard_children() -> None:
    """From here on, forked children close what `close_in_children` names and heed signals."""
    os.register_at_fork(
        before=_hold_signals, after_in_parent=_release_signals, after_in_child=_become_child
    )


# A signal that reaches a child before it has become one would be left to the front, and be lost.
def _hold_signals() -> None:
    held = signal.pthread_sigmask(signal.SIG_BLOCK, FRONT_DECIDES)
    _masks[threading.get_ident()] = held


def _release_signals() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _masks.pop(threading.get_ident(), ()))


def close_in_children(close: Callable[[], None]) -> None:
    """Calls `close` in each child that is forked from now on."""
    _close_in_children.append(close)


def _become_child() -> None:
    while _close_in_children:
        try:
            _close_in_children.pop()()
        except OSError:
            # The application has closed what was not its own; the others still have to go.
            continue
    for number in FRONT_DECIDES:
        if signal.getsignal(number) is _leave_it_to_the_front:
            default = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
            signal.signal(number, default)
    _release_signals()


def close_above(highest: int) -> None:
    """Closes every descriptor with a higher number: a service manager may have passed some on."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) > highest:
            try:
                os.close(int(name))
            except OSError:
                continue  # The one that has listed them.


def reopen(fd: int, flags: int) -> int:
    """Opens what `fd` stands for anew: an open file description that is shared with nobody."""
    return os.open(f"/proc/self/fd/{fd}", flags | os.O_CLOEXEC)


def hold_lifeline(lifeline: int) -> int:
    """Arms the lifeline: when its last writer goes, the kernel kills this process at once.

    Even one that computes with the interpreter's lock held, which no thread of ours could end.
    Returns the descriptor that has to stay open.
    """
    fd = reopen(lifeline, os.O_RDONLY | os.O_NONBLOCK)
    fcntl.fcntl(fd, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(fd, fcntl.F_SETFL, os.O_NONBLOCK | os.O_ASYNC)
    # It may have ended before it was armed.
    poll = select.poll()
    poll.register(fd, 0)
    if poll.poll(0):
        os._exit(EXIT_ORPHANED)
    return fd


def take_streams(out: int, err: int) -> None:
    """Makes the pipes `out` and `err` (any access mode) the standard streams; input is empty."""
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    os.dup2(null, 0)
    os.close(null)
    for fd, standard in ((out, 1), (err, 2)):
        pipe = reopen(fd, os.O_WRONLY)
        os.dup2(pipe, standard)
        os.close(pipe)
    sys.stdout = sys.__stdout__ = _text_stream(sys.stdout, 1)  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _text_stream(sys.stderr, 2)  # type: ignore[misc]


def _text_stream(stream: object, fd: int) -> io.TextIOWrapper:
    if not isinstance(stream, io.TextIOWrapper):
        stream = io.TextIOWrapper(io.BufferedWriter(io.FileIO(fd, "wb", closefd=False)))
    stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    return stream


def run_in_batches(front: int) -> None:
    """Asks the kernel not to interrupt one of us for another that has just become ready.

    The front, this process and all that is forked from it: where cores are scarce, each then does
    several requests before it makes room (SCHED_BATCH, sched(7)): a fifth less CPU a request.
    """
    for process in (0, front):
        try:
            os.sched_setscheduler(process, os.SCHED_BATCH, os.sched_param(0))
        except (AttributeError, OSError):
            continue  # A container may forbid it; it only saves time.


def offer_to_oom_killer() -> None:
    """Makes this process a likelier victim than the front when memory runs out. Best effort."""
    try:
        with open("/proc/self/oom_score_adj", "r+b", buffering=0) as score:
            raised = int(score.read(16)) + OOM_SCORE_STEP
            score.write(b"%d" % min(raised, MAX_OOM_SCORE))
    except (OSError, ValueError):
        pass


def flush_streams() -> None:
    """Before an exit without finalization: what the application has printed must not be lost."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            continue


def take_name(name: str) -> None:
    """Gives the process a name for ps and top."""
    try:
        with open("/proc/self/comm", "wb", buffering=0) as comm:
            comm.write(name.encode()[:_MAX_NAME_BYTES])
    except OSError:
        pass
