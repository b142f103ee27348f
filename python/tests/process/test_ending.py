"""The end of a worker whose application has left something that does not end by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import Serve
from front import Front, Worker
from typhon_worker.wire import frames

# Exit functions write a line each; the last registered runs first.
START = """
import asyncio, atexit, concurrent.futures, os, threading, time

def note(line):
    with open(os.environ["NOTES"], "a") as notes:
        print(line, file=notes)

def sleep():
    note("asleep")
    threading.Event().wait(600)

atexit.register(note, "exit function")
"""
WSGI = """
def app(environ, start_response):
    start_response("200 OK", [])
    return [b""]
"""
ASGI = """
async def app(scope, receive, send):
    await receive()
    begin()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await end()
    await send({"type": "lifespan.shutdown.complete"})

def begin(): pass
async def end(): pass
"""
THREAD = 'threading.Thread(target=sleep, name="consumer").start()'
JOB = "pool = concurrent.futures.ThreadPoolExecutor(1, 'jobs'); pool.submit(sleep)"
LOOP_JOB = "def begin(): asyncio.get_running_loop().run_in_executor(None, sleep)"
LIFESPAN = """
async def end():
    note("asleep")
    await asyncio.sleep(600)
"""
HANGING_EXIT = "atexit.register(sleep)"


def start(serve: Serve, folder: Path, *code: str) -> tuple[Front, Worker]:
    interface = "asgi" if ASGI in code else "wsgi"
    source = "\n".join((START, *code))
    front = serve(source, interface=interface, env={"NOTES": str(folder / "notes")})
    return front, front.start_taking(interface=interface)


def logged(worker: Worker) -> str:
    frame = worker.expect(frames.LOG)
    assert frame.count == frames.LEVEL_WARNING
    return frame.text()


def notes(folder: Path) -> list[str]:
    return (folder / "notes").read_text().split("\n")[:-1]


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ((WSGI, THREAD), 'the thread "consumer" ('),
        ((WSGI, JOB), 'the thread "jobs_0" ('),
        ((ASGI, THREAD), 'the thread "consumer" ('),
        ((ASGI, LOOP_JOB), "tasks and jobs of the event loop"),
        ((ASGI, LIFESPAN), "the application's shutdown (lifespan)"),
    ],
    ids=("thread", "executor", "thread under ASGI", "executor of the loop", "lifespan"),
)
def test_exit_functions_run_although_something_does_not_end(
    serve: Serve, tmp_path: Path, code: tuple[str, ...], what: str
) -> None:
    front, worker = start(serve, tmp_path, *code)
    # Less than the time after which the worker says what it waits for.
    worker.send(frames.STOP, 1900)
    worker.expect(frames.STOPPED)
    text = logged(worker)
    assert text.startswith("--graceful-timeout is nearly over: ends without waiting ")
    assert what in text
    end = front.hear("ended")
    assert (end["code"], end["signal"]) == (0, None)
    assert notes(tmp_path) == ["asleep", "exit function"]
    assert worker.read_err() == ""


def test_names_what_it_waits_for_after_two_seconds(serve: Serve, tmp_path: Path) -> None:
    front, worker = start(serve, tmp_path, WSGI, THREAD)
    worker.send(frames.STOP, 3000)
    worker.expect(frames.STOPPED)
    text = logged(worker)
    assert text.startswith('still waits for the thread "consumer" (')
    assert "site_under_test.py:" in text
    assert "ends without waiting for" in logged(worker)
    assert front.hear("ended")["code"] == 0


def test_waits_for_a_thread_that_ends_and_says_nothing(serve: Serve, tmp_path: Path) -> None:
    thread = """
stop = threading.Event()
def work():
    stop.wait()
    note("work done")
threading.Thread(target=work).start()
threading.Thread(target=lambda: (threading.main_thread().join(), stop.set())).start()
"""
    front, worker = start(serve, tmp_path, WSGI, thread)
    worker.send(frames.STOP, 20_000)
    worker.expect(frames.STOPPED)
    assert front.hear("ended")["code"] == 0
    assert notes(tmp_path) == ["work done", "exit function"]
    assert worker.frames_to_end() == []


def test_an_exit_function_that_hangs_is_interrupted_and_the_others_run(
    serve: Serve, tmp_path: Path
) -> None:
    front, worker = start(serve, tmp_path, WSGI, HANGING_EXIT)
    worker.send(frames.STOP, 1000)
    worker.expect(frames.STOPPED)
    assert "ends without waiting for exit functions" in logged(worker)
    assert front.hear("ended")["code"] == 0
    assert notes(tmp_path) == ["asleep", "exit function"]
    assert "in sleep" in worker.read_err()
