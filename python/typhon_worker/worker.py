"""The life of a worker process, from the launcher's fork to its end.

    surroundings ─▶ import ─▶ warm-up ─▶ READY ─▶ (TAKE) taking ─▶ (STOP) STOPPED ─▶ exit 0
                       └─ FAILED ─▶ exit 3

Joins the parts: streams, lifeline, channel, notes, intake, and the interface that was found. Frames
from the front are told apart here.
"""

from __future__ import annotations

import json
import os
import sys
import time
from threading import Event, Thread

from . import surroundings
from .cancels import Cancels
from .channel import Channel, encode_text
from .importer import LoadError, load
from .intake import Intake
from .interrupt import Interrupter
from .notes import Notes
from .stacks import describe_threads, leave_signal, tell_at_signal
from .warmup import warm_up
from .wire import (
    CANCEL,
    CREDIT,
    DEADLINE,
    END,
    FAILED,
    INPUT,
    READY,
    RECORD,
    STACKS,
    STACKS_TOLD,
    STOP,
    TAKE,
    WireFault,
    decode_credit,
    decode_record,
    encode_frame,
)
from .wsgi import CALLERS, Answer, WsgiServer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .settings import Settings

EXIT_NOT_LOADED = 3


class Start:
    """What the launcher hands to a worker at its fork; the descriptors are the launcher's own."""

    __slots__ = (
        "cancels",
        "door",
        "err",
        "is_exclusive",
        "lifeline",
        "notes",
        "number",
        "out",
        "queue",
        "settings",
        "stacks",
        "to_close",
    )

    def __init__(self, number: int, settings: Settings) -> None:
        self.number = number
        self.settings = settings
        self.is_exclusive = False
        self.queue = self.lifeline = self.cancels = self.door = self.notes = -1
        self.out = self.err = self.stacks = -1
        # Every descriptor of the launcher; none stays open here.
        self.to_close: list[int] = []


def main(start: Start) -> None:
    """Runs a worker; returns when it is to exit with code 0, as a program that has ended."""
    settings = start.settings
    lifeline = surroundings.hold_lifeline(start.lifeline)
    surroundings.offer_to_oom_killer()
    surroundings.take_streams(start.out, start.err)
    stacks = tell_at_signal(start.stacks)
    queue = surroundings.reopen(start.queue, os.O_RDONLY | os.O_NONBLOCK)
    notes = Notes(start.notes, settings.threads)
    cancels = Cancels(start.cancels)
    for fd in start.to_close:
        os.close(fd)
    surroundings.take_name(f"typhon-w{start.number}")
    channel = Channel.accept(start.door)
    intake = Intake(queue, notes, cancels.slots, channel, settings.threads, start.is_exclusive)
    interrupter = Interrupter(channel, intake.seats, CALLERS)
    surroundings.guard_children()
    surroundings.close_in_children(lambda: os.close(lifeline))
    surroundings.close_in_children(lambda: leave_signal(stacks))
    surroundings.close_in_children(notes.close)
    surroundings.close_in_children(cancels.close)
    surroundings.close_in_children(intake.close_in_child)
    surroundings.close_in_children(interrupter.close_in_child)
    surroundings.close_in_children(channel.close_in_child)

    _enter(settings)
    try:
        server = WsgiServer(load(settings), settings, sys.stderr)
    except LoadError as error:
        failure = {"kind": error.kind, "text": str(error)}
        channel.send(encode_frame(FAILED, 0, json.dumps(failure).encode()))
        surroundings.flush_streams()
        os._exit(EXIT_NOT_LOADED)
    warm_up(server, intake.seats[0], settings.warmup)
    may_take = Event()
    listener = Listener(channel, intake, interrupter, may_take)
    Thread(target=listener.run, name="typhon-channel", daemon=True).start()
    channel.send(encode_frame(READY, 0, b'{"interface":"wsgi"}'))
    may_take.wait()
    intake.run(Answer, server.serve)


# The interpreter as the application expects to find it.
def _enter(settings: Settings) -> None:
    os.environ.update(settings.env)
    if "TZ" in settings.env:
        time.tzset()
    sys.path.insert(0, settings.app_dir)
    sys.argv[:] = [settings.app]


class Listener:
    """Hears the front: one thread, which never waits for the application."""

    def __init__(
        self, channel: Channel, intake: Intake, interrupter: Interrupter, may_take: Event
    ) -> None:
        self._channel = channel
        self._intake = intake
        self._interrupter = interrupter
        self._may_take = may_take
        self._meanings: dict[int, Callable[[int, int, int, bytes], None]] = {
            TAKE: self._on_take,
            STOP: self._on_stop,
            RECORD: self._on_record,
            INPUT: self._on_input,
            CREDIT: self._on_credit,
            CANCEL: self._on_cancel,
            STACKS: self._on_stacks,
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
        record = decode_record(payload)
        with self._intake.news:
            exchange = self._intake.find(request)
            if exchange is not None:
                exchange.record = record
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
        with self._intake.news:
            exchange = self._intake.find(request)
            if exchange is None:
                return
            exchange.is_cancelled = True
            self._intake.news.notify_all()
        if count == DEADLINE:
            self._interrupter.interrupt(exchange.seat, request)

    def _on_stacks(self, _request: int, _flags: int, _count: int, _payload: bytes) -> None:
        with self._interrupter.pause:
            told = describe_threads(self._intake.seats)
        self._channel.send(encode_frame(STACKS_TOLD, 0, encode_text(told)))
