"""What an operator can do about an error of a program, as a line after the program's own text."""

from __future__ import annotations

import re

# Programs that have got a hint; a hint is given once for each.
_MAX_PROGRAMS = 256
_GONE = re.compile(r"^ModuleNotFoundError: No module named '(cgi|cgitb)'$", re.MULTILINE)


class Hints:
    """The hints that have been given."""

    def __init__(self) -> None:
        self._given: dict[bytes, None] = {}

    def add(self, program: bytes, text: str) -> str:
        """Returns the text, with a hint where a module is missing that Python has dropped."""
        found = None if program in self._given else _GONE.search(text)
        if found is None:
            return text
        if len(self._given) >= _MAX_PROGRAMS:
            self._given.clear()
        self._given[program] = None
        return (
            f"{text.rstrip()}\n"
            f"typhon: Python 3.13 and newer have no module {found[1]}. Install legacy-cgi for the "
            "interpreter of this program: python -m pip install legacy-cgi\n"
        )
