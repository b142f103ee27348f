"""Which Node runs Typhon, judged by versions. Imports little: every start waits for this file.

The rule: of the Nodes without known holes the newest one, else the newest of the others that run
Typhon. A pre-release comes last. Of two equals the one that was named first wins.
"""

from __future__ import annotations

import os
import select
import time

from .node_floors import FLOORS, LEAST_MAJOR

Version = tuple[int, int, int]

# A Node says its version in 4 ms. A script in its place that takes longer is no Node.
_ASK_SECONDS = 5.0
_MAX_VERSION_BYTES = 64


class Node:
    """A program, the version that it says, such as "v24.22.3", and that version as numbers."""

    __slots__ = ("path", "text", "version")

    def __init__(self, path: str, text: str) -> None:
        """Read the numbers of `text`; a text that is no version counts as 0.0.0."""
        self.path = path
        self.text = text
        self.version = parse_version(text)

    @property
    def can_run(self) -> bool:
        """Whether this Node runs Typhon at all."""
        return self.version[0] >= LEAST_MAJOR

    @property
    def rank(self) -> tuple[bool, bool, Version]:
        """The higher, the better."""
        return "-" not in self.text, is_safe(self.version), self.version


def parse_version(text: str) -> Version:
    """Return the numbers of "v24.22.3" or "v27.0.0-nightly1"; 0.0.0 for anything else."""
    words = text.strip().removeprefix("v").split("-")[0].split(".")
    if len(words) != 3 or not all(word.isascii() and word.isdigit() for word in words):
        return 0, 0, 0
    return int(words[0]), int(words[1]), int(words[2])


def is_safe(version: Version) -> bool:
    """Whether this version has no known holes, as a release line has that is no longer kept."""
    for floor in FLOORS:
        if floor[0] == version[0]:
            return version >= floor
    return version > FLOORS[-1]


def choose(nodes: list[Node]) -> Node | None:
    """Return the best of `nodes`; None if none of them runs Typhon."""
    able = [node for node in nodes if node.can_run]
    return max(able, key=lambda node: node.rank) if able else None


def find_program(name: str, path: str) -> str | None:
    """Return what a shell would run for `name`: the file itself, or the first one in `path`."""
    if "/" in name:
        return name if _may_run(name) else None
    programs = (os.path.join(folder or ".", name) for folder in path.split(":"))
    return next(filter(_may_run, programs), None)


def ask(program: str) -> Node:
    """Run `program --version`. What says no version, or says none in time, has version 0.0.0."""
    read, write = os.pipe()
    try:
        pid = os.posix_spawn(
            program,
            [program, "--version"],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, write, 1),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
            ],
        )
    except OSError:
        os.close(read)
        return Node(program, "")
    finally:
        os.close(write)
    text = b""
    end = time.monotonic() + _ASK_SECONDS
    while len(text) < _MAX_VERSION_BYTES and not text.endswith(b"\n"):
        is_readable, _, _ = select.select([read], [], [], max(0.0, end - time.monotonic()))
        piece = os.read(read, _MAX_VERSION_BYTES) if is_readable else b""
        if not piece:
            break
        text += piece
    os.close(read)
    # Node has nothing left to do; a script in its place might go on for ever.
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    return Node(program, text.decode("latin-1").strip())


def _may_run(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)
