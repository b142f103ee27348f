"""Bodies that come and go piece by piece, cancels, and what is fetched, under ASGI."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from front import Worker, response_to, wait_until
from messages import encode_page, record
from typhon_worker.wire import frames, pages

APP = """
import asyncio, json

told = []

async def respond(send, text):
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": text.encode()})

async def body_of(receive):
    pieces = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return pieces, "disconnect"
        pieces.append(message["body"])
        if not message["more_body"]:
            return pieces, "end"

async def echo(scope, receive, send):
    pieces, how = await body_of(receive)
    await respond(send, f"{how} {b''.join(pieces).decode()}")

async def count(scope, receive, send):
    pieces, how = await body_of(receive)
    await respond(send, f"{how} {sum(map(len, pieces))}")

async def ignores(scope, receive, send):
    await respond(send, scope["path"])

async def reads_once(scope, receive, send):
    gate = app.gate = asyncio.Event()
    told.append(str(len((await receive())["body"])))
    await gate.wait()
    await respond(send, "read")

async def opens(scope, receive, send):
    app.gate.set()
    await respond(send, "opened")

async def waits(scope, receive, send):
    # As frameworks do it that look whether the client is there.
    try:
        told.append("waits")
        async with asyncio.timeout(30) if hasattr(asyncio, "timeout") else Nothing():
            while (await receive())["type"] != "http.disconnect":
                pass
        told.append("disconnect")
        await respond(send, "anybody?")
        told.append("answered")
    except BaseException as error:
        told.append(type(error).__name__)
        raise

class Nothing:
    async def __aenter__(self): pass
    async def __aexit__(self, *_): pass

async def polls(scope, receive, send):
    await receive()
    for _ in range(1000):
        try:
            await asyncio.wait_for(receive(), 0.0001)
        except asyncio.TimeoutError:
            pass
    exchange = receive.__self__
    await respond(send, str(len(exchange.waiters)))

async def sleeps(scope, receive, send):
    try:
        told.append("sleeps")
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        told.append("cancelled")
        raise

async def stubborn(scope, receive, send):
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        told.append("cancelled")
    await asyncio.sleep(0)
    told.append("went on")

async def fails_when_cancelled(scope, receive, send):
    try:
        await asyncio.sleep(3600)
    finally:
        raise ValueError("on purpose")

async def gives_up(scope, receive, send):
    assert (await receive())["type"] == "http.request"
    assert (await receive())["type"] == "http.disconnect"
    raise ValueError("on purpose")

async def endless(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    try:
        while True:
            await send({"type": "http.response.body", "body": b"x" * 50_000, "more_body": True})
    except OSError as error:
        told.append(type(error).__name__)
        raise

async def twice(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    one = {"type": "http.response.body", "body": b"a" * 500_000, "more_body": True}
    two = {**one, "body": b"b" * 500_000}
    await asyncio.gather(send(one), send(two))
    await send({"type": "http.response.body"})

async def after_the_response(scope, receive, send):
    waiting = asyncio.ensure_future(last_of(receive))
    await asyncio.sleep(0)
    await respond(send, "answer")
    told.append((await waiting)["type"] + " " + (await receive())["type"])

async def last_of(receive):
    await receive()
    return await receive()

async def what_was_told(scope, receive, send):
    text = ", ".join(told)
    told.clear()
    await respond(send, text)

async def app(scope, receive, send):
    await globals()[scope["path"][1:]](scope, receive, send)
"""


def ask(worker: Worker, path: str, flags: int = 0, body: bytes = b"") -> int:
    return worker.front.ask("POST", path, flags=flags, body=body)


def body_of(worker: Worker, request: int) -> str:
    return response_to(worker, request)[1].decode()


def what_was_told(worker: Worker) -> str:
    return body_of(worker, worker.front.ask(path="/what_was_told"))


def wait_for_note(worker: Worker) -> None:
    wait_until(lambda: not worker.noted(), "an empty note")


def test_gives_a_body_that_is_in_the_page(worker: Worker) -> None:
    assert body_of(worker, ask(worker, "/echo", body=b"in the page")) == "end in the page"
    assert body_of(worker, ask(worker, "/echo")) == "end "


@pytest.mark.parametrize("flag", [pages.BODY_STREAMED, pages.BODY_ON_CHANNEL])
def test_asks_for_a_body_at_the_first_receive(worker: Worker, flag: int) -> None:
    request = ask(worker, "/echo", flag)
    worker.expect(frames.FETCH, request)
    for piece in (b"one ", b"", b"two "):
        worker.send(frames.INPUT, request, piece)
    worker.send(frames.INPUT, request, b"three", flags=frames.END)
    assert body_of(worker, request) == "end one two three"


@pytest.mark.parametrize("flag", [pages.BODY_STREAMED, pages.BODY_ON_CHANNEL])
def test_gives_an_empty_body_that_is_not_in_the_page(worker: Worker, flag: int) -> None:
    request = ask(worker, "/echo", flag)
    worker.expect(frames.FETCH, request)
    worker.send(frames.INPUT, request, flags=frames.END)
    assert body_of(worker, request) == "end "


def test_does_not_ask_for_a_body_that_nobody_reads(worker: Worker) -> None:
    assert body_of(worker, ask(worker, "/ignores", pages.BODY_STREAMED)) == "/ignores"


def test_reads_a_body_from_its_file(worker: Worker, tmp_path: Path) -> None:
    path = tmp_path / "body"
    path.write_bytes(b"x" * 600_000)
    request = worker.front.ask("POST", "/count", flags=pages.BODY_IN_FILE, body_file=str(path))
    assert body_of(worker, request) == "end 600000"


def test_grants_what_the_application_has_read(worker: Worker) -> None:
    request = ask(worker, "/count", pages.BODY_STREAMED)
    worker.expect(frames.FETCH, request)
    sent = granted = 0
    while sent < 2_000_000:
        while sent - granted <= 262_144 - 30_000:
            worker.send(frames.INPUT, request, bytes(30_000))
            sent += 30_000
        credit = worker.expect(frames.INPUT_CREDIT, request)
        granted += struct.unpack("<I", credit.payload)[0]
    worker.send(frames.INPUT, request, b"x", flags=frames.END)
    frame = worker.next_frame()
    while frame.kind == frames.INPUT_CREDIT:
        frame = worker.next_frame()
    assert frame.body().decode() == f"end {sent + 1}"


def test_grants_nothing_that_is_not_read(worker: Worker) -> None:
    request = ask(worker, "/reads_once", pages.BODY_STREAMED)
    worker.expect(frames.FETCH, request)
    worker.send(frames.INPUT, request, bytes(60_000))
    wait_until(lambda: what_was_told(worker) == "60000", "the first piece")
    for _ in range(3):
        worker.send(frames.INPUT, request, bytes(60_000))
    assert body_of(worker, worker.front.ask(path="/opens")) == "opened"
    assert body_of(worker, request) == "read"


def test_fetches_a_record_before_it_begins(worker: Worker) -> None:
    names, values = record("POST", "/echo", (("x-large", "y" * 5000),))
    request = worker.front.next_id()
    worker.front.put(encode_page(request, pages.RECORD_ON_CHANNEL | pages.BODY_STREAMED))
    worker.expect(frames.FETCH, request)
    assert worker.noted() == [request]
    payload = struct.pack("<II", len(names), len(values)) + names + values
    worker.send(frames.RECORD, request, payload)
    worker.send(frames.INPUT, request, b"a body", flags=frames.END)
    assert body_of(worker, request) == "end a body"
    wait_for_note(worker)


@pytest.mark.parametrize("count", [frames.CLIENT_GONE, frames.DEADLINE])
def test_a_cancel_ends_a_request_whose_record_has_not_come(worker: Worker, count: int) -> None:
    request = worker.front.next_id()
    worker.front.put(encode_page(request, pages.RECORD_ON_CHANNEL))
    worker.expect(frames.FETCH, request)
    worker.send(frames.CANCEL, request, count=count)
    last = worker.expect(frames.BODY, request)
    assert (last.is_end, last.payload) == (True, b"")
    wait_for_note(worker)


def test_receive_waits_for_a_client_that_leaves(worker: Worker) -> None:
    request = ask(worker, "/waits")
    wait_until(lambda: "waits" in what_was_told(worker), "the application")
    worker.send(frames.CANCEL, request, count=frames.CLIENT_GONE)
    last = worker.expect(frames.BODY, request)
    assert (last.is_end, last.payload) == (True, b"")
    assert what_was_told(worker) == "disconnect, answered"
    wait_for_note(worker)


def test_answers_a_client_that_has_closed_its_sending_side(worker: Worker) -> None:
    request = ask(worker, "/waits", body=b"body")
    wait_until(lambda: "waits" in what_was_told(worker), "the application")
    worker.send(frames.CANCEL, request, count=frames.HALF_CLOSED)
    assert body_of(worker, request) == "anybody?"
    assert what_was_told(worker) == "disconnect, answered"


def test_gives_the_whole_body_before_it_tells_of_a_closed_side(worker: Worker) -> None:
    request = ask(worker, "/echo", pages.BODY_STREAMED)
    worker.expect(frames.FETCH, request)
    worker.send(frames.CANCEL, request, count=frames.HALF_CLOSED)
    worker.send(frames.INPUT, request, b"all of ")
    worker.send(frames.INPUT, request, b"it", flags=frames.END)
    assert body_of(worker, request) == "end all of it"


def test_a_client_that_leaves_amid_its_body_disconnects(worker: Worker) -> None:
    request = ask(worker, "/waits", pages.BODY_STREAMED)
    worker.expect(frames.FETCH, request)
    worker.send(frames.INPUT, request, b"some")
    worker.send(frames.CANCEL, request, count=frames.CLIENT_GONE)
    assert worker.expect(frames.BODY, request).is_end
    assert what_was_told(worker) == "waits, disconnect, answered"


def test_receive_disconnects_once_the_response_is_given(worker: Worker) -> None:
    assert body_of(worker, ask(worker, "/after_the_response")) == "answer"
    told: list[str] = []
    wait_until(lambda: told.append(what_was_told(worker)) or any(told), "the application")
    assert any(text == "http.disconnect http.disconnect" for text in told)


def test_who_stops_waiting_leaves_nothing_behind(worker: Worker) -> None:
    assert body_of(worker, ask(worker, "/polls")) == "0"


def test_a_deadline_cancels_the_task(worker: Worker) -> None:
    request = ask(worker, "/sleeps")
    wait_until(lambda: "sleeps" in what_was_told(worker), "the application")
    worker.send(frames.CANCEL, request, count=frames.DEADLINE)
    last = worker.expect(frames.BODY, request)
    assert (last.is_end, last.payload) == (True, b"")
    assert what_was_told(worker) == "cancelled"
    wait_for_note(worker)


def test_cancels_once_an_application_that_goes_on(worker: Worker) -> None:
    request = ask(worker, "/stubborn")
    wait_until(lambda: worker.noted() == [request], "the application")
    worker.send(frames.CANCEL, request, count=frames.DEADLINE)
    worker.send(frames.CANCEL, request, count=frames.DEADLINE)
    assert worker.expect(frames.BODY, request).is_end
    assert what_was_told(worker) == "cancelled, went on"


@pytest.mark.parametrize(
    ("path", "count"),
    [("/fails_when_cancelled", frames.DEADLINE), ("/gives_up", frames.CLIENT_GONE)],
)
def test_what_else_an_abandoned_request_raises(worker: Worker, path: str, count: int) -> None:
    request = ask(worker, path)
    wait_until(lambda: worker.noted() == [request], "the application")
    worker.send(frames.CANCEL, request, count=count)
    if count == frames.DEADLINE:
        # It comes of the cancel, and the report of that is the front's.
        assert worker.expect(frames.BODY, request).is_end
    else:
        assert worker.expect(frames.FAULT, request).text().endswith("ValueError: on purpose")
    wait_for_note(worker)


def test_sends_no_more_than_it_has_credit_for(worker: Worker) -> None:
    request = ask(worker, "/endless")
    size = len(worker.expect(frames.HEAD, request).body())
    while size < 262_144:
        size += len(worker.expect(frames.BODY, request).payload)
    assert size == 262_144
    assert what_was_told(worker) == ""
    worker.send(frames.CREDIT, request, struct.pack("<I", 10))
    assert len(worker.expect(frames.BODY, request).payload) == 10
    worker.send(frames.CANCEL, request, count=frames.CLIENT_GONE)
    last = worker.expect(frames.BODY, request)
    assert (last.is_end, last.payload) == (True, b"")
    assert what_was_told(worker) == "ClientGone"


def test_does_not_mix_chunks_that_are_sent_at_once(worker: Worker) -> None:
    body = body_of(worker, ask(worker, "/twice"))
    assert body == "a" * 500_000 + "b" * 500_000


@pytest.mark.parametrize("kind", [frames.INPUT, frames.WS_TEXT_IN, frames.WS_CLOSED, frames.RECORD])
def test_a_frame_that_nobody_has_asked_for_ends_the_worker(worker: Worker, kind: int) -> None:
    request = ask(worker, "/sleeps")
    wait_until(lambda: worker.noted() == [request], "the application")
    worker.send(kind, request, bytes(8))
    text = worker.expect(frames.LOG).text()
    assert text.startswith("the channel carried ")
    assert f"request {request}" in text
    assert worker.front.hear("ended")["code"] == 1


def test_frames_for_requests_that_have_ended_are_dropped(worker: Worker) -> None:
    request = ask(worker, "/ignores")
    assert body_of(worker, request) == "/ignores"
    payload = struct.pack("<I", 5)
    for kind in (frames.CREDIT, frames.INPUT, frames.WS_BINARY_IN, frames.WS_CLOSED):
        worker.send(kind, request, payload)
    worker.send(frames.RECORD, request, bytes(8))
    worker.send(frames.CANCEL, request)
    assert body_of(worker, ask(worker, "/ignores")) == "/ignores"
