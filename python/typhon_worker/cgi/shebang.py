"""Which programs can be warm: the interpreter in their first line, and what they import.

Only what is certain to start the same interpreter in the same way is warm. Pure, except that
`command_of` and `imports_of` read the program's file.
"""

from __future__ import annotations

import re
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast

# What Linux reads of a first line.
_LINE_BYTES = 255
# Parsing takes 0.5 ms a KiB, and the launcher waits for it once a version of the program.
_MAX_SOURCE_BYTES = 131_072

_PYTHON = re.compile(rb"python[0-9.]*[dt]?")
# Linux passes all that follows the interpreter as one argument. -E, -I, -S and -i change what a
# template needs; -c, -m and -x run something else than the file.
_FLAGS = re.compile(rb"-[bBdOPqRsu]+|-W[\w:.,]+|-Xutf8(=[01])?")
# Without quotes, escapes and variables, which env -S would replace.
_PLAIN_WORD = re.compile(rb"[\w/.,:=+-]+")

# Modules that act when they are imported, or that keep what belongs to one process.
_NEVER = {
    "antigravity",
    "idlelib",
    "multiprocessing",
    "readline",
    "rlcompleter",
    "test",
    "this",
    "tkinter",
    "turtle",
    "turtledemo",
    "wsgiref",
}


class CannotBeWarm(Exception):
    """Why a program runs cold; "" = it is not one in Python."""


def command_of(program: bytes, python: bytes) -> list[bytes]:
    """Returns the interpreter of a program and its flags. Fails with CannotBeWarm or OSError."""
    if python:
        return [python]
    with open(program, "rb", buffering=0) as file:
        head = file.read(_LINE_BYTES)
    line, end, _ = head.partition(b"\n")
    if not end or not line.startswith(b"#!"):
        raise CannotBeWarm("")
    command = line[2:].strip(b" \t").split(None, 1)
    if not command or not command[0].startswith(b"/"):
        raise CannotBeWarm("")
    if command[0].endswith(b"/env"):
        return _env_command(command)
    name = command[0].rsplit(b"/", 1)[-1]
    if not _PYTHON.fullmatch(name):
        raise CannotBeWarm("")
    _require_flags(command[1:])
    return command


def _env_command(command: list[bytes]) -> list[bytes]:
    words = command[1].split() if len(command) > 1 else []
    # Linux passes one word: without -S, env would look for a command with blanks in its name.
    if len(words) > 1 and words[0] == b"-S":
        del words[0]
    elif len(words) > 1:
        raise CannotBeWarm("its first line has several words after env")
    if not words or not _PYTHON.fullmatch(words[0]):
        raise CannotBeWarm("")
    if not all(_PLAIN_WORD.fullmatch(word) for word in words):
        raise CannotBeWarm("its first line has special characters")
    _require_flags(words[1:])
    return [command[0], *words]


def _require_flags(flags: list[bytes]) -> None:
    for flag in flags:
        if not _FLAGS.fullmatch(flag):
            raise CannotBeWarm(f"its interpreter gets {flag.decode('latin-1')}")


def imports_of(program: bytes) -> list[str]:
    """Lists the standard modules that the program imports before all else: `json`, `html:escape`.

    None for a program that this interpreter cannot parse, or that is too long. Behind any other
    statement, or a module that is not of the library, an import may find another module, or look
    at another environment: `sys.path.insert(0, "lib")`, `os.environ["PYTHONTZPATH"] = "…"`.
    """
    import ast

    with open(program, "rb") as file:
        source = file.read(_MAX_SOURCE_BYTES + 1)
    if len(source) > _MAX_SOURCE_BYTES:
        return []
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    found: dict[str, None] = {}
    for outer in body:
        statements, others = [outer], []
        if isinstance(outer, ast.Try):
            statements = outer.body
            others = [one for handler in outer.handlers for one in handler.body]
            others += [*outer.orelse, *outer.finalbody]
        for statement in statements:
            if not (_is_plain(statement) or _add_import(statement, found)):
                return list(found)
        # What runs where an import fails.
        if not all(
            _is_plain(one) or isinstance(one, ast.Import | ast.ImportFrom) for one in others
        ):
            return list(found)
    return list(found)


# False for what is no import of standard modules.
def _add_import(statement: ast.stmt, found: dict[str, None]) -> bool:
    import ast

    match statement:
        case ast.Import(names=names) if all(_is_standard(one.name) for one in names):
            found.update((one.name, None) for one in names if _may_load(one.name))
            return True
        case ast.ImportFrom(module=str(module), names=names, level=0) if _is_standard(module):
            if _may_load(module):
                attributes = ",".join(one.name for one in names if one.name != "*")
                found[f"{module}:{attributes}"] = None
            return True
    return False


# Whether a statement does nothing that an import could notice: a docstring, `VERSION = "1"`.
def _is_plain(statement: ast.stmt) -> bool:
    import ast

    match statement:
        case ast.Pass() | ast.Expr(value=ast.Constant()):
            return True
        case ast.Assign(targets=[ast.Name()], value=ast.Constant()):
            return True
    return False


def _is_standard(name: str) -> bool:
    return name.partition(".")[0] in sys.stdlib_module_names


def _may_load(name: str) -> bool:
    return name.partition(".")[0] not in _NEVER
