"""The CGI launcher by its protocol: faults of the front, hooks, and what it holds open."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest

from cgi_front import CgiFront
from front import DEADLINE, wait_until
from typhon_worker.cgi import launcher


def write_program(folder: Path, source: str) -> Path:
    """Writes a shell script that can be executed."""
    program = folder / "program"
    program.write_text(f"#!/bin/sh\n{source}\n")
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"nonsense\n", "JSONDecodeError"),
        (b'{"op":"no"}\n', "ControlFault: an unknown control message"),
        (b'{"op":"run","id":"1"}\n', "ControlFault: an unknown control message"),
        (b"x" * (launcher.MAX_LINE_BYTES + 1), "ControlFault: a control message of more than"),
    ],
)
def test_ends_at_a_message_that_is_none(line: bytes, reason: str) -> None:
    with CgiFront() as front:
        front.control.sendall(line)
        fault = front.hear()
        assert fault["op"] == "fault"
        assert fault["text"].startswith(reason)
        assert front.process.wait(DEADLINE) == 1


def test_ends_at_a_run_before_open() -> None:
    with CgiFront(opens=False) as front:
        front.run("/bin/true")
        assert front.hear()["op"] == "fault"


@pytest.mark.parametrize(
    "wrong",
    [
        {"environment": None},
        {"environment": {"A": 1}},
        {"args": "x"},
        {"args": [1]},
        {"folder": None},
        {"preload": None},
        {"input": {"bytes": "?"}},
        {"input": "x"},
    ],
)
def test_fails_a_run_that_is_none_and_holds_nothing_open(wrong: dict[str, object]) -> None:
    with CgiFront() as front:
        held = os.listdir(f"/proc/{front.process.pid}/fd")
        number = front.run("/bin/true", **wrong)
        assert front.output_of(number)[1]["op"] == "failed"
        assert os.listdir(f"/proc/{front.process.pid}/fd") == held


def test_passes_no_descriptor_of_a_hook(tmp_path: Path) -> None:
    hook = "import os; [os.set_inheritable(os.open('/dev/zero', 0), True) for _ in range(5)]"
    with CgiFront(hook) as front:
        output, _ = front.output_of(front.run(write_program(tmp_path, "ls -l /proc/self/fd")))
        assert b"/dev/zero" not in output


def test_holds_a_body_where_the_c_library_is_old(tmp_path: Path) -> None:
    body = base64.b64encode(b"a body").decode()
    with CgiFront("import os; del os.memfd_create") as front:
        number = front.run(write_program(tmp_path, "cat"), input={"bytes": body})
        assert front.output_of(number)[0] == b"a body"


def test_says_what_is_missing_in_an_interpreter() -> None:
    with CgiFront("import os; del os.posix_spawn", opens=False) as front:
        assert front.process.wait(DEADLINE) == 1
        assert "os.posix_spawn" in front.read_output()


def test_reads_on_a_bounded_number_of_errors_that_ended_programs_have_left(
    tmp_path: Path,
) -> None:
    program = write_program(tmp_path, "sleep 1000 >/dev/null & echo $!")
    hook = "import os, select, sys; sys.path.insert(0, sys.argv[1]); "
    limit = "from typhon_worker.cgi import launcher; launcher.MAX_LEFT_ERRORS = 2"
    with CgiFront(hook + limit) as front:
        held = len(os.listdir(f"/proc/{front.process.pid}/fd"))
        left = [int(front.output_of(front.run(program))[0]) for _ in range(5)]
        wait_until(
            lambda: len(os.listdir(f"/proc/{front.process.pid}/fd")) == held + 2,
            "the launcher to close the oldest errors",
        )
        for pid in left:
            os.kill(pid, 9)
        wait_until(
            lambda: len(os.listdir(f"/proc/{front.process.pid}/fd")) == held,
            "the launcher to close the errors of processes that have ended",
        )


def test_kills_at_the_end_of_control_and_ends_programs_at_a_stop(tmp_path: Path) -> None:
    program = write_program(tmp_path, "trap 'echo term; exit 3' TERM; echo; while :; do :; done")
    with CgiFront() as front:
        number = front.run(program)
        started = front.hear()
        fd = os.open(f"/proc/{front.process.pid}/fd/{started['out']}", os.O_RDONLY)
        with open(fd, "rb", buffering=0) as output:
            assert output.read(9) == b"\n"
            front.say(op="stop", kill=False)
            front.say(op="opened", id=number)
            late = front.run(program)
            assert output.read(9) == b"term\n"
        ends = sorted((front.hear(), front.hear()), key=lambda end: str(end["op"]))
        assert ends[0] == {"op": "ended", "id": number, "code": 3, "signal": None}
        assert ends[1] == {"op": "failed", "id": late, "text": "the server stops"}
        assert front.process.wait(DEADLINE) == 0
    with CgiFront() as front:
        front.run(program)
        pid = front.hear()["pid"]
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the end of the program")


def test_a_stop_that_kills_waits_for_nothing_that_ended_programs_have_left(tmp_path: Path) -> None:
    left = "sh -c 'trap \"\" TERM; echo $$; exec sleep 1000 >/dev/null 2>&1' &"
    program = write_program(tmp_path, f"{left} exec sleep 1000")
    hook = "import os, select, sys; sys.path.insert(0, sys.argv[1]); "
    limit = "from typhon_worker.cgi import launcher; launcher.KILL_AFTER_SECONDS = 1000.0"
    with CgiFront(hook + limit) as front:
        number = front.run(program)
        started = front.hear()
        fd = os.open(f"/proc/{front.process.pid}/fd/{started['out']}", os.O_RDONLY)
        with open(fd, "rb") as output:
            pid = int(output.readline())
        front.say(op="end", id=number)
        assert front.hear()["op"] == "ended"
        front.say(op="stop", kill=True)
        front.process.wait(10)
        wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the end of the process")
