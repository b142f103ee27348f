"""The life of a worker whose application speaks WSGI, from the import to its end.

    warm-up ─▶ READY ─▶ (TAKE) taking ─▶ (STOP) STOPPED

Threads take and run requests; one more hears the front, and frames are told apart there.
"""

from __future__ import annotations

import sys
from threading import Event, Thread

from . import surroundings
from .channel import encode_text
from .intake import Intake
from .interrupt import Interrupter
from .stacks import describe_threads
from .warmup import warm_up
from .wire import (
    CANCEL,
    CREDIT,
    DEADLINE,
    END,
    HALF_CLOSED,
    INPUT,
    READY,
    RECORD,
    STACKS,
    STACKS_TOLD,
    STOP,
    TAKE,
    WS_SOCKET_DONE,
    WireFault,
    decode_credit,
    decode_record,
    encode_frame,
)
from .wsgi import CALLERS, Answer, WsgiServer
from .wsgi_websocket import Sockets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .channel import Channel
    from .outfit import Outfit


def run_wsgi(app: Callable[..., Any], outfit: Outfit) -> None:
    """Serves the application until STOP."""
    settings, channel = outfit.settings, outfit.channel
    intake = Intake(
        outfit.queue,
        outfit.notes,
        outfit.cancels.slots,
        channel,
        settings.threads,
        outfit.is_exclusive,
    )
    interrupter = Interrupter(channel, intake.seats, CALLERS)
    surroundings.close_in_children(intake.close_in_child)
    surroundings.close_in_children(interrupter.close_in_child)
    sockets = Sockets(outfit.base)
    surroundings.close_in_children(sockets.close_in_child)
    server = WsgiServer(app, settings, sys.stderr, sockets)
    warm_up(server, intake.seats[0], settings.warmup)
    may_take = Event()
    listener = Listener(channel, intake, interrupter, sockets, may_take)
    Thread(target=listener.run, name="typhon-channel", daemon=True).start()
    channel.send(encode_frame(READY, 0, b'{"interface":"wsgi"}'))
    may_take.wait()
    intake.run(Answer, server.serve)


class Listener:
    """Hears the front: one thread, which never waits for the application."""

    def __init__(
        self,
        channel: Channel,
        intake: Intake,
        interrupter: Interrupter,
        sockets: Sockets,
        may_take: Event,
    ) -> None:
        self._channel = channel
        self._intake = intake
        self._interrupter = interrupter
        self._sockets = sockets
        self._may_take = may_take
        self._meanings: dict[int, Callable[[int, int, int, bytes], None]] = {
            TAKE: self._on_take,
            STOP: self._on_stop,
            RECORD: self._on_record,
            INPUT: self._on_input,
            CREDIT: self._on_credit,
            CANCEL: self._on_cancel,
            STACKS: self._on_stacks,
            WS_SOCKET_DONE: self._on_socket_done,
        }

    def run(self) -> None:
        """Never returns: the channel's end is the worker's."""
        self._channel.listen(self._on_frame)

    def _on_frame(self, kind: int, flags: int, count: int, request: int, payload: bytes) -> None:
        meaning = self._meanings.get(kind)
        if meaning is None:
            raise WireFault(f"a frame of type {kind:#x}")
        meaning(request, flags, count, payload)

    def _on_take(self, _request: int, _flags: int, _count: int, _payload: bytes) -> None:
        self._may_take.set()

    def _on_stop(self, _request: int, _flags: int, _count: int, _payload: bytes) -> None:
        self._intake.stop()
        self._may_take.set()

    # About a request that has ended here, nothing needs to be known.

    def _on_record(self, request: int, _flags: int, _count: int, payload: bytes) -> None:
        names, values = decode_record(payload)
        with self._intake.news:
            exchange = self._intake.find(request)
            if exchange is not None:
                exchange.record = names, values.decode("latin-1")
                self._intake.news.notify_all()

    def _on_input(self, request: int, flags: int, _count: int, payload: bytes) -> None:
        with self._intake.news:
            exchange = self._intake.find(request)
            if exchange is not None:
                exchange.take_input(payload, flags == END)
                self._intake.news.notify_all()

    def _on_credit(self, request: int, _flags: int, _count: int, payload: bytes) -> None:
        credit = decode_credit(payload)
        with self._intake.news:
            exchange = self._intake.find(request)
            if exchange is not None:
                exchange.take_credit(credit)
                self._intake.news.notify_all()

    def _on_cancel(self, request: int, _flags: int, count: int, _payload: bytes) -> None:
        if count == HALF_CLOSED:
            # Who waits for the answer sends nothing more; a WSGI application cannot be told so.
            return
        with self._intake.news:
            exchange = self._intake.find(request)
            if exchange is None:
                return
            exchange.is_cancelled = True
            self._intake.news.notify_all()
        if count == DEADLINE:
            self._interrupter.interrupt(exchange.seat, request)

    def _on_socket_done(self, request: int, _flags: int, _count: int, _payload: bytes) -> None:
        self._sockets.done(request)

    def _on_stacks(self, _request: int, _flags: int, _count: int, _payload: bytes) -> None:
        with self._interrupter.pause:
            told = describe_threads({seat.thread: seat.exchange for seat in self._intake.seats})
        self._channel.send(encode_frame(STACKS_TOLD, 0, encode_text(told)))
