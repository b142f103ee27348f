"""Applications whose client has left: they come to their end, count apart, and not for ever."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from conftest import Serve
from front import Front, Worker, response_to, wait_until
from typhon_worker.wire import frames, pages

APP = """
import asyncio

told = []
gates = {}

async def respond(send, text):
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": text})

# Work whose response is given before, as a background task has it, or after it.
async def pays(scope, receive, send):
    name = scope["query_string"].decode()
    gates[name] = asyncio.Event()
    try:
        if name.startswith("begun"):
            await send({"type": "http.response.start", "status": 200})
            more = {"type": "http.response.body", "body": b"begun", "more_body": True}
            await send(more)
        await gates[name].wait()
        if not name.startswith("begun"):
            await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"y" * 1_000_000})
        # Some send a second response when the first has ended: the MCP SDK does so.
        if name.endswith("twice"):
            await respond(send, b"")
        told.append(name)
        if name.endswith("fails"):
            raise ValueError("on purpose")
    except asyncio.CancelledError:
        told.append(f"{name} cancelled")
        if not name.endswith("stubborn"):
            raise
        await gates[name].wait()

async def one_large_piece(scope, receive, send):
    await respond(send, b"x" * 1_000_000)
    told.append("large")

async def works_on(scope, receive, send):
    await respond(send, b"first")
    gates["works_on"] = asyncio.Event()
    try:
        await gates["works_on"].wait()
        told.append("worked on")
    except asyncio.CancelledError:
        told.append("cancelled")

async def idles(scope, receive, send):
    await asyncio.Event().wait()

async def streams(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    try:
        while True:
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
            await asyncio.sleep(0)
    except OSError:
        told.append("OSError")
        raise

async def opens(scope, receive, send):
    gates[scope["query_string"].decode()].set()
    await respond(send, b"opened")

async def listens(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    left = (await receive())["type"]
    await send({"type": "websocket.close"})
    told.append(left)
    name = scope["query_string"].decode()
    gates[name] = asyncio.Event()
    await gates[name].wait()

async def what_was_told(scope, receive, send):
    await respond(send, ", ".join(told).encode())
    told.clear()

async def app(scope, receive, send):
    await globals()[scope["path"][1:]](scope, receive, send)
"""


@pytest.fixture
def worker(serve: Serve, loop: str) -> Iterator[Worker]:
    return start(serve, loop=loop)


def start(serve: Serve, **settings: object) -> Worker:
    front: Front = serve(APP, interface="asgi", lifespan="off", concurrency=3, **settings)
    return front.start_taking(interface="asgi")


def begin(worker: Worker, path: str, query: str, count: int = frames.CLIENT_GONE) -> int:
    """Begins a request, whose client leaves when the application waits."""
    request = worker.front.ask(path=path, query=query)
    wait_until(lambda: request in worker.noted(), "the application")
    if query.startswith("begun"):
        worker.expect(frames.HEAD, request)
    worker.send(frames.CANCEL, request, count=count)
    return request


def settle(worker: Worker) -> None:
    """Waits until the cancels that were sent have been handled: frames are, in their order."""
    request = begin(worker, "/idles", "", frames.DEADLINE)
    assert worker.expect(frames.BODY, request).is_end


def told(worker: Worker) -> str:
    return response_to(worker, worker.front.ask(path="/what_was_told"))[1].decode()


@pytest.mark.parametrize("name", ["quiet", "begun", "twice", "begun-twice"])
def test_comes_to_its_end_without_a_client(worker: Worker, name: str) -> None:
    request = begin(worker, "/pays", name)
    settle(worker)
    opened = worker.front.ask(path="/opens", query=name)
    last = {frame.request: frame for frame in (worker.next_frame(), worker.next_frame())}
    assert last.keys() == {opened, request}
    assert (last[request].kind, last[request].payload) == (frames.BODY, b"")
    assert told(worker) == name
    wait_until(lambda: not worker.noted(), "empty notes")


def test_comes_to_its_end_if_the_client_leaves_amid_the_last_piece(worker: Worker) -> None:
    request = worker.front.ask(path="/one_large_piece")
    worker.expect(frames.HEAD, request)
    worker.send(frames.CANCEL, request, count=frames.CLIENT_GONE)
    last = worker.expect(frames.BODY, request)
    assert (last.is_end, last.payload) == (True, b"")
    assert told(worker) == "large"


def test_its_failure_is_told(worker: Worker) -> None:
    request = begin(worker, "/pays", "fails")
    settle(worker)
    worker.front.ask(path="/opens", query="fails")
    seen = {frame.request: frame for frame in (worker.next_frame(), worker.next_frame())}
    assert seen[request].kind == frames.FAULT
    assert seen[request].text().endswith("ValueError: on purpose")


def test_a_stream_without_end_ends(worker: Worker) -> None:
    request = worker.front.ask(path="/streams")
    worker.expect(frames.HEAD, request)
    worker.send(frames.CANCEL, request, count=frames.CLIENT_GONE)
    frame = worker.expect(frames.BODY, request)
    while not frame.is_end:
        frame = worker.expect(frames.BODY, request)
    assert told(worker) == "OSError"


def test_they_leave_their_places_to_others(worker: Worker) -> None:
    for number in range(3):
        begin(worker, "/pays", f"gone-{number}")
    assert told(worker) == ""
    for number in range(3):
        worker.front.ask(path="/pays", query=f"here-{number}")
    wait_until(lambda: len(worker.noted()) == 6, "six at once")


def test_at_the_limit_the_oldest_is_cancelled(worker: Worker) -> None:
    oldest, *_ = [begin(worker, "/pays", f"gone-{number}") for number in range(4)]
    assert worker.expect(frames.BODY, oldest).is_end
    assert told(worker) == "gone-0 cancelled"


def test_one_that_does_not_end_keeps_its_place(worker: Worker) -> None:
    for number in range(3):
        begin(worker, "/pays", f"{number}-stubborn")
    late = [begin(worker, "/pays", f"late-{number}") for number in range(3)]
    # Six run, and no more than six ever do.
    waits = worker.front.ask(path="/what_was_told")
    worker.send(frames.CANCEL, late[0], count=frames.DEADLINE)
    assert worker.expect(frames.BODY, late[0]).is_end
    cancelled = [*(f"{number}-stubborn" for number in range(3)), "late-0"]
    text = response_to(worker, waits)[1].decode()
    assert text == ", ".join(f"{name} cancelled" for name in cancelled)


def test_is_cancelled_after_its_time(serve: Serve, loop: str) -> None:
    worker = start(serve, loop=loop, abandon_timeout=0.05)
    request = begin(worker, "/pays", "gone")
    assert worker.expect(frames.BODY, request).is_end
    assert told(worker) == "gone cancelled"


def test_a_websocket_is_cancelled_after_its_time(serve: Serve, loop: str) -> None:
    worker = start(serve, loop=loop, abandon_timeout=0.05)
    request = worker.front.ask(path="/listens", query="socket", flags=pages.WEBSOCKET)
    worker.expect(frames.WS_ACCEPT, request)
    worker.send(frames.WS_CLOSED, request, count=1006)
    assert worker.expect(frames.WS_CLOSE, request).is_end
    assert told(worker) == "websocket.disconnect"


def test_is_cancelled_at_once_where_that_is_asked_for(serve: Serve, loop: str) -> None:
    worker = start(serve, loop=loop, cancel_on_disconnect=True, abandon_timeout=0)
    request = begin(worker, "/pays", "gone")
    assert worker.expect(frames.BODY, request).is_end
    assert told(worker) == "gone cancelled"


def test_work_after_a_response_is_not_its_clients(serve: Serve, loop: str) -> None:
    worker = start(serve, loop=loop, cancel_on_disconnect=True)
    request = worker.front.ask(path="/works_on")
    assert response_to(worker, request)[1] == b"first"
    for count in (frames.CLIENT_GONE, frames.DEADLINE):
        worker.send(frames.CANCEL, request, count=count)
    settle(worker)
    opened = worker.front.ask(path="/opens", query="works_on")
    worker.expect(frames.HEAD, opened)
    assert told(worker) == "worked on"
