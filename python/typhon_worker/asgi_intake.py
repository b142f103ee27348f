"""Taking requests from the queue inside an event loop, and running each as a task.

Each request has a slot of the notes, which its page is read into, until the application has
returned. A task begins at once, inside of the turn that has taken the page, so that an application
that waits for nothing is done before the next page is read. Knows pages and tasks; what a request
means is the exchange's.
"""

from __future__ import annotations

import os
import time
from asyncio import current_task
from contextvars import copy_context
from threading import get_ident, get_native_id

from .asgi_http import HttpExchange
from .asgi_outbox import Outbox, Slot
from .channel import EXIT_CHANNEL_ENDED, LEVEL_ERROR
from .faults import describe
from .websocket import WebSocketExchange
from .wire import (
    ASGI_PAGES,
    CANCEL_SLOTS,
    EXPIRED,
    FENCE,
    FENCE_PAGE,
    HALF_CLOSED,
    NOTE,
    PAGE_BYTES,
    PAGE_HEADER_BYTES,
    RECORD_ON_CHANNEL,
    STOPPED,
    TAKEN,
    WEBSOCKET,
    WireFault,
    decode_page,
    encode_frame,
    encode_ids,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Task
    from collections.abc import Callable, Coroutine
    from typing import Any

    from .channel import Channel
    from .notes import Notes

    Start = Callable[[Coroutine[Any, Any, None]], Task[None]]
    Serve = Callable[[HttpExchange], Coroutine[Any, Any, None]]

# Pages taken in one turn of the loop: more keep what already runs from going on, fewer cost a turn.
MAX_PAGES_A_TURN = 4
# As long as no more run, the front need not know which: they are about to end.
QUIET_REQUESTS = 8
# What the front holds it hands over at once; longer means that it has forgotten this request.
MAX_FETCH_SECONDS = 30.0

_readv = os.readv
_monotonic = time.monotonic
_note = NOTE.pack_into
_LAST_SLOT = CANCEL_SLOTS - 1


class AsgiIntake:
    """Takes pages and runs them: `serve` answers an exchange, and `start` makes a task of that."""

    def __init__(
        self,
        queue: int,
        notes: Notes,
        cancels: memoryview,
        channel: Channel,
        loop: AbstractEventLoop,
        concurrency: int,
    ) -> None:
        self._queue = queue
        self._notes = notes
        self._cancels = cancels
        self._channel = channel
        self._loop = loop
        self._concurrency = concurrency
        self._thread = (get_native_id(), get_ident())
        self._outbox = Outbox(channel, loop)
        self._free: list[Slot] = []
        # Free when the answers of this turn have gone.
        self._soon_free: list[Slot] = []
        self._slots = 0
        # Requests that were not done when they had begun, and those of them that were not told.
        self.running: dict[int, HttpExchange] = {}
        self._untold: dict[int, None] = {}
        # The one that is being begun.
        self.current: HttpExchange | None = None
        # "not yet", "on", "full" while `concurrency` requests run, "stopped".
        self.taking = "not yet"
        # A reader keeps the context that it is added in: never that of a request.
        self._context = copy_context()
        self._serve: Serve
        self._start: Start

    @property
    def is_done(self) -> bool:
        """Whether taking has stopped and everything that was begun has ended."""
        return self.taking == "stopped" and not self.running

    def prepare(self, serve: Serve, start: Start) -> None:
        """Says how requests are answered, before the first one is taken."""
        self._serve = serve
        self._start = start

    def take(self) -> None:
        """Begins to take."""
        if self.taking == "not yet":
            self._resume()

    def stop(self) -> None:
        """Takes no more, and says so; the loop stops when everything that was begun has ended."""
        if self.taking == "stopped":
            return
        if self.taking == "on":
            self._loop.remove_reader(self._queue)
        self.taking = "stopped"
        self._outbox.send(encode_frame(STOPPED))
        self._stop_loop_when_done()

    def find_current(self) -> HttpExchange | None:
        """The exchange whose task the loop runs just now; any thread may ask."""
        if self.current is not None:
            return self.current
        task = current_task(self._loop)
        for exchange in list(self.running.values()):
            if exchange.task is task and task is not None:
                return exchange
        return None

    def take_record(self, exchange: HttpExchange, names: bytes, values: bytes) -> None:
        """The record has come that did not fit into the page. Raises WireFault."""
        if exchange.timer is None or exchange.task is not None:
            raise WireFault(f"a RECORD frame that request {exchange.request} has no use for")
        exchange.timer.cancel()
        exchange.timer = None
        exchange.names, exchange.values = names, values
        self.begin(exchange)

    def take_cancel(self, exchange: HttpExchange, count: int) -> None:
        """Nobody waits for this request any more, or its client sends nothing more."""
        if exchange.task is None and count != HALF_CLOSED:
            # Its record has not come, and is not needed any more.
            exchange.give_up()
            self.ended(exchange)
        else:
            exchange.take_cancel(count)

    def begin(self, exchange: HttpExchange) -> None:
        """Runs an exchange whose record is there."""
        self.current = exchange
        task = self._start(self._serve(exchange))
        self.current = None
        if not task.done():
            exchange.task = task
            self.running[exchange.request] = exchange
            self._untold[exchange.request] = None

    def ended(self, exchange: HttpExchange) -> None:
        """The application has returned, and the last frame has been sent."""
        if exchange.timer is not None or exchange.file is not None:
            exchange.release()
        self._soon_free.append(exchange.slot)
        if self.running.pop(exchange.request, None) is None:
            return
        self._untold.pop(exchange.request, None)
        if self.taking == "full":
            self._resume()
        elif self.taking == "stopped":
            self._stop_loop_when_done()

    def _resume(self) -> None:
        self.taking = "on"
        self._context.run(self._loop.add_reader, self._queue, self._on_pages)

    def _stop_loop_when_done(self) -> None:
        if self.is_done:
            self._outbox.flush()
            self._loop.stop()

    def _on_pages(self) -> None:
        try:
            try:
                self._take_some()
            finally:
                self._outbox.flush()
        except WireFault as fault:
            self._channel.poisoned(f"the queue carried {fault}")
        except BaseException as error:
            # A fault of ours, which would come again at each turn.
            self._channel.log(LEVEL_ERROR, f"the worker failed: {describe(error, is_ours=True)}")
            os._exit(EXIT_CHANNEL_ENDED)

    # The hot path.
    def _take_some(self) -> None:
        running = self.running
        outbox = self._outbox
        outbox.flush()
        free = self._free
        free += self._soon_free
        self._soon_free.clear()
        queue = self._queue
        memory = self._notes.memory
        cancels = self._cancels
        native, ident = self._thread
        for _ in range(MAX_PAGES_A_TURN):
            if len(running) >= self._concurrency:
                self.taking = "full"
                self._loop.remove_reader(self._queue)
                break
            slot = free.pop() if free else self._find_slot()
            try:
                size = _readv(queue, slot.page)
            except BlockingIOError:
                free.append(slot)
                break
            taken = _monotonic()
            at = slot.at
            _note(memory, at + PAGE_BYTES, taken, native, ident)
            if size != PAGE_BYTES:
                self._end_of_queue(size)
            request, flags, latest, names_end, values_end, body_end = decode_page(
                memory, at, ASGI_PAGES
            )
            if (
                flags == FENCE_PAGE
                or 0.0 < latest < taken
                or cancels[request & _LAST_SLOT] == request
            ):
                self._channel.send(encode_frame(FENCE if flags == FENCE_PAGE else EXPIRED, request))
                slot.clear_note()
                free.append(slot)
                continue
            outbox.hold(taken)
            make = WebSocketExchange if flags & WEBSOCKET else HttpExchange
            exchange = make(
                slot,
                request,
                flags,
                taken,
                memory[at + PAGE_HEADER_BYTES : names_end],
                memory[names_end:values_end],
                memory[values_end:body_end],
            )
            if flags & RECORD_ON_CHANNEL:
                self._wait_for_record(exchange)
            else:
                self.begin(exchange)
        if self._untold and len(running) > QUIET_REQUESTS:
            outbox.send(encode_frame(TAKEN, 0, encode_ids(self._untold)))
            self._untold.clear()

    def _find_slot(self) -> Slot:
        number = self._slots
        if number == self._concurrency:
            self._outbox.flush()
            self._free += self._soon_free
            self._soon_free.clear()
            return self._free.pop()
        self._slots += 1
        return Slot(number, self._notes, self._outbox, self._loop)

    # Frames that come for it find it among the running ones.
    def _wait_for_record(self, exchange: HttpExchange) -> None:
        self.running[exchange.request] = exchange
        self._untold[exchange.request] = None
        exchange.fetch()
        exchange.timer = self._loop.call_later(MAX_FETCH_SECONDS, self._forget, exchange)

    def _forget(self, exchange: HttpExchange) -> None:
        exchange.send_fault("the head of the request did not come")
        self.ended(exchange)

    def _end_of_queue(self, size: int) -> None:
        if size == 0:
            # Nobody is left who could write: the front is gone.
            os._exit(EXIT_CHANNEL_ENDED)
        raise WireFault(f"{size} bytes instead of a page")
