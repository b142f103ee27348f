"""Taking requests under ASGI: the loop reads the queue, and each request becomes a task.

Each request has a slot of the notes, until the application has returned and the last frame has been
written. Everything happens in the loop's thread, except `find_current`.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, Task, current_task
from collections.abc import Callable, Coroutine
from contextvars import copy_context

from typhon_worker.application.exchange import MAX_FETCH_SECONDS
from typhon_worker.process.page_queue import PageQueue
from typhon_worker.process.worker_context import WorkerContext
from typhon_worker.wire import WireFault, frames, pages

from .http_exchange import HttpExchange
from .outbox import Outbox, TaskSlot
from .websocket_exchange import WebSocketExchange

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Start = Callable[[Coroutine[Any, Any, None]], Task[None]]
    Serve = Callable[[HttpExchange], Coroutine[Any, Any, None]]

# Pages taken in one turn of the loop: more would delay the tasks that run already, fewer would cost
# more turns.
MAX_PAGES_A_TURN = 4
# Up to so many running requests the front is not told which they are: they are about to end.
QUIET_REQUESTS = 8


class AsgiIntake:
    """Takes pages and runs them: `serve` answers an exchange, `start` makes a task of that."""

    def __init__(self, context: WorkerContext, loop: AbstractEventLoop) -> None:
        self._notes = context.notes
        self._channel = context.channel
        self._loop = loop
        settings = context.settings
        self._concurrency = settings.concurrency
        self._slot_limit = settings.asgi_slots
        self._abandon_seconds = settings.abandon_seconds
        self._cancels_at_once = settings.cancel_on_disconnect
        self._queue = PageQueue(
            context.queue_fd, context.cancels, context.channel, pages.ASGI_PAGES
        )
        self._outbox = Outbox(context.channel, loop)
        self._free: list[TaskSlot] = []
        # Slots that become free when the responses of this turn have been written.
        self._soon_free: list[TaskSlot] = []
        self._slots = 0
        # Requests that did not end in their first step, and those of them that the front has not
        # been told of.
        self.running: dict[int, HttpExchange] = {}
        self._untold: dict[int, None] = {}
        # Those of them that nobody waits for any more, the oldest first. They leave their places to
        # others, so that more than `concurrency` may run.
        self._abandoned: dict[int, HttpExchange] = {}
        # WebSockets that were accepted and have not ended. They need neither a slot nor a place:
        # the front limits them.
        self._open = 0
        self._places = self._concurrency
        # The exchange whose first step runs.
        self._current: HttpExchange | None = None
        # "not yet", "on", "full" while all places are taken, "stopped".
        self.taking = "not yet"
        # A reader keeps the context in which it is added, which must not be a request's.
        self._context = copy_context()
        self._serve: Serve
        self._start: Start

    @property
    def is_done(self) -> bool:
        """Whether taking has stopped and every request that was begun has ended."""
        return self.taking == "stopped" and not self.running

    def prepare(self, serve: Serve, start: Start) -> None:
        """Says how requests are run, before the first one is taken."""
        self._serve = serve
        self._start = start

    # What the front says.

    def find(self, request: int) -> HttpExchange | None:
        """Returns the exchange with this id, if it runs here."""
        return self.running.get(request)

    def take(self) -> None:
        """Begins to take."""
        if self.taking == "not yet":
            self._resume()

    def stop(self) -> None:
        """Stops taking and says so. The loop stops when every request that was begun has ended."""
        if self.taking == "stopped":
            return
        if self.taking == "on":
            self._loop.remove_reader(self._queue.fd)
        self.taking = "stopped"
        self._outbox.send(frames.encode(frames.STOPPED))
        self._stop_loop_when_done()

    def take_record(self, exchange: HttpExchange, names: bytes, values: bytes) -> None:
        """Begins a request whose record did not fit into the page. Raises WireFault."""
        if exchange.timer is None or exchange.task is not None:
            raise WireFault(f"a RECORD frame that request {exchange.request} has no use for")
        exchange.timer.cancel()
        exchange.timer = None
        exchange.names, exchange.values = names, values
        self._begin(exchange)

    def take_cancel(self, exchange: HttpExchange, count: int) -> None:
        """A CANCEL has come."""
        if exchange.task is None and count != frames.HALF_CLOSED:
            # The record has not come, and is no longer needed.
            exchange.give_up()
            self.on_ended(exchange)
        else:
            exchange.take_cancel(count)

    # Exchanges.

    def abandon(self, exchange: HttpExchange) -> None:
        """Nobody waits for this response any more.

        The application may come to its end in its own time, within a limit. There are at most as
        many such exchanges as running ones: at the limit the oldest is cancelled, and one that does
        not end then keeps its place. An accepted WebSocket has no place, and thousands may lose
        their clients at the same moment.
        """
        if exchange.slot.is_noted:
            self._leave_place(exchange)
        # A WebSocket's end is a message that its application waits for.
        if self._cancels_at_once and not isinstance(exchange, WebSocketExchange):
            exchange.cancel_task()
        elif self._abandon_seconds:
            exchange.timer = self._loop.call_later(self._abandon_seconds, exchange.cancel_task)

    def _leave_place(self, exchange: HttpExchange) -> None:
        abandoned = self._abandoned
        if len(abandoned) >= self._concurrency:
            uncancelled = (one for one in abandoned.values() if not one.is_task_cancelled)
            oldest = next(uncancelled, None)
            if oldest is not None:
                oldest.cancel_task()
        abandoned[exchange.request] = exchange
        self._count_places()

    def _on_accepted(self, exchange: HttpExchange, slot: TaskSlot) -> None:
        self._soon_free.append(slot)
        self._untold.pop(exchange.request, None)
        self._open += 1
        self._count_places()

    def _count_places(self) -> None:
        abandoned = min(len(self._abandoned), self._concurrency)
        self._places = self._concurrency + abandoned + self._open
        if self.taking == "full":
            self._resume()

    def find_current(self) -> HttpExchange | None:
        """Returns the exchange whose task runs at this moment; any thread may ask."""
        if self._current is not None:
            return self._current
        task = current_task(self._loop)
        for exchange in list(self.running.values()):
            if exchange.task is task and task is not None:
                return exchange
        return None

    def on_ended(self, exchange: HttpExchange) -> None:
        """The application has returned, and the last frame has been sent."""
        if exchange.timer is not None or exchange.file is not None:
            exchange.release()
        slot = exchange.slot
        if slot.is_noted:
            self._soon_free.append(slot)
        else:
            self._open -= 1
            self._count_places()
        if self.running.pop(exchange.request, None) is None:
            return
        self._untold.pop(exchange.request, None)
        if self._abandoned and self._abandoned.pop(exchange.request, None) is not None:
            self._count_places()
        if self.taking == "full":
            self._resume()
        elif self.taking == "stopped":
            self._stop_loop_when_done()

    def _begin(self, exchange: HttpExchange) -> None:
        self._current = exchange
        task = self._start(self._serve(exchange))
        self._current = None
        if not task.done():
            exchange.task = task
            self.running[exchange.request] = exchange
            if exchange.slot.is_noted:
                self._untold[exchange.request] = None

    def _resume(self) -> None:
        self.taking = "on"
        self._context.run(self._loop.add_reader, self._queue.fd, self._on_pages)

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
        except BaseException as error:
            # A fault of the server would come again at each turn.
            self._queue.fail(error)

    # The hot path.
    def _take_some(self) -> None:
        running = self.running
        outbox = self._outbox
        outbox.flush()
        free = self._free
        free += self._soon_free
        self._soon_free.clear()
        take = self._queue.take
        for _ in range(MAX_PAGES_A_TURN):
            if len(running) >= self._places:
                self.taking = "full"
                self._loop.remove_reader(self._queue.fd)
                break
            slot = free.pop() if free else self._find_slot()
            if slot is None:
                continue
            try:
                page = take(slot)
            except BlockingIOError:
                free.append(slot)
                break
            if page is None:
                free.append(slot)
                continue
            _, flags, taken, _, _, _ = page
            outbox.hold(taken)
            make = WebSocketExchange if flags & pages.WEBSOCKET else HttpExchange
            exchange = make(slot, *page)
            if flags & pages.RECORD_ON_CHANNEL:
                self._wait_for_record(exchange)
            else:
                self._begin(exchange)
        if self._untold and len(running) - self._open > QUIET_REQUESTS:
            outbox.send(frames.encode(frames.TAKEN, 0, frames.encode_ids(self._untold)))
            self._untold.clear()

    # None: the notes cannot grow, and this worker runs fewer requests at once from now on.
    def _find_slot(self) -> TaskSlot | None:
        number = self._slots
        if number == self._slot_limit:
            self._outbox.flush()
            self._free += self._soon_free
            self._soon_free.clear()
            return self._free.pop()
        try:
            slot = TaskSlot(
                number, self._notes, self._outbox, self._loop, self.abandon, self._on_accepted
            )
        except OSError as error:
            if not number:
                raise
            # Half of the slots are for requests that nobody waits for any more.
            self._slot_limit = number
            self._concurrency = number // 2
            self._count_places()
            text = (
                f"the notes of this worker cannot grow ({error.strerror}): "
                f"it runs at most {self._concurrency} requests at once"
            )
            self._channel.log(frames.LEVEL_WARNING, text)
            return None
        self._slots += 1
        return slot

    # Counts the request among the running ones, so that frames find it.
    def _wait_for_record(self, exchange: HttpExchange) -> None:
        self.running[exchange.request] = exchange
        self._untold[exchange.request] = None
        exchange.fetch()
        exchange.timer = self._loop.call_later(
            MAX_FETCH_SECONDS, self._fail_without_record, exchange
        )

    def _fail_without_record(self, exchange: HttpExchange) -> None:
        exchange.send_fault("the head of the request did not come")
        self.on_ended(exchange)
