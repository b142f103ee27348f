"""Short-lived processes for what must run outside of every worker, one for each call.

    the front says `hook` ─▶ fork ─▶ the functions run, their output is kept ─▶ `hook-ended`
                                └──── `end-hook`: the time is over ─▶ SIGKILL ─▲

The launcher forks them and never runs the application's code itself. Their output is read as it
comes, so that none of them waits for the log, and its first bytes are told with the end.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Mapping

from typhon_worker.wire.settings import Settings

from . import process_setup
from .reaper import ProcessEnd, is_child

# What the end of a call tells of its output; the rest is read and dropped.
MAX_OUTPUT_BYTES = 16_384
_READ_BYTES = 65_536
# The front ends a call after 10 s. This is for a front that no launcher serves any more.
LAST_SECONDS = 15


class HookContext:
    """What one process has to call: "module:name", or the name of a hook of gunicorn.conf.py."""

    def __init__(self, message: Mapping[str, object], settings: Settings) -> None:
        """Raises ValueError on a message that breaks the protocol."""
        functions, number, pid = (message.get(name) for name in ("functions", "worker", "pid"))
        if not (isinstance(functions, list) and isinstance(number, int) and isinstance(pid, int)):
            raise ValueError("'hook' without functions, worker and pid")
        self.functions = [str(name) for name in functions]
        self.settings = settings
        # The worker that has ended; both 0 where the call is about none.
        self.number = number
        self.pid = pid

    def open(self, out: int, lifeline: int, shared: list[int]) -> None:
        """Sets up the process: its output, its end, its name."""
        process_setup.hold_lifeline(lifeline)
        process_setup.take_streams(out, out)
        for fd in (out, *shared):
            os.close(fd)
        process_setup.take_name("typhon-hook")
        process_setup.offer_to_oom_killer()
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(LAST_SECONDS)


class _Call:
    def __init__(self, number: int, out: int) -> None:
        self.number = number
        self.out = out
        self.output = b""

    # What is left at the end. What the call has started may go on printing.
    def read_rest(self) -> None:
        while len(self.output) < MAX_OUTPUT_BYTES:
            try:
                chunk = os.read(self.out, _READ_BYTES)
            except BlockingIOError:
                return
            if not chunk:
                return
            self.output += chunk[: MAX_OUTPUT_BYTES - len(self.output)]


class HookProcesses:
    """The calls that run; `say` tells the front."""

    def __init__(self, poll: select.poll, say: Callable[..., None]) -> None:
        self._poll = poll
        self._say = say
        # By process id, and by the descriptor of the output.
        self._calls: dict[int, _Call] = {}
        self._by_fd: dict[int, _Call] = {}

    @property
    def pids(self) -> set[int]:
        """The processes that run."""
        return set(self._calls)

    @property
    def descriptors(self) -> list[int]:
        """The descriptors that a forked process has to close."""
        return list(self._by_fd)

    def start(self, call: int, context: HookContext, lifeline: int, shared: list[int]) -> bool:
        """Forks a process for `context`; True in that process, which closes `shared`."""
        pipe: tuple[int, ...] = ()
        try:
            pipe = reading, writing = os.pipe2(os.O_CLOEXEC)
            pid = os.fork()
        except OSError as error:
            for fd in pipe:
                os.close(fd)
            self._say(op="hook-ended", hook=call, code=None, signal=None, text=str(error))
            return False
        if pid == 0:
            self._open_in_child(context, writing, lifeline, [reading, *shared])
            return True
        os.set_blocking(reading, False)
        os.close(writing)
        self._calls[pid] = self._by_fd[reading] = _Call(call, reading)
        self._poll.register(reading, select.POLLIN)
        return False

    # Exits on failure: what the launcher does at a fault of its own is not for another process.
    @staticmethod
    def _open_in_child(context: HookContext, out: int, lifeline: int, shared: list[int]) -> None:
        try:
            os.setpgid(0, 0)
            context.open(out, lifeline, shared)
        except OSError as error:
            os.write(out, f"{error}\n".encode())
            os._exit(1)

    def read(self, fd: int) -> None:
        """Reads the output of a call; does nothing if the call has ended."""
        call = self._by_fd.get(fd)
        if call is None:
            return
        try:
            chunk = os.read(fd, _READ_BYTES)
        except BlockingIOError:
            return
        call.output += chunk[: MAX_OUTPUT_BYTES - len(call.output)]
        if not chunk:
            self._poll.unregister(fd)

    def end(self, number: int) -> None:
        """Kills a call and what it has started."""
        for pid, call in self._calls.items():
            if call.number == number:
                _kill(pid)

    def ended(self, end: ProcessEnd) -> bool:
        """Tells the front of the end of a call; False: the process was none."""
        call = self._calls.pop(end.pid, None)
        if call is None:
            return False
        call.read_rest()
        del self._by_fd[call.out]
        try:
            self._poll.unregister(call.out)
        except KeyError:
            pass  # Its output has ended before it.
        os.close(call.out)
        text = call.output.decode("utf-8", "backslashreplace")
        self._say(op="hook-ended", hook=call.number, code=end.code, signal=end.signal, text=text)
        return True

    def kill_all(self) -> None:
        """Kills all calls."""
        for pid in self._calls:
            if is_child(pid):
                _kill(pid)


# The process may not have made its group yet.
def _kill(pid: int) -> None:
    for kill in (os.killpg, os.kill):
        try:
            kill(pid, signal.SIGKILL)
        except OSError:
            continue
