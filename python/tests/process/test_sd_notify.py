"""What a service manager has told the front, and what it is told."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from conftest import Serve
from front import response_to

APP = """
import json, os, subprocess
NAMES = ("NOTIFY_", "WATCHDOG_", "LISTEN_")

def app(environ, start_response):
    start_response("200 OK", [])
    own = [name for name in os.environ if name.startswith(NAMES)]
    child = [name for name in subprocess.check_output(["env"], text=True).split("\\n")
             if name.startswith(NAMES)]
    return [json.dumps(own + child).encode()]
"""


@pytest.fixture
def manager() -> socket.socket:
    """A socket for datagrams, as the manager's."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listening.settimeout(20)
    return listening


def test_tells_the_manager_at_a_path(serve: Serve, tmp_path: Path, manager: socket.socket) -> None:
    with manager:
        manager.bind(str(tmp_path / "notify"))
        front = serve(APP, launcher_env={"NOTIFY_SOCKET": str(tmp_path / "notify")})
        front.say(op="notify", text="READY=1\nSTATUS=é")
        assert manager.recv(4096) == "READY=1\nSTATUS=é".encode()


def test_tells_the_manager_in_the_abstract_namespace(serve: Serve, manager: socket.socket) -> None:
    name = f"typhon-test-{os.getpid()}"
    with manager:
        manager.bind(f"\0{name}")
        front = serve(APP, launcher_env={"NOTIFY_SOCKET": f"@{name}"})
        front.say(op="notify", text="WATCHDOG=1")
        assert manager.recv(4096) == b"WATCHDOG=1"


def test_says_in_one_line_that_the_manager_does_not_listen(serve: Serve, tmp_path: Path) -> None:
    front = serve(APP, launcher_env={"NOTIFY_SOCKET": str(tmp_path / "nobody")})
    front.say(op="notify", text="READY=1")
    front.start_taking()
    front.control.close()
    lines = front.wait_for_end().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("the service manager cannot be told: ")


def test_tells_nobody_where_there_is_no_manager(serve: Serve) -> None:
    front = serve(APP)
    front.say(op="notify", text="READY=1")
    front.start_taking()
    front.control.close()
    assert front.wait_for_end() == ""


def test_leaves_nothing_of_it_to_the_application_and_its_children(serve: Serve) -> None:
    names = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"]
    names += ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"]
    front = serve(APP, launcher_env=dict.fromkeys(names, "1"))
    worker = front.start_taking()
    assert json.loads(response_to(worker, front.ask())[1]) == []
