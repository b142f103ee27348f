"""The life of a worker whose application speaks WSGI, from the import to its end.

    warm-up ─▶ READY ─▶ (TAKE) taking ─▶ (STOP) STOPPED

Several threads take and run requests. One more listens to the front, and never waits for the
application.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from typhon_worker.application.listener import FrontListener
from typhon_worker.application.single_process import find_reason
from typhon_worker.application.warmup import ENDLESS_CREDIT, WarmupSlot
from typhon_worker.process import process_setup
from typhon_worker.process.native import (
    Condition,
    find_green_library,
    monotonic,
    start_thread,
)
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
    if find_green_library() == "eventlet":
        _use_one_thread(context)
    context.take_single(find_reason(app, settings.app_dir))
    changed = Condition()
    slots = [
        ThreadSlot(number, context.notes, channel, changed) for number in range(settings.threads)
    ]
    interrupter = Interrupter(channel, slots, CALLERS)
    sockets = Sockets(context.run_directory)
    server = WsgiServer(app, settings, sys.stderr, sockets)
    intake = WsgiIntake(context, slots, interrupter, server.serve)
    for part in (intake, interrupter, sockets):
        process_setup.close_in_children(part.close_in_child)

    def tell_stacks(late: int) -> None:
        with interrupter.pause:
            report = describe_threads({slot.thread: slot.exchange for slot in slots}, late)
        channel.send(frames.encode(frames.STACKS_TOLD, late, frames.encode_text(report)))

    def on_socket_done(_kind: int, _flags: int, _count: int, request: int, _: bytes) -> None:
        sockets.done(request)

    listener = FrontListener(intake, context.ending, tell_stacks)
    listener.handlers[frames.WS_SOCKET_DONE] = on_socket_done
    _warm_up(server, context)
    start_thread(lambda: channel.listen(listener.receive), "typhon-channel")
    context.say_ready("wsgi")
    intake.run()


# A lock of eventlet that threads of the kernel share never wakes the thread that waits for it.
def _use_one_thread(context: WorkerContext) -> None:
    threads, context.settings.threads = context.settings.threads, 1
    if threads > 1:
        text = (
            "eventlet has replaced the locks of the standard library by ones that work inside of "
            f"one thread: this worker runs one request at a time instead of {threads} "
            "(--threads 1 says so; more --workers run more)"
        )
        context.channel.log(frames.LEVEL_WARNING, text)


def _warm_up(server: WsgiServer, context: WorkerContext) -> None:
    for number, path in enumerate(context.settings.warmup, 1):
        slot: Any = WarmupSlot()
        names, values = record.encode_get(path, f"warmup-{number}")
        exchange = WsgiExchange(slot, 0, 0, monotonic(), names, values, b"")
        exchange.granted = ENDLESS_CREDIT
        server.serve(exchange)
        slot.report(context.channel, path)
