"""What a worker process works with, from the launcher's fork to the interface that serves.

RunFiles.prepare (launcher) ── fork ──▶ open (worker) ──▶ the application is imported
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable

from typhon_worker.wire import frames
from typhon_worker.wire.settings import Settings

from . import process_setup
from .channel import EXIT_CHANNEL_ENDED, Channel
from .ending import Ending
from .page_queue import Cancels, Notes
from .stacks import leave_signal, write_at_signal


class WorkerContext:
    """Settings and descriptors of one worker; after `open` also what it made of them."""

    notes: Notes
    cancels: Cancels
    channel: Channel
    ending: Ending

    def __init__(self, number: int, settings: Settings) -> None:
        self.number = number
        self.settings = settings
        # For the log: why the interface may be the wrong one.
        self.doubt = ""
        # Why the application needs a single process.
        self.single = ""
        # Where the worker was started. The directory is gone soon after; its path is unique.
        self.run_directory = ""
        # Whether each write into the queue wakes one exclusive sleeper (RunFiles).
        self.is_exclusive = False
        # The launcher's descriptors; `queue_fd` is the worker's own after `open`.
        self.queue_fd = self.lifeline_fd = self.cancels_fd = self.listener_fd = self.notes_fd = -1
        self.out_fd = self.err_fd = self.stacks_fd = -1
        # Names the functions that another process calls when this one has ended.
        self.find_exit_hooks: Callable[[], list[str]] = list
        # Descriptors of the launcher that the worker has to close.
        self.to_close: list[int] = []
        # In a template: its socket to the launcher.
        self.control_fd = -1
        # Whether a template has forked this process, with the application in it.
        self.is_from_template = False
        # The lifeline and the pipe of stacks, by descriptions of this process's own.
        self._held: list[int] = []

    def open(self) -> None:
        """Sets up the process before the application is imported. Exits if no front connects.

        The application's forked children close all of it.
        """
        self.enter()
        lifeline, stacks = self._held
        queue = process_setup.reopen(self.queue_fd, os.O_RDONLY | os.O_NONBLOCK)
        self.queue_fd = queue = process_setup.move_high(queue)
        self.notes = Notes(process_setup.move_high(self.notes_fd))
        # For reading alone, also by the application.
        cancels = process_setup.reopen(self.cancels_fd, os.O_RDONLY)
        self.cancels = Cancels(cancels)
        os.close(cancels)
        for fd in self.to_close:
            os.close(fd)
        process_setup.take_name(f"typhon-w{self.number}")
        try:
            self.channel = Channel.accept(self.listener_fd)
        except OSError:
            os._exit(EXIT_CHANNEL_ENDED)
        self.ending = Ending(self.channel)
        process_setup.close_in_children(lambda: os.close(lifeline))
        process_setup.close_in_children(lambda: leave_signal(stacks))
        process_setup.close_in_children(lambda: os.close(queue))
        process_setup.close_in_children(self.notes.close)
        process_setup.close_in_children(self.cancels.close)
        process_setup.close_in_children(self.channel.close_in_child)

    def enter(self) -> None:
        """Sets up the process as the application's: lifeline, streams, stacks, hooks of forks."""
        lifeline = process_setup.hold_lifeline(self.lifeline_fd)
        if not self.is_from_template:
            process_setup.offer_to_oom_killer()
        process_setup.take_streams(self.out_fd, self.err_fd, is_open=self.is_from_template)
        self._held = [lifeline, write_at_signal(self.stacks_fd)]
        process_setup.guard_children()

    def held(self) -> list[int]:
        """Lists what `enter` has opened."""
        return self._held[:]

    def streams(self) -> list[int]:
        """Lists the worker's pipes for output, errors and stacks."""
        return [self.out_fd, self.err_fd, self.stacks_fd]

    def take_single(self, reason: str) -> None:
        """Takes why the application needs a single process, "" if it does not."""
        self.single = reason
        if reason and not self.settings.are_workers_chosen:
            self.settings.workers = 1

    def say_ready(self, interface: str) -> None:
        """Tells the front that the application is loaded."""
        facts = {
            "interface": interface,
            "single": self.single,
            "doubt": self.doubt,
            "exit_hooks": " ".join(self.find_exit_hooks()),
            # A launcher that has died could not say which process the template has forked.
            "pid": str(os.getpid()) if self.is_from_template else "",
        }
        told = {name: fact for name, fact in facts.items() if fact}
        self.channel.send(frames.encode(frames.READY, 0, json.dumps(told).encode()))
