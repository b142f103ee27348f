"""Templates (--preload): one load of the application for all workers, and every way to lose one."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from conftest import Serve
from front import Front, Worker, is_alive, response_to, wait_until
from typhon_worker.wire import frames

# `loads` has one line for each load of the module.
COUNTS = """
import os, signal, sys
with open(os.environ["LOADS"], "a") as loads:
    loads.write(f"{os.getpid()}\\n")
print("loading", flush=True)
def app(environ, start_response):
    start_response("200 OK", [])
    return [f"{os.getpid()} {os.getppid()}".encode()]
"""


@pytest.fixture
def loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "loads"
    path.touch()
    monkeypatch.setenv("LOADS", str(path))
    return path


def first(front: Front, number: int = 1, generation: int = 1) -> tuple[Worker, int]:
    """Starts the first worker of a generation → the worker, and the id of its template."""
    front.say_start(number, generation=generation)
    worker = front.started()
    template = worker.pid
    forked = front.hear("started")
    assert forked["worker"] == number
    worker.pid = forked["pid"]
    assert worker.pid != template
    take(worker)
    return worker, template


def another(front: Front, number: int, generation: int = 1) -> Worker:
    front.say_start(number, generation=generation)
    worker = front.started()
    take(worker)
    return worker


def take(worker: Worker) -> None:
    assert worker.expect(frames.READY).json()["interface"] == "wsgi"
    worker.send(frames.TAKE)


def answer(front: Front, worker: Worker) -> str:
    return response_to(worker, front.ask())[1].decode()


def test_the_application_is_loaded_once(serve: Serve, loads: Path) -> None:
    front = serve(COUNTS, preload=True, workers=3)
    worker, template = first(front)
    assert answer(front, worker) == f"{worker.pid} {template}"
    assert worker.read_out() == "loading\n"
    front.say(op="signal", worker=1, signal=signal.SIGKILL)
    front.hear("ended")
    for number in (2, 3):
        worker = another(front, number)
        assert worker.read_out() == ""
    assert loads.read_text() == f"{template}\n"


def test_each_generation_has_a_template_of_its_own(serve: Serve, loads: Path) -> None:
    front = serve(COUNTS, preload=True)
    _, old = first(front)
    _, new = first(front, 2, generation=2)
    assert loads.read_text() == f"{old}\n{new}\n"
    front.say(op="retire", generation=1)
    # It still has a worker.
    another(front, 3, generation=1)
    front.say(op="signal", worker=3, signal=signal.SIGKILL)
    assert front.hear("ended")["worker"] == 3
    assert is_alive(old)
    front.say(op="signal", worker=1, signal=signal.SIGKILL)
    assert front.hear("ended")["signal"] == signal.SIGKILL
    wait_until(lambda: not is_alive(old), "the old template's end")
    assert is_alive(new)


def test_a_load_that_fails_is_told_by_each_worker(serve: Serve) -> None:
    front = serve("raise RuntimeError('no database')", preload=True, workers=2)
    front.say_start(1, generation=1)
    front.say_start(2, generation=1)
    worker = front.started()
    template = worker.pid
    front.hear("started")
    second = None
    for _ in range(3):
        # The end of the first may be told before the start of the second.
        if front.peek() == "ended":
            assert front.hear("ended")["code"] == 3
        elif second is None:
            second = front.started()
    assert second is not None
    for one in (worker, second):
        failure = one.expect(frames.FAILED).json()
        assert failure["kind"] == "import"
        assert "RuntimeError: no database" in failure["text"]
    wait_until(lambda: not is_alive(template), "the template's end")


def test_a_template_that_dies_while_it_loads_takes_all_that_wait_along(serve: Serve) -> None:
    source = "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)"
    front = serve(source, preload=True, workers=2)
    front.say_start(1, generation=1)
    front.say_start(2, generation=1)
    front.hear("started")
    for number in (1, 2):
        ended = front.hear("ended")
        assert (ended["worker"], ended["signal"]) == (number, signal.SIGSEGV)


def test_a_kill_of_a_worker_that_loads_ends_the_load(serve: Serve) -> None:
    front = serve("import time\ntime.sleep(600)", preload=True, workers=2)
    front.say_start(1, generation=1)
    front.say_start(2, generation=1)
    template = front.started().pid
    # No process of the second is there yet.
    front.say(op="signal", worker=2, signal=signal.SIGKILL)
    assert [front.hear("ended")["worker"] for _ in range(2)] == [1, 2]
    assert not is_alive(template)


def test_the_workers_of_a_template_that_dies_go_on(serve: Serve, loads: Path) -> None:
    front = serve(COUNTS, preload=True, workers=2)
    worker, template = first(front)
    os.kill(template, signal.SIGKILL)
    told = front.hear("template-ended")
    assert told == {"op": "template-ended", "pid": template, "code": None, "signal": 9}
    assert answer(front, worker) == f"{worker.pid} {front.launcher.pid}"
    # Another worker needs another template.
    front.say(op="signal", worker=1, signal=signal.SIGKILL)
    ended = front.hear("ended")
    assert (ended["worker"], ended["signal"]) == (1, signal.SIGKILL)
    _, anew = first(front, 2)
    assert loads.read_text() == f"{template}\n{anew}\n"


def test_a_stopped_template_does_not_stop_the_launcher(serve: Serve) -> None:
    front = serve(HELLO, preload=True)
    worker, template = first(front)
    os.kill(template, signal.SIGSTOP)
    for _ in range(20_000):
        front.say(op="signal", worker=1, signal=0)
    assert answer(front, worker)
    # The buffer of its socket is full: it is killed, and the worker goes on.
    front.hear("template-ended")
    assert not is_alive(template)
    assert answer(front, worker)


HELLO = """
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"hello"]
"""


def test_workers_and_template_end_with_the_launcher(serve: Serve) -> None:
    front = serve(HELLO, preload=True)
    worker, template = first(front)
    front.control.close()
    front.wait_for_end()
    wait_until(lambda: not is_alive(worker.pid) and not is_alive(template), "both ends")


def test_the_lifeline_ends_template_and_workers(serve: Serve) -> None:
    front = serve(HELLO, preload=True)
    worker, template = first(front)
    front.launcher.send_signal(signal.SIGSTOP)
    os.close(front.lifeline)
    front.lifeline = -1
    wait_until(lambda: not is_alive(worker.pid) and not is_alive(template), "both ends")


def test_workers_live_on_when_the_launcher_dies_and_the_template_ends(serve: Serve) -> None:
    front = serve(HELLO, preload=True)
    worker, template = first(front)
    front.launcher.kill()
    front.launcher.wait()
    wait_until(lambda: not is_alive(template), "the template's end")
    assert answer(front, worker) == "hello"
    os.kill(worker.pid, signal.SIGKILL)


# What the application sets up while it loads is there in each worker, as without a template.
STATE = """
import os, random, signal, sys, threading
signal.signal(signal.SIGUSR1, lambda *_: None)
signal.signal(signal.SIGCHLD, lambda *_: None)
signal.signal(signal.SIGTERM, lambda *_: None)
def app(environ, start_response):
    handlers = [callable(signal.getsignal(one)) for one in (signal.SIGUSR1, signal.SIGCHLD)]
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    known = [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")
             if os.path.exists(f"/proc/self/fd/{fd}")]
    start_response("200 OK", [])
    print("printed", flush=True)
    return [repr((random.random(), handlers, sorted(blocked), os.getpgrp() == os.getpid(),
                  len([one for one in known if one.startswith("socket")]))).encode()]
"""


def test_a_worker_is_as_it_would_be_without_a_template(serve: Serve) -> None:
    alone = serve(STATE).start_taking()
    front = serve(STATE, preload=True)
    worker, _ = first(front)
    told = [eval(answer(one.front, one)) for one in (alone, worker)]
    front.say(op="signal", worker=1, signal=signal.SIGKILL)
    front.hear("ended")
    second = another(front, 2)
    told.append(eval(answer(front, second)))
    assert len({one[0] for one in told}) == 3
    assert told[0][1:] == told[1][1:] == told[2][1:] == ([True, True], [], True, 1)
    assert second.read_out() == "printed\n"
    oom = [Path(f"/proc/{pid}/oom_score_adj").read_text() for pid in (alone.pid, second.pid)]
    assert oom[0] == oom[1]


# A child that the application forks while it loads holds nothing of the server's.
FORKS = """
import os, time
held = os.listdir("/proc/self/fd")
pid = os.fork()
if pid == 0:
    with open(os.environ["LOADS"], "w") as told:
        for fd in os.listdir("/proc/self/fd"):
            try:
                told.write(f"{fd} {os.readlink(f'/proc/self/fd/{fd}')}\\n")
            except OSError:
                pass
    os._exit(0)
os.waitpid(pid, 0)
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"hello"]
"""


def test_children_of_the_load_hold_nothing_of_the_server(serve: Serve, loads: Path) -> None:
    first(serve(FORKS, preload=True))
    held = [line.split(maxsplit=1) for line in loads.read_text().splitlines()]
    assert [what for fd, what in held if int(fd) > 2 and "/loads" not in what] == []


HAZARDS = """
import os, select, signal, socket, subprocess, threading, time
listener = socket.create_server(("127.0.0.1", 0))
connection = socket.create_connection(listener.getsockname())
loop = select.epoll()
program = subprocess.Popen(["sleep", "600"])
threading.Thread(target=time.sleep, args=(600,), name="ticker", daemon=True).start()
def app(environ, start_response):
    start_response("200 OK", [])
    os.kill(program.pid, signal.SIGKILL)  # Popen kills no child of another process.
    return [str(listener.getsockname()[1]).encode()]
"""


def test_tells_what_a_fork_does_not_copy(serve: Serve) -> None:
    front = serve(HAZARDS, preload=True)
    front.say_start(1, generation=1)
    worker = front.started()
    front.hear("started")
    doubt = worker.expect(frames.READY).json()["doubt"]
    worker.send(frames.TAKE)
    port = answer(front, worker)
    assert 'threads run in the template and in no worker: "ticker"' in doubt
    assert f"all workers share the connections to 127.0.0.1:{port}" in doubt
    assert "an event loop" in doubt
    assert "programs are children of the template: sleep (" in doubt


def test_an_application_without_hazards_is_not_doubted(serve: Serve) -> None:
    front = serve(HELLO, preload=True)
    front.say_start(1, generation=1)
    worker = front.started()
    front.hear("started")
    ready = worker.expect(frames.READY).json()
    assert ready == {"interface": "wsgi", "pid": ready["pid"]}


@pytest.mark.parametrize("library", ["gevent", "eventlet"])
def test_green_libraries_fork_from_a_template(serve: Serve, library: str) -> None:
    patch = {
        "gevent": "from gevent import monkey; monkey.patch_all()",
        "eventlet": "import eventlet; eventlet.monkey_patch()",
    }[library]
    source = f"""
{patch}
import threading, time
time.sleep(0.001)
def app(environ, start_response):
    done = []
    thread = threading.Thread(target=lambda: (time.sleep(0.01), done.append(1)))
    thread.start()
    thread.join(5)
    start_response("200 OK", [])
    return [repr(done).encode()]
"""
    front = serve(source, preload=True)
    worker, _ = first(front)
    assert answer(front, worker) == "[1]"
    front.say(op="signal", worker=1, signal=signal.SIGKILL)
    front.hear("ended")
    assert answer(front, another(front, 2)) == "[1]"


def test_asgi_workers_come_from_a_template(serve: Serve) -> None:
    source = """
import os
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(os.getppid()).encode()})
"""
    front = serve(source, preload=True, lifespan="off")
    front.say_start(1, generation=1)
    worker = front.started()
    template = worker.pid
    pid = front.hear("started")["pid"]
    assert worker.expect(frames.READY).json() == {"interface": "asgi", "pid": str(pid)}
    worker.send(frames.TAKE)
    assert answer(front, worker) == str(template)


def test_application_that_closes_descriptors_while_it_loads(serve: Serve) -> None:
    front = serve("import os\nos.closerange(3, 256)\n" + HELLO, preload=True)
    worker, _ = first(front)
    assert answer(front, worker) == "hello"
    assert another(front, 2)


# gevent's loop notices a fork by itself. eventlet's would share its descriptor with all workers.
HUB = """
import eventlet
eventlet.monkey_patch()
eventlet.sleep(0.001)
loaded = eventlet.hubs.get_hub()
def app(environ, start_response):
    start_response("200 OK", [])
    return [repr(eventlet.hubs.get_hub() is loaded).encode()]
"""


def test_each_worker_has_a_loop_of_eventlet_of_its_own(serve: Serve) -> None:
    front = serve(HUB, preload=True)
    worker, _ = first(front)
    assert answer(front, worker) == "False"
