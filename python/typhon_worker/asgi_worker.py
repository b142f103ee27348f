"""The life of a worker whose application speaks ASGI, from the import to its end.

    lifespan startup ─▶ warm-up ─▶ READY ─▶ (TAKE) taking ─▶ (STOP) STOPPED ─▶ lifespan shutdown
           └─ LoadError

One thread does everything in one event loop; a second one sleeps and watches (watchdog.py).
"""

from __future__ import annotations

import asyncio
import os
from threading import get_ident

from . import surroundings
from .asgi import CALLERS, AsgiServer, as_single_callable
from .asgi_intake import AsgiIntake
from .asgi_listener import AsgiListener
from .asgi_stacks import describe_loop
from .asgi_warmup import warm_up
from .channel import LEVEL_ERROR, encode_text
from .faults import describe
from .importer import LoadError
from .lifespan import Lifespan
from .loops import make_loop, starter
from .scope import ScopeMaker
from .watchdog import Watchdog
from .wire import READY, STACKS_TOLD, encode_frame

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable

    from .outfit import Outfit

# What tasks get that are left at the end, to clean up after their cancellation.
LAST_TASKS_SECONDS = 5.0


def run_asgi(found: Callable[..., object], outfit: Outfit) -> None:
    """Serves the application until STOP. Raises LoadError if it does not start."""
    settings, channel = outfit.settings, outfit.channel
    loop = make_loop(settings.loop)
    app, version = as_single_callable(found)
    lifespan = Lifespan(app, version, settings.lifespan, loop, channel)
    scopes = ScopeMaker(settings.root_path, version, lifespan.state)
    intake = AsgiIntake(
        outfit.queue, outfit.notes, outfit.cancels.slots, channel, loop, settings.concurrency
    )
    server = AsgiServer(app, scopes, intake.ended)
    thread = get_ident()

    def tell_stacks() -> None:
        told = describe_loop(intake, thread, asyncio.all_tasks(loop))
        channel.send(encode_frame(STACKS_TOLD, 0, encode_text(told)))

    async def start() -> None:
        await lifespan.start()
        await warm_up(app, scopes, loop, channel, settings.warmup)

    listener = AsgiListener(channel, intake, loop, tell_stacks)
    surroundings.close_in_children(listener.close_in_child)
    callers = CALLERS | {_run_until_stopped.__code__, Lifespan.run.__code__}
    watchdog = Watchdog(channel, intake, listener, callers, tell_stacks)
    try:
        loop.run_until_complete(start())
    except (SystemExit, KeyboardInterrupt) as error:
        text = f"the application ended the program while it started\n{describe(error)}"
        raise LoadError("lifespan", text) from None
    intake.prepare(server.serve, starter(loop))
    loop.add_reader(channel.fd, listener.on_readable)
    # What uvloop watches it makes non-blocking: sends must wait, and the listener reads without.
    os.set_blocking(channel.fd, True)
    watchdog.start()
    channel.send(encode_frame(READY, 0, b'{"interface":"asgi"}'))
    while not intake.is_done:
        _run_until_stopped(loop, outfit)
    try:
        loop.run_until_complete(lifespan.end())
        _close(loop)
    except BaseException as error:
        channel.log(LEVEL_ERROR, f"the application's end failed: {describe(error, is_ours=True)}")


# What a callback or a task of the application's raises to end the program comes out here: one of
# them must not end the requests of all others.
def _run_until_stopped(loop: AbstractEventLoop, outfit: Outfit) -> None:
    try:
        loop.run_forever()
    except BaseException as error:
        outfit.channel.log(LEVEL_ERROR, describe(error, is_ours=True))


# As asyncio.run does it.
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
