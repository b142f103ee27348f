"""The launcher: makes the queue, forks workers, reports their ends (docs/worker-protocol.md).

It has one thread, so that a fork copies a whole process, and it never imports the application, so
that a reload reads new code. The modules that a worker needs are imported once, in the launcher.
With --preload it forks a template for each generation, and templates fork the workers.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping
from socket import socketpair
from types import FrameType

from typhon_worker.wire.settings import Settings

from . import sd_notify
from .control import ControlFault
from .hook_processes import HookContext, HookProcesses
from .native import POLLIN, fork
from .process_setup import explain_unencodable, ignore_signals
from .reaper import ProcessEnd, become_subreaper, is_child
from .run_directory import RunFiles
from .template_link import TemplateLink
from .worker_context import WorkerContext
from .worker_parent import WorkerParent, unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CONTROL = 3
EXIT_FAULT = 1
# Becoming a subreaper needs ctypes, whose import would delay the first workers. Orphans until then
# go to process 1, which reaps them unless it is the front.
SUBREAPER_DELAY_MS = 1000
# For the exit functions of a template at the stop of its application.
LAST_EXIT_SECONDS = 1.0
# A killed worker ends at once, unless it hangs in the kernel.
LAST_REAP_SECONDS = 1.0


class Launcher(WorkerParent):
    """The launcher of one application. `run` returns in each forked process, too."""

    def __init__(
        self, notify_address: str, preload: Callable[[Settings], None], *, inherits: bool
    ) -> None:
        """`preload` imports, before any fork, what all workers with these settings need."""
        super().__init__(CONTROL)
        self._notify_address = notify_address
        self._preload = preload
        self._inherits = inherits
        self.files: RunFiles | None = None
        self._settings: Settings | None = None
        # What a terminal sends to the whole group of the front reaches the programs that
        # applications have started, as it would if they were in that group.
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._pass_on)
        self._hooks = HookProcesses(self._poll, self.control.say)
        # Templates by generation. One that is to end is left out as soon as it has no worker.
        self._templates: dict[int, TemplateLink] = {}
        self._is_subreaper = False

    def run(self) -> WorkerContext | HookContext | None:
        """Serves the front until its end → None; in a forked process → that process's context.

        A context with a `control_fd` is that of a template, which loads for this worker first.
        """
        # Orphans would go to a front that is process 1, and Node reaps none.
        if os.getppid() == 1:
            self._become_subreaper()
        return super().run()

    def end(self) -> None:
        """Kills the workers and removes the run directories that are left."""
        idle = [link for link in self._templates.values() if link.is_idle]
        for link in idle:
            self._close(link)
        self._reaper.wait({link.pid for link in idle}, LAST_EXIT_SECONDS)
        # Templates first: their workers are then children of this process, whose ids are certain.
        templates = {link.pid for link in self._templates.values() if is_child(link.pid)}
        for pid in templates:
            self._kill(pid, signal.SIGKILL)
        self._reaper.wait(templates, LAST_REAP_SECONDS)
        workers = {pid for pid in self._running.values() if is_child(pid)}
        for pid in workers:
            self._kill(pid, signal.SIGKILL)
        self._hooks.kill_all()
        self._reaper.wait(workers | self._hooks.pids, LAST_REAP_SECONDS)
        if self.files is not None:
            self.files.remove()

    @property
    def _files(self) -> RunFiles | None:
        return self.files

    def _obey(self, message: dict[str, Any]) -> WorkerContext | HookContext | None:
        match message:
            case {"op": "open"} if self.files is None:
                self._poll.register(self._open(message).lifeline, 0)
            case {"op": "start", "worker": int(number), "directory": str(directory)}:
                return self._start_worker(number, directory, message)
            case {"op": "hook", "hook": int(call)}:
                return self._start_hook(call, message)
            case {"op": "end-hook", "hook": int(call)}:
                self._hooks.end(call)
            case {"op": "signal", "worker": int(number), "signal": int(which)}:
                self._signal(number, which)
                if which == signal.SIGKILL:
                    self.control.say(op="signalled", worker=number)
            case {"op": "retire", "generation": int(generation)}:
                link = self._templates.get(generation)
                if link is not None:
                    link.is_leaving = True
                    self._end_if_idle(link)
            case {"op": "notify", "text": str(text)}:
                sd_notify.notify(self._notify_address, text)
            case _:
                raise unknown(message)
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
        files = self.files = RunFiles(path, pages, inherits=self._inherits)
        self.control.say(
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

    def _start_worker(
        self, number: int, directory: str, message: Mapping[str, object]
    ) -> WorkerContext | None:
        files, settings = self.files, self._settings
        if files is None or settings is None:
            raise ControlFault("'start' before 'open'")
        settings = settings.at(message)
        if not settings.preload:
            return self._start(files, number, directory, settings)
        generation = message.get("generation")
        if not isinstance(generation, int):
            raise ControlFault("'start' without a generation")
        link = self._templates.get(generation)
        if link is None:
            return self._start_template(generation, WorkerContext(number, settings), directory)
        link.ask_to_start(number, directory, message)
        return None

    # The template is forked with the files of its first worker: its output while it loads is that
    # worker's, and so are its stacks, its CPU time and its end.
    def _start_template(
        self, generation: int, context: WorkerContext, directory: str
    ) -> WorkerContext | None:
        files = self.files
        assert files is not None
        try:
            files.prepare(context, directory)
            ours, theirs = socketpair()
        except OSError as error:
            self._not_started(files, context, error)
            return None
        try:
            pid = fork()
        except OSError as error:
            ours.close()
            theirs.close()
            self._not_started(files, context, error)
            return None
        if pid == 0:
            ours.close()
            os.setpgid(0, 0)
            context.to_close += self._leave_in_child()
            context.control_fd = theirs.detach()
            return context
        theirs.close()
        files.started(context)
        link = TemplateLink(pid, ours.detach(), generation, context.number)
        self._templates[generation] = link
        self._poll.register(link.control.fd, POLLIN)
        self.control.say(op="started", worker=context.number, pid=pid)
        if not self._is_subreaper:
            self._become_subreaper()
        return None

    # Forks a process that calls functions of the application, in its folders.
    def _start_hook(self, call: int, message: Mapping[str, object]) -> HookContext | None:
        files, settings = self.files, self._settings
        if files is None or settings is None:
            raise ControlFault("'hook' before 'open'")
        context = HookContext(message, settings.at(message))
        if not self._hooks.start(call, context, files.lifeline, files.descriptors):
            return None
        for fd in self._leave_in_child():
            os.close(fd)
        return context

    def _leave_in_child(self) -> list[int]:
        ignore_signals()
        links = [link.control.fd for link in self._templates.values() if link.control.fd >= 0]
        return [*super()._leave_in_child(), *self._hooks.descriptors, *links]

    def _on_event(self, fd: int) -> bool:
        for link in self._templates.values():
            if fd == link.control.fd:
                if self._hear(link) is None:
                    # It ends, or the application has closed the socket. It is reaped next.
                    self._close(link)
                    self._kill(link.pid, signal.SIGKILL)
                return True
        if self.files is None or fd == self.files.lifeline:
            return False
        # Of a call that runs, or of what has just been reaped.
        self._hooks.read(fd)
        return True

    # Reads what a template says, and passes on what concerns the front; None at its end.
    def _hear(self, link: TemplateLink) -> list[dict[str, Any]] | None:
        try:
            messages = link.control.receive()
            for message in messages or ():
                self._relay(link, message)
        except (ControlFault, ValueError) as fault:
            print(f"template {link.pid}: {fault}", file=sys.stderr, flush=True)
            return None
        link.send_next()
        self._end_if_idle(link)
        return messages

    def _relay(self, link: TemplateLink, message: dict[str, Any]) -> None:
        match message:
            case {"op": "loaded", "ok": bool(is_usable)}:
                link.is_leaving |= not is_usable
                return
            case {"op": "started", "worker": int(number), "pid": int(pid)}:
                link.has_loaded = True
                if self.files is not None and number in link.directories:
                    self.files.note_started(number, link.directories[number])
                link.answered(number)
                link.workers.add(number)
                self._running[number] = pid
            case {"op": "signalled", "worker": int(number)}:
                link.signalled(number)
                return
            case {"op": "not-started", "worker": int(number)}:
                link.has_loaded = True
                link.answered(number)
            case {"op": "ended", "worker": int(number)}:
                link.workers.discard(number)
                link.signalled(number)
                self._running.pop(number, None)
                if self.files is not None:
                    self.files.ended(number)
            case _:
                raise unknown(message)
        self.control.say(**message)

    def _end_if_idle(self, link: TemplateLink) -> None:
        if link.is_leaving and link.is_idle and self._templates.get(link.generation) is link:
            del self._templates[link.generation]
            # Its end follows, and nobody waits for it.
            self._close(link)

    def _close(self, link: TemplateLink) -> None:
        if link.control.fd >= 0:
            self._poll.unregister(link.control.fd)
            link.close()

    def _reap(self) -> list[ProcessEnd]:
        # Templates first: what one has said about its workers counts before their ends.
        templates = {link.pid for link in self._templates.values()}
        return sorted(super()._reap(), key=lambda end: end.pid not in templates)

    def _on_end(self, end: ProcessEnd) -> None:
        if self._hooks.ended(end):
            return
        for link in self._templates.values():
            if link.pid == end.pid:
                self._on_template_end(link, end)
                return
        super()._on_end(end)

    # Its workers go on as children of this process. What waited for it has ended with it.
    def _on_template_end(self, link: TemplateLink, end: ProcessEnd) -> None:
        while link.control.fd >= 0 and self._hear(link):
            pass
        self._close(link)
        if self._templates.get(link.generation) is link:
            del self._templates[link.generation]
        for number in sorted(link.workers):
            pid = self._running[number]
            if not is_child(pid):
                # It was reaped by the template, whose report is lost.
                self._tell_end(number, ProcessEnd.unknown(pid))
            elif link.owes_kill(number):
                self._kill(pid, signal.SIGKILL)
        if link.has_loaded and not link.is_idle:
            self.control.say(op="template-ended", pid=link.pid, code=end.code, signal=end.signal)
        for number in link.waiting():
            self._tell_end(number, end)

    def _signal(self, number: int, which: int) -> None:
        link = next((one for one in self._templates.values() if one.knows(number)), None)
        if link is None:
            if number in self._running:
                self._kill(self._running[number], which)
        elif link.has_loaded:
            # From the worker's parent, which has not reaped it.
            link.pass_on(number, which)
        elif which == signal.SIGKILL or number == link.first:
            # It still loads. All that wait for it are of one load, and end together.
            self._kill(link.pid, which)

    def _pass_on(self, which: int, _frame: FrameType | None) -> None:
        templates = [link.pid for link in self._templates.values()]
        for pid in (*self._running.values(), *templates):
            try:
                os.killpg(pid, which)
            except OSError:
                continue  # The worker has just begun or ended.

    def _timeout(self) -> int | None:
        timeout = super()._timeout()
        if timeout is not None:
            return timeout
        return None if self._is_subreaper or not self._running else SUBREAPER_DELAY_MS

    def _on_timeout(self) -> None:
        if self._running and super()._timeout() is None:
            self._become_subreaper()

    def _become_subreaper(self) -> None:
        self._is_subreaper = True
        become_subreaper()
