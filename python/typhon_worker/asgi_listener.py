"""Hearing the front in the loop of an ASGI worker.

The loop reads the channel. When it does not, because the application keeps its thread, the watchdog
reads in its place: then frames wait here, in their order, until the loop is back.
"""

from __future__ import annotations

import os
import socket
from _thread import allocate_lock

from .channel import EXIT_CHANNEL_ENDED
from .wire import (
    CANCEL,
    CREDIT,
    END,
    INPUT,
    RECORD,
    STACKS,
    STOP,
    TAKE,
    WS_BINARY_IN,
    WS_CLOSED,
    WS_TEXT_IN,
    FrameDecoder,
    WireFault,
    decode_credit,
    decode_record,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable

    from .asgi_intake import AsgiIntake
    from .channel import Channel

    Frame = tuple[int, int, int, int, bytes]


class AsgiListener:
    """Gives frames to the exchanges they are for; `tell_stacks` answers STACKS."""

    def __init__(
        self,
        channel: Channel,
        intake: AsgiIntake,
        loop: AbstractEventLoop,
        tell_stacks: Callable[[], None],
    ) -> None:
        self._channel = channel
        self._intake = intake
        self._loop = loop
        self._tell_stacks = tell_stacks
        # As a socket it can be asked for what is there, whoever else has read by then.
        self._socket = socket.socket(fileno=channel.fd)
        self._decoder = FrameDecoder()
        # Held while bytes are read and cut, so that frames stay in their order.
        self._lock = allocate_lock()
        self._waiting: list[Frame] = []
        # How often the loop has come here: stands still while it is blocked.
        self.visits = 0
        self._meanings: dict[int, Callable[[int, int, int, bytes], None]] = {
            TAKE: self._on_take,
            STOP: self._on_stop,
            RECORD: self._on_record,
            INPUT: self._on_input,
            CREDIT: self._on_credit,
            CANCEL: self._on_cancel,
            STACKS: self._on_stacks,
            WS_TEXT_IN: self._on_text,
            WS_BINARY_IN: self._on_binary,
            WS_CLOSED: self._on_closed,
        }

    @property
    def is_behind(self) -> bool:
        """Whether frames wait for the loop."""
        return bool(self._waiting)

    def on_readable(self) -> None:
        """In the loop: there is something to read."""
        self.visits += 1
        with self._lock:
            frames = self._read()
            if self._waiting:
                frames[:0] = self._waiting
                self._waiting = []
        self._give(frames)

    def read_for_loop(self) -> list[Frame]:
        """In the watchdog: reads what the loop does not; the loop will get it, but for STACKS."""
        with self._lock:
            frames = self._read()
            self._waiting += [frame for frame in frames if frame[0] != STACKS]
        if frames:
            self._loop.call_soon_threadsafe(self._catch_up)
        return frames

    def _catch_up(self) -> None:
        with self._lock:
            frames, self._waiting = self._waiting, []
        self._give(frames)

    def _give(self, frames: list[Frame]) -> None:
        try:
            for kind, flags, count, request, payload in frames:
                meaning = self._meanings.get(kind)
                if meaning is None:
                    raise WireFault(f"a frame of type {kind:#x}")
                meaning(request, flags, count, payload)
        except WireFault as fault:
            self._channel.poisoned(f"the channel carried {fault}")

    def close_in_child(self) -> None:
        """In a child of the application: the descriptor is closed as the channel's."""
        self._socket.detach()

    # With the lock held. Whole frames only; the rest waits in the decoder.
    def _read(self) -> list[Frame]:
        try:
            size = self._socket.recv_into(self._decoder.room, 0, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return []
        except OSError:
            size = 0
        if not size:
            os._exit(EXIT_CHANNEL_ENDED)
        try:
            return self._decoder.push(size)
        except WireFault as fault:
            self._channel.poisoned(f"the channel carried {fault}")
        return []

    def _on_take(self, _request: int, _flags: int, _count: int, _payload: bytes) -> None:
        self._intake.take()

    def _on_stop(self, _request: int, _flags: int, _count: int, _payload: bytes) -> None:
        self._intake.stop()

    def _on_stacks(self, _request: int, _flags: int, _count: int, _payload: bytes) -> None:
        self._tell_stacks()

    # About a request that has ended here, nothing needs to be known.

    def _on_record(self, request: int, _flags: int, _count: int, payload: bytes) -> None:
        names, values = decode_record(payload)
        exchange = self._intake.running.get(request)
        if exchange is not None:
            self._intake.take_record(exchange, names, values)

    def _on_input(self, request: int, flags: int, _count: int, payload: bytes) -> None:
        exchange = self._intake.running.get(request)
        if exchange is not None:
            exchange.take_input(payload, flags == END)

    def _on_credit(self, request: int, _flags: int, _count: int, payload: bytes) -> None:
        credit = decode_credit(payload)
        exchange = self._intake.running.get(request)
        if exchange is not None:
            exchange.take_credit(credit)

    def _on_cancel(self, request: int, _flags: int, count: int, _payload: bytes) -> None:
        exchange = self._intake.running.get(request)
        if exchange is not None:
            self._intake.take_cancel(exchange, count)

    def _on_text(self, request: int, flags: int, _count: int, payload: bytes) -> None:
        exchange = self._intake.running.get(request)
        if exchange is not None:
            exchange.take_message(WS_TEXT_IN, payload, flags == END)

    def _on_binary(self, request: int, flags: int, _count: int, payload: bytes) -> None:
        exchange = self._intake.running.get(request)
        if exchange is not None:
            exchange.take_message(WS_BINARY_IN, payload, flags == END)

    def _on_closed(self, request: int, flags: int, count: int, payload: bytes) -> None:
        exchange = self._intake.running.get(request)
        if exchange is not None:
            exchange.take_close(count, payload, flags == END)
