"""The life of a worker process, from the launcher's fork to its end.

    surroundings ─▶ import ─▶ serving, as the interface has it ─▶ exit 0
                       └─ FAILED ─▶ exit 3

Joins the parts that every worker has: streams, lifeline, queue, notes, channel.
"""

from __future__ import annotations

import json
import os
import sys
import time

from . import surroundings
from .cancels import Cancels
from .channel import EXIT_CHANNEL_ENDED, Channel
from .importer import LoadError, load
from .notes import Notes
from .outfit import Outfit
from .stacks import leave_signal, tell_at_signal
from .wire import FAILED, encode_frame
from .wsgi_worker import run_wsgi

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .settings import Settings

EXIT_NOT_LOADED = 3


class Start:
    """What the launcher hands to a worker at its fork; the descriptors are the launcher's own."""

    __slots__ = (
        "cancels",
        "directory",
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
        self.directory = ""
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
    notes = Notes(start.notes, settings.slots)
    cancels = Cancels(start.cancels)
    for fd in start.to_close:
        os.close(fd)
    surroundings.take_name(f"typhon-w{start.number}")
    try:
        channel = Channel.accept(start.door)
    except OSError:
        os._exit(EXIT_CHANNEL_ENDED)
    surroundings.guard_children()
    surroundings.close_in_children(lambda: os.close(lifeline))
    surroundings.close_in_children(lambda: leave_signal(stacks))
    surroundings.close_in_children(lambda: os.close(queue))
    surroundings.close_in_children(notes.close)
    surroundings.close_in_children(cancels.close)
    surroundings.close_in_children(channel.close_in_child)

    ours = list(sys.path)
    _enter(settings)
    try:
        app, interface = load(settings)
        run = run_wsgi if interface == "wsgi" else find_run_asgi(ours)
        base = f"{start.directory}/w{start.number}"
        run(app, Outfit(settings, queue, notes, cancels, channel, start.is_exclusive, base))
    except LoadError as error:
        failure = {"kind": error.kind, "text": str(error)}
        channel.send(encode_frame(FAILED, 0, json.dumps(failure).encode()))
        surroundings.flush_streams()
        os._exit(EXIT_NOT_LOADED)


def find_run_asgi(path: list[str]) -> Callable[[Callable[..., object], Outfit], None]:
    """Imports what only ASGI needs, asyncio above all, which takes longer than all the rest.

    From `path`, not from the application's folder: a queue.py there is not the library's.
    """
    theirs = sys.path[:]
    sys.path[:] = path
    try:
        from .asgi_worker import run_asgi
    finally:
        sys.path[:] = theirs
    return run_asgi


# The interpreter as the application expects to find it.
def _enter(settings: Settings) -> None:
    os.environ.update(settings.env)
    if "TZ" in settings.env:
        time.tzset()
    sys.path.insert(0, settings.app_dir)
    sys.argv[:] = [settings.app]
