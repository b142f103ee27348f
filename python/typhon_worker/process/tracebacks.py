"""Exceptions as the log tells them: the application's own frames, without the server's.

The traceback module is imported for the first exception only: it brings a dozen modules along, and
a start without a failure needs none of them.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from traceback import TracebackException

# The folder of the package typhon_worker.
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_IMPORT_SYSTEM = "<frozen importlib."


class ApplicationFault(Exception):
    """The application broke the rules of its interface; the text alone says how."""


def describe(error: BaseException, *, is_ours: bool = False) -> str:
    """Formats an exception as Python does, without the server's frames unless it `is_ours`.

    Never fails, whatever the exception's own methods do.
    """
    if isinstance(error, ApplicationFault):
        return str(error)
    import traceback

    try:
        formatted = traceback.TracebackException(type(error), error, error.__traceback__)
        if not is_ours:
            _strip(formatted, set())
        return "".join(formatted.format()).rstrip("\n")
    except Exception as failure:
        return f"{type(error).__name__} (and telling it failed: {type(failure).__name__})"


def describe_failure(error: BaseException) -> str:
    """Formats what a call of the application raised.

    Without a frame of the application the fault may be the server's, whose frames are then kept.
    """
    return describe(error, is_ours=count_frames(error) == 0)


def describe_type(value: object) -> str:
    """Names the type of a value for a sentence: `None`, `a str`, `an int`."""
    name = type(value).__name__
    if name in ("NoneType", "bytes"):
        return name.removesuffix("Type")
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def count_frames(error: BaseException) -> int:
    """Counts the application's frames in the traceback."""
    count = 0
    frame = error.__traceback__
    while frame is not None:
        count += not is_machinery(frame.tb_frame.f_code.co_filename)
        frame = frame.tb_next
    return count


def is_ours(filename: str) -> bool:
    """Whether a file is the server's."""
    return filename.startswith(_PACKAGE)


def is_machinery(filename: str) -> bool:
    """Whether a file is the server's or the import system's."""
    return filename.startswith((_PACKAGE, _IMPORT_SYSTEM))


def _strip(formatted: TracebackException | None, seen: set[int]) -> None:
    if formatted is None or id(formatted) in seen:
        return
    seen.add(id(formatted))
    formatted.stack[:] = [frame for frame in formatted.stack if not is_machinery(frame.filename)]
    _strip(formatted.__cause__, seen)
    _strip(formatted.__context__, seen)
    for inner in getattr(formatted, "exceptions", None) or ():
        _strip(inner, seen)
