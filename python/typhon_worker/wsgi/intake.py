"""Taking requests under WSGI: the leading thread reads pages, and runs each request itself.

A thread first tries to read. If the queue is empty it sleeps in an epoll, exclusively where the
kernel wakes one sleeper a write.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from typhon_worker.process.native import EPOLLEXCLUSIVE, EPOLLIN, allocate_lock, epoll
from typhon_worker.process.page_queue import Page, PageQueue
from typhon_worker.process.process_setup import move_high
from typhon_worker.process.worker_context import WorkerContext
from typhon_worker.wire import frames, pages

from .exchange import ThreadSlot, WsgiExchange
from .interrupt import Interrupter
from .leader_followers import LeaderFollowers
from .websocket import WebSocketExchange


class WsgiIntake:
    """Takes pages in the threads of `slots`; `serve` answers an exchange."""

    def __init__(
        self,
        context: WorkerContext,
        slots: list[ThreadSlot],
        interrupter: Interrupter,
        serve: Callable[[WsgiExchange], None],
    ) -> None:
        self.slots = slots
        self._channel = context.channel
        self._interrupter = interrupter
        self._serve = serve
        self._queue = PageQueue(
            context.queue_fd, context.cancels, context.channel, pages.WSGI_PAGES
        )
        self._threads = LeaderFollowers(slots, self._work, self._tell_stopped)
        # Locked until TAKE or STOP has come.
        self._may_begin = allocate_lock()
        self._may_begin.acquire()
        # Readable from the moment when taking stops.
        self._stop_event = move_high(os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK))
        with epoll() as low:
            self._epoll = epoll.fromfd(move_high(os.dup(low.fileno())))
        exclusive = EPOLLEXCLUSIVE if context.is_exclusive else 0
        self._epoll.register(self._queue.fd, EPOLLIN | exclusive)
        self._epoll.register(self._stop_event, EPOLLIN)

    def run(self) -> None:
        """Takes from `take` to `stop`; returns when every request that was begun has ended."""
        self._may_begin.acquire()
        self._threads.run(self.slots[0])
        self._threads.join()

    # Called by the listener's thread.

    def find(self, request: int) -> WsgiExchange | None:
        """Returns the exchange with this id, if it runs here. Frames that need it are rare."""
        for slot in self.slots:
            exchange = slot.exchange
            if exchange is not None and exchange.request == request:
                return exchange
        return None

    def take(self) -> None:
        """Begins to take."""
        self._let_begin()

    def stop(self) -> None:
        """Stops taking: sleeping threads wake up, running requests are finished."""
        self._threads.stop()
        os.eventfd_write(self._stop_event, 1)
        self._let_begin()

    def take_record(self, exchange: WsgiExchange, names: bytes, values: bytes) -> None:
        """The record that did not fit into the page has come."""
        exchange.take_record(names, values)

    def take_cancel(self, exchange: WsgiExchange, count: int) -> None:
        """Nobody waits for the response any more; a passed deadline also interrupts."""
        if count == frames.HALF_CLOSED:
            # The client still reads the response, and WSGI has no way to tell the application.
            return
        exchange.take_cancel(count)
        if count == frames.DEADLINE:
            self._interrupter.interrupt(exchange.slot, exchange.request)

    def close_in_child(self) -> None:
        """In a forked child of the application: the child may not take."""
        os.close(self._stop_event)
        self._epoll.close()

    def _let_begin(self) -> None:
        if self._may_begin.locked():
            self._may_begin.release()

    def _tell_stopped(self) -> None:
        self._channel.send(frames.encode(frames.STOPPED))

    def _work(self, slot: ThreadSlot) -> None:
        try:
            self._take_while_leading(slot)
        except BaseException as error:
            # The thread must not just vanish with its request.
            self._queue.fail(error)

    # The hot path, measured by worker-hello.py.
    def _take_while_leading(self, slot: ThreadSlot) -> None:
        threads = self._threads
        serve = self._serve
        take = self._queue.take
        slot.bind_thread()
        while threads.leader is slot:
            slot.is_reading = True
            if threads.is_stopping:
                break
            try:
                page = take(slot)
            except BlockingIOError:
                page = self._wait_for_page(slot)
            if page is None:
                continue
            make = WebSocketExchange if page[1] & pages.WEBSOCKET_SOCKET else WsgiExchange
            exchange = slot.exchange = make(slot, *page)
            slot.is_reading = False
            if not threads.is_watched:
                threads.ensure_watcher()
            serve(exchange)
            # Frees what the request held before the thread sleeps.
            slot.exchange = None
            del exchange, page
        slot.is_reading = False
        if threads.is_stopping:
            threads.leave()

    # A thread that was woken reads, even if another one leads by now: the kernel has woken nobody
    # else. None: the page was no request, or taking stops.
    def _wait_for_page(self, slot: ThreadSlot) -> Page | None:
        while True:
            self._epoll.poll(-1, 2)
            if self._threads.is_stopping:
                return None
            try:
                return self._queue.take(slot)
            except BlockingIOError:
                # Another worker was faster.
                continue
