"""The entrance for main: pages for a loaded application, and for one that does not load."""

from __future__ import annotations

from typhon_worker.process.tracebacks import count_frames

from . import watch
from .asgi import AsgiPages
from .page import render_failure
from .wsgi import WsgiPages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def wrap(app: Any, interface: str, development: str) -> Any:
    """Returns the application with pages; `development`: "locals" if only this machine connects."""
    watch.install()
    pages = WsgiPages if interface == "wsgi" else AsgiPages
    return pages(app, development == "locals")


def page_of(failure: BaseException) -> str:
    """Returns the page for a failed load; "" if no code of the application has failed."""
    error = failure.__cause__ or failure.__context__
    if error is None or not (count_frames(error) or isinstance(error, SyntaxError)):
        return ""
    try:
        return render_failure(error)
    except Exception:
        # The text of the failure is shown.
        return ""
