"""The life of a worker whose application speaks WSGI, from the import to its end.

    warm-up ─▶ READY ─▶ (TAKE) taking ─▶ (STOP) STOPPED

Several threads take and run requests. One more listens to the front, and never waits for the
application.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from threading import Condition, Thread

from typhon_worker.application.listener import FrontListener
from typhon_worker.application.single_process import find_reason
from typhon_worker.application.warmup import ENDLESS_CREDIT, WarmupSlot
from typhon_worker.process import process_setup
from typhon_worker.process.stacks import describe_threads
from typhon_worker.process.worker_context import WorkerContext
from typhon_worker.wire import frames, record

from .exchange import ThreadSlot, WsgiExchange
from .intake import WsgiIntake
from .interrupt import Interrupter
from .server import CALLERS, WsgiServer
from .websocket import Sockets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def run_wsgi(app: Callable[..., Any], context: WorkerContext) -> None:
    """Serves the application until STOP."""
    settings, channel = context.settings, context.channel
    context.take_single(find_reason(app, settings.app_dir))
    changed = Condition()
    slots = [
        ThreadSlot(number, context.notes, channel, changed) for number in range(settings.threads)
    ]
    interrupter = Interrupter(channel, slots, CALLERS)
    sockets = Sockets(context.base)
    server = WsgiServer(app, settings, sys.stderr, sockets)
    intake = WsgiIntake(context, slots, interrupter, server.serve)
    for part in (intake, interrupter, sockets):
        process_setup.close_in_children(part.close_in_child)

    def tell_stacks() -> None:
        with interrupter.pause:
            report = describe_threads({slot.thread: slot.exchange for slot in slots})
        channel.send(frames.encode(frames.STACKS_TOLD, 0, frames.encode_text(report)))

    def on_socket_done(_kind: int, _flags: int, _count: int, request: int, _: bytes) -> None:
        sockets.done(request)

    listener = FrontListener(intake, tell_stacks)
    listener.handlers[frames.WS_SOCKET_DONE] = on_socket_done
    _warm_up(server, context)
    Thread(
        target=channel.listen, args=(listener.receive,), name="typhon-channel", daemon=True
    ).start()
    context.say_ready("wsgi")
    intake.run()


def _warm_up(server: WsgiServer, context: WorkerContext) -> None:
    for number, path in enumerate(context.settings.warmup, 1):
        slot: Any = WarmupSlot()
        names, values = record.encode_get(path, f"warmup-{number}")
        exchange = WsgiExchange(slot, 0, 0, time.monotonic(), names, values, b"")
        exchange.granted = ENDLESS_CREDIT
        server.serve(exchange)
        slot.report(context.channel, path)
