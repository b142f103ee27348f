"""A front for tests of the CGI launcher: says messages, hears them, and reads output."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from front import DEADLINE, PACKAGE_FOLDER, TAKE_PLACES

BOOT = (
    "import sys; sys.path[:1] = [sys.argv[1]] if sys.path[:1] == [''] else "
    "[sys.argv[1], *sys.path[:1]]; from typhon_worker.cgi import main; "
    "sys.path.remove(sys.argv[1]); main.main()"
)


class CgiFront:
    """The launcher, and the control socket to it."""

    def __init__(self, before: str = "", *, opens: bool = True) -> None:
        """`before`: code that runs in the launcher's process first, as a start-up hook would."""
        mine, its = socket.socketpair()
        self.control = mine
        self.control.settimeout(DEADLINE)
        self.process = subprocess.Popen(
            [sys.executable, "-c", f"{before}\n{TAKE_PLACES}{BOOT}", PACKAGE_FOLDER, "3", "",
             str(its.fileno())],
            pass_fds=(its.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        its.close()
        self._lines = mine.makefile("r", encoding="utf-8")
        self._last_id = 0
        if opens:
            self.say(op="open", template_idle=60)
            assert self.hear()["op"] == "opened"

    def __enter__(self) -> CgiFront:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        self.control.close()
        assert self.process.stdout is not None
        self.process.wait(DEADLINE)
        self.process.stdout.close()

    def say(self, **message: Any) -> None:
        """Sends one message."""
        self.control.sendall(json.dumps(message).encode() + b"\n")

    def hear(self) -> dict[str, Any]:
        """The next message."""
        line = self._lines.readline()
        assert line, f"the launcher has ended: {self.read_output()}"
        message: dict[str, Any] = json.loads(line)
        return message

    def read_output(self) -> str:
        """What the launcher has printed, when it has ended."""
        assert self.process.stdout is not None
        return self.process.stdout.read().decode()

    def run(self, program: Path | str, **more: Any) -> int:
        """Asks for a run → its id."""
        self._last_id += 1
        message: dict[str, Any] = {
            "op": "run",
            "id": self._last_id,
            "program": os.fsencode(program).decode("latin-1"),
            "python": "",
            "args": [],
            "folder": "/",
            "environment": {"PATH": "/usr/bin:/bin"},
            "input": None,
            "warm": False,
            "preload": [],
        }
        self.say(**{**message, **more})
        return self._last_id

    def output_of(self, number: int) -> tuple[bytes, dict[str, Any]]:
        """Reads a run that has been asked for → its output, and the message of its end."""
        started = self.hear()
        if started["op"] == "failed":
            return b"", started
        assert (started["op"], started["id"]) == ("started", number)
        fd = os.open(f"/proc/{self.process.pid}/fd/{started['out']}", os.O_RDONLY)
        self.say(op="opened", id=number)
        with open(fd, "rb") as file:
            output = file.read()
        while (end := self.hear())["op"] == "error":
            pass
        return output, end
