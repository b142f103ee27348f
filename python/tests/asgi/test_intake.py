"""Taking in a loop: how much at once, what is told of it, and where it stops."""

from __future__ import annotations

import os
import signal
import struct
import time
from pathlib import Path

import pytest

from conftest import Serve
from front import Front, Worker, response_to, wait_until
from messages import encode_page, record
from typhon_worker.wire import frames, pages

APP = """
import asyncio, contextvars, os, sys
from pathlib import Path

seen = contextvars.ContextVar("seen", default="nothing")
gates = {}

async def respond(send, text):
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": text.encode()})

async def app(scope, receive, send):
    name = scope["path"][1:]
    if name.startswith("open-"):
        gates[name[5:]].set()
        return await respond(send, "opened")
    if name.startswith("wait-"):
        gates[name[5:]] = asyncio.Event()
        await gates[name[5:]].wait()
    if name == "works-on":
        await respond(send, name)
        gates[name] = asyncio.Event()
        await gates[name].wait()
        print("worked on", flush=True)
        return
    told = seen.get()
    seen.set(name)
    task = asyncio.current_task()
    assert task in asyncio.all_tasks()
    await respond(send, f"{name} {os.getpid()} {told}")
"""
SETTINGS = {"concurrency": 10}


def body_of(worker: Worker, request: int) -> str:
    return response_to(worker, request)[1].decode()


def wait_for(worker: Worker, count: int) -> None:
    wait_until(lambda: len(worker.noted()) == count, f"{count} notes")


def test_begins_requests_while_others_wait(worker: Worker) -> None:
    front = worker.front
    slow = [front.ask(path=f"/wait-{number}") for number in range(8)]
    wait_for(worker, 8)
    assert sorted(worker.noted()) == slow
    assert body_of(worker, front.ask(path="/quick")).startswith("quick")
    wait_for(worker, 8)
    assert sorted(worker.noted()) == slow
    for number in reversed(range(8)):
        opened = front.ask(path=f"/open-{number}")
        seen = [worker.expect(frames.HEAD) for _ in range(2)]
        assert {frame.request for frame in seen} == {opened, slow[number]}
    wait_for(worker, 0)


def test_notes_hold_the_second_of_taking_and_the_thread(worker: Worker) -> None:
    before = time.monotonic()
    for number in range(2):
        worker.front.ask(path=f"/wait-{number}")
    wait_for(worker, 2)
    notes = os.pread(worker.notes, 2 * pages.SLOT_BYTES, 0)
    for at in (0, pages.SLOT_BYTES):
        taken, thread, zero, ident = struct.unpack_from("<dIIQ", notes, at + pages.PAGE_BYTES)
        assert before <= taken <= time.monotonic()
        assert (thread, zero, ident != 0) == (worker.pid, 0, True)


def test_tells_what_it_has_taken_when_more_than_eight_run(worker: Worker) -> None:
    front = worker.front
    slow = [front.ask(path=f"/wait-{number}") for number in range(8)]
    wait_for(worker, 8)
    assert not worker.has_frame()
    slow.append(front.ask(path="/wait-8"))
    taken = worker.expect(frames.TAKEN, 0)
    assert sorted(struct.unpack("<9Q", taken.payload)) == slow
    # And each one only once.
    slow.append(front.ask(path="/wait-9"))
    taken = worker.expect(frames.TAKEN, 0)
    assert list(struct.unpack("<Q", taken.payload)) == slow[-1:]


def test_runs_no_more_than_it_may(worker: Worker) -> None:
    front = worker.front
    slow = [front.ask(path=f"/wait-{number}") for number in range(10)]
    waiting = [front.ask(path=f"/quick-{number}") for number in range(3)]
    wait_for(worker, 10)
    told = 0
    while told < 10:
        told += len(worker.expect(frames.TAKEN).payload) // 8
    assert worker.noted() == slow
    worker.send(frames.CANCEL, slow[0], count=frames.DEADLINE)
    assert worker.expect(frames.BODY, slow[0]).is_end
    bodies = [body_of(worker, request).split() for request in waiting]
    # Whatever set it going again, a request begins with a context of its own.
    assert [(name, seen) for name, _, seen in bodies] == [
        (f"quick-{number}", "nothing") for number in range(3)
    ]
    wait_for(worker, 9)
    assert sorted(worker.noted()) == slow[1:]


def test_requests_share_no_context(worker: Worker) -> None:
    for _ in range(3):
        assert body_of(worker, worker.front.ask(path="/quick")).endswith(" nothing")


def test_two_workers_share_the_queue(serve: Serve) -> None:
    front = serve(APP, interface="asgi", lifespan="off", workers=2)
    workers = [front.start_taking(interface="asgi") for _ in range(2)]
    sent = [front.ask(path="/quick") for _ in range(200)]
    for worker in workers:
        worker.send(frames.STOP)
    seen = [frame for worker in workers for frame in worker.frames_to_end()]
    for _ in workers:
        assert front.hear("ended")["code"] == 0
    heads = [frame for frame in seen if frame.kind == frames.HEAD]
    third = front.start_taking(interface="asgi")
    heads += [third.expect(frames.HEAD) for _ in range(len(sent) - len(heads))]
    assert sorted(frame.request for frame in heads) == sent
    assert not third.has_frame()


def test_does_not_begin_what_is_late_or_given_up(worker: Worker) -> None:
    front = worker.front
    late = front.ask(path="/quick", latest=time.monotonic() - 0.001)
    worker.expect(frames.EXPIRED, late)
    in_time = front.ask(path="/quick", latest=time.monotonic() + 60)
    assert worker.expect(frames.HEAD, in_time).is_end
    given_up = front._last_id + 1
    front.give_up(given_up)
    assert front.ask(path="/quick") == given_up
    worker.expect(frames.EXPIRED, given_up)
    wait_for(worker, 0)


def test_answers_a_fence_and_goes_on(worker: Worker) -> None:
    front = worker.front
    fence = front.next_id()
    front.put(encode_page(fence, pages.FENCE_PAGE))
    worker.expect(frames.FENCE, fence)
    assert body_of(worker, front.ask(path="/quick")).startswith("quick")
    wait_until(lambda: not worker.noted(), "empty notes")


@pytest.mark.parametrize(
    ("page", "text"),
    [
        (bytes(4096), "a page with magic 0x0"),
        (encode_page(1, 256), "flags 0x100"),
        (encode_page(1, 32 | 1, *record()), "flags 0x21"),
        (encode_page(1, 64 | 32, *record()), "flags 0x60"),
        (encode_page(1, 0, b"a", b"b"), "a record of 1 values where 15 belong"),
        (encode_page(1, 0, *record())[:-8] + b"", "4088 bytes instead of a page"),
    ],
)
def test_says_that_a_queue_is_poisoned_and_exits(worker: Worker, page: bytes, text: str) -> None:
    os.write(worker.front.queue, page)
    told = worker.expect(frames.POISONED).text()
    assert told.startswith("the queue carried ")
    assert text in told
    assert worker.front.hear("ended")["code"] == 4


def test_a_killed_worker_leaves_its_ids_in_its_notes(worker: Worker) -> None:
    front = worker.front
    slow = [front.ask(path=f"/wait-{number}") for number in range(3)]
    wait_for(worker, 3)
    front.say(op="signal", worker=worker.number, signal=signal.SIGKILL)
    assert front.hear("ended")["signal"] == 9
    assert sorted(worker.noted()) == slow


def test_stops_taking_finishes_and_exits(worker: Worker) -> None:
    front = worker.front
    slow = front.ask(path="/wait-1")
    wait_for(worker, 1)
    worker.send(frames.STOP)
    worker.expect(frames.STOPPED)
    front.ask(path="/quick")
    worker.send(frames.CANCEL, slow, count=frames.DEADLINE)
    assert worker.expect(frames.BODY, slow).is_end
    assert front.hear("ended")["code"] == 0
    assert len(os.read(front.queue, 4096)) == 4096
    wait_until(lambda: not worker.noted(), "empty notes")
    assert worker.read_err() == ""


def test_waits_for_what_works_on_after_its_response(worker: Worker) -> None:
    front = worker.front
    request = front.ask(path="/works-on")
    assert body_of(worker, request) == "works-on"
    wait_for(worker, 0)
    assert body_of(worker, front.ask(path="/open-works-on")) == "opened"
    worker.send(frames.STOP)
    worker.expect(frames.STOPPED)
    assert front.hear("ended")["code"] == 0
    assert worker.read_out() == "worked on\n"


def test_takes_nothing_before_it_may(front: Front) -> None:
    first = front.start()
    first.expect(frames.READY)
    second = front.start_taking(interface="asgi")
    for _ in range(20):
        response_to(second, front.ask(path="/quick"))
    wait_until(lambda: not first.noted(), "empty notes")
    assert not first.has_frame()


def test_a_worker_that_runs_nothing_does_not_wake_up(worker: Worker) -> None:
    front = worker.front
    front.ask(path="/wait-1")
    assert body_of(worker, front.ask(path="/quick")).startswith("quick")

    def switches() -> int:
        total = 0
        for task in Path(f"/proc/{worker.pid}/task").iterdir():
            lines = (task / "status").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if "ctxt_switches" in line)
        return total

    def is_still() -> bool:
        before = switches()
        time.sleep(0.1)
        return switches() == before

    wait_until(is_still, "a tenth of a second without a wake-up")


QUICK = """
import time

async def app(scope, receive, send):
    name = scope["path"][1:]
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": name.encode()})
    if name == "blocks":
        with open(scope["query_string"].decode()) as gate:
            gate.read()
"""


def test_requests_stay_noted_until_their_responses_are_written(
    serve: Serve, loop: str, tmp_path: Path
) -> None:
    front = serve(QUICK, interface="asgi", lifespan="off", loop=loop, concurrency=10)
    path = tmp_path / "gate"
    os.mkfifo(path)
    quick = front.ask(path="/a")
    blocks = front.ask(path="/blocks", query=str(path))
    worker = front.start_taking(interface="asgi")
    with path.open("w"):
        # The first may have waited long enough; the second is answered, and its response waits.
        assert blocks in worker.noted()
    assert response_to(worker, quick)[1] == b"a"
    assert response_to(worker, blocks)[1] == b"blocks"
    wait_until(lambda: not worker.noted(), "empty notes")


WEBSOCKETS = """
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"served"})
        return
    await receive()
    if scope["path"] == "/accepts":
        await send({"type": "websocket.accept"})
    while (await receive())["type"] != "websocket.disconnect":
        pass
"""


def test_accepted_websockets_need_neither_places_nor_notes(serve: Serve, loop: str) -> None:
    front = serve(WEBSOCKETS, interface="asgi", lifespan="off", loop=loop, concurrency=2)
    worker = front.start_taking(interface="asgi")
    # More than there are places, and slots of the notes.
    accepted = [front.ask(path="/accepts", flags=pages.WEBSOCKET) for _ in range(10)]
    for request in accepted:
        worker.expect(frames.WS_ACCEPT, request)
    assert worker.noted() == []
    waiting = front.ask(path="/waits", flags=pages.WEBSOCKET)
    wait_for(worker, 1)
    assert response_to(worker, front.ask())[1] == b"served"
    # Two that were not accepted take all places.
    also_waiting = front.ask(path="/waits", flags=pages.WEBSOCKET)
    wait_for(worker, 2)
    late = front.ask()
    worker.send(frames.STACKS)
    worker.expect(frames.STACKS_TOLD)
    assert sorted(worker.noted()) == [waiting, also_waiting]
    # An accepted one that ends leaves no place.
    worker.send(frames.WS_CLOSED, accepted[0], count=1000)
    assert worker.expect(frames.WS_CLOSE, accepted[0]).is_end
    worker.send(frames.STACKS)
    worker.expect(frames.STACKS_TOLD)
    assert sorted(worker.noted()) == [waiting, also_waiting]
    worker.send(frames.CANCEL, waiting, count=frames.CLIENT_GONE)
    seen = [worker.next_frame() for _ in range(2)]
    assert {frame.request for frame in seen} == {waiting, late}
    assert all(frame.is_end for frame in seen)


def test_all_accepted_websockets_may_lose_their_clients_at_once(serve: Serve, loop: str) -> None:
    front = serve(WEBSOCKETS, interface="asgi", lifespan="off", loop=loop, concurrency=2)
    worker = front.start_taking(interface="asgi")
    accepted = [front.ask(path="/accepts", flags=pages.WEBSOCKET) for _ in range(10)]
    for request in accepted:
        worker.expect(frames.WS_ACCEPT, request)
    assert worker.channel is not None
    closes = [frames.encode(frames.WS_CLOSED, request, count=1001) for request in accepted]
    worker.channel.sendall(b"".join(closes))
    # Each hears of it, and none is cancelled: that would be a FAULT or an empty BODY.
    for request in accepted:
        worker.expect(frames.WS_CLOSE, request)
