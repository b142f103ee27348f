"""The templates of warm programs: processes that have loaded a program and fork for each run.

    no template ── run ──▶ starting ── ready ──▶ ready ── stale, idle, worn ──▶ retired ──▶ ended
                              └── skip: started again without a module          (its runs go on)
                              └── fault: the program runs cold until its file changes

A run waits for no template: it is cold unless one is ready. The inside of a template is
typhon_template/sitecustomize.py; docs/worker-protocol.md, "Templates", has their messages.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import sys
import time
from array import array

from typhon_worker.process.reaper import ProcessEnd

from .run import ProgramRun, RunListener
from .shebang import CannotBeWarm, command_of, imports_of

MAX_TEMPLATES = 32
MAX_STARTING = 2
# Programs, with different settings, of which it is known whether they can be warm.
MAX_PROGRAMS = 256
MAX_INTERPRETERS = 64
# Runs that a template has not yet started. Its socket holds about as many requests.
MAX_PENDING = 16
START_SECONDS = 15.0
PASS_SECONDS = 5.0
# Failures without a run in between, after which a program is cold.
MAX_FAILURES = 3
# Modules that a program imports and that are left out, one after the other, before all are.
MAX_SKIPS = 8
# Runs of one template share the seed of hashes and the layout of memory.
MAX_RUNS = 10_000

# What a system says that is short of something now.
_SHORTAGES = {errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_MESSAGE_BYTES = 262_144
_TEXT_BYTES = 4096
# Clocks of file systems tick so coarsely.
_TICK_NS = 20_000_000

_FOLDER = os.fsencode(
    os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(__file__))), "typhon_template")
)
_PROBE = os.path.join(_FOLDER, b"probe.py")
_INSIDE = os.path.join(_FOLDER, b"sitecustomize.py")

# Variables of one request. All others are an operator's, and the same for each run of a route.
_REQUEST_PREFIXES = (
    b"HTTP_",
    b"REDIRECT_",
    b"REMOTE_",
    b"REQUEST_",
    b"SCRIPT_",
    b"SERVER_",
    b"SSL_",
)
_REQUEST_NAMES = frozenset(
    b"AUTH_TYPE CONTENT_LENGTH CONTENT_TYPE DOCUMENT_ROOT DOCUMENT_URI GATEWAY_INTERFACE HTTPS "
    b"PATH_INFO PATH_TRANSLATED QUERY_STRING UNIQUE_ID".split()
)
# Variables of the interpreter that mean the same in a template.
_PYTHON_NAMES = frozenset(
    b"PYTHONCOERCECLOCALE PYTHONDONTWRITEBYTECODE PYTHONHASHSEED PYTHONHOME PYTHONIOENCODING "
    b"PYTHONNOUSERSITE PYTHONOPTIMIZE PYTHONPATH PYTHONPYCACHEPREFIX PYTHONSAFEPATH "
    b"PYTHONUNBUFFERED PYTHONUSERBASE PYTHONUTF8 PYTHONWARNINGS".split()
)

_Identity = tuple[int, ...] | None
_Variables = tuple[tuple[bytes, bytes], ...]
_Key = tuple[bytes, bytes, bytes, _Variables, tuple[str, ...]]


class _Program:
    """What is known of a program with its settings."""

    __slots__ = ("failures", "files", "is_cold", "key", "skipped", "stamp", "template")

    def __init__(self, key: _Key) -> None:
        self.key = key
        self.is_cold = False
        # The file to which `is_cold` applies.
        self.stamp: _Identity = None
        self.failures = 0
        self.skipped: list[str] = []
        # What starts its interpreter, before the template began.
        self.files: list[tuple[bytes, _Identity]] = []
        self.template: _Template | None = None


class _Pending:
    """A run that was passed to a template, which has not yet said that it runs.

    `token` has one byte. Whoever reads it has the run: the child of the template before it becomes
    the program, or the launcher before it starts the run cold.
    """

    __slots__ = ("latest", "run", "token")

    def __init__(self, run: ProgramRun, token: int, latest: float) -> None:
        self.run = run
        self.token = token
        self.latest = latest

    def take_back(self) -> bool:
        try:
            is_taken = os.read(self.token, 1) == b""
        except BlockingIOError:
            is_taken = True
        return not is_taken


class _Template:
    """One process. `program` is None for the probe of an interpreter."""

    __slots__ = (
        "began_ns",
        "command",
        "err",
        "files",
        "folders",
        "is_killed",
        "is_ready",
        "is_retired",
        "latest",
        "names",
        "pending",
        "pid",
        "program",
        "running",
        "runs",
        "socket",
    )

    def __init__(self, program: _Program, command: tuple[bytes, ...], pid: int, err: int) -> None:
        self.program = program
        self.command = command
        self.pid = pid
        # What it writes before it is ready; -1 from then on.
        self.err = err
        self.socket: socket.socket
        self.began_ns = time.time_ns()
        self.is_ready = False
        self.is_retired = False
        # Its socket is read to the end, which tells of runs that have begun or ended.
        self.is_killed = False
        # When it is killed if it is not ready, or when it was idle for too long.
        self.latest = time.monotonic() + START_SECONDS
        self.runs = 0
        self.files: list[tuple[bytes, _Identity]] = []
        # Folders before the library on sys.path, and names that a file in them would hide.
        self.folders: dict[bytes, _Identity] = {}
        self.names: list[bytes] = []
        self.pending: dict[int, _Pending] = {}
        self.running: dict[int, ProgramRun] = {}

    def watch(self, files: bytes, folders: bytes, names: bytes) -> bool:
        """Takes what the template has loaded; False: a file has changed while it was loaded."""
        self.files = [(path, identify(path)) for path in files.split(b"\n")]
        self.folders = {path: identify(path) for path in folders.split(b"\n") if path}
        self.names = names.split(b"\n") if names else []
        now = time.time_ns()
        newest = max(
            (identity[-1] for _, identity in self.files if identity and identity[-1] <= now),
            default=0,
        )
        return newest < self.began_ns - _TICK_NS

    def is_current(self) -> bool:
        """Whether all files are as they were loaded, and no new file hides a loaded module."""
        for path, identity in self.files:
            if identify(path) != identity:
                return False
        for folder, before in self.folders.items():
            now = identify(folder)
            if now != before:
                self.folders[folder] = now
                if self._hides(folder):
                    return False
        return True

    def _hides(self, folder: bytes) -> bool:
        try:
            entries = os.listdir(folder)
        except OSError:
            return True
        names = set(self.names)
        return any(entry.partition(b".")[0] in names for entry in entries)


class Templates:
    """All templates of the launcher.

    The launcher gives it the events of its descriptors (`takes`, `on_event`), the ends of its
    processes (`reaped`) and the time (`wait_seconds`, `tick`).
    """

    def __init__(self, idle_seconds: float, poll: select.epoll, listener: RunListener) -> None:
        """A template without a run ends after `idle_seconds`."""
        self._idle_seconds = idle_seconds
        self._poll = poll
        self._listener = listener
        # The least recently used one first.
        self._programs: dict[_Key, _Program] = {}
        self._by_fd: dict[int, _Template] = {}
        self._pids: set[int] = set()
        # Commands with their variables, and the identity of the files for which they can be warm.
        self._interpreters: dict[
            tuple[tuple[bytes, ...], _Variables], list[tuple[bytes, _Identity]]
        ] = {}

    def start(self, run: ProgramRun) -> bool:
        """Whether a template takes the run: `started` or `start_cold` of the listener follows.

        The run's own ends of the streams stay open until then. `ended` follows `started`, unless
        the process becomes a child of the launcher because its template has died.
        """
        program = self._find(run)
        template = program.template
        if template is not None and template.is_ready:
            if template.runs < MAX_RUNS and template.is_current():
                return len(template.pending) < MAX_PENDING and self._pass(template, run)
            self._retire(template)
        elif template is not None:
            return False
        if program.is_cold:
            if identify(run.program) == program.stamp:
                return False
            program.is_cold, program.failures, program.skipped = False, 0, []
        self._start_template(program)
        return False

    def takes(self, fd: int) -> bool:
        """Whether `fd`, registered in the poll object, belongs to a template."""
        return fd in self._by_fd

    def on_event(self, fd: int) -> None:
        """Something has happened on a descriptor of a template."""
        self._read(self._by_fd[fd])

    def reaped(self, end: ProcessEnd) -> bool:
        """Whether a process that has ended was a template, or a run of one that has died."""
        if end.pid in self._pids:
            self._pids.discard(end.pid)
            return True
        for template in list(self._by_fd.values()):
            if template.pending:
                self._read(template)
            for run in list(template.running.values()):
                if run.pid == end.pid:
                    del template.running[run.id]
                    self._listener.ended(run, end.code, end.signal)
                    return True
        return False

    def wait_seconds(self, now: float) -> float | None:
        """Time until `tick` has to be called; None: no such time."""
        times: list[float] = []
        for template in self._by_fd.values():
            if template.is_killed:
                continue
            if template.pending:
                times += [one.latest for one in template.pending.values()]
            elif not template.running:
                times.append(template.latest)
        return max(0.0, min(times) - now) if times else None

    def tick(self, now: float) -> None:
        """Ends templates that were idle for too long, and those that hang."""
        for template in list(self._by_fd.values()):
            if template.is_killed:
                continue
            if any(one.latest <= now for one in template.pending.values()):
                self._read(template)
                if template.pending:
                    self._fail(template, "its template does not start a run in time")
            elif template.running or template.pending or template.latest > now:
                continue
            elif template.is_ready:
                self._retire(template)
            else:
                self._fail(template, f"it is not loaded after {START_SECONDS:.0f} s")

    def close(self) -> None:
        """Ends all templates."""
        for template in list(self._by_fd.values()):
            self._forget(template)

    # Finds or makes the entry of a run's program, which is the most recently used one then.
    def _find(self, run: ProgramRun) -> _Program:
        variables = tuple(
            (name, value)
            for name, value in run.environment.items()
            if name not in _REQUEST_NAMES and not name.startswith(_REQUEST_PREFIXES)
        )
        key = (run.program, run.python, run.folder, variables, tuple(run.preload))
        program = self._programs.pop(key, None) or _Program(key)
        self._programs[key] = program
        if len(self._programs) > MAX_PROGRAMS:
            oldest = self._programs.pop(next(iter(self._programs)))
            if oldest.template is not None:
                self._retire(oldest.template)
        return program

    def _start_template(self, program: _Program) -> None:
        starting = sum(not template.is_ready for template in self._by_fd.values())
        if starting >= MAX_STARTING:
            return
        path, python, _, variables, preload = program.key
        program.stamp = identify(path)
        try:
            for name, _value in variables:
                if name.startswith(b"PYTHON") and name not in _PYTHON_NAMES:
                    raise CannotBeWarm(f"the environment has {name.decode('latin-1')}")
            command = tuple(command_of(path, python))
            program.files = _interpreter_files(command, variables)
            if self._interpreters.get((command, variables)) == program.files:
                items = [] if "*" in program.skipped else imports_of(path)
                trusted = [name for name in preload if name not in program.skipped]
                left = [item for item in items if item not in program.skipped]
                self._spawn(program, command, path, trusted, left)
            else:
                # No program is started by an interpreter that would run it at once.
                self._spawn(program, command, _PROBE, [], [])
        except CannotBeWarm as reason:
            self._be_cold(program, str(reason))
        except OSError as error:
            # A later run tries again where the system is short of something.
            if error.errno not in _SHORTAGES:
                self._be_cold(program, f"its template cannot be started: {error.strerror}")
        self._limit_templates()

    def _limit_templates(self) -> None:
        kept = [one.template for one in self._programs.values() if one.template is not None]
        for template in kept[: max(0, len(kept) - MAX_TEMPLATES)]:
            self._retire(template)

    def _spawn(
        self,
        program: _Program,
        command: tuple[bytes, ...],
        path: bytes,
        trusted: list[str],
        items: list[str],
    ) -> None:
        _, python, folder, variables, _ = program.key
        environment = dict(variables)
        rest = environment.get(b"PYTHONPATH", b"")
        environment[b"PYTHONPATH"] = _FOLDER + b":" + rest if rest else _FOLDER
        config = (
            path,
            b"" if python or command[0].endswith(b"/env") else b"1",
            b"\n".join(_REQUEST_PREFIXES),
            b"\n".join(sorted(_REQUEST_NAMES)),
            "\n".join(trusted).encode(),
            "\n".join(items).encode(),
            *(name + b"=" + value for name, value in variables),
        )
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        err, write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            os.set_blocking(write_end, True)
            ours.setblocking(False)
            ours.sendall(b"\0".join(config))
            os.chdir(folder)
            pid = os.posix_spawn(
                command[0],
                [*command, path],
                environment,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, write_end, 1),
                    (os.POSIX_SPAWN_DUP2, write_end, 2),
                    (os.POSIX_SPAWN_DUP2, theirs.fileno(), 3),
                ],
                setpgroup=0,
                setsigmask=(),
                setsigdef=sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}),
            )
        except BaseException:
            ours.close()
            os.close(err)
            raise
        finally:
            os.chdir("/")
            theirs.close()
            os.close(write_end)
        template = _Template(program, command if path == _PROBE else (), pid, err)
        template.socket = ours
        program.template = template
        self._pids.add(pid)
        self._by_fd[ours.fileno()] = template
        self._poll.register(ours.fileno(), select.EPOLLIN)

    def _pass(self, template: _Template, run: ProgramRun) -> bool:
        message = b"\0".join(
            [
                b"%d" % run.id,
                run.folder,
                b"%d" % len(run.args),
                *run.args,
                *(name + b"=" + value for name, value in run.environment.items()),
            ]
        )
        try:
            token, write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:
            return False
        os.write(write_end, b"1")
        os.close(write_end)
        descriptors = array("i", [run.stdin, run.stdout, run.stderr, token])
        try:
            template.socket.sendmsg(
                [message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)]
            )
        except OSError:
            # Its socket is full, the message is too long, or it has died, which is an event too.
            os.close(token)
            return False
        now = time.monotonic()
        template.runs += 1
        template.latest = now + self._idle_seconds
        template.pending[run.id] = _Pending(run, token, now + PASS_SECONDS)
        return True

    # Reads all messages of a template.
    def _read(self, template: _Template) -> None:
        while template.socket.fileno() >= 0:
            try:
                message = template.socket.recv(_MESSAGE_BYTES)
            except BlockingIOError:
                return
            except ConnectionResetError:
                # A template has died with unread requests. The kernel tells this once, before the
                # messages that wait, and one of them may say that a run has begun.
                continue
            except OSError:
                message = b""
            if not message:
                self._on_death(template)
                return
            self._obey(template, message.split(b"\0"))

    def _obey(self, template: _Template, message: list[bytes]) -> None:
        match message:
            case [b"started", number, pid]:
                pending = template.pending.pop(int(number), None)
                if pending is not None:
                    os.close(pending.token)
                    template.program.failures = 0
                    template.running[pending.run.id] = pending.run
                    self._listener.started(pending.run, int(pid), warm=True)
            case [b"ended", number, status]:
                self._on_ended(template, int(number), int(status))
            case [b"ready", files, folders, names]:
                self._on_ready(template, files, folders, names)
            case [b"skip", item]:
                program = template.program
                self._forget(template)
                program.skipped.append(os.fsdecode(item))
                self._tell_skipped(program, os.fsdecode(item))
                if len(program.skipped) >= MAX_SKIPS:
                    program.skipped = ["*", *program.key[4]]
                self._start_template(program)
            case [b"fault", text]:
                self._fail(template, text.decode(errors="replace"))

    def _on_ended(self, template: _Template, number: int, status: int) -> None:
        run = template.running.pop(number, None)
        if run is not None:
            code = os.waitstatus_to_exitcode(status)
            template.latest = time.monotonic() + self._idle_seconds
            self._listener.ended(run, code if code >= 0 else None, -code if code < 0 else None)
        elif number in template.pending:
            self._take_back(template, number)
        if template.is_retired and not template.running and not template.pending:
            self._forget(template)

    def _on_ready(self, template: _Template, files: bytes, folders: bytes, names: bytes) -> None:
        program = template.program
        printed = _read_text(template)
        if printed:
            self._fail(template, f"it writes while it is loaded: {printed}", is_final=True)
        elif template.command:
            variables = program.key[3]
            if len(self._interpreters) >= MAX_INTERPRETERS:
                self._interpreters.clear()
            self._interpreters[template.command, variables] = program.files
            self._forget(template)
            self._start_template(program)
        elif template.watch(files, folders, names):
            template.files += program.files
            template.is_ready = True
            template.latest = time.monotonic() + self._idle_seconds
            if template.err >= 0:
                os.close(template.err)
                template.err = -1
        else:
            # The next run starts one that has read the files as they are.
            self._forget(template)

    # All that the template and its children had to say has been read.
    def _on_death(self, template: _Template) -> None:
        running = list(template.running.values())
        if not template.is_killed:
            self._blame(template)
        self._forget(template)
        for run in running:
            # A run that goes on is a child of the launcher from now on. The template may have
            # reaped one that has ended, and have died before it could tell.
            try:
                os.kill(run.pid, 0)
            except OSError:
                self._listener.ended(run, None, signal.SIGKILL)

    def _blame(self, template: _Template) -> None:
        text = _read_text(template)
        if template.is_ready:
            self._count_failure(template, "its template has died")
        elif template.command:
            reason = "its interpreter takes no start-up module, or is older than Python 3.10"
            self._count_failure(template, reason)
        elif text:
            self._be_cold(template.program, text)
        else:
            # It was killed, perhaps for want of memory.
            self._count_failure(template, "it ends while it is loaded")

    # Kills a template; what it has not started runs cold.
    def _fail(self, template: _Template, reason: str, *, is_final: bool = False) -> None:
        if is_final:
            self._be_cold(template.program, reason)
        else:
            self._count_failure(template, reason)
        self._retire(template)
        if template.socket.fileno() >= 0:
            template.is_killed = True
            if template.pid in self._pids:
                os.kill(template.pid, signal.SIGKILL)
            self._take_back(template)

    def _count_failure(self, template: _Template, reason: str) -> None:
        template.program.failures += 1
        if template.program.failures >= MAX_FAILURES:
            self._be_cold(template.program, reason)

    def _be_cold(self, program: _Program, reason: str) -> None:
        program.is_cold = True
        if reason:
            self._listener.say(op="cold", program=program.key[0].decode("latin-1"), reason=reason)

    # What the program itself imports is left out silently: the operator has not asked for it.
    def _tell_skipped(self, program: _Program, item: str) -> None:
        path, *_, preload = program.key
        if item in preload:
            text = f"{os.fsdecode(path)!a}: --cgi-preload {item} is left out, because its import"
            text += " fails, warns, or reads a variable of the request"
            print(text, file=sys.stderr, flush=True)

    # It takes no further runs, and ends with the last one that it has.
    def _retire(self, template: _Template) -> None:
        template.is_retired = True
        if template.program.template is template:
            template.program.template = None
        if not template.running and not template.pending:
            self._forget(template)

    # Closes the socket, whose end ends the template and the runs that it has.
    def _forget(self, template: _Template) -> None:
        if template.program.template is template:
            template.program.template = None
        fd = template.socket.fileno()
        if fd < 0:
            return
        self._poll.unregister(fd)
        del self._by_fd[fd]
        template.socket.close()
        if template.err >= 0:
            os.close(template.err)
            template.err = -1
        self._take_back(template)

    # Starts runs cold that no child has begun; of the others a child tells.
    def _take_back(self, template: _Template, only: int = 0) -> None:
        for number, pending in list(template.pending.items()):
            if only in (0, number) and pending.take_back():
                del template.pending[number]
                os.close(pending.token)
                self._listener.start_cold(pending.run)


def identify(path: bytes) -> _Identity:
    """What changes with the contents of a file or a folder, the time of the change last."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )


# What says that an interpreter is the one that was probed. `env` starts the first in PATH, and what
# stands in front of that one may come to be.
def _interpreter_files(
    command: tuple[bytes, ...], variables: _Variables
) -> list[tuple[bytes, _Identity]]:
    paths = [command[0], _INSIDE]
    if command[0].endswith(b"/env"):
        folders = dict(variables).get(b"PATH", b"").split(b":")
        paths += [os.path.join(folder, command[1]) for folder in folders]
    return [(path, identify(path)) for path in paths]


# The last line that a template has written; "" if there is none.
def _read_text(template: _Template) -> str:
    try:
        text = os.read(template.err, _TEXT_BYTES) if template.err >= 0 else b""
    except BlockingIOError:
        return ""
    lines = text.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""
