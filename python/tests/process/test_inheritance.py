"""A launcher that takes over from one that has died, and what it leaves behind at its start."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import Serve
from front import BOOT, PACKAGE_FOLDER, TAKE_PLACES, Front, is_alive, response_to, wait_until
from typhon_worker.wire import frames

# Tells who has answered; "/wait" holds the worker until the FIFO is opened for reading.
APP = """
import os
def app(environ, start_response):
    if environ["QUERY_STRING"]:
        open(environ["QUERY_STRING"], "w").close()
    start_response("200 OK", [])
    return [str(os.getpid()).encode()]
"""


@pytest.fixture
def fronts(serve: Serve, tmp_path: Path) -> Iterator[tuple[Front, Front]]:
    """One whose launcher was killed, with a worker that lives on, and its successor."""
    first = serve(APP, workers=2)
    first.start_taking()
    first.launcher.send_signal(signal.SIGKILL)
    first.wait_for_end()
    with Front("site_under_test:app", str(tmp_path), inherits=first) as second:
        yield first, second


def descriptors(pid: int) -> list[tuple[str, int]]:
    """What a process holds open beyond its standard streams, and how (open(2))."""
    held = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        if int(entry.name) > 2:
            info = Path(f"/proc/{pid}/fdinfo/{entry.name}").read_text()
            mode = int(info.split("flags:")[1].split()[0], 8) & os.O_ACCMODE
            held.append((os.readlink(entry), mode))
    return held


def test_workers_old_and_new_take_from_one_queue(
    fronts: tuple[Front, Front], tmp_path: Path
) -> None:
    first, second = fronts
    assert second.opened["pipe_pages"] == first.opened["pipe_pages"]
    assert os.listdir(second.folder) == []
    old = first.workers[0]
    assert is_alive(old.pid)
    assert response_to(old, first.ask())[1] == str(old.pid).encode()
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    held = first.ask(query=str(gate))
    wait_until(lambda: old.noted() == [held], "the old worker to be busy")
    new = second.start_taking(number=2)
    assert response_to(new, first.ask())[1] == str(new.pid).encode()
    gate.read_text()
    assert response_to(old, held)[1] == str(old.pid).encode()


def test_workers_old_and_new_read_the_same_cancels(fronts: tuple[Front, Front]) -> None:
    first, second = fronts
    old = first.workers[0]
    second.give_up(1)
    old.expect(frames.EXPIRED, first.ask())
    old.send(frames.STOP)
    old.expect(frames.STOPPED)
    new = second.start_taking(number=2)
    second.give_up(2)
    new.expect(frames.EXPIRED, first.ask())


def test_one_lifeline_ends_them_all(fronts: tuple[Front, Front]) -> None:
    first, second = fronts
    new = second.start_taking(number=2)
    for front in fronts:
        os.close(front.lifeline)
        front.lifeline = -1
    second.wait_for_end()
    for worker in (first.workers[0], new):
        wait_until(lambda pid=worker.pid: not is_alive(pid), "the worker's end")
    assert os.listdir(second.folder) == []


def test_holds_no_writing_end_of_what_it_inherits(fronts: tuple[Front, Front]) -> None:
    second = fronts[1]
    held = descriptors(second.launcher.pid)
    shared = sorted((Path(path.split()[0]).name, mode) for path, mode in held if "/" in path)
    assert shared == [("cancels", os.O_RDWR), ("lifeline", os.O_RDONLY), ("queue", os.O_RDONLY)]
    # The rest is control and both ends of the reaper's pipe.
    assert len(held) == 6


def test_closes_what_a_service_manager_has_passed_on(serve: Serve) -> None:
    reading, writing = os.pipe()
    front = serve(APP, passes=(reading, writing))
    link = os.readlink(f"/proc/self/fd/{reading}")
    assert link not in [held for held, _ in descriptors(front.launcher.pid)]
    os.close(writing)
    # Nobody else holds the writing end.
    assert os.read(reading, 1) == b""
    os.close(reading)


def test_starts_without_being_told_the_highest_descriptor(tmp_path: Path) -> None:
    ours, control = socket.socketpair()
    arguments = [PACKAGE_FOLDER, str(control.fileno())]
    launcher = subprocess.Popen(
        [sys.executable, "-c", TAKE_PLACES + BOOT, *arguments], pass_fds=(control.fileno(),)
    )
    control.close()
    application = {
        **dict.fromkeys(("app", "app_dir", "root_path", "software"), ""),
        "threads": 1,
        "workers": 1,
        "env": {},
    }
    message = {"op": "open", "directory": str(tmp_path), "pipe_pages": 1}
    with ours:
        ours.sendall(json.dumps({**message, "application": application}).encode() + b"\n")
        ours.settimeout(20)
        assert json.loads(ours.recv(65_536))["op"] == "opened"
        assert sorted(os.listdir(tmp_path)) == ["cancels", "lifeline", "queue"]
    assert launcher.wait(20) == 0
