"""An exception as data for a page: its chain, its frames, their source lines and variables."""

from __future__ import annotations

import linecache
import os
import sys
import sysconfig
from types import CodeType, FunctionType, ModuleType, TracebackType

from typhon_worker.process.tracebacks import is_machinery

from .values import Secrets, ValueWriter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Exceptions of one page: causes, contexts, members of groups.
MAX_EXCEPTIONS = 20
# Frames of one exception; the middle of a longer traceback is left out, as of endless recursion.
MAX_FRAMES = 60
MAX_VARIABLES = 50
# Source lines before and behind the line of a frame.
CONTEXT_LINES = 5
MAX_LINE_CHARACTERS = 400
MAX_MESSAGE_CHARACTERS = 4000
# Lines of a file in which a SyntaxError may be.
MAX_LINES = 10_000_000

_LIBRARY_FOLDERS = tuple(
    os.path.join(path, "")
    for name, path in sysconfig.get_paths().items()
    if name in ("stdlib", "platstdlib", "purelib", "platlib")
)


class Frame:
    """One call of a traceback."""

    def __init__(self, code: CodeType, line: int) -> None:
        self.file = code.co_filename
        self.function = code.co_name
        self.line = line
        self.is_library = is_library(code.co_filename)
        self.source = read_source(code.co_filename, line)
        self.variables: list[tuple[str, str]] = []


class Report:
    """One exception, with what led to it."""

    def __init__(self, error: BaseException, relation: str) -> None:
        # How it belongs to the exception that the page is about; "" for that one.
        self.relation = relation
        self.name = _name(type(error))
        self.message = _message(error)
        # The frames that are shown, and how many are left out in their middle.
        self.frames: list[Frame] = []
        self.left_out = 0
        # Of a SyntaxError: its file, its line, and the column of its caret, or 0.
        self.place: tuple[str, int, int] | None = None
        self.source: list[tuple[int, str]] = []
        if isinstance(error, SyntaxError):
            self.place = _place_of(error)
        if self.place is not None:
            self.source = read_source(*self.place[:2])


def is_library(file: str) -> bool:
    """Whether a file is no part of the application."""
    folded = ("site-packages", "dist-packages")
    return (
        file.startswith(("<frozen ", *_LIBRARY_FOLDERS))
        or any(f"{os.sep}{name}{os.sep}" in file for name in folded)
        or is_machinery(file)
    )


def read_source(file: str, line: int) -> list[tuple[int, str]]:
    """Returns the lines around a line with their numbers; none if the file cannot be read."""
    linecache.checkcache(file)
    lines = linecache.getlines(file)
    first = max(1, line - CONTEXT_LINES)
    shown = lines[first - 1 : line + CONTEXT_LINES]
    return [(first + at, text.rstrip()[:MAX_LINE_CHARACTERS]) for at, text in enumerate(shown)]


def make_reports(error: BaseException, secrets: Secrets, *, has_locals: bool) -> list[Report]:
    """Returns the exception first, then its causes and the members of groups."""
    values = ValueWriter(secrets) if has_locals else None
    waiting: list[tuple[BaseException, str]] = [(error, "")]
    reports: list[Report] = []
    seen: set[int] = set()
    while waiting and len(reports) < MAX_EXCEPTIONS:
        one, relation = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        report = Report(one, relation)
        report.message = secrets.mask(report.message)
        _add_frames(report, one.__traceback__, values)
        reports.append(report)
        waiting += [(inner, "Inside of the group") for inner in _members(one)]
        if one.__cause__ is not None:
            waiting.append((one.__cause__, "Caused by"))
        elif one.__context__ is not None and not one.__suppress_context__:
            waiting.append((one.__context__, "While this was handled"))
    return reports


# Those of a group; a property of another exception's may have that name.
def _members(error: BaseException) -> list[BaseException]:
    try:
        members = getattr(error, "exceptions", None)
    except Exception:
        members = None
    found = members if isinstance(members, tuple) else ()
    return [one for one in found[:MAX_EXCEPTIONS] if isinstance(one, BaseException)]


def _add_frames(
    report: Report, traceback: TracebackType | None, values: ValueWriter | None
) -> None:
    found: list[TracebackType] = []
    while traceback is not None:
        if not is_machinery(traceback.tb_frame.f_code.co_filename):
            found.append(traceback)
        traceback = traceback.tb_next
    if len(found) > MAX_FRAMES:
        report.left_out = len(found) - MAX_FRAMES
        found[MAX_FRAMES // 2 : -MAX_FRAMES // 2] = []
    # The innermost frames tell most, if the time does not suffice for all variables.
    for one in reversed(found):
        code = one.tb_frame.f_code
        frame = Frame(code, one.tb_lineno or code.co_firstlineno)
        if values is not None and not frame.is_library:
            frame.variables = _variables(one.tb_frame.f_locals, values)
        report.frames.insert(0, frame)


def _variables(found: Any, values: ValueWriter) -> list[tuple[str, str]]:
    is_module = "__builtins__" in found
    shown: list[tuple[str, str]] = []
    for name, value in list(found.items()):
        if is_module and (
            name.startswith("__") or isinstance(value, (ModuleType, FunctionType, type))
        ):
            continue
        if len(shown) == MAX_VARIABLES:
            shown.append(("…", f"{len(found) - MAX_VARIABLES} more"))
            break
        shown.append((name, values.write(name, value)))
    return shown


def _name(kind: type) -> str:
    module = kind.__module__
    return (
        kind.__qualname__ if module in ("builtins", "__main__") else f"{module}.{kind.__qualname__}"
    )


# The application may raise a SyntaxError with anything in it.
def _place_of(error: SyntaxError) -> tuple[str, int, int] | None:
    file, line, column = error.filename, error.lineno, error.offset
    if type(file) is not str or type(line) is not int or not 0 < line <= MAX_LINES:
        return None
    if type(column) is not int or not 0 < column <= MAX_LINE_CHARACTERS:
        column = 0
    return file, line, column


# The message is the application's code, too.
def _message(error: BaseException) -> str:
    try:
        text = error.msg if isinstance(error, SyntaxError) and error.msg else str(error)
        notes = getattr(error, "__notes__", None) or ()
        return "\n".join((text, *map(str, notes)))[:MAX_MESSAGE_CHARACTERS]
    except BaseException as failure:
        return f"(its message cannot be shown: {type(failure).__name__})"


def current_error() -> BaseException | None:
    """Returns the exception that is being handled here, or in a caller."""
    return sys.exc_info()[1]
