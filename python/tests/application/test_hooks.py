"""typhon_server.hooks in a worker: what runs when, and what a failure means."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import Serve
from front import Front, is_alive, response_to, stop_worker, wait_until
from typhon_worker.wire import frames

APP = """
from typhon_server import hooks

seen = []

@hooks.worker_start
def connect():
    seen.append("start")

@hooks.worker_stop
def disconnect():
    print("worker_stop ran")

def app(environ, start_response):
    start_response("200 OK", [])
    return [" ".join(seen).encode()]
"""

ASGI = """
from typhon_server import hooks

seen = []

@hooks.worker_start
def connect():
    seen.append("start")

@hooks.worker_stop
def disconnect():
    print("stopped after " + seen[-1])

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        seen.append((await receive())["type"])
        await send({"type": "lifespan.startup.complete"})
        seen.append((await receive())["type"])
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": " ".join(seen).encode()})
"""


@pytest.mark.parametrize(
    ("source", "interface", "seen", "printed"),
    [
        (APP, "wsgi", b"start", "worker_stop ran\n"),
        # The event loop has ended, and the application's shutdown with it.
        (ASGI, "asgi", b"start lifespan.startup", "stopped after lifespan.shutdown\n"),
    ],
)
def test_start_and_stop_run_around_everything_else(
    serve: Serve, source: str, interface: str, seen: bytes, printed: str
) -> None:
    front = serve(source)
    worker = front.start_taking(interface=interface)
    assert response_to(worker, front.ask())[1] == seen
    assert stop_worker(worker) == []
    assert front.hear("ended")["code"] == 0
    assert worker.read_out() == printed


def test_a_failed_worker_start_is_a_failed_load(serve: Serve) -> None:
    front = serve(
        """
        from typhon_server import hooks

        @hooks.worker_start
        def connect():
            raise OSError("no database")

        def app(environ, start_response): ...
        """
    )
    worker = front.start()
    failure = worker.expect(frames.FAILED).json()
    assert failure["kind"] == "hook"
    assert failure["text"].startswith("worker_start site_under_test:connect failed\nTraceback")
    assert failure["text"].endswith("OSError: no database")
    assert "typhon_worker" not in failure["text"]
    assert front.hear("ended")["code"] == 3


def test_a_failed_worker_stop_is_a_line_and_the_others_run(serve: Serve) -> None:
    front = serve(
        """
        from typhon_server import hooks

        @hooks.worker_stop
        def first():
            raise SystemExit("enough")

        @hooks.worker_stop
        def second():
            print("second ran")

        def app(environ, start_response): ...
        """
    )
    worker = front.start_taking()
    (line,) = stop_worker(worker)
    assert line.startswith("worker_stop site_under_test:first failed\nTraceback")
    assert line.endswith("SystemExit: enough")
    assert front.hear("ended")["code"] == 0
    assert worker.read_out() == "second ran\n"


def test_a_worker_stop_that_hangs_costs_no_exit_function(serve: Serve) -> None:
    front = serve(
        """
        import atexit, time
        from typhon_server import hooks

        atexit.register(print, "exit function ran")

        @hooks.worker_stop
        def hang():
            time.sleep(60)

        def app(environ, start_response): ...
        """
    )
    worker = front.start_taking()
    worker.send(frames.STOP, 400)
    worker.expect(frames.STOPPED)
    texts = [frame.text() for frame in worker.frames_to_end() if frame.kind == frames.LOG]
    assert texts[-1].endswith("without waiting for worker_stop site_under_test:hang")
    assert front.hear("ended")["code"] == 0
    assert worker.read_out() == "exit function ran\n"


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("@hooks.worker_start\nasync def connect(): ...", "is an async function or a generator"),
        ("@hooks.worker_stop\ndef close():\n    yield", "is an async function or a generator"),
        ("hooks.worker_start(5)", "worker_start: 5 is no function"),
        ("hooks.worker_exit(lambda pid: None)", "is no function at the top level of a module"),
        (
            "class Site:\n    def gone(self, pid): ...\nhooks.worker_exit(Site().gone)",
            "is no function at the top level of a module",
        ),
    ],
)
def test_what_no_hook_can_be_is_refused(serve: Serve, source: str, sentence: str) -> None:
    front = serve(f"from typhon_server import hooks\n{source}\ndef app(environ, start): ...\n")
    failure = front.start().expect(frames.FAILED).json()
    assert sentence in failure["text"]
    assert "TypeError" in failure["text"]


def test_ready_names_the_exit_functions(serve: Serve) -> None:
    front = serve(
        """
        from os.path import basename
        from typhon_server import hooks

        @hooks.worker_exit
        def gone(pid): ...

        hooks.worker_exit(gone)
        hooks.worker_exit(basename)

        def app(environ, start_response): ...
        """
    )
    ready = front.start().expect(frames.READY).json()
    assert ready == {"interface": "wsgi", "exit_hooks": "site_under_test:gone posixpath:basename"}


def test_only_this_one_name_is_found_and_an_installed_package_wins(
    serve: Serve, tmp_path: Path
) -> None:
    folder = tmp_path / "installed"
    (folder / "typhon_server").mkdir(parents=True)
    (folder / "typhon_server" / "__init__.py").write_text("own = 'installed'\n")
    source = """
        import sys

        def app(environ, start_response):
            start_response("200 OK", [])
            import typhon_server
            try:
                import typhon_template
                other = "found"
            except ImportError:
                other = "missing"
            own = getattr(typhon_server, "own", "beside")
            folders = [one for one in sys.path if "typhon" in one and "test" not in one]
            return [f"{own} {other} {folders}".encode()]
    """
    front = serve(source)
    assert response_to(front.start_taking(), front.ask())[1] == b"beside missing []"
    other = serve(source, launcher_env={"PYTHONPATH": str(folder)})
    assert response_to(other.start_taking(), other.ask())[1] == b"installed missing []"


def call(front: Front, functions: list[str], **more: Any) -> dict[str, Any]:
    front.say(op="hook", hook=1, functions=functions, **{"worker": 3, "pid": 4711, **more})
    ended = front.hear("hook-ended")
    assert ended["hook"] == 1
    return ended


def test_a_function_runs_in_a_process_of_its_own(serve: Serve) -> None:
    front = serve(
        """
        import os

        def gone(pid):
            print("gone", pid, os.getppid(), os.getpid() == os.getpgrp(), os.environ["KIND"])
            print("and an error", file=__import__("sys").stderr)

        def worse(pid):
            raise ValueError("not this one")
        """,
        env={"KIND": "test"},
    )
    here = front.launcher.pid
    ended = call(front, ["site_under_test:gone"])
    assert (ended["code"], ended["signal"]) == (0, None)
    assert ended["text"] == f"gone 4711 {here} True test\nand an error\n"
    ended = call(front, ["site_under_test:worse", "site_under_test:gone", "nowhere:to"])
    assert ended["code"] == 1
    assert ended["text"].splitlines()[0] == "Traceback (most recent call last):"
    assert "ValueError: not this one" in ended["text"]
    assert "gone 4711" in ended["text"]
    assert "No module named 'nowhere'" in ended["text"]
    assert "typhon_worker" not in ended["text"]


def test_an_application_that_is_a_path_has_its_own_folder(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "main.py").write_text("def gone(pid):\n    print('main', pid)\n")
    with Front("site/main.py", str(tmp_path)) as front:
        assert call(front, ["main:gone"])["text"] == "main 4711\n"


def test_a_call_that_hangs_is_killed_with_what_it_has_started(serve: Serve) -> None:
    front = serve(
        """
        import subprocess, sys, time

        def gone(pid):
            subprocess.Popen(["sleep", "60"])
            print("hangs", flush=True)
            time.sleep(60)
        """
    )
    front.say(op="hook", hook=7, functions=["site_under_test:gone"], worker=1, pid=1)
    front.say(op="end-hook", hook=7)
    ended = front.hear("hook-ended")
    assert (ended["hook"], ended["code"], ended["signal"]) == (7, None, 9)


def test_the_launcher_outlives_calls_that_end_in_one_moment(serve: Serve) -> None:
    front = serve("def gone(pid):\n    print(pid)\n")
    for call in range(40):
        front.say(op="hook", hook=call, functions=["site_under_test:gone"], worker=1, pid=call)
    told = [front.hear("hook-ended") for _ in range(40)]
    assert {ended["hook"]: ended["text"] for ended in told} == {
        call: f"{call}\n" for call in range(40)
    }
    assert front.launcher.poll() is None


def test_what_a_call_leaves_behind_is_not_waited_for(serve: Serve, tmp_path: Path) -> None:
    front = serve(
        f"""
        import subprocess

        def gone(pid):
            flood = subprocess.Popen(["sh", "-c", "while :; do echo flood; done"])
            with open({str(tmp_path / "pid")!r}, "w") as file:
                print(flood.pid, file=file)
        """
    )
    ended = call(front, ["site_under_test:gone"])
    assert ended["code"] == 0
    # Nobody reads what it prints.
    pid = int((tmp_path / "pid").read_text())
    wait_until(lambda: not is_alive(pid), "the end of what has printed")


def test_a_flood_of_output_is_cut(serve: Serve) -> None:
    front = serve("def gone(pid):\n    print('x' * 3_000_000)\n")
    ended = call(front, ["site_under_test:gone"])
    assert ended["code"] == 0
    assert ended["text"] == "x" * 16_384


def test_the_end_of_the_front_ends_a_call(serve: Serve, tmp_path: Path) -> None:
    front = serve(
        f"""
        import os, time

        def gone(pid):
            with open({str(tmp_path / "pid")!r}, "w") as file:
                print(os.getpid(), file=file)
            time.sleep(60)
        """
    )
    front.say(op="hook", hook=7, functions=["site_under_test:gone"], worker=1, pid=1)
    pid = tmp_path / "pid"
    wait_until(lambda: pid.exists() and pid.read_text().endswith("\n"), "the call")
    front.control.close()
    assert front.wait_for_end() == ""
    wait_until(lambda: not is_alive(int(pid.read_text())), "the end of the call")


def test_hooks_of_another_server_are_kept_and_never_called() -> None:
    sys.modules.pop("typhon_server.hooks", None)
    from typhon_server import hooks

    def connect() -> None:
        raise AssertionError

    assert hooks.worker_start(connect) is connect
    assert hooks.registered["worker_start"][-1] is connect
