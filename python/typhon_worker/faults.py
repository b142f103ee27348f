"""What an exception looks like in the log: the application's own frames, without the server's.

The traceback module is imported when the first exception has to be told: it brings a dozen modules
along, and a start without a fault needs none of them.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from traceback import TracebackException

_FOLDER = os.path.dirname(os.path.abspath(__file__)) + os.sep
_IMPORT_SYSTEM = "<frozen importlib."


class ApplicationFault(Exception):
    """The application broke the rules of its interface; the text alone says how."""


def describe(error: BaseException, *, is_ours: bool = False) -> str:
    """The exception as Python prints it, without frames of ours unless the fault `is_ours`.

    Never fails, whatever the exception's own methods do.
    """
    if isinstance(error, ApplicationFault):
        return str(error)
    import traceback

    try:
        told = traceback.TracebackException(type(error), error, error.__traceback__)
        if not is_ours:
            _strip(told, set())
        return "".join(told.format()).rstrip("\n")
    except Exception as failure:
        return f"{type(error).__name__} (and telling it failed: {type(failure).__name__})"


def describe_type(value: object) -> str:
    """What kind of thing this is, for a sentence: `None`, `a str`, `an int`."""
    name = type(value).__name__
    if name in ("NoneType", "bytes"):
        return name.removesuffix("Type")
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def count_frames(error: BaseException) -> int:
    """How many frames of the traceback are the application's."""
    count = 0
    frame = error.__traceback__
    while frame is not None:
        count += not is_machinery(frame.tb_frame.f_code.co_filename)
        frame = frame.tb_next
    return count


def is_ours(filename: str) -> bool:
    """Whether code of this file is the server's."""
    return filename.startswith(_FOLDER)


def is_machinery(filename: str) -> bool:
    """Whether code of this file is the server's or the import system's."""
    return filename.startswith((_FOLDER, _IMPORT_SYSTEM))


def _strip(told: TracebackException | None, seen: set[int]) -> None:
    if told is None or id(told) in seen:
        return
    seen.add(id(told))
    told.stack[:] = [frame for frame in told.stack if not is_machinery(frame.filename)]
    _strip(told.__cause__, seen)
    _strip(told.__context__, seen)
    for inner in getattr(told, "exceptions", None) or ():
        _strip(inner, seen)
