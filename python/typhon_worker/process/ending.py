"""The end of a worker after its last response, within what is left of the grace.

    wait ── 2 s ──▶ the log names what is waited for
         ── the grace is nearly over ──▶ GraceOver in the main thread ──▶ exit functions ──▶ exit

Python itself waits without a limit for threads that are not daemonic and for the jobs of executors,
and runs the functions of `atexit` only after that. The front kills a worker at the end of its
grace, so a thread that does not end would cost the application its exit functions.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType

from typhon_worker.wire import frames

from . import process_setup
from .channel import Channel
from .native import allocate_lock, monotonic, start_new_thread

# A wait up to this long is ordinary and not worth a line.
PATIENCE_SECONDS = 2.0
# What is kept of the grace for exit functions: senders of traces and reports flush in at most 2 s.
EXIT_SECONDS = 3.0
MAX_EXIT_SHARE = 0.25
# After the grace each exit function that hangs is interrupted: so often until the worker is killed.
EXIT_STEPS = 4
# An application that has not loaded holds up the start, or the reload, for no longer.
FAILED_EXIT_MS = 5000
# A line of the log is sent at once, unless the front does not read.
TELL_SECONDS = 0.5
# Threads that a line names.
MAX_NAMED = 5
_NO_LIMIT = float("inf")
# The folder of the standard library, which says nothing about who waits.
_LIBRARY = os.path.dirname(threading.__file__) + os.sep


class GraceOver(SystemExit):
    """Raised in the main thread, whatever it waits for: event loops let a SystemExit pass."""


class Ending:
    """Waits for what the application has left, and runs its exit functions in any case."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        # The second from which nothing but exit functions is waited for, and the seconds for them.
        self._latest = _NO_LIMIT
        self._reserve = EXIT_SECONDS
        self._waits_for = ""
        self._may_raise = False
        self._is_over = False

    def limit(self, milliseconds: int) -> None:
        """The front kills this worker after so many milliseconds (STOP); 0: it did not say."""
        if milliseconds:
            seconds = milliseconds / 1000
            self._reserve = min(EXIT_SECONDS, seconds * MAX_EXIT_SHARE)
            self._latest = monotonic() + seconds - self._reserve

    def wait(self, what: str, run: Callable[[], object]) -> None:
        """Calls `run`, which waits for `what`, unless or until the grace is over.

        The first call begins after the last response. All of them come from the main thread.
        """
        if not self._waits_for:
            signal.signal(signal.SIGALRM, self._on_alarm)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGALRM,))
            self._set_alarm(min(PATIENCE_SECONDS, self._latest - monotonic()))
        self._waits_for = what
        if not self._is_over:
            self._try(run)

    def finish(self) -> None:
        """Waits for the application's threads, then runs its exit functions.

        Exits if the grace was over before; otherwise the interpreter ends as always.
        """
        # As the interpreter does at its end, and multiprocessing; done twice it does nothing.
        self.wait("threads", threading._shutdown)  # type: ignore[attr-defined]
        self._run_exit_functions()
        if self._is_over:
            os._exit(0)

    def finish_failed(self) -> None:
        """Runs the exit functions of an application that has not loaded; waits for no thread."""
        self.limit(FAILED_EXIT_MS)
        self.wait("exit functions", lambda: None)
        self._run_exit_functions()

    def _run_exit_functions(self) -> None:
        self._waits_for = "exit functions"
        for _ in range(EXIT_STEPS):
            if self._try(atexit._run_exitfuncs):
                break
        signal.setitimer(signal.ITIMER_REAL, 0)
        process_setup.flush_streams()

    # Returns whether `run` has returned.
    def _try(self, run: Callable[[], object]) -> bool:
        try:
            self._may_raise = True
            run()
            return True
        except GraceOver:
            return False
        finally:
            self._may_raise = False

    def _on_alarm(self, _signal: int, _frame: FrameType | None) -> None:
        left = self._latest - monotonic()
        if left > 0.0:
            self._set_alarm(left)
            self._tell("still waits for {}")
            return
        self._set_alarm(self._reserve / EXIT_STEPS)
        if not self._is_over:
            self._is_over = True
            self._tell("--graceful-timeout is nearly over: ends without waiting for {}")
        if self._may_raise:
            raise GraceOver(0)

    def _tell(self, sentence: str) -> None:
        what = _describe_threads() if self._waits_for == "threads" else self._waits_for
        if not what:
            return
        text = sentence.format(what)
        # In another thread: the alarm may have come while this one was sending.
        has_sent = allocate_lock()
        has_sent.acquire()

        def send() -> None:
            self._channel.log(frames.LEVEL_WARNING, text)
            has_sent.release()

        try:
            start_new_thread(send, ())
        except RuntimeError:
            return  # No more threads can be made.
        has_sent.acquire(timeout=TELL_SECONDS)

    @staticmethod
    def _set_alarm(seconds: float) -> None:
        # Zero would mean no alarm; a number without a limit is none.
        signal.setitimer(signal.ITIMER_REAL, 0 if seconds == _NO_LIMIT else max(seconds, 0.001))


# 'the thread "consumer" (tasks.py:12)': each with the line of code that it has reached.
def _describe_threads() -> str:
    current = sys._current_frames()
    named = [
        f'"{thread.name}"{_place(current.get(thread.ident or 0))}'
        for thread in threading.enumerate()
        if not thread.daemon and thread is not threading.main_thread()
    ]
    if len(named) > MAX_NAMED:
        named[MAX_NAMED:] = [f"{len(named) - MAX_NAMED} more"]
    return f"the thread{'s' * (len(named) > 1)} {', '.join(named)}" if named else ""


def _place(frame: FrameType | None) -> str:
    while frame is not None and _is_library(frame.f_code.co_filename):
        frame = frame.f_back
    return "" if frame is None else f" ({frame.f_code.co_filename}:{frame.f_lineno})"


def _is_library(filename: str) -> bool:
    return filename.startswith(_LIBRARY) and "-packages" not in filename
