"""Runs of CGI programs for tests of warm mode: cold, or in a fork of a template."""

from __future__ import annotations

import base64
import os
import textwrap
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cgi_front import CgiFront
from front import DEADLINE

ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "GATEWAY_INTERFACE": "CGI/1.1",
    "REQUEST_METHOD": "POST",
    "QUERY_STRING": "a=1&b=2",
    "SCRIPT_NAME": "/cgi-bin/program",
    "SERVER_NAME": "example.com",
    "HTTP_HOST": "example.com",
    "HTTP_X_LATIN": "\xe9t\xe9",
}


class Run(NamedTuple):
    """What came of a run."""

    output: bytes
    error: str
    code: int | None
    signal: int | None


class Runner:
    """A launcher, and what it says of runs that may be under way at the same time."""

    def __init__(
        self, folder: Path, interpreter: str, *, idle: float = 60, **constants: float
    ) -> None:
        """`constants`: of the launcher's module `templates`, other than the usual ones."""
        self.folder = folder
        self.interpreter = interpreter
        hook = "import sys; sys.path.insert(0, sys.argv[1]); "
        hook += "from typhon_worker.cgi import templates as t; sys.path.pop(0); "
        hook += "; ".join(f"t.{name} = {value}" for name, value in constants.items())
        self.front = CgiFront(hook, opens=False)
        self.front.say(op="open", template_idle=idle)
        assert self.front.hear()["op"] == "opened"
        # Reasons for which programs run cold.
        self.reasons: dict[str, str] = {}
        self.warm: dict[int, bool] = {}
        self._errors: dict[int, str] = {}
        self._ends: dict[int, dict[str, Any]] = {}
        self._started: dict[int, dict[str, Any]] = {}

    def write(self, source: str, name: str = "program.py", flags: str = "") -> Path:
        """Writes a program that the interpreter runs."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = f"#!{self.interpreter}{flags and ' '}{flags}\n{textwrap.dedent(source)}"
        path.write_bytes(text.encode("latin-1" if "coding: latin-1" in text else "utf-8"))
        path.chmod(0o755)
        return path

    def start(
        self,
        program: Path,
        *,
        warm: bool,
        args: Sequence[str] = (),
        environment: Mapping[str, str] = ENVIRONMENT,
        body: bytes | None = None,
        **more: Any,
    ) -> int:
        """Asks for a run → its id."""
        return self.front.run(
            program,
            folder=str(program.parent),
            warm=warm,
            args=list(args),
            environment=dict(environment),
            input=None if body is None else {"bytes": base64.b64encode(body).decode()},
            **more,
        )

    def finish(self, number: int) -> Run:
        """Reads a run to its end."""
        while number not in self._started and number not in self._ends:
            self._hear()
        output = b""
        if number in self._started:
            at = f"/proc/{self.front.process.pid}/fd/{self._started.pop(number)['out']}"
            with open(os.open(at, os.O_RDONLY), "rb") as file:
                self.front.say(op="opened", id=number)
                output = file.read()
        while number not in self._ends:
            self._hear()
        end = self._ends.pop(number)
        return Run(output, self._errors.pop(number, ""), end.get("code"), end.get("signal"))

    def _hear(self) -> None:
        message = self.front.hear()
        match message:
            case {"op": "started"}:
                self.warm[message["id"]] = message["warm"]
                self._started[message["id"]] = message
            case {"op": "error"}:
                self._errors.setdefault(message["id"], "")
                self._errors[message["id"]] += message["text"]
            case {"op": "cold"}:
                self.reasons[Path(message["program"]).name] = message["reason"]
            case _:
                self._ends[message["id"]] = message

    def run_cold(self, program: Path, **more: Any) -> Run:
        """Runs a program as a process of its own."""
        return self.finish(self.start(program, warm=False, **more))

    def run_any(self, program: Path, **more: Any) -> tuple[bool, Run]:
        """Runs a program as the launcher decides → whether it was warm."""
        number = self.start(program, warm=True, **more)
        run = self.finish(number)
        return self.warm[number], run

    def run_warm(self, program: Path, **more: Any) -> Run:
        """Runs a program until it was warm."""
        latest = time.monotonic() + DEADLINE
        while time.monotonic() < latest:
            is_warm, run = self.run_any(program, **more)
            if is_warm:
                return run
            assert program.name not in self.reasons, self.reasons
        raise AssertionError(f"{program.name} stays cold")

    def reason_for_cold(self, program: Path, **more: Any) -> str:
        """Runs a program until the launcher says why it runs cold."""
        latest = time.monotonic() + DEADLINE
        while time.monotonic() < latest:
            is_warm, _ = self.run_any(program, **more)
            assert not is_warm
            if program.name in self.reasons:
                return self.reasons.pop(program.name)
        raise AssertionError(f"nothing is told of {program.name}")

    def templates(self) -> list[int]:
        """Lists the templates: the launcher's children that have a socket to it."""
        pid = self.front.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [int(child) for child in children if _has_socket(child)]

    def close(self) -> None:
        """Ends the launcher."""
        self.front.__exit__()


def _has_socket(pid: str) -> bool:
    try:
        return os.readlink(f"/proc/{pid}/fd/3").startswith("socket:")
    except OSError:
        return False
