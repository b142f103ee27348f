"""The process that an application runs in, and the children that it makes."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from conftest import Serve
from front import is_alive, response_to, wait_until
from typhon_worker.wire import frames

# Each way to make a child, which tells what it holds and then waits for its end.
APP = r"""
import json, multiprocessing, os, signal, subprocess, sys, threading, time

TELL = '''
import json, os, signal, sys
def holds(*own):
    found = {}
    for fd in os.listdir("/proc/self/fd"):
        try:
            found[int(fd)] = os.readlink(f"/proc/self/fd/{fd}")
        except OSError:
            pass
    names = {signal.SIGINT: "int", signal.SIGTERM: "term", signal.SIGHUP: "hup", 40: "stacks"}
    status = open("/proc/self/status").read()
    ignored = int(status.split("SigIgn:")[1].split()[0], 16)
    caught = int(status.split("SigCgt:")[1].split()[0], 16)
    return {
        "fds": {fd: what for fd, what in found.items() if fd > 2 and what not in own},
        "ignored": [name for n, name in names.items() if ignored >> (n - 1) & 1],
        "caught": [name for n, name in names.items() if caught >> (n - 1) & 1],
        "maps": [name for name in ("notes", "cancels") if name in open("/proc/self/maps").read()],
    }
'''
exec(TELL)

def in_child(write):
    report = holds(f"pipe:[{os.fstat(write).st_ino}]")
    os.write(write, json.dumps({"pid": os.getpid(), **report}).encode())
    os.close(write)

def wait_for_end():
    time.sleep(600)

def spawned(connection):
    own = [os.readlink(f"/proc/self/fd/{connection.fileno()}")]
    report = holds(*own)
    report["pid"] = os.getpid()
    connection.send(report)
    connection.close()
    wait_for_end()

def fork(read, write):
    pid = os.fork()
    if pid == 0:
        os.close(read)
        in_child(write)
        wait_for_end()

def fork_in_thread(read, write):
    thread = threading.Thread(target=fork, args=(read, write))
    thread.start()
    thread.join()

def multi(method):
    context = multiprocessing.get_context(method)
    ours, theirs = context.Pipe()
    process = context.Process(target=spawned, args=(theirs,))
    process.start()
    theirs.close()
    report = ours.recv()
    ours.close()
    keep.append(process)
    return report

keep = []

def sub():
    code = TELL + "\nprint(json.dumps({'pid': os.getpid(), **holds()}), flush=True)"
    code += "\nimport time; time.sleep(600)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    keep.append(process)
    return json.loads(process.stdout.readline())

def child(how):
    if how == "subprocess":
        return sub()
    if how.startswith("multiprocessing"):
        return multi(how.partition(" ")[2])
    read, write = os.pipe()
    {"fork": fork, "fork in a thread": fork_in_thread}[how](read, write)
    os.close(write)
    text = b""
    while piece := os.read(read, 65536):
        text += piece
    os.close(read)
    return json.loads(text)

def app(environ, start_response):
    start_response("200 OK", [])
    return [json.dumps(child(environ["QUERY_STRING"].replace("+", " "))).encode()]
"""


@pytest.mark.parametrize(
    "how",
    ["fork", "fork in a thread", "multiprocessing fork", "multiprocessing spawn", "subprocess"],
)
@pytest.mark.filterwarnings("default")
def test_a_child_holds_nothing_of_ours_and_heeds_signals(serve: Serve, how: str) -> None:
    front = serve(APP, threads=2, launcher_env={"PYTHONWARNINGS": "ignore"})
    worker = front.start_taking()
    folder = Path(f"/proc/{worker.pid}/fd")
    ours = {os.readlink(fd) for fd in folder.iterdir() if int(fd.name) > 2}
    # Queue, lifeline, notes, cancels, stacks, channel, epoll and the bell.
    assert len(ours) == 8
    _, body = response_to(worker, front.ask(query=how.replace(" ", "+")))
    report = json.loads(body)
    # What else it holds is the application's own, such as the pipes of multiprocessing.
    assert not ours & set(report["fds"].values()), report
    assert report["maps"] == []
    assert report["ignored"] == []
    assert set(report["caught"]) <= {"int"}
    child = report["pid"]
    assert is_alive(child)
    os.kill(child, signal.SIGTERM)
    wait_until(lambda: not is_alive(child), "the child's end by SIGTERM")
    # And it did not speak for the worker on its way out.
    assert not worker.has_frame()
    assert is_alive(worker.pid)


def test_a_child_that_returns_into_the_server_ends_without_a_word(serve: Serve) -> None:
    front = serve(
        """
        import os
        def app(environ, start_response):
            start_response("200 OK", [])
            child = os.fork()
            if child:
                return [str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode()]
            return [b"from the child"]
        """,
        launcher_env={"PYTHONWARNINGS": "ignore"},
    )
    worker = front.start_taking()
    assert response_to(worker, front.ask())[1] == b"1"
    assert not worker.has_frame()


def test_a_daemon_of_the_application_outlives_its_worker(serve: Serve) -> None:
    front = serve(
        """
        import subprocess
        def app(environ, start_response):
            daemon = subprocess.Popen(["sleep", "600"], start_new_session=True)
            start_response("200 OK", [])
            return [str(daemon.pid).encode()]
        """,
        launcher_env={"PYTHONWARNINGS": "ignore"},
    )
    worker = front.start_taking()
    daemon = int(response_to(worker, front.ask())[1])
    front.say(op="signal", worker=1, signal=9)
    front.hear("ended")
    assert is_alive(daemon)
    os.kill(daemon, signal.SIGKILL)
    wait_until(lambda: not is_alive(daemon), "the daemon's end")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_worker_leaves_its_end_to_the_front(serve: Serve, number: int) -> None:
    front = serve(
        """
        import os, signal
        def app(environ, start_response):
            start_response("200 OK", [])
            os.kill(os.getpid(), int(environ["QUERY_STRING"]))
            os.kill(os.getppid(), int(environ["QUERY_STRING"]))
            return [b"still here"]
        """
    )
    worker = front.start_taking()
    for _ in range(2):
        assert response_to(worker, front.ask(query=str(int(number))))[1] == b"still here"
    worker.send(frames.STOP)
    assert front.hear("ended")["code"] == 0


def test_an_application_may_handle_signals_itself(serve: Serve) -> None:
    front = serve(
        """
        import os, signal
        heard = []
        signal.signal(signal.SIGTERM, lambda *_: heard.append("term"))
        def app(environ, start_response):
            start_response("200 OK", [])
            os.kill(os.getpid(), signal.SIGTERM)
            child = os.fork()
            if child == 0:
                handler = signal.getsignal(signal.SIGTERM)
                os._exit(7 if callable(handler) else 8)
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            return [f"{heard} {status}".encode()]
        """,
        launcher_env={"PYTHONWARNINGS": "ignore"},
    )
    worker = front.start_taking()
    assert response_to(worker, front.ask())[1] == b"['term'] 7"


def test_a_worker_has_its_name_streams_and_nothing_of_the_launcher(serve: Serve) -> None:
    front = serve(
        """
        import os, sys
        def app(environ, start_response):
            start_response("200 OK", [])
            with open("/dev/stdout", "w") as out:
                out.write("by path")
            os.system("echo from a shell >&2")
            streams = [sys.stdout.line_buffering, sys.stdout.encoding, sys.stderr.errors]
            return [f"{streams} {sys.stdin.read()!r} {sys.__stdout__ is sys.stdout}".encode()]
        """
    )
    worker = front.start_taking()
    body = response_to(worker, front.ask())[1].decode()
    assert body == "[True, 'utf-8', 'backslashreplace'] '' True"
    assert worker.read_out() == "by path"
    assert worker.read_err() == "from a shell\n"
    assert Path(f"/proc/{worker.pid}/comm").read_text() == "typhon-w1\n"
    links = [
        os.readlink(f"/proc/{worker.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{worker.pid}/fd")
    ]
    assert sum(link.startswith("socket:") for link in links) == 1
    # The three streams, queue, lifeline, notes and their map, cancels, stacks, channel, epoll
    # and the bell.
    assert len(links) == 12, links


def test_a_worker_goes_before_the_front_when_memory_runs_out(serve: Serve) -> None:
    front = serve("def app(environ, start_response): pass")
    worker = front.start()
    worker.expect(frames.READY)
    launcher, own = (
        int(Path(f"/proc/{pid}/oom_score_adj").read_text())
        for pid in (front.launcher.pid, worker.pid)
    )
    assert own == min(launcher + 300, 1000)


def test_runs_threads_and_atexit_of_the_application(serve: Serve) -> None:
    front = serve(
        """
        import atexit, threading
        begun = threading.Event()
        atexit.register(lambda: print("at exit"))
        threading.Thread(target=begun.set).start()
        def app(environ, start_response):
            start_response("200 OK", [])
            return [str(begun.wait(10)).encode()]
        """
    )
    worker = front.start_taking()
    assert response_to(worker, front.ask())[1] == b"True"
    worker.send(frames.STOP)
    assert front.hear("ended")["code"] == 0
    assert worker.read_out() == "at exit\n"
