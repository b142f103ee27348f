"""WebSockets of an ASGI application: its messages on the channel."""

from __future__ import annotations

import struct
import time

import pytest

from front import Frame, Worker, response_to, wait_until
from typhon_worker.application.exchange import MAX_INPUT_BYTES
from typhon_worker.asgi.websocket_exchange import MESSAGE_COST_BYTES
from typhon_worker.wire import frames, pages

APP = """
import asyncio

told = []

async def accept(receive, send, **more):
    assert await receive() == {"type": "websocket.connect"}
    await send({"type": "websocket.accept", **more})

async def echo(scope, receive, send):
    await accept(receive, send)
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            told.append(f"{message['code']} {message['reason']}")
            assert await receive() == message
            return
        await send({**message, "type": "websocket.send"})

async def slow(scope, receive, send):
    await accept(receive, send)
    gate = app.gate = asyncio.Event()
    await gate.wait()
    await send({"type": "websocket.send", "text": str((await receive())["bytes"][-5:])})
    await receive()

async def half_hearing(scope, receive, send):
    await accept(receive, send)
    gate = app.gate = asyncio.Event()
    await receive()
    await gate.wait()
    try:
        await send({"type": "websocket.send", "text": "answer"})
    except OSError as error:
        told.append(type(error).__name__)

async def ticks(scope, receive, send):
    await accept(receive, send)
    try:
        while True:
            await send({"type": "websocket.send", "text": "tick"})
            await asyncio.sleep(0.005)
    except OSError as error:
        told.append(type(error).__name__)

async def open_gate(scope, receive, send):
    app.gate.set()
    await respond(send, "open")

async def names(scope, receive, send):
    subprotocol = scope["subprotocols"][-1]
    await accept(receive, send, subprotocol=subprotocol, headers=[(b"x-a", b"1"), (b"x-b", b"2")])

async def refuses(scope, receive, send):
    await receive()
    await send({"type": "websocket.close", "code": 1008, "reason": "no"})
    told.append(str(await receive()))

async def answers(scope, receive, send):
    await receive()
    assert "websocket.http.response" in scope["extensions"]
    await send({"type": "websocket.http.response.start", "status": 401, "headers": [(b"a", b"b")]})
    await send({"type": "websocket.http.response.body", "body": b"who ", "more_body": True})
    await send({"type": "websocket.http.response.body", "body": b"are you"})

async def closes(scope, receive, send):
    await accept(receive, send)
    await send({"type": "websocket.close", "code": 4000, "reason": "enough é"})
    told.append(str(await receive()))

async def closes_by_default(scope, receive, send):
    await accept(receive, send)
    await send({"type": "websocket.close"})

async def returns(scope, receive, send):
    await accept(receive, send)

async def returns_at_once(scope, receive, send):
    pass

async def raises(scope, receive, send):
    if scope["query_string"]:
        await accept(receive, send)
    raise ValueError("on purpose")

async def sends_to_nobody(scope, receive, send):
    await accept(receive, send)
    assert (await receive())["type"] == "websocket.disconnect"
    try:
        await send({"type": "websocket.send", "text": "anybody?"})
    except OSError as error:
        told.append(type(error).__name__)
        raise

async def floods(scope, receive, send):
    await accept(receive, send)
    await send({"type": "websocket.send", "bytes": b"z" * 1_000_000})
    await send({"type": "websocket.send", "text": "done"})

async def floods_together(scope, receive, send):
    await accept(receive, send)
    await asyncio.gather(*(
        send({"type": "websocket.send", "bytes": letter * 400_000}) for letter in (b"a", b"b")
    ))

async def waits(scope, receive, send):
    await accept(receive, send)
    await asyncio.sleep(3600)

async def breaks(scope, receive, send):
    accepts = {"type": "websocket.accept"}
    messages = {
        "send_first": [{"type": "websocket.send", "text": "x"}],
        "accept_twice": [accepts, accepts],
        "body": [accepts, {"type": "websocket.http.response.body"}],
        "unknown": [{"type": "websocket.unknown"}],
        "after_close": [accepts, {"type": "websocket.close"}, {"type": "websocket.send"}],
        "accept_in_response": [{"type": "websocket.http.response.start", "status": 200}, accepts],
        "nothing": [accepts, {"type": "websocket.send"}],
        "text": [accepts, {"type": "websocket.send", "text": b"x"}],
        "bytes": [accepts, {"type": "websocket.send", "bytes": "x"}],
        "header": [{"type": "websocket.accept", "headers": [("a", b"b")]}],
    }[scope["query_string"].decode()]
    try:
        for message in messages:
            await send(message)
    except Exception as error:
        told.append(f"{type(error).__name__}: {error}")

async def respond(send, text):
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": text.encode()})

async def what_was_told(scope, receive, send):
    await respond(send, told.pop() if told else "")

async def app(scope, receive, send):
    await globals()[scope["path"][1:]](scope, receive, send)
"""


def ask(worker: Worker, path: str, **more: str) -> int:
    fields = (("host", "a"), ("sec-websocket-protocol", "one, two"))
    return worker.front.ask("GET", path, fields, flags=pages.WEBSOCKET, **more)


def opened(worker: Worker, path: str, **more: str) -> int:
    """Asks for a WebSocket that the application accepts."""
    request = ask(worker, path, **more)
    accepted = worker.expect(frames.WS_ACCEPT, request)
    assert (accepted.count, accepted.payload) == (0, b"")
    return request


def what_was_told(worker: Worker) -> str:
    return response_to(worker, worker.front.ask(path="/what_was_told"))[1].decode()


def closed(worker: Worker, request: int) -> tuple[int, str]:
    """The last frame: code and reason."""
    frame = worker.expect(frames.WS_CLOSE, request)
    assert frame.is_end
    wait_until(lambda: not worker.noted(), "an empty note")
    return frame.count, frame.text()


def test_passes_messages_both_ways(worker: Worker) -> None:
    request = opened(worker, "/echo")
    for sent, kind, payload in (
        (frames.WS_TEXT_IN, frames.WS_TEXT, "héllo".encode()),
        (frames.WS_BINARY_IN, frames.WS_BINARY, b"\xff\x00"),
        (frames.WS_TEXT_IN, frames.WS_TEXT, b""),
        (frames.WS_BINARY_IN, frames.WS_BINARY, b""),
    ):
        worker.send(sent, request, payload, flags=frames.END)
        frame = worker.expect(kind, request)
        assert (frame.is_end, frame.payload) == (True, payload)
    # The front knows since WS_ACCEPT who has the request.
    assert worker.noted() == []
    worker.send(frames.WS_CLOSED, request, "weg é".encode(), count=4001)
    assert closed(worker, request) == (1000, "")
    assert what_was_told(worker) == "4001 weg é"


def test_joins_the_pieces_of_a_message(worker: Worker) -> None:
    request = opened(worker, "/echo")
    text = "né".encode()
    # The cut goes through a character.
    for piece in (text[:2], b"", text[2:]):
        worker.send(frames.WS_TEXT_IN, request, piece)
    assert not worker.has_frame()
    worker.send(frames.WS_TEXT_IN, request, b"!", flags=frames.END)
    assert worker.expect(frames.WS_TEXT, request).text() == "né!"


def credit_of(frame: Frame) -> int:
    assert frame.kind == frames.INPUT_CREDIT
    return int(struct.unpack("<I", frame.payload)[0])


def test_grants_pieces_of_a_message_that_the_application_waits_for(worker: Worker) -> None:
    request = opened(worker, "/echo")
    for _ in range(8):
        worker.send(frames.WS_BINARY_IN, request, bytes(65_536))
        assert credit_of(worker.next_frame()) == 65_536
    worker.send(frames.WS_BINARY_IN, request, bytes(1), flags=frames.END)
    assert worker.expect(frames.WS_BINARY, request).payload == bytes(frames.WS_CREDIT_BYTES)


def test_grants_nothing_to_an_application_that_does_not_ask(worker: Worker) -> None:
    request = opened(worker, "/slow")
    for _ in range(2):
        worker.send(frames.WS_BINARY_IN, request, bytes(65_536))
    worker.send(frames.WS_BINARY_IN, request, b"x" * 100_000, flags=frames.END)
    # The next one.
    for _ in range(2):
        worker.send(frames.WS_BINARY_IN, request, bytes(70_000))
    worker.send(frames.STACKS)
    worker.expect(frames.STACKS_TOLD)
    assert not worker.has_frame()
    assert response_to(worker, worker.front.ask(path="/open_gate"))[1] == b"open"
    assert credit_of(worker.next_frame()) == 2 * 65_536 + 100_000 + MESSAGE_COST_BYTES
    assert worker.expect(frames.WS_TEXT, request).text() == "b'xxxxx'"
    # The application asks for the next one now.
    assert credit_of(worker.next_frame()) == 140_000


def test_grants_small_messages_in_steps(worker: Worker) -> None:
    request = opened(worker, "/echo")
    granted = 0
    for _ in range(30):
        worker.send(frames.WS_BINARY_IN, request, bytes(10_000), flags=frames.END)
        frame = worker.next_frame()
        if frame.kind == frames.INPUT_CREDIT:
            granted += credit_of(frame)
            assert granted % (7 * (10_000 + MESSAGE_COST_BYTES)) == 0
            frame = worker.next_frame()
        assert frame.kind == frames.WS_BINARY
        worker.send(frames.CREDIT, request, struct.pack("<I", 10_000))
    assert granted == 28 * (10_000 + MESSAGE_COST_BYTES)


def test_sends_as_much_as_it_has_credit_for(worker: Worker) -> None:
    request = opened(worker, "/floods")
    first = worker.expect(frames.WS_BINARY, request)
    assert (len(first.payload), first.is_end) == (frames.WS_CREDIT_BYTES, False)
    size = len(first.payload)
    while size < 1_000_000:
        assert not worker.has_frame()
        worker.send(frames.CREDIT, request, struct.pack("<I", 300_000))
        while size < min(1_000_000, frames.WS_CREDIT_BYTES + (size // 300_000 + 1) * 300_000):
            frame = worker.expect(frames.WS_BINARY, request)
            size += len(frame.payload)
            assert frame.is_end == (size == 1_000_000)
            if not worker.has_frame():
                break
    worker.send(frames.CREDIT, request, struct.pack("<I", 300_000))
    frame = worker.next_frame()
    while frame.kind == frames.WS_BINARY:
        frame = worker.next_frame()
    assert (frame.kind, frame.text()) == (frames.WS_TEXT, "done")
    assert closed(worker, request) == (1000, "")


def test_does_not_mix_messages_that_are_sent_at_once(worker: Worker) -> None:
    request = opened(worker, "/floods_together")
    told = b""
    while len(told) < 800_000:
        frame = worker.expect(frames.WS_BINARY, request)
        told += frame.payload
        assert frame.is_end == (len(told) in (400_000, 800_000))
        worker.send(frames.CREDIT, request, struct.pack("<I", len(frame.payload)))
    assert told in (b"a" * 400_000 + b"b" * 400_000, b"b" * 400_000 + b"a" * 400_000)
    assert closed(worker, request) == (1000, "")


def test_accepts_with_a_subprotocol_and_fields(worker: Worker) -> None:
    request = ask(worker, "/names")
    accepted = worker.expect(frames.WS_ACCEPT, request)
    assert (accepted.count, accepted.payload) == (2, b"two\0x-a\x001\0x-b\x002")
    assert closed(worker, request) == (1000, "")


@pytest.mark.parametrize("path", ["/echo", "/refuses"])
def test_tells_since_when_it_runs(worker: Worker, path: str) -> None:
    before = time.monotonic()
    request = ask(worker, path)
    worker.next_frame()
    told = worker.times[-1]
    assert told.request == request
    assert before <= struct.unpack("<d", told.payload)[0] <= time.monotonic()


def test_refuses_by_a_close_before_it_has_accepted(worker: Worker) -> None:
    request = ask(worker, "/refuses")
    assert closed(worker, request) == (1008, "no")
    told = "{'type': 'websocket.disconnect', 'code': 1006, 'reason': ''}"
    assert what_was_told(worker) == told


def test_answers_by_http_before_it_has_accepted(worker: Worker) -> None:
    assert response_to(worker, ask(worker, "/answers")) == (
        ["401 Unauthorized", "a", "b"],
        b"who are you",
    )
    wait_until(lambda: not worker.noted(), "an empty note")


def test_closes_as_the_application_says(worker: Worker) -> None:
    request = opened(worker, "/closes")
    assert closed(worker, request) == (4000, "enough é")
    told = "{'type': 'websocket.disconnect', 'code': 4000, 'reason': 'enough é'}"
    assert what_was_told(worker) == told
    assert closed(worker, opened(worker, "/closes_by_default")) == (1000, "")


def test_closes_for_an_application_that_returns(worker: Worker) -> None:
    assert closed(worker, opened(worker, "/returns")) == (1000, "")
    request = ask(worker, "/returns_at_once")
    text = "ASGI callable returned without completing handshake."
    assert worker.expect(frames.FAULT, request).text() == text


@pytest.mark.parametrize("query", ["", "accept"])
def test_tells_what_the_application_raises(worker: Worker, query: str) -> None:
    request = (opened if query else ask)(worker, "/raises", query=query)
    fault = worker.expect(frames.FAULT, request)
    assert fault.text().endswith("ValueError: on purpose")
    wait_until(lambda: not worker.noted(), "an empty note")


def test_who_sends_after_the_client_has_left_gets_an_error(worker: Worker) -> None:
    request = opened(worker, "/sends_to_nobody")
    worker.send(frames.WS_CLOSED, request, count=1006)
    assert closed(worker, request) == (1000, "")
    assert what_was_told(worker) == "ClientGone"


def test_messages_come_before_the_close_that_followed_them(worker: Worker) -> None:
    request = opened(worker, "/slow")
    worker.send(frames.WS_BINARY_IN, request, b"1last", flags=frames.END)
    worker.send(frames.WS_CLOSED, request, count=1001)
    assert response_to(worker, worker.front.ask(path="/open_gate"))[1] == b"open"
    # It has read the message; nobody waits for its response.
    assert closed(worker, request) == (1000, "")


def test_what_came_before_the_close_may_be_answered(worker: Worker) -> None:
    request = opened(worker, "/echo")
    for text in (b"a", b"b"):
        worker.send(frames.WS_TEXT_IN, request, text, flags=frames.END)
    worker.send(frames.WS_CLOSED, request, b"bye", count=4001, flags=frames.END)
    assert [worker.expect(frames.WS_TEXT, request).text() for _ in "ab"] == ["a", "b"]
    heard = worker.expect(frames.WS_CLOSE, request)
    assert not heard.is_end
    assert closed(worker, request) == (1000, "")
    assert what_was_told(worker) == "4001 bye"


def test_an_application_that_returns_has_answered(worker: Worker) -> None:
    request = opened(worker, "/half_hearing")
    worker.send(frames.WS_TEXT_IN, request, b"question", flags=frames.END)
    worker.send(frames.WS_CLOSED, request, count=1000, flags=frames.END)
    assert response_to(worker, worker.front.ask(path="/open_gate"))[1] == b"open"
    assert worker.expect(frames.WS_TEXT, request).text() == "answer"
    assert closed(worker, request) == (1000, "")
    assert what_was_told(worker) == ""


def test_nothing_is_answered_when_the_front_waits_no_longer(worker: Worker) -> None:
    request = opened(worker, "/half_hearing")
    worker.send(frames.WS_TEXT_IN, request, b"question", flags=frames.END)
    worker.send(frames.WS_CLOSED, request, count=1000, flags=frames.END)
    worker.send(frames.WS_CLOSED, request, count=1000)
    assert response_to(worker, worker.front.ask(path="/open_gate"))[1] == b"open"
    assert closed(worker, request) == (1000, "")
    assert what_was_told(worker) == "ClientGone"


def test_who_owes_no_response_is_gone_at_once(worker: Worker) -> None:
    request = opened(worker, "/ticks")
    worker.expect(frames.WS_TEXT, request)
    worker.send(frames.WS_CLOSED, request, count=1000, flags=frames.END)
    frame = worker.next_frame()
    while frame.kind == frames.WS_TEXT:
        frame = worker.next_frame()
    assert (frame.kind, frame.is_end) == (frames.WS_CLOSE, False)
    assert closed(worker, request) == (1000, "")
    assert what_was_told(worker) == "ClientGone"


def test_a_message_costs_more_than_its_bytes(worker: Worker) -> None:
    request = opened(worker, "/echo")
    worker.send(
        frames.WS_BINARY_IN, request, bytes(65_536 - 2 * MESSAGE_COST_BYTES), flags=frames.END
    )
    worker.expect(frames.WS_BINARY, request)
    worker.send(frames.WS_TEXT_IN, request, flags=frames.END)
    assert credit_of(worker.next_frame()) == 65_536


@pytest.mark.parametrize("count", [frames.CLIENT_GONE, frames.DEADLINE])
def test_a_cancel_disconnects(worker: Worker, count: int) -> None:
    request = opened(worker, "/echo")
    worker.send(frames.CANCEL, request, count=count)
    assert closed(worker, request) == (1000, "")
    assert what_was_told(worker) == ("1006 " if count == frames.CLIENT_GONE else "")


def test_a_deadline_ends_a_handshake_that_takes_too_long(worker: Worker) -> None:
    request = opened(worker, "/waits")
    worker.send(frames.CANCEL, request, count=frames.DEADLINE)
    assert closed(worker, request) == (1000, "")


def test_gives_up_on_a_client_whose_text_is_none(worker: Worker) -> None:
    request = opened(worker, "/echo")
    worker.send(frames.WS_TEXT_IN, request, b"\xff", flags=frames.END)
    assert closed(worker, request)[0] == 1007
    assert what_was_told(worker) == "1007 a text message is not UTF-8"


def test_more_messages_than_were_granted_break_the_channel(worker: Worker) -> None:
    request = opened(worker, "/slow")
    frame = frames.encode(frames.WS_BINARY_IN, request, flags=frames.END)
    assert worker.channel is not None
    worker.channel.sendall(frame * (MAX_INPUT_BYTES // MESSAGE_COST_BYTES + 1))
    told = worker.expect(frames.LOG)
    assert told.count == frames.LEVEL_ERROR
    assert told.text().endswith(f"bytes of messages to request {request}")
    assert worker.frames_to_end() == []


ENDED = ", after sending 'websocket.close' or response already completed."
FIRST = "'websocket.accept', 'websocket.close' or 'websocket.http.response.start'"
BODY = "websocket.http.response.body"
LATER = "'websocket.send' or 'websocket.close'"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("send_first", f"RuntimeError: Expected ASGI message {FIRST}, but got 'websocket.send'."),
        ("unknown", f"RuntimeError: Expected ASGI message {FIRST}, but got 'websocket.unknown'."),
        (
            "accept_twice",
            f"RuntimeError: Expected ASGI message {LATER}, but got 'websocket.accept'.",
        ),
        (
            "body",
            f"RuntimeError: Expected ASGI message {LATER}, but got 'websocket.http.response.body'.",
        ),
        ("after_close", f"RuntimeError: Unexpected ASGI message 'websocket.send'{ENDED}"),
        (
            "accept_in_response",
            f"RuntimeError: Expected ASGI message '{BODY}', but got 'websocket.accept'.",
        ),
        ("nothing", "TypeError: websocket.send: the bytes are None, not bytes"),
        ("text", "TypeError: websocket.send: the text is bytes, not a str"),
        ("bytes", "TypeError: websocket.send: the bytes are a str, not bytes"),
        ("header", "TypeError: websocket.accept: the name of header 'a' is a str, not bytes"),
    ],
)
def test_raises_in_an_application_that_breaks_a_rule(worker: Worker, name: str, told: str) -> None:
    request = ask(worker, "/breaks", query=name)
    frame = worker.next_frame()
    while not (frame.kind == frames.FAULT or frame.is_end):
        frame = worker.next_frame()
    assert frame.request == request
    assert what_was_told(worker) == told
