"""Values as a page shows them: short, made in bounded time, and without secrets.

Containers of Python are walked here. Any other object is asked for its repr, which is code of the
application: a trace function ends it at the deadline, unless it waits in C code.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from types import FrameType

from typhon_worker.process.native import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Time for all values of one page.
MAX_SECONDS = 1.0
# Characters of one value, and of a text inside of it.
MAX_CHARACTERS = 2000
MAX_TEXT_CHARACTERS = 400
# Items of one container, and containers inside of one another.
MAX_ITEMS = 20
MAX_DEPTH = 4
# Python refuses to write longer numbers in decimal digits.
_MAX_BITS = 10_000

MASK = "********"
# Django masks about the same names in its reports.
_WORDS = (
    r"passw|passphrase|passcode|\bpass\b|_pass\b|pwd|token|secret|key|cookie|auth(?!or(?!i))|credential|"
    r"session_?id|signature|csrf|dsn"
)
_SECRET_NAME = re.compile(_WORDS, re.IGNORECASE)
# A name and the sign behind it. It begins where a word begins, so that a long word is read once.
_NAME_AND_SIGN = re.compile(r"""(?<![\w-])([\w-]+)["']?\s*[=:]\s*""")
_ASSIGNED = re.compile(r"""b?'(?:[^'\\]|\\.)*'?|b?"(?:[^"\\]|\\.)*"?|[^\s,;&)\]}]+""", re.DOTALL)
# To the last @: many passwords have one that should have been escaped.
_PASSWORD_IN_URL = re.compile(r"(://[^/\s:@]*:)[^\s/]+@")
# A shorter value stands in too many other texts.
_MIN_KNOWN_CHARACTERS = 6


class _TooSlow(BaseException):
    pass


def is_secret_name(name: object) -> bool:
    """Whether a variable, a key or a field of that name may hold a secret."""
    if isinstance(name, bytes):
        name = name.decode("latin-1")
    return isinstance(name, str) and _SECRET_NAME.search(name) is not None


class Secrets:
    """Texts that must not be shown, wherever they stand."""

    def __init__(self) -> None:
        self._known: list[str] = []

    def learn(self, value: str) -> None:
        """Learns the value of a field that is masked, and the words in it."""
        words = [value, *re.split(r"[\s;,]+", value)]
        words += [word.partition("=")[2] for word in words]
        known = {word for word in words if len(word) >= _MIN_KNOWN_CHARACTERS}
        self._known = sorted({*self._known, *known}, key=len, reverse=True)

    def mask_known(self, text: str) -> str:
        """Masks what was learned."""
        for known in self._known:
            text = text.replace(known, MASK)
        return text

    def mask(self, text: str) -> str:
        """Masks what was learned, `password=…` and the like, and passwords in URLs."""
        return _mask_assignments(_PASSWORD_IN_URL.sub(rf"\1{MASK}@", self.mask_known(text)))


class ValueWriter:
    """Writes the values of one page."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._deadline = monotonic() + MAX_SECONDS

    def write(self, name: object, value: Any) -> str:
        """Returns the text of a value. Never fails."""
        if is_secret_name(name):
            return MASK
        try:
            text = self._write(value, 0)
        except BaseException as error:
            text = _tell_failure(value, error)
        return self._secrets.mask_known(_cut(text, MAX_CHARACTERS))

    def _write(self, value: Any, depth: int) -> str:
        kind = type(value)
        if kind is str:
            # Before the repr, which writes a quote inside of a text in another way.
            return repr(self._secrets.mask(value[:MAX_TEXT_CHARACTERS])) + _tell_rest(value)
        if kind is bytes or kind is bytearray:
            return self._secrets.mask(repr(value[:MAX_TEXT_CHARACTERS])) + _tell_rest(value)
        if kind is int and value.bit_length() > _MAX_BITS:
            return f"<int of {value.bit_length()} bits>"
        if isinstance(value, dict):
            return self._write_dict(value, depth)
        if kind in _BRACKETS:
            return self._write_sequence(value, *_BRACKETS[kind], depth)
        return self._secrets.mask(_cut(self._ask(value), MAX_CHARACTERS))

    def _write_dict(self, value: dict[Any, Any], depth: int) -> str:
        def pairs() -> Iterator[str]:
            for key, item in dict.items(value):
                text = MASK if is_secret_name(key) else self._write(item, depth + 1)
                yield f"{self._write(key, depth + 1)}: {text}"

        name = "" if type(value) is dict else type(value).__name__
        return name + self._join(pairs(), len(value), "{", "}", depth)

    def _write_sequence(self, value: Any, opening: str, closing: str, depth: int) -> str:
        # A field of an ASGI scope or of a list of fields.
        if type(value) is tuple and len(value) == 2 and is_secret_name(value[0]):
            return f"({self._write(value[0], depth + 1)}, {MASK})"
        if type(value) is tuple and len(value) == 1:
            closing = ",)"
        items = (self._write(item, depth + 1) for item in value)
        return self._join(items, len(value), opening, closing, depth)

    def _join(
        self, items: Iterable[str], count: int, opening: str, closing: str, depth: int
    ) -> str:
        if depth >= MAX_DEPTH and count:
            return f"{opening}…{closing}"
        texts: list[str] = []
        size = 0
        for text in items:
            if len(texts) == MAX_ITEMS or size > MAX_CHARACTERS or monotonic() > self._deadline:
                texts.append(f"… {count - len(texts)} more")
                break
            texts.append(text)
            size += len(text)
        return opening + ", ".join(texts) + closing

    def _ask(self, value: Any) -> str:
        if monotonic() > self._deadline:
            return f"<{type(value).__name__}: not shown, the page took too long>"
        deadline = self._deadline

        def watch(_frame: FrameType, _event: str, _argument: object) -> Any:
            if monotonic() > deadline:
                raise _TooSlow
            return watch

        # A debugger's trace function stays, and the repr has no limit then.
        is_free = sys.gettrace() is None
        if is_free:
            sys.settrace(watch)
        try:
            return repr(value)
        except _TooSlow:
            return f"<{type(value).__name__}: its repr takes too long>"
        except BaseException as error:  # SystemExit, too: no repr ends a worker.
            return _tell_failure(value, error)
        finally:
            if is_free:
                sys.settrace(None)


_BRACKETS: dict[type, tuple[str, str]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    set: ("{", "}"),
    frozenset: ("frozenset({", "})"),
}


def _mask_assignments(text: str) -> str:
    parts: list[str] = []
    written = read = 0
    while (name := _NAME_AND_SIGN.search(text, read)) is not None:
        read = name.end()
        value = _ASSIGNED.match(text, read) if is_secret_name(name[1]) else None
        if value is not None:
            parts += (text[written:read], MASK)
            written = read = value.end()
    return "".join((*parts, text[written:]))


def _tell_failure(value: object, error: BaseException) -> str:
    return f"<{type(value).__name__}: its repr raises {type(error).__name__}>"


def _tell_rest(value: str | bytes | bytearray) -> str:
    rest = len(value) - MAX_TEXT_CHARACTERS
    return f"… {rest} more" if rest > 0 else ""


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}… {len(text) - most} more"
