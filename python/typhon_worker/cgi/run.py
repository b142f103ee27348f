"""One run of a CGI program: what the front asks for, its three streams, and its cold start.

    front ── message ──▶ ProgramRun ──▶ stdin: /dev/null, the body in memory, or the body's file
                                   ├──▶ out:  the front reads it  ◀── stdout
                                   └──▶ err:  the launcher reads it ◀── stderr

All texts of a message stand for bytes: one character (latin-1) a byte.
"""

from __future__ import annotations

import base64
import errno
import os
import signal
from collections.abc import Mapping

# What a program gets, whatever the server ignores or the operator had ignored (nohup).
_DEFAULTS = sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})

# What an operator can do where a program cannot be started.
_REMEDIES = {
    errno.ENOEXEC: "does the file begin with #!?",
    errno.ENOENT: "is the interpreter there that the first line of the file names, and does that "
    "line end without a carriage return?",
    errno.EACCES: "may the server's user execute the file and its interpreter, and enter their "
    "folders?",
    errno.EMFILE: "the limit of open files is too low (ulimit -n, LimitNOFILE)",
    errno.EFBIG: "the limit of file sizes is too low (ulimit -f, LimitFSIZE)",
    errno.EAGAIN: "the limit of processes is too low (ulimit -u, TasksMax)",
}


class ProgramRun:
    """One run. `stdin`, `stdout` and `stderr` are the program's ends, -1 when they are closed."""

    __slots__ = (
        "args",
        "environment",
        "err",
        "folder",
        "id",
        "may_be_warm",
        "out",
        "pid",
        "preload",
        "program",
        "python",
        "signal",
        "stderr",
        "stdin",
        "stdout",
    )

    def __init__(self, number: int) -> None:
        self.id = number
        self.program = b""
        # b"": the program is executed itself.
        self.python = b""
        self.args: list[bytes] = []
        self.folder = b""
        self.environment: dict[bytes, bytes] = {}
        self.may_be_warm = False
        # Modules that a template imports.
        self.preload: list[str] = []
        # 0: not started.
        self.pid = 0
        # What a run that has not started is sent when it has; 0: nothing.
        self.signal = 0
        self.stdin = self.stdout = self.stderr = self.out = self.err = -1

    def read(self, message: Mapping[str, object]) -> None:
        """Takes what the front asks for, and opens the streams. Fails with OSError, ValueError."""
        environment = message.get("environment")
        if not isinstance(environment, dict):
            raise ValueError("a run without an environment")
        self.program = _bytes(message.get("program"))
        self.python = _bytes(message.get("python"))
        self.args = [_bytes(one) for one in _list(message.get("args"))]
        self.folder = _bytes(message.get("folder"))
        self.environment = {_bytes(name): _bytes(text) for name, text in environment.items()}
        self.may_be_warm = message.get("warm") is True
        self.preload = [str(name) for name in _list(message.get("preload"))]
        self.stdin = _open_input(message.get("input"))
        self.out, self.stdout = os.pipe2(os.O_CLOEXEC)
        self.err, self.stderr = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self.err, False)

    @property
    def argv(self) -> list[bytes]:
        """The program's arguments, with its name, and its interpreter if it has one."""
        argv = [self.program, *self.args]
        return [self.python, *argv] if self.python else argv

    def close_program_ends(self) -> None:
        """Closes the program's ends of the streams, which belong to the program by now."""
        for fd in (self.stdin, self.stdout, self.stderr):
            if fd >= 0:
                os.close(fd)
        self.stdin = self.stdout = self.stderr = -1

    def close_err(self) -> None:
        """Closes the launcher's reading end of the standard error."""
        if self.err >= 0:
            os.close(self.err)
        self.err = -1

    def close_all(self) -> None:
        """Closes the streams of a run that was not started."""
        self.close_program_ends()
        self.close_out()
        self.close_err()

    def close_out(self) -> None:
        """Closes the launcher's reading end of the output: the front has opened its own."""
        if self.out >= 0:
            os.close(self.out)
        self.out = -1

    def start_cold(self) -> int:
        """Starts the program in a process group of its own → process id. Fails with OSError.

        The launcher has one thread, so it may lend the program its working directory.
        """
        argv = self.argv
        os.chdir(self.folder)
        try:
            return os.posix_spawn(
                argv[0],
                argv,
                self.environment,
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, self.stdin, 0),
                    (os.POSIX_SPAWN_DUP2, self.stdout, 1),
                    (os.POSIX_SPAWN_DUP2, self.stderr, 2),
                ],
                setpgroup=0,
                setsigmask=(),
                setsigdef=_DEFAULTS,
            )
        finally:
            # The launcher keeps no file system busy.
            os.chdir("/")


class RunListener:
    """What becomes of runs; the launcher is one, and the templates tell it."""

    def started(self, run: ProgramRun, pid: int, *, warm: bool) -> None:
        """The program runs, as the leader of a process group."""
        raise NotImplementedError

    def ended(self, run: ProgramRun, code: int | None, number: int | None) -> None:
        """The program has ended, by an exit code or by a signal."""
        raise NotImplementedError

    def start_cold(self, run: ProgramRun) -> None:
        """A template that has taken the run could not start it, and has run nothing of it."""
        raise NotImplementedError

    def say(self, **message: object) -> None:
        """Sends one message to the front."""
        raise NotImplementedError


def explain(error: OSError) -> str:
    """Says why a program could not be started, with the remedy if there is one."""
    # Without the path: the front knows it.
    text = os.strerror(error.errno or 0)
    remedy = _REMEDIES.get(error.errno or 0)
    return f"{text}: {remedy}" if remedy else text


def _bytes(text: object) -> bytes:
    if not isinstance(text, str) or "\0" in text:
        raise ValueError("a run with a value that is no text, or has a NUL")
    return text.encode("latin-1")


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise ValueError("a run with a value that is no list")
    return value


def _open_input(body: object) -> int:
    match body:
        case None:
            return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        case {"path": str(path)}:
            return os.open(_bytes(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        case {"bytes": str(text)}:
            return _hold(base64.b64decode(text, validate=True))
    raise ValueError("a run with an unknown input")


# A file in memory: a program that does not read its input holds up nobody.
def _hold(body: bytes) -> int:
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("body", os.MFD_CLOEXEC)
    else:
        # An interpreter that was built for an old C library.
        fd = os.open("/dev/shm", os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        left = memoryview(body)
        while left:
            left = left[os.write(fd, left) :]
        os.lseek(fd, 0, os.SEEK_SET)
    except OSError:
        os.close(fd)
        raise
    return fd
