"""Taking pages: what is noted, what is not begun, and what ends the process."""

from __future__ import annotations

import errno
import os
import resource
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from messages import Frame, encode_page, frames_of, record
from typhon_worker.process import page_queue
from typhon_worker.process.channel import Channel
from typhon_worker.wire import WireFault, frames, pages


class Bench:
    """A queue in this process, with notes, cancels and a channel."""

    def __init__(self, folder: Path) -> None:
        self.front, worker = socket.socketpair()
        self.front.setblocking(False)
        self.channel = Channel(worker.detach())
        self.notes = page_queue.Notes(page_queue.create_notes(str(folder / "notes"), 2))
        self.cancels_fd = page_queue.create_cancels(str(folder / "cancels"))
        self.cancels = page_queue.Cancels(self.cancels_fd)
        reading, self.writing = os.pipe2(os.O_NONBLOCK)
        self.queue = page_queue.PageQueue(reading, self.cancels, self.channel, pages.WSGI_PAGES)
        self.slot = [page_queue.Slot(number, self.notes) for number in range(2)][1]
        self.slot.bind_thread()

    def put(self, request: int, flags: int = 0, latest: float = 0.0) -> None:
        names, values = (b"", b"") if flags else record()
        os.write(self.writing, encode_page(request, flags, names, values, latest=latest))

    def noted(self) -> int:
        request: int = struct.unpack_from("<Q", self.slot.memory, self.slot.at + pages.ID_AT)[0]
        return request

    def sent(self) -> list[Frame]:
        try:
            return frames_of(frames.FrameDecoder(), self.front.recv(65_536))
        except BlockingIOError:
            return []

    def close(self) -> None:
        self.notes.close()
        self.cancels.close()
        self.front.close()
        for fd in (self.channel.fd, self.cancels_fd, self.queue.fd, self.writing):
            os.close(fd)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def test_reads_a_page_into_its_slot_and_notes_second_and_thread(bench: Bench) -> None:
    before = time.monotonic()
    bench.put(7)
    page = bench.queue.take(bench.slot)
    assert page is not None
    request, flags, taken, names, values, body = page
    assert (request, flags, (names, values), body) == (7, 0, record(), b"")
    note_at = bench.slot.at + pages.PAGE_BYTES
    noted = pages.NOTE.unpack_from(bench.slot.memory, note_at)
    assert noted == (taken, threading.get_native_id(), threading.get_ident())
    assert before <= taken <= time.monotonic()
    assert bench.noted() == 7
    bench.slot.clear_note()
    assert bench.noted() == 0


def test_an_empty_queue_is_no_page(bench: Bench) -> None:
    with pytest.raises(BlockingIOError):
        bench.queue.take(bench.slot)


def test_reports_a_fence_and_clears_its_note(bench: Bench) -> None:
    bench.put(8, pages.FENCE_PAGE)
    assert bench.queue.take(bench.slot) is None
    assert [(frame.kind, frame.request) for frame in bench.sent()] == [(frames.FENCE, 8)]
    assert bench.noted() == 0


def test_does_not_begin_a_page_whose_latest_second_has_passed(bench: Bench) -> None:
    bench.put(9, latest=time.monotonic() - 1)
    bench.put(10, latest=time.monotonic() + 60)
    assert bench.queue.take(bench.slot) is None
    assert [(frame.kind, frame.request) for frame in bench.sent()] == [(frames.EXPIRED, 9)]
    assert bench.noted() == 0
    page = bench.queue.take(bench.slot)
    assert page is not None
    assert page[0] == 10


def test_does_not_begin_a_page_that_stands_in_the_cancels(bench: Bench) -> None:
    os.pwrite(bench.cancels_fd, struct.pack("<Q", 11), 11 * 8)
    bench.put(11)
    bench.put(11 + pages.CANCEL_SLOTS)
    assert bench.queue.take(bench.slot) is None
    assert [(frame.kind, frame.request) for frame in bench.sent()] == [(frames.EXPIRED, 11)]
    # Another id of the same slot.
    page = bench.queue.take(bench.slot)
    assert page is not None
    assert page[0] == 11 + pages.CANCEL_SLOTS


def test_refuses_a_page_that_is_none(bench: Bench) -> None:
    os.write(bench.writing, b"x" * 100)
    with pytest.raises(WireFault, match="100 bytes instead of a page"):
        bench.queue.take(bench.slot)
    os.write(bench.writing, bytes(pages.PAGE_BYTES))
    with pytest.raises(WireFault, match="magic 0x0"):
        bench.queue.take(bench.slot)


@pytest.mark.parametrize("flags", [pages.BODY_STREAMED, pages.WEBSOCKET, pages.WEBSOCKET | 8])
def test_refuses_a_page_of_the_other_interface_and_goes_on(bench: Bench, flags: int) -> None:
    bench.put(12, flags)
    assert bench.queue.take(bench.slot) is None
    sent = [(frame.kind, frame.request, frame.count) for frame in bench.sent()]
    assert sent == [(frames.EXPIRED, 12, frames.UNFIT)]
    assert bench.noted() == 0


def test_refuses_flags_that_no_interface_supports(bench: Bench) -> None:
    bench.put(12, pages.BODY_STREAMED | pages.WEBSOCKET)
    with pytest.raises(WireFault, match="flags 0x60"):
        bench.queue.take(bench.slot)


def test_notes_grow_with_the_slots_and_have_their_room_before_it_is_used(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    fd = page_queue.create_notes(str(path), 1)
    first = page_queue.FIRST_SLOTS
    assert path.stat().st_size == first * pages.SLOT_BYTES
    notes = page_queue.Notes(fd)
    slots = [page_queue.Slot(number, notes) for number in range(4 * first)]
    assert path.stat().st_size == 4 * first * pages.SLOT_BYTES
    assert path.stat().st_blocks * 512 >= path.stat().st_size
    for number, slot in enumerate(slots, 1):
        struct.pack_into("<Q", slot.memory, slot.at + pages.ID_AT, number)
    written = path.read_bytes()
    starts = range(0, len(written), pages.SLOT_BYTES)
    assert [struct.unpack_from("<Q", written, at + pages.ID_AT)[0] for at in starts] == [
        *range(1, 4 * first + 1)
    ]
    notes.close()


def test_notes_that_cannot_grow_are_an_error_and_keep_what_they_have(tmp_path: Path) -> None:
    first = page_queue.FIRST_SLOTS
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (first * pages.SLOT_BYTES, most))
    try:
        with pytest.raises(OSError, match="notes") as raised:
            page_queue.create_notes(str(tmp_path / "notes"), first + 1)
        assert raised.value.errno == errno.EFBIG
        notes = page_queue.Notes(page_queue.create_notes(str(tmp_path / "fewer"), first))
        slots = [page_queue.Slot(number, notes) for number in range(first)]
        with pytest.raises(OSError, match="File too large"):
            page_queue.Slot(first, notes)
        slots[-1].clear_note()
        notes.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
