"""A loop that the application blocks: deadlines, stacks, and what goes on when it is back."""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path

import pytest

from conftest import Serve
from front import Worker, read_some, response_to, wait_until
from typhon_worker.process.stacks import STACKS_SIGNAL
from typhon_worker.wire import frames, pages

APP = """
import asyncio, os, threading, time

told = []

async def respond(send, text):
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": text.encode()})

def tell_begun(scope):
    # Opening the FIFO waits for the test to do so too.
    open(scope["query_string"], "w").close()

def block(scope):
    tell_begun(scope)
    while True:
        time.sleep(0.001)

async def sleeps_badly(scope, receive, send):
    block(scope)

async def computes(scope, receive, send):
    await asyncio.sleep(0)
    tell_begun(scope)
    while True:
        pass

async def waits_for_a_lock(scope, receive, send):
    tell_begun(scope)
    never = threading.Event()
    while True:
        never.wait(0.001)

async def in_a_child_task(scope, receive, send):
    async def child():
        block(scope)
    await asyncio.create_task(child())

async def in_a_callback(scope, receive, send):
    asyncio.get_running_loop().call_soon(block, scope)
    await asyncio.sleep(3600)

async def cleans_up(scope, receive, send):
    try:
        block(scope)
    except Exception:
        told.append("no exception")
    except BaseException as error:
        told.append(f"{type(error).__name__}: {error}")
        raise
    finally:
        told.append("cleaned up")

async def begins(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"first", "more_body": True})
    block(scope)

async def for_a_while(scope, receive, send):
    tell_begun(scope)
    time.sleep(0.3)
    await respond(send, "slept")

async def sleeps(scope, receive, send):
    await asyncio.sleep(3600)

async def quick(scope, receive, send):
    await respond(send, "quick")

async def what_was_told(scope, receive, send):
    text = ", ".join(told)
    told.clear()
    await respond(send, text)

async def app(scope, receive, send):
    await globals()[scope["path"][1:]](scope, receive, send)
"""


def begin(worker: Worker, folder: Path, name: str) -> int:
    """Asks, and waits until the application has begun."""
    path = folder / "gate"
    os.mkfifo(path)
    request = worker.front.ask(path=f"/{name}", query=str(path))
    path.read_text()
    return request


def body_of(worker: Worker, request: int) -> str:
    return response_to(worker, request)[1].decode()


@pytest.mark.parametrize("name", ["sleeps_badly", "computes", "waits_for_a_lock"])
def test_a_deadline_interrupts_a_request_that_blocks_the_loop(
    worker: Worker, tmp_path: Path, name: str
) -> None:
    request = begin(worker, tmp_path, name)
    worker.send(frames.CANCEL, request, count=frames.DEADLINE)
    last = worker.expect(frames.BODY, request)
    assert (last.is_end, last.payload) == (True, b"")
    assert body_of(worker, worker.front.ask(path="/quick")) == "quick"
    wait_until(lambda: not worker.noted(), "empty notes")


@pytest.mark.parametrize("name", ["in_a_child_task", "in_a_callback"])
def test_a_deadline_interrupts_what_else_blocks_the_loop(
    worker: Worker, tmp_path: Path, name: str
) -> None:
    request = begin(worker, tmp_path, name)
    worker.send(frames.CANCEL, request, count=frames.DEADLINE)
    frame = worker.next_frame()
    assert frame.request == request
    assert frame.kind == frames.FAULT or frame.is_end
    if name == "in_a_callback":
        # The loop tells of it, as of any callback that fails.
        wait_until(lambda: "LoopBlocked" in worker.read_err(), "the loop's line")
    assert body_of(worker, worker.front.ask(path="/quick")) == "quick"


def test_tells_the_application_why_and_lets_it_clean_up(worker: Worker, tmp_path: Path) -> None:
    request = begin(worker, tmp_path, "cleans_up")
    worker.send(frames.CANCEL, request, count=frames.DEADLINE)
    assert worker.expect(frames.BODY, request).is_end
    told = body_of(worker, worker.front.ask(path="/what_was_told"))
    assert told == "RequestTimeout: the request ran past its deadline, cleaned up"


def test_ends_a_response_that_has_begun(worker: Worker, tmp_path: Path) -> None:
    request = begin(worker, tmp_path, "begins")
    assert worker.expect(frames.HEAD, request).body() == b"first"
    worker.send(frames.CANCEL, request, count=frames.DEADLINE)
    last = worker.expect(frames.BODY, request)
    assert (last.is_end, last.payload) == (True, b"")


def test_who_keeps_others_past_their_deadline_fails(worker: Worker, tmp_path: Path) -> None:
    patient = worker.front.ask(path="/sleeps")
    wait_until(lambda: worker.noted() == [patient], "the patient one")
    culprit = begin(worker, tmp_path, "sleeps_badly")
    worker.send(frames.CANCEL, patient, count=frames.DEADLINE)
    text = worker.expect(frames.FAULT, culprit).text()
    assert "in sleeps_badly" in text
    assert text.endswith("it blocked the event loop while another request ran past its deadline")
    assert worker.expect(frames.BODY, patient).is_end
    wait_until(lambda: not worker.noted(), "empty notes")


def test_frames_that_come_meanwhile_are_heard_when_the_loop_is_back(
    worker: Worker, tmp_path: Path
) -> None:
    waiting = worker.front.ask(path="/sleeps")
    wait_until(lambda: worker.noted() == [waiting], "the waiting one")
    request = begin(worker, tmp_path, "for_a_while")
    # Read by the watchdog, one after the other, in pieces too.
    frame = frames.encode(frames.CANCEL, waiting, count=frames.CLIENT_GONE)
    assert worker.channel is not None
    for at in range(len(frame)):
        worker.channel.sendall(frame[at : at + 1])
    worker.send(frames.CREDIT, waiting, struct.pack("<I", 5))
    worker.send(frames.STOP)
    assert body_of(worker, request) == "slept"
    worker.expect(frames.STOPPED)
    worker.send(frames.CANCEL, waiting, count=frames.DEADLINE)
    assert worker.expect(frames.BODY, waiting).is_end
    assert worker.front.hear("ended")["code"] == 0


def test_tells_stacks_while_the_loop_is_blocked(worker: Worker, tmp_path: Path) -> None:
    waiting = worker.front.ask(path="/sleeps")
    wait_until(lambda: worker.noted() == [waiting], "the waiting one")
    request = begin(worker, tmp_path, "sleeps_badly")
    worker.send(frames.STACKS)
    worker.send(frames.CANCEL, request, count=frames.DEADLINE)
    told = worker.expect(frames.STACKS_TOLD).text()
    threads, _, others = told.partition("Other requests by place:\n")
    assert threads.startswith(f'Thread "MainThread", request {request}, taken ')
    assert "in block" in threads
    assert re.match(r"  1 × \S+site_under_test.py:\d+ in sleeps\n", others)
    assert worker.expect(frames.BODY, request).is_end
    # Told once.
    assert body_of(worker, worker.front.ask(path="/quick")) == "quick"


def test_tells_stacks_of_tasks_that_wait(worker: Worker) -> None:
    waiting = [worker.front.ask(path="/sleeps") for _ in range(100)]
    wait_until(lambda: len(worker.noted()) == 100, "the requests")
    worker.send(frames.STACKS, waiting[7])
    frame = worker.next_frame()
    while frame.kind == frames.TAKEN:
        frame = worker.next_frame()
    assert (frame.kind, frame.request) == (frames.STACKS_TOLD, waiting[7])
    told = frame.text()
    assert told.startswith(f"Task of request {waiting[7]}, taken ")
    assert "await asyncio.sleep(3600)" in told
    assert re.search(r"Other requests by place:\n  99 × \S+ in sleeps", told)
    assert len(told.splitlines()) < 20, told


def test_the_loop_itself_answers_whether_it_runs(worker: Worker, tmp_path: Path) -> None:
    worker.send(frames.LOOP_ASKED)
    worker.expect(frames.LOOP_TOLD)
    request = begin(worker, tmp_path, "for_a_while")
    worker.send(frames.LOOP_ASKED)
    assert body_of(worker, request) == "slept"
    worker.expect(frames.LOOP_TOLD)


@pytest.mark.parametrize("name", ["sleeps_badly", "computes"])
def test_the_loops_own_deadline_interrupts_what_blocks_it(
    worker: Worker, tmp_path: Path, name: str
) -> None:
    waiting = worker.front.ask(path="/sleeps")
    wait_until(lambda: worker.noted() == [waiting], "the waiting one")
    request = begin(worker, tmp_path, name)
    worker.send(frames.STACKS)
    worker.send(frames.CANCEL, 0, count=frames.DEADLINE)
    told = worker.expect(frames.STACKS_TOLD, 0).text()
    assert told.startswith(f'Thread "MainThread", request {request}, taken ')
    text = worker.expect(frames.FAULT, request).text()
    assert text.endswith("it blocked the event loop for longer than --loop-timeout")
    worker.send(frames.LOOP_ASKED)
    worker.expect(frames.LOOP_TOLD)
    assert worker.noted() == [waiting]


def test_writes_stacks_at_a_signal_while_the_interpreter_is_held(
    serve: Serve, tmp_path: Path
) -> None:
    front = serve(
        """
        import re
        async def app(scope, receive, send):
            open(scope["query_string"], "w").close()
            re.match("(a+)+$", "a" * 64 + "b")
        """,
        interface="asgi",
        lifespan="off",
    )
    worker = front.start_taking(interface="asgi")
    begin(worker, tmp_path, "")
    front.say(op="signal", worker=1, signal=STACKS_SIGNAL)
    notes = os.pread(worker.notes, pages.SLOT_BYTES, 0)
    ident = struct.unpack_from("<Q", notes, pages.PAGE_BYTES + 16)[0]
    text = ""
    while "in run_asgi" not in text:
        text += read_some(worker.stacks, "the stacks").decode()
    of_thread = text[text.index(f"hread 0x{ident:016x}") :].partition("\n\n")[0]
    assert "in app" in of_thread


def test_raises_nothing_where_there_is_no_ctypes(serve: Serve, tmp_path: Path) -> None:
    front = serve("import sys\nsys.modules['ctypes'] = None\n" + APP, lifespan="off")
    worker = front.start_taking(interface="asgi")
    request = begin(worker, tmp_path, "for_a_while")
    worker.send(frames.CANCEL, request, count=frames.DEADLINE)
    assert body_of(worker, request) == "slept"
    assert worker.read_err() == ""


def test_the_end_of_the_channel_ends_a_worker_that_is_blocked(
    worker: Worker, tmp_path: Path
) -> None:
    begin(worker, tmp_path, "computes")
    assert worker.channel is not None
    worker.channel.close()
    assert worker.front.hear("ended")["code"] == 1
