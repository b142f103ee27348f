"""What a page says of its request, and what its client may see."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    # "page": HTML. "text": the traceback. "": what the application responds with.
    Wish = str

# Names below localhost are never looked up in the DNS (RFC 6761 §6.3).
_LOCAL_HOST = re.compile(
    r"(?:(?:[\w-]+\.)*localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?", re.IGNORECASE
)
_LOCAL_ADDRESS = re.compile(r"127(?:\.\d{1,3}){3}|::1|::ffff:127(?:\.\d{1,3}){3}")
_LOCAL_ORIGIN = re.compile(rf"https?://{_LOCAL_HOST.pattern}", re.IGNORECASE)
# Fields that proxies and tunnels add, whatever they do to the host.
_PROXY_FIELDS = (
    *("x-forwarded", "forwarded", "x-real", "x-original-", "x-client-ip", "x-cluster-client-ip"),
    *("via", "cf-", "true-client-ip", "fly-client-ip", "fastly-client-ip"),
)
_NO_HTML = re.compile(r"text/html\s*;\s*q=0(?:\.0*)?\s*(?:,|$)")

BEYOND = "Local variables are not shown, because others than this machine may connect."
BY_PROXY = "Local variables are not shown, because the request came through a proxy."
OTHER_HOST = (
    "Local variables are not shown, because the request is for another host than localhost."
)
OTHER_SITE = "Local variables are not shown, because a page of another site has sent the request."


class RequestFacts:
    """One request, whatever its interface."""

    def __init__(
        self, method: str, target: str, client: str, fields: list[tuple[str, str]]
    ) -> None:
        self.method = method
        self.target = target
        self.client = client
        # Names in lower case.
        self.fields = fields

    def value(self, name: str) -> str:
        """Returns the value of a field, "" without it."""
        return next((value for one, value in self.fields if one == name), "")

    def wish(self) -> Wish:
        """Returns what the client takes: browsers name text/html, curl takes everything."""
        accept = self.value("accept").lower()
        if "text/html" in accept and not _NO_HTML.search(accept):
            return "page"
        return "text" if not accept or "*/*" in accept or "text/plain" in accept else ""

    def why_hidden(self, is_local: bool) -> str:
        """Returns why variables are not shown, "" if they may be.

        A page of another site can have its own name lead to this machine (DNS rebinding); the
        browser then names that host. `is_local`: only this machine can connect.
        """
        if not is_local:
            return BEYOND
        if any(name.startswith(_PROXY_FIELDS) for name, _ in self.fields):
            return BY_PROXY
        if not _LOCAL_ADDRESS.fullmatch(self.client):
            return BY_PROXY
        if not _LOCAL_HOST.fullmatch(self.value("host")):
            return OTHER_HOST
        # An application that lets all origins read its responses lets them read the page.
        origin = self.value("origin")
        return "" if not origin or _LOCAL_ORIGIN.fullmatch(origin) else OTHER_SITE


def facts_of_environ(environ: dict[str, Any]) -> RequestFacts:
    """Reads the environ of WSGI."""
    fields = [
        (name[5:].replace("_", "-").lower(), str(value))
        for name, value in environ.items()
        if name.startswith("HTTP_")
    ]
    fields += [
        (name.replace("_", "-").lower(), str(environ[name]))
        for name in ("CONTENT_TYPE", "CONTENT_LENGTH")
        if environ.get(name)
    ]
    path = _readable(environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""))
    query = environ.get("QUERY_STRING", "")
    return RequestFacts(
        environ["REQUEST_METHOD"],
        f"{path}?{query}" if query else path,
        environ.get("REMOTE_ADDR", ""),
        fields,
    )


def facts_of_scope(scope: dict[str, Any]) -> RequestFacts:
    """Reads the scope of ASGI."""
    fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    query = scope["query_string"].decode("latin-1")
    path = scope["path"]
    client = scope.get("client")
    return RequestFacts(
        scope["method"],
        f"{path}?{query}" if query else path,
        client[0] if client else "",
        fields,
    )


# WSGI has the bytes of a path as latin-1.
def _readable(path: str) -> str:
    return path.encode("latin-1", "replace").decode("utf-8", "replace")
