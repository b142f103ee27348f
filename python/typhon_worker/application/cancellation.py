"""Ending the application's work on a request: a client that has left, a deadline that has passed.

An exception that a thread sets in another one (PyThreadState_SetAsyncExc) may only hit the
application's code. Code of the server could be holding a lock, or be about to send a frame.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from types import CodeType, FrameType

from typhon_worker.process.tracebacks import is_machinery, is_ours

# Functions of the server that pass a call on to the application, such as a developer's pages.
INNER_CALLERS: set[CodeType] = set()

SetException = Callable[[int, type[BaseException] | None], object]


class ClientGone(ConnectionError):
    """Nobody waits for this response any more (CANCEL)."""


class RequestTimeout(BaseException):
    """Raised in the application's code: its request ran past the deadline.

    Not an Exception, so that the application's handlers of ordinary failures let it pass.
    """

    def __init__(self, text: str = "the request ran past its deadline") -> None:
        super().__init__(text)


def is_application_code(
    frame: FrameType | None, callers: Collection[CodeType], loop_files: tuple[str, ...] = ()
) -> bool:
    """Whether a thread whose innermost frame is `frame` runs the application's code.

    Library code counts for whoever called it. `callers`: the functions of the server that call the
    application. `loop_files`: where the event loop's own code lies; it calls the application's
    callbacks and tasks. Code of the import system never counts, because it would leave the import
    locks behind.
    """
    if frame is None or is_machinery(frame.f_code.co_filename):
        return False
    innermost = frame
    while frame is not None:
        filename = frame.f_code.co_filename
        if is_ours(filename):
            is_passing = frame is not innermost and frame.f_code in INNER_CALLERS
            return is_passing or frame.f_code in callers
        if filename.startswith(loop_files):
            return frame is not innermost
        frame = frame.f_back
    return False


def find_setter() -> SetException | None:
    """Returns a function that sets an exception in a thread (None takes it back), if there is one.

    Without ctypes there is none.
    """
    try:
        import ctypes

        # By index: an object of its own, whatever the application does to the shared attribute.
        function = ctypes.pythonapi["PyThreadState_SetAsyncExc"]
    except (ImportError, AttributeError):
        return None

    def set_exception(thread: int, kind: type[BaseException] | None) -> object:
        value = None if kind is None else ctypes.py_object(kind)
        return function(ctypes.c_ulong(thread), value)

    return set_exception
