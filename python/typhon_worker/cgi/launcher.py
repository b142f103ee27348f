"""The launcher of CGI programs: starts them, reads their standard error, reports their ends.

    run ─▶ starting ──started──▶ running ──the process has ended──▶ ended ──opened──▶ forgotten
              └──failed──▶ forgotten   └── end: SIGTERM, 3 s later SIGKILL; kill: SIGKILL

It has one thread and waits for nothing but its descriptors. Programs are the leaders of process
groups; the launcher kills the groups of all programs that run when the front ends.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from collections.abc import Mapping

from typhon_worker.process.reaper import Reaper, become_subreaper

from .error_text import ErrorText
from .run import ProgramRun, RunListener, explain
from .templates import Templates

CONTROL = 3
MAX_LINE_BYTES = 1_048_576
# Time between SIGTERM and SIGKILL.
KILL_AFTER_SECONDS = 3.0
# Standard errors of ended runs that are read on, because other processes still have them.
MAX_LEFT_ERRORS = 256
# A killed program ends at once, unless it hangs in the kernel.
LAST_REAP_SECONDS = 1.0

_READ_BYTES = 65_536
# Reads of a standard error when its program has ended: a pipe holds less, unless it is filled anew.
_LAST_READS = 18


class ControlFault(Exception):
    """The front sent a control message that breaks the protocol."""


class Launcher(RunListener):
    """All runs of a server. `run` returns at the end of the front, or when it asks to stop."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._reaper = Reaper()
        self._received = b""
        self._templates: Templates | None = None
        # Runs that have not ended, by id, and those of them that have started, by process.
        self._runs: dict[int, ProgramRun] = {}
        self._by_pid: dict[int, ProgramRun] = {}
        # Runs whose output the front has not opened.
        self._unopened: dict[int, ProgramRun] = {}
        self._texts: dict[int, ErrorText] = {}
        # Runs by the descriptor of their standard error, in the order of their starts.
        self._by_err: dict[int, ProgramRun] = {}
        # Descriptors of the standard errors of ended runs, which stay open for other processes.
        self._left_errors: dict[int, None] = {}
        # When process groups are killed that were told to end, the earliest first.
        self._to_kill: dict[int, float] = {}
        self._is_stopping = False

    def run(self) -> None:
        """Serves the front."""
        self._poll.register(CONTROL, select.EPOLLIN)
        self._poll.register(self._reaper.fd, select.EPOLLIN)
        # Children of programs that outlive their parents, and warm programs whose template died.
        become_subreaper()
        while not (self._is_stopping and not self._runs and not self._to_kill):
            for fd, _event in self._poll.poll(self._timeout()):
                if fd == CONTROL:
                    if not self._receive():
                        return
                elif fd == self._reaper.fd:
                    self._reap()
                elif fd in self._by_err:
                    self._read_err(self._by_err[fd])
                elif fd in self._left_errors:
                    self._drop_text(fd)
                elif self._templates is not None and self._templates.takes(fd):
                    self._templates.on_event(fd)
            self._tick()

    def end(self) -> None:
        """Kills the process groups of all programs that run."""
        if self._templates is not None:
            self._templates.close()
        for group in self._to_kill:
            _signal_group(group, signal.SIGKILL)
        for run in self._by_pid.values():
            self._signal(run, signal.SIGKILL)
        self._reaper.wait(set(self._by_pid), LAST_REAP_SECONDS)

    def say(self, **message: object) -> None:
        """Sends one message to the front; does nothing if the front is gone."""
        line = json.dumps(message, separators=(",", ":")).encode() + b"\n"
        try:
            while line:
                line = line[os.write(CONTROL, line) :]
        except OSError:
            pass

    def started(self, run: ProgramRun, pid: int, *, warm: bool) -> None:
        """See RunListener."""
        run.pid = pid
        run.close_program_ends()
        self._by_pid[pid] = run
        self._unopened[run.id] = run
        self._texts[run.id] = ErrorText()
        self._by_err[run.err] = run
        self._poll.register(run.err, select.EPOLLIN)
        self.say(op="started", id=run.id, pid=pid, out=run.out, warm=warm)
        if run.signal:
            self._signal(run, run.signal)

    def ended(self, run: ProgramRun, code: int | None, number: int | None) -> None:
        """See RunListener."""
        if self._runs.pop(run.id, None) is None:
            return
        del self._by_pid[run.pid]
        # The group is empty: a later one may have its number.
        if run.pid in self._to_kill and not _signal_group(run.pid, 0):
            del self._to_kill[run.pid]
        for _ in range(_LAST_READS):
            if run.err < 0 or not self._read_err(run):
                break
        self._say_text(run, self._texts.pop(run.id).flush())
        if run.err >= 0:
            self._leave_err(run)
        self.say(op="ended", id=run.id, code=code, signal=number)

    def start_cold(self, run: ProgramRun) -> None:
        """See RunListener."""
        try:
            pid = run.start_cold()
        except OSError as error:
            self._fail(run, explain(error))
        except ValueError as error:
            # Such as a variable whose name has a "=".
            self._fail(run, str(error))
        else:
            self.started(run, pid, warm=False)

    def _fail(self, run: ProgramRun, text: str) -> None:
        self._runs.pop(run.id, None)
        run.close_all()
        self.say(op="failed", id=run.id, text=text)

    # Reads a part of the front's messages; False at the end of control.
    def _receive(self) -> bool:
        try:
            chunk = os.read(CONTROL, _READ_BYTES)
        except ConnectionError:
            return False
        *lines, self._received = (self._received + chunk).split(b"\n")
        if len(self._received) > MAX_LINE_BYTES:
            raise ControlFault("a control message of more than 1 MiB")
        for line in lines:
            self._obey(line)
        return bool(chunk)

    def _obey(self, line: bytes) -> None:
        message = json.loads(line)
        match message:
            case {"op": "open", "template_idle": int() | float() as idle} if not self._templates:
                self._templates = Templates(float(idle), self._poll, self)
                # The process id of a `python` that is a wrapper is another one.
                self.say(op="opened", pid=os.getpid(), python=sys.version.split()[0])
            case {"op": "run", "id": int(number)}:
                self._run(number, message)
            case {"op": "opened", "id": int(number)}:
                if number in self._unopened:
                    self._unopened.pop(number).close_out()
            case {"op": "end", "id": int(number)}:
                self._end_run(number, signal.SIGTERM)
            case {"op": "kill", "id": int(number)}:
                self._end_run(number, signal.SIGKILL)
            case {"op": "stop", "kill": bool(kills)}:
                self._is_stopping = True
                for number in list(self._runs):
                    self._end_run(number, signal.SIGKILL if kills else signal.SIGTERM)
                if kills:
                    # What ended programs have left in their groups, too.
                    self._to_kill = dict.fromkeys(self._to_kill, 0.0)
            case _:
                raise ControlFault(f"an unknown control message: {line[:200]!r}")

    def _run(self, number: int, message: Mapping[str, object]) -> None:
        if self._templates is None:
            raise ControlFault("'run' before 'open'")
        run = ProgramRun(number)
        self._runs[run.id] = run
        try:
            run.read(message)
        except OSError as error:
            self._fail(run, explain(error))
            return
        except ValueError as error:
            self._fail(run, str(error))
            return
        if self._is_stopping:
            self._fail(run, "the server stops")
        elif not (run.may_be_warm and self._templates.start(run)):
            self.start_cold(run)

    def _end_run(self, number: int, which: int) -> None:
        run = self._runs.get(number)
        if run is None:
            return
        if run.pid == 0:
            # A template has not yet said that it runs.
            run.signal = max(run.signal, which, key=(0, signal.SIGTERM, signal.SIGKILL).index)
        else:
            self._signal(run, which)

    # The process has not been reaped, so its id still belongs to the program.
    def _signal(self, run: ProgramRun, which: int) -> None:
        has_group = _signal_group(run.pid, which)
        # The program may have moved to another group.
        if which == signal.SIGKILL or not has_group:
            _signal(run.pid, which)
        if which == signal.SIGKILL:
            run.signal = which
            self._to_kill.pop(run.pid, None)
        elif run.signal != signal.SIGKILL:
            self._to_kill.setdefault(run.pid, time.monotonic() + KILL_AFTER_SECONDS)

    def _reap(self) -> None:
        for end in self._reaper.reap():
            run = self._by_pid.get(end.pid)
            if run is not None:
                self.ended(run, end.code, end.signal)
            elif self._templates is not None:
                self._templates.reaped(end)

    # Reads a part of a running program's text; False if there is none now.
    def _read_err(self, run: ProgramRun) -> bool:
        try:
            chunk = os.read(run.err, _READ_BYTES)
        except BlockingIOError:
            return False
        if not chunk:
            del self._by_err[run.err]
            run.close_err()
            return False
        self._say_text(run, self._texts[run.id].push(chunk))
        return True

    def _say_text(self, run: ProgramRun, text: str) -> None:
        if text:
            self.say(op="error", id=run.id, text=text)

    # Another process has it, which must not end by SIGPIPE or wait because nobody reads.
    def _leave_err(self, run: ProgramRun) -> None:
        del self._by_err[run.err]
        if len(self._left_errors) >= MAX_LEFT_ERRORS:
            oldest = next(iter(self._left_errors))
            del self._left_errors[oldest]
            os.close(oldest)
        self._left_errors[run.err] = None
        run.err = -1

    def _drop_text(self, fd: int) -> None:
        try:
            if os.read(fd, _READ_BYTES):
                return
        except BlockingIOError:
            return
        del self._left_errors[fd]
        os.close(fd)

    def _timeout(self) -> float | None:
        now = time.monotonic()
        times = [max(0.0, at - now) for at in list(self._to_kill.values())[:1]]
        idle = self._templates.wait_seconds(now) if self._templates is not None else None
        if idle is not None:
            times.append(idle)
        return min(times) if times else None

    def _tick(self) -> None:
        now = time.monotonic()
        for group in [group for group, at in self._to_kill.items() if at <= now]:
            del self._to_kill[group]
            if group in self._by_pid:
                self._signal(self._by_pid[group], signal.SIGKILL)
            else:
                _signal_group(group, signal.SIGKILL)
        if self._templates is not None:
            self._templates.tick(now)


# Returns whether the group has a process. While it has one, its number belongs to it.
def _signal_group(group: int, which: int) -> bool:
    return _signal(-group, which)


def _signal(target: int, which: int) -> bool:
    try:
        os.kill(target, which)
    except ProcessLookupError:
        return False
    except OSError as error:
        print(f"signal {which} to process {target}: {error}", file=sys.stderr, flush=True)
    return True
