"""The launcher: makes the queue, forks workers, reports their ends (docs/worker-protocol.md).

It has one thread, so that a fork copies a whole process, and it never imports the application, so
that a reload reads new code. The modules that a worker needs are imported once, in the launcher.
"""

from __future__ import annotations

import errno
import json
import os
import select
import signal
import sys
from collections.abc import Callable, Mapping
from types import FrameType

from typhon_worker.wire.settings import Settings

from . import sd_notify
from .hook_processes import HookContext, HookProcesses
from .process_setup import explain_unencodable, ignore_signals
from .reaper import Reaper, become_subreaper
from .run_directory import RunFiles
from .worker_context import WorkerContext

CONTROL = 3
MAX_LINE_BYTES = 1_048_576
EXIT_FAULT = 1
# How often the launcher looks whether the front has opened the files that are kept open for it.
HANDOVER_MS = 20
# Becoming a subreaper needs ctypes, whose import would delay the first workers. Orphans until then
# go to process 1, which reaps them unless it is the front.
SUBREAPER_DELAY_MS = 1000
# A killed worker ends at once, unless it hangs in the kernel.
LAST_REAP_SECONDS = 1.0

_READ_BYTES = 65_536


# What an operator can do where the files of a start cannot be made.
_REMEDIES = {
    errno.EFBIG: "the limit of file sizes is too low (ulimit -f, LimitFSIZE)",
    errno.ENOSPC: "the file system is full",
}


class ControlFault(Exception):
    """The front sent a control message that breaks the protocol."""


class Launcher:
    """The launcher of one application. `run` returns in each forked worker, too."""

    def __init__(
        self, notify_address: str, preload: Callable[[Settings], None], *, inherits: bool
    ) -> None:
        """`preload` imports, before any fork, what all workers with these settings need."""
        self._notify_address = notify_address
        self._preload = preload
        self._inherits = inherits
        self._files: RunFiles | None = None
        self._settings: Settings | None = None
        self._reaper = Reaper()
        # What a terminal sends to the whole group of the front reaches the programs that
        # applications have started, as it would if they were in that group.
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._pass_on)
        self._poll = select.poll()
        self._hooks = HookProcesses(self._poll, self.say)
        # Process ids by worker number.
        self._running: dict[int, int] = {}
        self._received = b""
        self._is_subreaper = False

    def run(self) -> WorkerContext | HookContext | None:
        """Serves the front until its end → None; in a forked process → that process's context."""
        # Orphans would go to a front that is process 1, and Node reaps none.
        if os.getppid() == 1:
            self._become_subreaper()
        poll = self._poll
        poll.register(CONTROL, select.POLLIN)
        poll.register(self._reaper.fd, select.POLLIN)
        while True:
            events = poll.poll(self._timeout())
            if not events:
                self._on_timeout()
            for fd, _event in events:
                if fd == self._reaper.fd:
                    self._reap()
                elif fd != CONTROL:
                    if self._files is not None and fd == self._files.lifeline:
                        return None
                    # Of a call that runs, or that has just been reaped.
                    self._hooks.read(fd)
                elif not self._receive():
                    return None
                else:
                    context = self._obey()
                    if context is not None:
                        return context
            if self._files is not None:
                self._files.hand_over()

    def end(self) -> None:
        """Kills the workers and removes the run directories that are left."""
        for pid in self._running.values():
            self._kill(pid, signal.SIGKILL)
        self._hooks.kill_all()
        self._reaper.wait({*self._running.values(), *self._hooks.pids}, LAST_REAP_SECONDS)
        if self._files is not None:
            self._files.remove()

    def say(self, **message: object) -> None:
        """Sends one message to the front; does nothing if the front is gone."""
        line = json.dumps(message, separators=(",", ":")).encode() + b"\n"
        try:
            while line:
                line = line[os.write(CONTROL, line) :]
        except OSError:
            pass

    # Reads a part of the front's messages; False at the end of control.
    def _receive(self) -> bool:
        try:
            chunk = os.read(CONTROL, _READ_BYTES)
        except ConnectionError:
            return False
        self._received += chunk
        if len(self._received) > MAX_LINE_BYTES:
            raise ControlFault("a control message of more than 1 MiB")
        return bool(chunk)

    def _obey(self) -> WorkerContext | HookContext | None:
        while b"\n" in self._received:
            line, self._received = self._received.split(b"\n", 1)
            message = json.loads(line)
            match message:
                case {"op": "open"} if self._files is None:
                    self._poll.register(self._open(message).lifeline, 0)
                case {"op": "start", "worker": int(number), "directory": str(directory)}:
                    context = self._start(number, directory, message)
                    if context is not None:
                        return context
                case {"op": "hook", "hook": int(call)}:
                    hook = self._start_hook(call, message)
                    if hook is not None:
                        return hook
                case {"op": "end-hook", "hook": int(call)}:
                    self._hooks.end(call)
                case {"op": "signal", "worker": int(number), "signal": int(which)}:
                    if number in self._running:
                        self._kill(self._running[number], which)
                case {"op": "notify", "text": str(text)}:
                    sd_notify.notify(self._notify_address, text)
                case _:
                    raise ControlFault(f"an unknown control message: {line[:200]!r}")
        return None

    def _open(self, message: Mapping[str, object]) -> RunFiles:
        application = message.get("application")
        path = message.get("directory")
        pages = message.get("pipe_pages")
        if not (isinstance(application, dict) and isinstance(path, str)):
            raise ControlFault("'open' without an application and a directory")
        fault = explain_unencodable(path)
        if fault:
            raise ControlFault(f"the run directory {fault}")
        self._settings = Settings(application)
        self._preload(self._settings)
        pages = pages if isinstance(pages, int) else 0
        files = self._files = RunFiles(path, pages, inherits=self._inherits)
        self.say(
            op="opened",
            pipe_pages=files.pipe_pages,
            python=".".join(str(part) for part in sys.version_info[:3]),
            implementation={"cpython": "CPython", "pypy": "PyPy"}.get(
                sys.implementation.name, sys.implementation.name
            ),
            executable=sys.executable,
            exclusive=files.is_exclusive,
        )
        return files

    def _start(
        self, number: int, directory: str, place: Mapping[str, object]
    ) -> WorkerContext | None:
        files, settings = self._files, self._settings
        if files is None or settings is None:
            raise ControlFault("'start' before 'open'")
        context = WorkerContext(number, settings.at(place))
        try:
            files.prepare(context, directory)
            pid = os.fork()
        except OSError as error:
            files.release(context)
            self.say(op="not-started", worker=number, text=explain(error))
            return None
        if pid == 0:
            # A process group of its own: a killpg(0) of the application, or `kill 0` in a shell
            # that it starts, ends no other worker and not the front.
            os.setpgid(0, 0)
            context.to_close += self._leave_in_child()
            return context
        files.started(context)
        self._running[number] = pid
        self.say(op="started", worker=number, pid=pid)
        return None

    # Forks a process that calls functions of the application, in its folders.
    def _start_hook(self, call: int, message: Mapping[str, object]) -> HookContext | None:
        files, settings = self._files, self._settings
        if files is None or settings is None:
            raise ControlFault("'hook' before 'open'")
        context = HookContext(message, settings.at(message))
        if not self._hooks.start(call, context, files.lifeline, files.descriptors):
            return None
        for fd in self._leave_in_child():
            os.close(fd)
        return context

    # What a forked process gives up: the launcher's signals, and the descriptors that it returns.
    def _leave_in_child(self) -> list[int]:
        self._reaper.leave_in_child()
        ignore_signals()
        return [CONTROL, *self._reaper.descriptors(), *self._hooks.descriptors]

    def _reap(self) -> None:
        for end in self._reaper.reap():
            if self._hooks.ended(end):
                continue
            for number, pid in self._running.items():
                if pid == end.pid:
                    del self._running[number]
                    if self._files is not None:
                        self._files.ended(number)
                    self.say(
                        op="ended",
                        worker=number,
                        code=end.code,
                        signal=end.signal,
                        peak_rss=end.peak_rss,
                    )
                    break

    # The process has not been reaped, so its id still belongs to the worker.
    def _kill(self, pid: int, which: int) -> None:
        try:
            os.kill(pid, which)
        except OSError as error:
            print(f"signal {which} to {pid}: {error}", file=sys.stderr, flush=True)

    def _pass_on(self, which: int, _frame: FrameType | None) -> None:
        for pid in self._running.values():
            try:
                os.killpg(pid, which)
            except OSError:
                continue  # The worker has just begun or ended.

    def _timeout(self) -> int | None:
        if self._files is not None and self._files.is_handing_over:
            return HANDOVER_MS
        return None if self._is_subreaper or not self._running else SUBREAPER_DELAY_MS

    def _on_timeout(self) -> None:
        if self._running and not (self._files and self._files.is_handing_over):
            self._become_subreaper()

    def _become_subreaper(self) -> None:
        self._is_subreaper = True
        become_subreaper()


def explain(error: Exception) -> str:
    """Says why a start has failed, with the remedy if there is one."""
    remedy = _REMEDIES.get(error.errno or 0) if isinstance(error, OSError) else None
    return f"{error}: {remedy}" if remedy else str(error)
