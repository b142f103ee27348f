"""The exceptions of a request that a framework catches, and tells the log of.

A record factory sees every log record with its exception, whatever becomes of the record.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar
from zlib import decompressobj

from typhon_worker.process.tracebacks import count_frames

from .page import POLICY, escape, render_exception, render_text
from .report import current_error
from .request import RequestFacts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# A longer response is the application's own page. Django's is longer, Flask's has 300 bytes.
MAX_REPLACED_BYTES = 65_536
# Fields of the application's response that the page keeps: without them a script of another origin
# could not read it, and a session would be lost.
_KEPT = ("access-control-", "set-cookie", "vary")
_CODED = ("gzip", "deflate")

_current: ContextVar[Watch | None] = ContextVar("typhon_development", default=None)


class Watch:
    """What is known of the exceptions of one request, and the page that shows the last one."""

    def __init__(self, facts: RequestFacts, is_local: bool) -> None:
        self._facts = facts
        self._is_local = is_local
        self._noted: BaseException | None = None
        # The exception that the response is about.
        self.error: BaseException | None = None
        self._token = _current.set(self)

    def end(self) -> None:
        """The application has returned."""
        try:
            _current.reset(self._token)
        except ValueError:
            pass  # In another context: that one has ended.

    def note(self, error: BaseException | None) -> None:
        """An exception was told to the log."""
        if error is not None:
            self._noted = error

    def judge(self, status: int) -> bool:
        """Whether a response of this status, that begins now, may have to become a page."""
        if status < 500 or not self._facts.wish():
            return False
        error = current_error()
        # Exceptions that mean a status are how frameworks respond.
        if error is not None and _means(error, status):
            return False
        self.error = error or self._noted
        return self.error is not None

    def may_show(self, error: BaseException) -> bool:
        """Whether an exception that the application lets pass can be shown."""
        self.error = error
        return isinstance(error, Exception) and count_frames(error) > 0 and bool(self._facts.wish())

    def may_replace(self, fields: list[tuple[str, str]], body: bytes) -> bool:
        """Whether a response of the application says less than the page would. `fields`: lower."""
        known = dict(fields)
        kind = known.get("content-type", "").lower()
        if self._facts.wish() != "page" and kind and not kind.startswith("text/"):
            return False
        coding = known.get("content-encoding", "")
        if coding in _CODED:
            try:
                body = decompressobj(47).decompress(body, MAX_REPLACED_BYTES)
            except Exception:
                return False
        return len(body) <= MAX_REPLACED_BYTES and b"traceback" not in body.lower()

    def make(self, fields: list[tuple[str, str]]) -> tuple[list[tuple[str, str]], bytes]:
        """Returns the fields and the body of the page, in place of a response with `fields`."""
        assert self.error is not None
        kind = "text/plain"
        try:
            if self._facts.wish() == "page":
                hidden = self._facts.why_hidden(self._is_local)
                text = render_exception(self.error, self._facts, hidden)
                kind = "text/html"
            else:
                text = render_text(self.error, self._facts)
        except Exception as failure:
            text = f"{escape(type(self.error).__name__)} (its page failed: {failure!r})\n"
        body = text.encode("utf-8", "backslashreplace")
        head = [(name, value) for name, value in fields if name.startswith(_KEPT)]
        head += [
            ("content-type", f"{kind}; charset=utf-8"),
            ("content-length", str(len(body))),
            ("cache-control", "no-store"),
            ("content-security-policy", POLICY),
            ("x-content-type-options", "nosniff"),
        ]
        return head, body


def install() -> None:
    """Begins to watch the log; the factory of the application goes on to make the records."""
    make = logging.getLogRecordFactory()

    def make_and_note(*words: Any, **named: Any) -> logging.LogRecord:
        record = make(*words, **named)
        watch = _current.get()
        # A factory of the application may put anything there.
        found = record.exc_info
        if watch is not None and isinstance(found, tuple) and len(found) == 3:
            watch.note(found[1])
        return record

    logging.setLogRecordFactory(make_and_note)


def _means(error: BaseException, status: int) -> bool:
    for name in ("status_code", "code", "status"):
        meant = getattr(error, name, None)
        if isinstance(meant, (int, str)) and str(meant)[:3] == str(status):
            return True
    return False
