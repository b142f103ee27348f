"""The application's start and end, as ASGI tells it of them."""

from __future__ import annotations

import pytest

from conftest import Serve
from front import response_to
from typhon_worker.wire import frames

RESPOND = """
import asyncio, os, sys

async def respond(send, text):
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": str(text).encode()})
"""
KEEPS_STATE = (
    RESPOND
    + """
async def app(scope, receive, send):
    if scope["type"] == "http":
        scope["state"]["count"] = scope["state"]["count"] + 1
        scope["state"]["shared"].append("seen")
        text = f"{scope['state']['count']} {len(scope['state']['shared'])}"
        return await respond(send, text)
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.0"}
    assert await receive() == {"type": "lifespan.startup"}
    scope["state"].update(count=0, shared=[])
    await send({"type": "lifespan.startup.complete"})
    print("started", flush=True)
    assert await receive() == {"type": "lifespan.shutdown"}
    print("ending", flush=True)
    await asyncio.sleep(0.01)
    await send({"type": "lifespan.shutdown.complete"})
    print("ended", flush=True)
"""
)


def test_starts_before_it_is_ready_and_ends_after_the_last_request(serve: Serve) -> None:
    front = serve(KEEPS_STATE)
    worker = front.start_taking(interface="asgi")
    assert worker.read_out() == "started\n"
    # Each request has its own copy of what the start has made.
    assert [response_to(worker, front.ask())[1] for _ in range(2)] == [b"1 1", b"1 2"]
    worker.send(frames.STOP)
    worker.expect(frames.STOPPED)
    assert front.hear("ended")["code"] == 0
    assert worker.read_out() == "ending\nended\n"
    assert worker.read_err() == ""


def test_stops_before_it_has_begun_to_take(serve: Serve) -> None:
    front = serve(KEEPS_STATE)
    worker = front.start()
    worker.expect(frames.READY)
    worker.send(frames.STOP)
    worker.expect(frames.STOPPED)
    assert front.hear("ended")["code"] == 0
    assert worker.read_out() == "started\nending\nended\n"


FAILS = (
    RESPOND
    + """
async def app(scope, receive, send):
    if scope["type"] == "http":
        return await respond(send, "served")
    {how}
"""
)
RAISES = "await receive(); raise ValueError('on purpose')"
RAISES_AT_ONCE = "raise ValueError('on purpose')"
SAYS_SO = (
    "await receive(); await send({'type': 'lifespan.startup.failed', 'message': 'no database'})"
)
SAYS_NOTHING = "await receive(); await send({'type': 'lifespan.startup.failed'})"
RAISES_AFTER_IT = f"{SAYS_SO}; raise ValueError('on purpose')"
RETURNS = "return"
EXITS = "sys.exit('on purpose')"
EXITS_IN_A_TASK = (
    "asyncio.get_running_loop().call_soon(sys.exit, 'on purpose'); await asyncio.sleep(60)"
)


@pytest.mark.parametrize(
    ("wanted", "how", "text"),
    [
        ("auto", SAYS_SO, "the application's startup failed: no database"),
        ("on", SAYS_SO, "the application's startup failed: no database"),
        ("auto", SAYS_NOTHING, "the application's startup failed: it gave no message"),
        ("auto", RAISES_AFTER_IT, "the application's startup failed: no database"),
        ("on", RAISES, "ValueError: on purpose"),
        ("on", RAISES_AT_ONCE, "ValueError: on purpose"),
        ("on", RETURNS, "the application returned before lifespan.startup.complete"),
        ("auto", EXITS, "SystemExit: on purpose"),
        ("auto", EXITS_IN_A_TASK, "SystemExit: on purpose"),
    ],
)
def test_does_not_start_an_application_that_fails(
    serve: Serve, wanted: str, how: str, text: str
) -> None:
    front = serve(FAILS.replace("{how}", how), lifespan=wanted)
    worker = front.start()
    failed = worker.expect(frames.FAILED).json()
    assert failed["kind"] == "lifespan"
    assert failed["text"].endswith(text)
    assert "typhon_worker" not in failed["text"]
    assert front.hear("ended")["code"] == 3
    assert worker.read_err() == ""


@pytest.mark.parametrize(
    ("wanted", "how"),
    [("auto", RAISES_AT_ONCE), ("auto", RETURNS), ("off", SAYS_SO), ("off", RAISES)],
)
def test_serves_an_application_that_takes_no_part(serve: Serve, wanted: str, how: str) -> None:
    front = serve(FAILS.replace("{how}", how), lifespan=wanted)
    worker = front.start_taking(interface="asgi")
    assert response_to(worker, front.ask())[1] == b"served"
    worker.send(frames.STOP)
    worker.expect(frames.STOPPED)
    assert front.hear("ended")["code"] == 0
    assert worker.read_err() == ""


def test_tells_what_was_raised_by_an_application_that_knows_the_protocol(serve: Serve) -> None:
    front = serve(FAILS.replace("{how}", RAISES))
    worker = front.start()
    log = worker.expect(frames.LOG)
    assert log.count == 2
    assert log.text().startswith("the application raised before lifespan.startup.complete\nTrace")
    assert "ValueError: on purpose\n(--lifespan on" in log.text()
    worker.expect(frames.READY)


ENDS = (
    RESPOND
    + """
async def app(scope, receive, send):
    if scope["type"] == "http":
        return await respond(send, "served")
    await receive()
    await send({"type": "lifespan.startup.complete"})
    {how}
"""
)


SAYS_TOO_LATE = (
    "await receive(); await send({'type': 'lifespan.shutdown.failed', 'message': 'too late'})"
)


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("await receive(); raise ValueError('on purpose')", "ValueError: on purpose"),
        (SAYS_TOO_LATE, "the application's shutdown failed: too late"),
        (
            "await receive(); await send({'type': 'lifespan.startup.complete'})",
            "RuntimeError: Unexpected ASGI message 'lifespan.startup.complete' (lifespan ending).",
        ),
    ],
)
def test_logs_a_shutdown_that_fails_and_ends_all_the_same(
    serve: Serve, how: str, text: str
) -> None:
    front = serve(ENDS.replace("{how}", how))
    worker = front.start_taking(interface="asgi")
    worker.send(frames.STOP)
    worker.expect(frames.STOPPED)
    log = worker.expect(frames.LOG)
    assert log.count == 3
    assert log.text().endswith(text)
    assert front.hear("ended")["code"] == 0


@pytest.mark.parametrize("how", ["return", "await receive(); return", "await receive(); 1"])
def test_ends_when_the_lifespan_has_returned_without_a_word(serve: Serve, how: str) -> None:
    front = serve(ENDS.replace("{how}", how))
    worker = front.start_taking(interface="asgi")
    assert response_to(worker, front.ask())[1] == b"served"
    worker.send(frames.STOP)
    worker.expect(frames.STOPPED)
    assert front.hear("ended")["code"] == 0


def test_cancels_what_the_application_leaves_behind(serve: Serve) -> None:
    front = serve(
        RESPOND
        + """
async def works():
    try:
        await asyncio.sleep(3600)
    finally:
        print("cleaned up", flush=True)

async def generates():
    try:
        yield 1
    finally:
        print("closed", flush=True)

async def app(scope, receive, send):
    if scope["type"] == "http":
        app.task = asyncio.create_task(works())
        app.generator = generates()
        await app.generator.__anext__()
        await respond(send, await asyncio.to_thread(os.getpid))
"""
    )
    worker = front.start_taking(interface="asgi")
    assert response_to(worker, front.ask())[1] == str(worker.pid).encode()
    worker.send(frames.STOP)
    worker.expect(frames.STOPPED)
    assert front.hear("ended")["code"] == 0
    assert sorted(worker.read_out().split("\n")) == ["", "cleaned up", "closed"]
