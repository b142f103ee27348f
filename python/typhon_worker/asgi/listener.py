"""Listening to the front in the loop of an ASGI worker.

The loop reads the channel. While the application keeps the loop's thread, the watchdog reads in its
place: the frames then wait here, in their order, until the loop is back.
"""

from __future__ import annotations

import os
from asyncio import AbstractEventLoop
from collections.abc import Callable

from typhon_worker.application.listener import FrontListener
from typhon_worker.process.channel import EXIT_CHANNEL_ENDED
from typhon_worker.process.native import MSG_DONTWAIT, allocate_lock, socket
from typhon_worker.process.worker_context import WorkerContext
from typhon_worker.wire import WireFault, frames

from .intake import AsgiIntake
from .websocket_exchange import WebSocketExchange

Frame = tuple[int, int, int, int, bytes]


class AsgiListener(FrontListener):
    """Reads the channel without blocking."""

    def __init__(
        self,
        context: WorkerContext,
        intake: AsgiIntake,
        loop: AbstractEventLoop,
        tell_stacks: Callable[[int], None],
    ) -> None:
        super().__init__(intake, context.ending, tell_stacks)
        self._channel = channel = context.channel
        self._running = intake.running
        self._loop = loop
        # A socket can be read without blocking, even if the other thread has read everything.
        self._socket = socket(fileno=channel.fd)
        self._decoder = frames.FrameDecoder()
        # Held while bytes are read and decoded, so that frames stay in their order.
        self._lock = allocate_lock()
        self._waiting: list[Frame] = []
        # How often the loop has read here: it does not change while the loop is blocked.
        self.visits = 0
        # The loop itself answers: a frame that the watchdog has read waits for the loop.
        self.handlers[frames.LOOP_ASKED] = lambda *_: channel.send(frames.encode(frames.LOOP_TOLD))
        self.handlers[frames.WS_TEXT_IN] = self._on_message
        self.handlers[frames.WS_BINARY_IN] = self._on_message
        self.handlers[frames.WS_CLOSED] = self._on_closed

    @property
    def is_behind(self) -> bool:
        """Whether frames wait for the loop."""
        return bool(self._waiting)

    def on_readable(self) -> None:
        """In the loop: reads and handles what has come."""
        self.visits += 1
        with self._lock:
            received = self._read()
            if self._waiting:
                received[:0] = self._waiting
                self._waiting = []
        self._handle(received)

    def read_for_loop(self) -> list[Frame]:
        """In the watchdog: reads frames and keeps them for the loop, except STACKS."""
        with self._lock:
            received = self._read()
            self._waiting += [frame for frame in received if frame[0] != frames.STACKS]
        if received:
            self._loop.call_soon_threadsafe(self._catch_up)
        return received

    def close_in_child(self) -> None:
        """In a forked child: forgets the descriptor, which is closed as the channel's."""
        self._socket.detach()

    def _catch_up(self) -> None:
        with self._lock:
            received, self._waiting = self._waiting, []
        self._handle(received)

    def _handle(self, received: list[Frame]) -> None:
        try:
            for frame in received:
                self.receive(*frame)
        except WireFault as fault:
            self._channel.broken(fault)

    # Called with the lock held. An incomplete frame waits in the decoder.
    def _read(self) -> list[Frame]:
        try:
            size = self._socket.recv_into(self._decoder.room, 0, MSG_DONTWAIT)
        except BlockingIOError:
            return []
        except OSError:
            size = 0
        if not size:
            os._exit(EXIT_CHANNEL_ENDED)
        try:
            return self._decoder.push(size)
        except WireFault as fault:
            self._channel.broken(fault)
        return []

    def _on_message(self, kind: int, flags: int, _count: int, request: int, payload: bytes) -> None:
        exchange = self._find_websocket(request)
        if exchange is not None:
            exchange.take_message(kind, payload, flags == frames.END)

    def _on_closed(self, _kind: int, flags: int, count: int, request: int, payload: bytes) -> None:
        exchange = self._find_websocket(request)
        if exchange is not None:
            exchange.take_close(count, payload, flags == frames.END)

    def _find_websocket(self, request: int) -> WebSocketExchange | None:
        exchange = self._running.get(request)
        if exchange is None or isinstance(exchange, WebSocketExchange):
            return exchange
        raise WireFault(f"a message for request {request}, which is no WebSocket")
