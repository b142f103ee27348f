"""What the front's frames mean: each is given to the intake, or to the exchange that it is about.

A frame about a request that has already ended here is dropped: the front may have sent it before it
read the last frame of the response.
"""

from __future__ import annotations

from collections.abc import Callable

from typhon_worker.process.ending import Ending
from typhon_worker.wire import WireFault, frames

from .exchange import Exchange

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    class Intake(Protocol):
        """Takes requests, and knows the exchanges that run."""

        def find(self, request: int, /) -> Exchange | None: ...

        def take(self) -> None: ...

        def stop(self) -> None: ...

        def take_record(self, exchange: Any, names: bytes, values: bytes, /) -> None: ...

        def take_cancel(self, exchange: Any, count: int, /) -> None: ...


class FrontListener:
    """Handles the frames that both interfaces know; `tell_stacks` answers STACKS."""

    def __init__(self, intake: Intake, ending: Ending, tell_stacks: Callable[[int], None]) -> None:
        self._intake = intake
        self._ending = ending
        # By type. A handler gets what `receive` gets.
        self.handlers: dict[int, Callable[[int, int, int, int, bytes], None]] = {
            frames.TAKE: lambda *_: intake.take(),
            frames.STOP: self._on_stop,
            frames.RECORD: self._on_record,
            frames.INPUT: self._on_input,
            frames.CREDIT: self._on_credit,
            frames.CANCEL: self._on_cancel,
            frames.FILE_RESULT: self._on_file_result,
            frames.STACKS: lambda _kind, _flags, _count, request, _payload: tell_stacks(request),
        }

    def receive(self, kind: int, flags: int, count: int, request: int, payload: bytes) -> None:
        """Handles one frame. Raises WireFault."""
        handler = self.handlers.get(kind)
        if handler is None:
            raise WireFault(f"a frame of type {kind:#x}")
        handler(kind, flags, count, request, payload)

    def _on_stop(
        self, _kind: int, _flags: int, _count: int, milliseconds: int, _payload: bytes
    ) -> None:
        self._ending.limit(milliseconds)
        self._intake.stop()

    def _on_record(
        self, _kind: int, _flags: int, _count: int, request: int, payload: bytes
    ) -> None:
        names, values = frames.decode_record(payload)
        exchange = self._intake.find(request)
        if exchange is not None:
            self._intake.take_record(exchange, names, values)

    def _on_input(self, _kind: int, flags: int, _count: int, request: int, payload: bytes) -> None:
        exchange = self._intake.find(request)
        if exchange is not None:
            exchange.take_input(payload, flags == frames.END)

    def _on_credit(
        self, _kind: int, _flags: int, _count: int, request: int, payload: bytes
    ) -> None:
        credit = frames.decode_credit(payload)
        exchange = self._intake.find(request)
        if exchange is not None:
            exchange.take_credit(credit)

    def _on_cancel(
        self, _kind: int, _flags: int, count: int, request: int, _payload: bytes
    ) -> None:
        exchange = self._intake.find(request)
        if exchange is not None:
            self._intake.take_cancel(exchange, count)

    def _on_file_result(
        self, _kind: int, _flags: int, count: int, request: int, _payload: bytes
    ) -> None:
        exchange = self._intake.find(request)
        if exchange is not None:
            exchange.take_file_result(count)
