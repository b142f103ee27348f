"""An ASGI application with a WSGI one mounted in it, which believes proxies as Werkzeug teaches it.

/wsgi: the environ's text values. Anything else, and a WebSocket: the scope's fields.
"""

import json
from typing import Any

from asgiref.wsgi import WsgiToAsgi
from werkzeug.middleware.proxy_fix import ProxyFix

JSON = [("Content-Type", "application/json")]


def show_environ(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", JSON)
    return [json.dumps({k: v for k, v in environ.items() if isinstance(v, str)}).encode()]


mounted: Any = WsgiToAsgi(
    ProxyFix(show_environ, x_for=1, x_proto=1, x_host=1, x_port=1, x_prefix=1)
)


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    kind = scope["type"]
    if kind == "lifespan":
        return
    if kind == "http" and scope["path"].startswith("/wsgi"):
        await mounted(scope, receive, send)
        return
    shown = {n.decode("latin-1"): v.decode("latin-1") for n, v in scope["headers"]}
    prefix = "websocket.http" if kind == "websocket" else "http"
    fields = [(name.lower().encode(), value.encode()) for name, value in JSON]
    await send({"type": f"{prefix}.response.start", "status": 200, "headers": fields})
    await send({"type": f"{prefix}.response.body", "body": json.dumps(shown).encode()})
