"""What the front's frames mean: each is given to the intake, or to the exchange that it is about.

A frame about a request that has already ended here is dropped: the front may have sent it before it
read the last frame of the response.
"""

from __future__ import annotations

from collections.abc import Callable

from typhon_worker.wire import WireFault
from typhon_worker.wire.frames import (
    CANCEL,
    CREDIT,
    END,
    INPUT,
    RECORD,
    STACKS,
    STOP,
    TAKE,
    decode_credit,
    decode_record,
)

from .exchange import Exchange

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    class Intake(Protocol):
        """Takes requests, and knows the exchanges that run."""

        def find(self, request: int, /) -> Exchange | None:
            """Returns the exchange with this id, if it runs here."""

        def take(self) -> None:
            """Begins to take."""

        def stop(self) -> None:
            """Stops taking."""

        def take_record(self, exchange: Any, names: bytes, values: bytes, /) -> None:
            """The record that did not fit into the page has come."""

        def take_cancel(self, exchange: Any, count: int, /) -> None:
            """A CANCEL has come."""


class FrontListener:
    """Handles the frames that both interfaces know; `tell_stacks` answers STACKS."""

    def __init__(self, intake: Intake, tell_stacks: Callable[[], None]) -> None:
        self._intake = intake
        # By type. A handler gets what `receive` gets.
        self.handlers: dict[int, Callable[[int, int, int, int, bytes], None]] = {
            TAKE: lambda *_: intake.take(),
            STOP: lambda *_: intake.stop(),
            RECORD: self._on_record,
            INPUT: self._on_input,
            CREDIT: self._on_credit,
            CANCEL: self._on_cancel,
            STACKS: lambda *_: tell_stacks(),
        }

    def receive(self, kind: int, flags: int, count: int, request: int, payload: bytes) -> None:
        """Handles one frame. Raises WireFault."""
        handler = self.handlers.get(kind)
        if handler is None:
            raise WireFault(f"a frame of type {kind:#x}")
        handler(kind, flags, count, request, payload)

    def _on_record(
        self, _kind: int, _flags: int, _count: int, request: int, payload: bytes
    ) -> None:
        names, values = decode_record(payload)
        exchange = self._intake.find(request)
        if exchange is not None:
            self._intake.take_record(exchange, names, values)

    def _on_input(self, _kind: int, flags: int, _count: int, request: int, payload: bytes) -> None:
        exchange = self._intake.find(request)
        if exchange is not None:
            exchange.take_input(payload, flags == END)

    def _on_credit(
        self, _kind: int, _flags: int, _count: int, request: int, payload: bytes
    ) -> None:
        credit = decode_credit(payload)
        exchange = self._intake.find(request)
        if exchange is not None:
            exchange.take_credit(credit)

    def _on_cancel(
        self, _kind: int, _flags: int, count: int, request: int, _payload: bytes
    ) -> None:
        exchange = self._intake.find(request)
        if exchange is not None:
            self._intake.take_cancel(exchange, count)
