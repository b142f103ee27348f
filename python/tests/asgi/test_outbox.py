"""What goes to the front at once, and what waits for the end of a turn of the loop."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from messages import frames_of
from typhon_worker.asgi import outbox as outbox_module
from typhon_worker.asgi.outbox import Outbox
from typhon_worker.process.channel import Channel
from typhon_worker.wire import frames


class Slot:
    """A slot that tells whether it is noted."""

    def __init__(self) -> None:
        self.is_noted = True

    def clear_note(self) -> None:
        self.is_noted = False


class Wire:
    """A channel whose other end is looked at without waiting; one read is one write."""

    def __init__(self) -> None:
        # Packets keep the borders of writes.
        self.front, worker = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.front.setblocking(False)
        self.channel = Channel(worker.detach())

    def read(self) -> list[int]:
        """The ids of the frames in the next write; none: nothing has been written."""
        try:
            chunk = self.front.recv(1 << 20)
        except BlockingIOError:
            return []
        return [frame.request for frame in frames_of(frames.FrameDecoder(), chunk)]


@pytest.fixture
def line() -> Iterator[Wire]:
    line = Wire()
    yield line
    line.channel.close_in_child()
    line.front.close()


def frame(request: int, size: int = 5) -> bytes:
    return frames.encode(frames.BODY, request, b"x" * size)


def in_turn(line: Wire, work: Callable[[Any], object]) -> Outbox:
    """Runs `work` in one turn of a loop, and the loop until nothing is left to do."""
    loop = asyncio.new_event_loop()
    outbox = Outbox(line.channel, loop)

    async def run() -> None:
        work(outbox)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    loop.run_until_complete(run())
    loop.close()
    return outbox


def test_the_first_goes_at_once_and_the_rest_of_the_turn_in_one_write(line: Wire) -> None:
    seen = []

    def work(outbox: Outbox) -> None:
        for request in (1, 2, 3):
            outbox.send(frame(request))
        seen.append(line.read())
        seen.append(line.read())

    in_turn(line, work)
    assert seen == [[1], []]
    assert line.read() == [2, 3]
    assert line.read() == []


def test_a_request_stays_noted_until_its_last_frame_is_written(line: Wire) -> None:
    first, second = Slot(), Slot()
    noted = []

    def work(outbox: Any) -> None:
        outbox.send_last(frame(1), first)
        outbox.send_last(frame(2), second)
        noted.append((first.is_noted, second.is_noted))

    in_turn(line, work)
    assert noted == [(False, True)]
    assert not second.is_noted
    assert (line.read(), line.read()) == ([1], [2])


def test_what_may_wait_waits_for_whoever_holds_it(line: Wire) -> None:
    slots = [Slot(), Slot()]

    def work(outbox: Any) -> None:
        for number, slot in enumerate(slots):
            outbox.hold(time.monotonic())
            outbox.send_last(frame(number), slot)
        assert line.read() == []
        outbox.flush()

    in_turn(line, work)
    assert line.read() == [0, 1]
    assert not any(slot.is_noted for slot in slots)


def test_keeps_the_order_of_large_and_small(line: Wire) -> None:
    large = memoryview(bytes(50_000))

    def work(outbox: Outbox) -> None:
        outbox.send(frame(1))
        outbox.send(frame(2))
        outbox.send_body(frames.BODY, 3, large, 0)
        outbox.send(frame(4, outbox_module.MAX_HELD_BYTES))
        outbox.send(frame(5))
        outbox.log(2, "text", 6)
        outbox.send(frame(7))

    in_turn(line, work)
    written = [line.read() for _ in range(7)]
    assert [request for ids in written for request in ids] == [1, 2, 3, 4, 5, 6, 7]
    assert line.read() == []


def test_where_the_loop_is_kept_nothing_waits_for_a_while(line: Wire) -> None:
    kept = outbox_module.LATE_SECONDS * 2

    def work(outbox: Outbox) -> None:
        outbox.send(frame(1))
        outbox.send(frame(2))
        time.sleep(kept)
        # It has waited long enough.
        outbox.send(frame(3))
        assert (line.read(), line.read()) == ([1], [2, 3])
        for request in (4, 5):
            outbox.send(frame(request))
            assert line.read() == [request]

    in_turn(line, work)
