"""Which programs can be warm: the interpreter in their first line, and what they import.

Only what is certain to start the same interpreter in the same way is warm. Pure, except that
`command_of` and `imports_of` read the program's file.
"""

from __future__ import annotations

import re
import sys

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
    """Lists the standard modules that the program imports in any case: `json`, `html:escape`.

    None for a program that this interpreter cannot parse, or that is too long.
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
        for statement in outer.body if isinstance(outer, ast.Try) else [outer]:
            match statement:
                case ast.Import(names=names):
                    found.update((one.name, None) for one in names if _is_standard(one.name))
                case ast.ImportFrom(module=str(module), names=names, level=0):
                    if _is_standard(module):
                        attributes = ",".join(one.name for one in names if one.name != "*")
                        found[f"{module}:{attributes}"] = None
    return list(found)


def _is_standard(name: str) -> bool:
    top = name.partition(".")[0]
    return top in sys.stdlib_module_names and top not in _NEVER
