"""Warm-up: requests that a worker asks itself before it is ready.

What an application does at its first request (templates, connections, lazy imports) is done before
a client waits for it. The requests run as all others do, and their answers go nowhere: what fails
is a line in the log, never the start.
"""

from __future__ import annotations

import time

from .channel import LEVEL_WARNING
from .wsgi import Answer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .gate import Seat
    from .wsgi import WsgiServer

FIELD_NAMES = b"host"


class Rehearsal(Answer):
    """An answer of which no frame is sent; tells what the front would have made of it."""

    __slots__ = ("faults", "status")

    def begin(self) -> None:
        """As Answer.begin."""
        super().begin()
        self.status = ""
        self.faults: list[str] = []

    def send_head(self, head: bytes, count: int, body: bytes, is_end: bool) -> None:  # noqa: ARG002
        """Keeps the status."""
        self.is_started = True
        self.has_ended = is_end
        self.status = head.partition(b"\0")[0][:3].decode("latin-1")

    def send_body(self, chunk: bytes | memoryview) -> None:
        """Nobody waits for it."""

    def send_end(self) -> None:
        """Ends the body."""
        self.has_ended = True

    def send_fault(self, text: str) -> None:
        """Ends the answer, or tells what `close()` has raised after it."""
        self.has_ended = True
        self.faults.append(text)


def warm_up(server: WsgiServer, seat: Seat, paths: list[str]) -> None:
    """Asks for each path once. None is noted on the seat; what fails goes to its channel's log."""
    for number, path in enumerate(paths, 1):
        values = record_values(path, number)
        answer = Rehearsal(seat, 0, 0, time.monotonic(), FIELD_NAMES, values, b"")
        server.serve(answer)
        fault = describe_outcome(answer.status, answer.faults)
        if fault:
            seat.channel.log(LEVEL_WARNING, f"warm-up GET {path}: {fault}")


def describe_outcome(status: str, faults: list[str]) -> str:
    """What went wrong with an answer of this status, "" before its head; "" if nothing did."""
    if not faults:
        return "" if "100" <= status < "400" else f"status {status}"
    outcome = f"failed after status {status}" if status else "status 500"
    return "\n".join((outcome, *faults))


def record_values(path: str, number: int) -> str:
    """The values block of a request from this machine (docs/worker-protocol.md, "The record")."""
    target = path.encode("utf-8", "surrogateescape").decode("latin-1")
    place, _, query = target.partition("?")
    asked = ("GET", target, place, query, "HTTP/1.1", "http")
    between = ("127.0.0.1", "0", "localhost", "80", f"warmup-{number}")
    return "\0".join((*asked, *between, "localhost", "", ""))
