"""The launcher: makes the queue, forks workers, reports their ends (docs/worker-protocol.md).

Started as `python -c BOOT FOLDER HIGHEST` with control on descriptor 3, where FOLDER holds this
package, HIGHEST is the last descriptor that is meant for us (3, or 6 where an earlier launcher left
something behind), and BOOT keeps that folder and the working directory off the application's
sys.path:

    import sys; sys.path[:1] = [sys.argv[1]] if sys.path[:1] == [''] else [sys.argv[1],
    *sys.path[:1]]; from typhon_worker import launcher; sys.path.remove(sys.argv[1]);
    launcher.main()

Single-threaded, so that forks are whole, and without the application, so that a reload reads new
code. What a worker needs is imported here, once.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys

from . import service, surroundings, worker
from .reaper import Reaper, become_subreaper
from .settings import Settings
from .station import Station

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

CONTROL = 3
MAX_LINE_BYTES = 1_048_576
EXIT_FAULT = 1
# How often it is looked whether the front has opened what is kept open for it.
HANDOVER_MS = 20
# The subreaper needs ctypes, whose import would delay the first workers; another process 1 than the
# front reaps what comes before.
SUBREAPER_DELAY_MS = 1000
# A worker that was killed goes at once, unless it hangs in the kernel.
LAST_REAP_SECONDS = 1.0

_READ_BYTES = 65_536


class ControlFault(Exception):
    """The front said what the protocol does not know."""


class Launcher:
    """One application's launcher. `run` returns in each worker, with what that worker needs."""

    def __init__(self, manager: str, *, inherits: bool) -> None:
        """`manager`: where the service manager listens, "" if there is none."""
        self._manager = manager
        self._inherits = inherits
        self._station: Station | None = None
        self._settings: Settings | None = None
        self._reaper = Reaper()
        self._running: dict[int, int] = {}
        self._received = b""
        self._is_subreaper = False

    def run(self) -> worker.Start | None:
        """Serves the front until it goes; None then."""
        # An orphan that goes to a front which is process 1 would stay a zombie: nobody reaps there.
        if os.getppid() == 1:
            self._become_subreaper()
        poll = select.poll()
        poll.register(CONTROL, select.POLLIN)
        poll.register(self._reaper.fd, select.POLLIN)
        while True:
            events = poll.poll(self._patience())
            if not events:
                self._while_nothing_happens()
            for fd, _event in events:
                if fd == self._reaper.fd:
                    self._reap()
                elif fd != CONTROL or not self._receive():
                    # The lifeline's end, or control's.
                    return None
                else:
                    start = self._obey(poll)
                    if start is not None:
                        return start
            if self._station is not None:
                self._station.hand_over()

    def end(self) -> None:
        """Kills what still runs and removes the directory."""
        for pid in self._running.values():
            self._kill(pid, signal.SIGKILL)
        self._reaper.wait(set(self._running.values()), LAST_REAP_SECONDS)
        if self._station is not None:
            self._station.remove()

    def say(self, **message: object) -> None:
        """Sends one message to the front; nothing happens if it is gone."""
        line = json.dumps(message, separators=(",", ":")).encode() + b"\n"
        try:
            while line:
                line = line[os.write(CONTROL, line) :]
        except OSError:
            pass

    # What the front says may come in pieces; False at its end.
    def _receive(self) -> bool:
        try:
            chunk = os.read(CONTROL, _READ_BYTES)
        except ConnectionError:
            return False
        self._received += chunk
        if len(self._received) > MAX_LINE_BYTES:
            raise ControlFault("a control message of more than 1 MiB")
        return bool(chunk)

    def _obey(self, poll: select.poll) -> worker.Start | None:
        while b"\n" in self._received:
            line, self._received = self._received.split(b"\n", 1)
            message = json.loads(line)
            match message:
                case {"op": "open"} if self._station is None:
                    self._open(message)
                    if self._station is not None:
                        poll.register(self._station.lifeline, 0)
                case {"op": "start", "worker": int(number)}:
                    start = self._start(number)
                    if start is not None:
                        return start
                case {"op": "signal", "worker": int(number), "signal": int(which)}:
                    if number in self._running:
                        self._kill(self._running[number], which)
                case {"op": "notify", "text": str(text)}:
                    service.notify(self._manager, text)
                case _:
                    raise ControlFault(f"an unknown control message: {line[:200]!r}")
        return None

    def _open(self, message: Mapping[str, object]) -> None:
        application = message.get("application")
        directory = message.get("directory")
        pages = message.get("pipe_pages")
        if not (isinstance(application, dict) and isinstance(directory, str)):
            raise ControlFault("'open' without an application and a directory")
        self._settings = Settings(application)
        if self._settings.interface == "asgi":
            # Once for all workers; where it has yet to be found out, each does so itself.
            worker.find_run_asgi(sys.path[:])
        pages = pages if isinstance(pages, int) else 0
        self._station = Station(directory, pages, inherits=self._inherits)
        self.say(
            op="opened",
            pipe_pages=self._station.pipe_pages,
            python=".".join(str(part) for part in sys.version_info[:3]),
            implementation={"cpython": "CPython", "pypy": "PyPy"}.get(
                sys.implementation.name, sys.implementation.name
            ),
            executable=sys.executable,
            exclusive=self._station.is_exclusive,
        )

    def _start(self, number: int) -> worker.Start | None:
        station, settings = self._station, self._settings
        if station is None or settings is None:
            raise ControlFault("'start' before 'open'")
        start = worker.Start(number, settings)
        try:
            station.prepare(start)
            pid = os.fork()
        except OSError as error:
            # As if it had been started and had ended: the front knows what to do then.
            print(f"worker {number} cannot be started: {error}", file=sys.stderr, flush=True)
            station.release(start)
            self.say(op="ended", worker=number, code=EXIT_FAULT, signal=None, peak_rss=0)
            return None
        if pid == 0:
            self._reaper.leave_in_child()
            start.to_close += [CONTROL, *self._reaper.descriptors()]
            return start
        station.started(start)
        self._running[number] = pid
        self.say(op="started", worker=number, pid=pid)
        return None

    def _reap(self) -> None:
        for end in self._reaper.reap():
            for number, pid in self._running.items():
                if pid == end.pid:
                    del self._running[number]
                    if self._station is not None:
                        self._station.ended(number)
                    self.say(
                        op="ended",
                        worker=number,
                        code=end.code,
                        signal=end.signal,
                        peak_rss=end.peak_rss,
                    )
                    break

    def _kill(self, pid: int, which: int) -> None:
        # Not reaped yet, so the number is still that worker's.
        try:
            os.kill(pid, which)
        except OSError as error:
            print(f"signal {which} to {pid}: {error}", file=sys.stderr, flush=True)

    def _patience(self) -> int | None:
        if self._station is not None and self._station.is_handing_over:
            return HANDOVER_MS
        return None if self._is_subreaper or not self._running else SUBREAPER_DELAY_MS

    def _while_nothing_happens(self) -> None:
        if self._running and not (self._station and self._station.is_handing_over):
            self._become_subreaper()

    def _become_subreaper(self) -> None:
        self._is_subreaper = True
        become_subreaper()


def main() -> None:
    """Runs the launcher, and in a forked process the worker."""
    highest = int(sys.argv[2]) if len(sys.argv) > 2 else CONTROL
    surroundings.close_above(highest)
    # The application is to see nothing of this; a worker puts APP there.
    del sys.argv[1:]
    surroundings.ignore_signals()
    surroundings.take_name("typhon-launcher")
    surroundings.run_in_batches(os.getppid())
    launcher = Launcher(service.leave_environment(), inherits=highest > CONTROL)
    try:
        start = launcher.run()
    except Exception as error:
        launcher.say(op="fault", text=f"{type(error).__name__}: {error}")
        launcher.end()
        os._exit(EXIT_FAULT)
    if start is None:
        launcher.end()
        os._exit(0)
    del launcher
    worker.main(start)
