"""The life of a worker whose application speaks ASGI, from the import to its end.

    lifespan startup ─▶ warm-up ─▶ READY ─▶ (TAKE) taking ─▶ (STOP) STOPPED ─▶ lifespan shutdown
           └─ LoadError

One thread does everything in one event loop; a second one watches it (watchdog.py).
"""

from __future__ import annotations

import asyncio
import os
from asyncio import AbstractEventLoop
from collections.abc import Callable

from typhon_worker.application.importer import LoadError
from typhon_worker.application.single_process import find_reason
from typhon_worker.application.warmup import ENDLESS_CREDIT, WarmupSlot
from typhon_worker.process import process_setup
from typhon_worker.process.channel import EXIT_CHANNEL_ENDED
from typhon_worker.process.native import get_ident, monotonic
from typhon_worker.process.tracebacks import describe
from typhon_worker.process.worker_context import WorkerContext
from typhon_worker.wire import frames, record

from .event_loop import find_starter, make_loop
from .http_exchange import HttpExchange
from .intake import AsgiIntake
from .lifespan import Lifespan
from .listener import AsgiListener
from .scope import ScopeMaker
from .server import CALLERS, AsgiServer, as_single_callable
from .stacks import describe_loop
from .watchdog import Watchdog

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# How long tasks that are left at the end may clean up after they have been cancelled.
LAST_TASKS_SECONDS = 5.0


def run_asgi(found: Callable[..., object], context: WorkerContext) -> None:
    """Serves the application until STOP. Raises LoadError if it does not start."""
    settings, channel = context.settings, context.channel
    loop = make_loop(settings.loop)
    app, version = as_single_callable(found)
    lifespan = Lifespan(app, version, settings.lifespan, loop, channel)
    scopes = ScopeMaker(settings.root_path, version, lifespan.state, settings.pathsend)
    intake = AsgiIntake(context, loop)
    server = AsgiServer(app, scopes, intake.on_ended)
    thread = get_ident()

    def tell_stacks(late: int) -> None:
        report = describe_loop(intake, thread, asyncio.all_tasks(loop), late)
        channel.send(frames.encode(frames.STACKS_TOLD, late, frames.encode_text(report)))

    async def start() -> None:
        await lifespan.start()
        await _warm_up(AsgiServer(app, scopes, HttpExchange.release), loop, context)

    listener = AsgiListener(context, intake, loop, tell_stacks)
    process_setup.close_in_children(listener.close_in_child)
    callers = CALLERS | {_run_until_stopped.__code__, Lifespan.run.__code__}
    watchdog = Watchdog(channel, intake, listener, callers, tell_stacks)
    try:
        loop.run_until_complete(start())
    except (SystemExit, KeyboardInterrupt) as error:
        text = f"the application ended the program while it started\n{describe(error)}"
        raise LoadError("lifespan", text) from None
    intake.prepare(server.serve, find_starter(loop))
    loop.add_reader(channel.fd, listener.on_readable)
    # uvloop makes a descriptor that it watches non-blocking. Sends have to block, and the listener
    # reads without blocking anyway.
    os.set_blocking(channel.fd, True)
    watchdog.start()
    # After the start: an application may mount others only then.
    context.take_single(find_reason(found, settings.app_dir))
    context.say_ready("asgi")
    while not intake.is_done:
        _run_until_stopped(loop, context)
    ending = context.ending
    try:
        ending.wait(
            "the application's shutdown (lifespan)",
            lambda: loop.run_until_complete(lifespan.end()),
        )
        ending.wait("tasks and jobs of the event loop", lambda: _close(loop))
    except BaseException as error:
        channel.log(
            frames.LEVEL_ERROR, f"the application's end failed: {describe(error, is_ours=True)}"
        )


async def _warm_up(server: AsgiServer, loop: AbstractEventLoop, context: WorkerContext) -> None:
    for number, path in enumerate(context.settings.warmup, 1):
        slot: Any = WarmupSlot()
        slot.loop = loop
        names, values = record.encode_get(path, f"warmup-{number}")
        exchange = HttpExchange(slot, 0, 0, monotonic(), names, values, b"")
        exchange.granted = ENDLESS_CREDIT
        # In a task of its own, as each request is.
        await loop.create_task(server.serve(exchange))
        slot.report(context.channel, path)


# An exception that a callback or a task of the application raises to end the program comes out
# here. It must not end the other requests of this process. Any other exception is the loop's own,
# which cannot go on: the application may have closed its descriptors.
def _run_until_stopped(loop: AbstractEventLoop, context: WorkerContext) -> None:
    try:
        loop.run_forever()
    except Exception as error:
        text = f"the event loop failed: {describe(error, is_ours=True)}"
        context.channel.log(frames.LEVEL_ERROR, text)
        os._exit(EXIT_CHANNEL_ENDED)
    except BaseException as error:
        context.channel.log(frames.LEVEL_ERROR, describe(error, is_ours=True))


# As asyncio.run does.
def _close(loop: AbstractEventLoop) -> None:
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.wait(tasks, timeout=LAST_TASKS_SECONDS))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.run_until_complete(loop.shutdown_default_executor())
    asyncio.set_event_loop(None)
    loop.close()
