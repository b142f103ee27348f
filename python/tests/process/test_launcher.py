"""The launcher: what it makes, what it reports, and that nothing outlives what it should not."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import Serve, write_module
from front import Front, is_alive, response_to, wait_until
from typhon_worker.process import run_directory
from typhon_worker.wire import frames

HELLO = """
import os
def app(environ, start_response):
    start_response("200 OK", [])
    return [str(os.getpid()).encode()]
"""

# Holds the interpreter's lock for good: no thread of the worker runs any more.
STUCK = """
import os, re
def app(environ, start_response):
    with open(environ["QUERY_STRING"], "w") as gate:
        gate.write("begun")
    re.match("(a+)+$", "a" * 64 + "b")
"""


def test_tells_what_it_has_opened(serve: Serve) -> None:
    front = serve(HELLO)
    size = fcntl.fcntl(front.queue, fcntl.F_GETPIPE_SZ)
    assert front.opened == {
        "op": "opened",
        "pipe_pages": size // 4096,
        "python": ".".join(map(str, sys.version_info[:3])),
        "implementation": "CPython",
        "executable": sys.executable,
        "exclusive": run_directory._kernel() >= (5, 14),
    }


def test_obeys_what_the_kernel_gives() -> None:
    read, write = os.pipe()
    assert run_directory._enlarge(read, 8) >= 8
    assert run_directory._enlarge(read, 1 << 30) <= 1 << 18
    os.close(read)
    os.close(write)


@pytest.mark.parametrize(
    ("release", "version"),
    [("6.18.44-x", (6, 18)), ("5.4.0-150-generic", (5, 4)), ("5.14-rc1", (5, 14)), ("x", (0,))],
)
def test_reads_a_kernel_version(
    monkeypatch: pytest.MonkeyPatch, release: str, version: tuple[int, ...]
) -> None:
    names = list(os.uname())
    names[2] = release
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(names))
    assert run_directory._kernel() == version


def test_reports_how_a_worker_ended_and_its_memory(serve: Serve) -> None:
    front = serve(HELLO, workers=3)
    first, second = front.start_taking(), front.start_taking()
    front.say(op="signal", worker=1, signal=signal.SIGKILL)
    ended = front.hear("ended")
    assert ended.pop("peak_rss") > 4_000_000
    assert ended == {"op": "ended", "worker": 1, "code": None, "signal": 9}
    assert front.signalled == [1]
    assert not is_alive(first.pid)
    # One that has ended is not signalled: its number may be another process's.
    front.say(op="signal", worker=1, signal=signal.SIGKILL)
    second.send(frames.STOP)
    ended = front.hear("ended")
    assert (ended["worker"], ended["code"], ended["signal"]) == (2, 0, None)
    third = front.start_taking()
    assert response_to(third, front.ask())[1] == str(third.pid).encode()


def test_needs_no_path_of_an_earlier_start(serve: Serve) -> None:
    front = serve(HELLO, workers=2)
    first = front.start_taking()
    assert os.listdir(front.folder) == []
    second = front.start_taking()
    for worker in (first, second):
        worker.send(frames.STOP)
        worker.expect(frames.STOPPED)
        front.hear("ended")
    third = front.start_taking()
    assert response_to(third, front.ask())[1] == str(third.pid).encode()


def test_lets_go_of_what_the_front_has_opened(serve: Serve) -> None:
    front = serve(HELLO)
    worker = front.start_taking()
    held = Path(f"/proc/{front.launcher.pid}/fd")

    def shared(link: str) -> bool:
        return Path(link.split(maxsplit=1)[0]).name in ("queue", "lifeline", "cancels")

    def links() -> Iterator[str]:
        for entry in held.iterdir():
            # The launcher may close it meanwhile.
            with contextlib.suppress(FileNotFoundError):
                yield os.readlink(entry)

    def holds_streams() -> bool:
        return any("deleted" in link and not shared(link) for link in links())

    wait_until(lambda: not holds_streams(), "the launcher to let go")
    front.say(op="signal", worker=1, signal=9)
    front.hear("ended")
    # So this is the end of its output, not a pipe that somebody keeps open.
    assert os.read(worker.out, 10) == b""
    assert os.read(worker.err, 10) == b""


def test_loses_nothing_of_a_worker_that_ends_before_the_front_looks(tmp_path: Path) -> None:
    write_module(tmp_path, "import os\nos.write(2, b'last words')\nos._exit(9)", "main")
    with Front("main:app", str(tmp_path)) as front:
        directory = front.say_start(1)
        front.hear("started")
        import socket

        channel = socket.socket(socket.AF_UNIX)
        channel.connect(str(directory / "channel"))
        assert front.hear("ended")["code"] == 9
        err = os.open(directory / "err", os.O_RDONLY | os.O_NONBLOCK)
        assert os.read(err, 100) == b"last words"
        os.close(err)
        channel.close()


def test_kills_its_workers_and_removes_the_directory_when_control_ends(serve: Serve) -> None:
    front = serve(HELLO, workers=2)
    workers = [front.start_taking(), front.start_taking()]
    front.control.close()
    front.wait_for_end()
    assert front.launcher.returncode == 0
    assert not any(is_alive(worker.pid) for worker in workers)
    assert os.listdir(front.folder) == []


def test_removes_a_directory_that_another_removes_at_the_same_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "queue").touch()
    monkeypatch.setattr(os, "listdir", lambda _: ["gone before we came to it", "queue"])
    run_directory.remove_directory(str(folder))
    run_directory.remove_directory(str(tmp_path / "missing"))
    assert folder.exists()


def test_removes_nothing_through_a_link(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "queue").touch()
    link = tmp_path / "run"
    link.symlink_to(elsewhere)
    run_directory.remove_directory(str(link))
    assert (elsewhere / "queue").exists()


def test_ends_when_the_lifeline_ends(serve: Serve) -> None:
    front = serve(HELLO)
    worker = front.start_taking()
    os.close(front.lifeline)
    front.lifeline = -1
    front.wait_for_end()
    wait_until(lambda: not is_alive(worker.pid), "the worker's end")
    assert os.listdir(front.folder) == []


def stuck_worker(front: Front, tmp_path: Path) -> int:
    worker = front.start_taking()
    path = tmp_path / "gate"
    os.mkfifo(path)
    front.ask(query=str(path))
    assert path.read_text() == "begun"
    return worker.pid


def test_a_worker_that_holds_the_interpreter_ends_with_the_front(
    serve: Serve, tmp_path: Path
) -> None:
    front = serve(STUCK)
    pid = stuck_worker(front, tmp_path)
    os.close(front.lifeline)
    front.lifeline = -1
    wait_until(lambda: not is_alive(pid), "the stuck worker's end")
    front.wait_for_end()


def test_a_stopped_launcher_ends_with_the_front(serve: Serve) -> None:
    front = serve(HELLO)
    worker = front.start_taking()
    front.launcher.send_signal(signal.SIGSTOP)
    os.close(front.lifeline)
    front.lifeline = -1
    front.wait_for_end()
    wait_until(lambda: not is_alive(worker.pid), "the worker's end")


def test_workers_of_a_killed_launcher_end_with_the_lifeline(serve: Serve, tmp_path: Path) -> None:
    front = serve(STUCK)
    pid = stuck_worker(front, tmp_path)
    front.launcher.send_signal(signal.SIGKILL)
    front.wait_for_end()
    # The front hears control's end and closes the lifeline.
    os.close(front.lifeline)
    front.lifeline = -1
    wait_until(lambda: not is_alive(pid), "the stuck worker's end")


def test_an_end_before_the_front_has_opened_the_lifeline_is_no_end_of_the_front(
    tmp_path: Path,
) -> None:
    source = "import os\nif os.environ.get('FAIL'): os._exit(5)\n" + HELLO
    module = write_module(tmp_path, source)
    with Front(f"{module}:app", str(tmp_path), opens=False) as front:
        front.say_start(1)
        first = front.hear("started")["pid"]
        front.say_start(2)
        second = front.hear("started")["pid"]
        os.kill(first, signal.SIGKILL)
        assert front.hear("ended")["worker"] == 1
        front.open()
        assert is_alive(second)
        front.say(op="signal", worker=2, signal=9)
        assert front.hear("ended")["signal"] == 9


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (b"{}\n", "ControlFault: an unknown control message: b'{}'"),
        (b'{"op":"open"}\n', "ControlFault: an unknown control message"),
        (b'{"op":"start","worker":"1"}\n', "ControlFault: an unknown control message"),
        (b"no json\n", "JSONDecodeError: "),
        (b"x" * 1_100_000, "ControlFault: a control message of more than 1 MiB"),
    ],
)
def test_gives_up_on_what_it_does_not_understand(serve: Serve, message: bytes, text: str) -> None:
    front = serve(HELLO)
    worker = front.start_taking()
    # It may give up before it has read all of it.
    with contextlib.suppress(BrokenPipeError):
        front.control.sendall(message)
    assert front.hear("fault")["text"].startswith(text)
    front.wait_for_end()
    assert front.launcher.returncode == 1
    assert not is_alive(worker.pid)


def test_says_what_is_wrong_with_an_application(tmp_path: Path) -> None:
    with Front("main:app", str(tmp_path), threads=0, opens=False, hears=False) as front:
        assert (
            front.hear("fault")["text"] == "ValueError: threads: a number from 1 to 1024 is needed"
        )


def test_reports_a_worker_that_could_not_be_started(serve: Serve) -> None:
    front = serve(HELLO)
    missing = str(front.folder / "missing")
    front.say(op="start", worker=1, directory=missing)
    failed = front.hear("not-started")
    assert (failed["worker"], missing in failed["text"]) == (1, True)
    taken = front.make_directory()
    (taken / "channel").touch()
    front.say(op="start", worker=3, directory=str(taken))
    assert "Address already in use" in front.hear("not-started")["text"]
    worker = front.start_taking(number=2)
    assert response_to(worker, front.ask())[1] == str(worker.pid).encode()


def test_adopts_and_buries_orphans(serve: Serve) -> None:
    front = serve(
        """
        import os
        def app(environ, start_response):
            start_response("200 OK", [])
            read, write = os.pipe()
            if os.fork() == 0:
                if os.fork() == 0:
                    os.close(write)
                    os.read(read, 1)
                    os._exit(0)
                os._exit(0)
            os.wait()
            os.close(read)
            global orphan
            orphan = write
            return [b"done"]
        """,
        launcher_env={"PYTHONWARNINGS": "ignore"},
    )
    worker = front.start_taking()

    def is_subreaper() -> bool:
        # Nearly as good as asking: ctypes is what it needs for that, and nothing else.
        return "_ctypes" in Path(f"/proc/{front.launcher.pid}/maps").read_text()

    wait_until(is_subreaper, "the subreaper")
    children = Path(f"/proc/{front.launcher.pid}/task/{front.launcher.pid}/children")

    def adopted() -> set[int]:
        return {int(pid) for pid in children.read_text().split()} - {worker.pid}

    def adopts_new_orphan() -> bool:
        response_to(worker, front.ask())
        return len(adopted()) == 1

    # Again, if the launcher had only just begun to become one.
    wait_until(adopts_new_orphan, "the orphan's adoption")
    front.say(op="signal", worker=1, signal=9)
    assert front.hear("ended")["worker"] == 1
    # Its pipe has ended with the worker; no zombie stays behind.
    wait_until(lambda: not children.read_text().split(), "the orphan's burial")
