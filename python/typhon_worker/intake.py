"""Taking requests from the queue: one page a read, straight into the slot that notes it.

The queue is a pipe that all workers of the application read; the kernel gives each page to one that
is free. A thread first tries to read, and only when there is nothing waits in an epoll, exclusively
where the kernel wakes one sleeper a write. Knows pages and threads; what a request means is the
interface's.
"""

from __future__ import annotations

import os
import select
import time
from threading import Condition, get_ident, get_native_id

from .channel import EXIT_CHANNEL_ENDED, LEVEL_ERROR
from .exchange import Exchange
from .faults import describe
from .gate import Gate, Seat
from .wire import (
    CANCEL_SLOTS,
    EXPIRED,
    FENCE,
    FENCE_PAGE,
    NOTE,
    PAGE_BYTES,
    PAGE_HEADER_BYTES,
    SLOT_BYTES,
    STOPPED,
    WireFault,
    decode_page,
    encode_frame,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from .channel import Channel
    from .notes import Notes

    E = TypeVar("E", bound=Exchange)


class Intake:
    """Takes pages and runs them: `make` makes the exchange of an interface, `serve` answers it.

    `queue` is a non-blocking descriptor of its own for the reading end of the pipe; `cancels` are
    the slots of ids that nobody waits for.
    """

    def __init__(
        self,
        queue: int,
        notes: Notes,
        cancels: memoryview,
        channel: Channel,
        threads: int,
        is_exclusive: bool,
    ) -> None:
        self._queue = queue
        self._memory = notes.memory
        self._cancels = cancels
        self._channel = channel
        self.news = Condition()
        self.seats = [Seat(slot, notes, channel, self.news) for slot in range(threads)]
        self.gate = Gate(self.seats, self._take, self._say_stopped)
        self._serve: Callable[[Any], None] | None = None
        self._make: type[Exchange] = Exchange
        # Readable from the moment when taking stops.
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._sleep = select.epoll()
        self._sleep.register(queue, select.EPOLLIN | (select.EPOLLEXCLUSIVE if is_exclusive else 0))
        self._sleep.register(self._bell, select.EPOLLIN)

    def run(self, make: type[E], serve: Callable[[E], None]) -> None:
        """Takes until `stop`, and returns when everything that was begun is answered."""
        self._make = make
        self._serve = serve
        self.gate.run(self.seats[0])
        self.gate.join()

    def stop(self) -> None:
        """Takes no more: who sleeps wakes, who runs a request finishes it."""
        self.gate.stop()
        os.eventfd_write(self._bell, 1)

    def find(self, request: int) -> Exchange | None:
        """The exchange with this id, if it runs here. Frames that ask for it are rare."""
        for seat in self.seats:
            exchange = seat.exchange
            if exchange is not None and exchange.request == request:
                return exchange
        return None

    def close_in_child(self) -> None:
        """In a child of the application: it may not take."""
        os.close(self._bell)
        self._sleep.close()

    def _say_stopped(self) -> None:
        self._channel.send(encode_frame(STOPPED))

    def _take(self, seat: Seat) -> None:
        try:
            self._take_while_it_may(seat)
        except WireFault as fault:
            self._channel.poisoned(f"the queue carried {fault}")
        except BaseException as error:
            # A fault of ours in a thread that must not just vanish with its request.
            self._channel.log(LEVEL_ERROR, f"the worker failed: {describe(error, is_ours=True)}")
            os._exit(EXIT_CHANNEL_ENDED)

    # The hot path: what is looked up here is looked up once a request (worker-hello.py).
    def _take_while_it_may(self, seat: Seat) -> None:
        gate = self.gate
        serve = self._serve
        make = self._make
        memory = self._memory
        cancels = self._cancels
        last_slot = CANCEL_SLOTS - 1
        queue = self._queue
        page = (seat.page,)
        at = seat.slot * SLOT_BYTES
        names_at = at + PAGE_HEADER_BYTES
        note_at = at + PAGE_BYTES
        thread = get_native_id()
        ident = seat.thread = get_ident()
        note = NOTE.pack_into
        readv = os.readv
        monotonic = time.monotonic
        assert serve is not None
        while gate.taker is seat:
            seat.is_reading = True
            if gate.is_stopping:
                break
            try:
                size = readv(queue, page)
            except BlockingIOError:
                size = self._wait(page)
                if size < 0:
                    break
            taken = monotonic()
            note(memory, note_at, taken, thread, ident)
            if size != PAGE_BYTES:
                self._end_of_queue(size)
            request, flags, latest, names_end, values_end, body_end = decode_page(memory, at)
            if (
                flags == FENCE_PAGE
                or 0.0 < latest < taken
                or cancels[request & last_slot] == request
            ):
                self._channel.send(encode_frame(FENCE if flags == FENCE_PAGE else EXPIRED, request))
                seat.clear_note()
                continue
            exchange = seat.exchange = make(
                seat,
                request,
                flags,
                taken,
                memory[names_at:names_end],
                memory[names_end:values_end].decode("latin-1"),
                memory[values_end:body_end],
            )
            seat.is_reading = False
            if not gate.is_watched:
                gate.attend()
            serve(exchange)
            # What a request held is freed before the thread sleeps.
            seat.exchange = None
            del exchange
        seat.is_reading = False
        if gate.is_stopping:
            gate.leave()

    # Who was woken reads, whoever else takes by now: the kernel has woken nobody else.
    def _wait(self, page: tuple[memoryview]) -> int:
        while True:
            self._sleep.poll(-1, 2)
            if self.gate.is_stopping:
                return -1
            try:
                return os.readv(self._queue, page)
            except BlockingIOError:
                # Another worker was faster.
                continue

    def _end_of_queue(self, size: int) -> None:
        if size == 0:
            # Nobody is left who could write: the front is gone.
            os._exit(EXIT_CHANNEL_ENDED)
        raise WireFault(f"{size} bytes instead of a page")
