"""The same hello in other frameworks, each as its own documentation begins."""

from typing import Any

from litestar import Litestar, get
from quart import Quart, request
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route


@get("/", sync_to_thread=False)
def litestar_hello(name: str = "nobody") -> dict[str, str]:
    return {"hello": name}


litestar_app = Litestar([litestar_hello])

quart_app = Quart(__name__)


@quart_app.route("/", methods=["GET", "POST"])
async def quart_hello() -> dict[str, Any]:
    form = await request.form
    return {"hello": form.get("name") or request.args.get("name", "nobody")}


async def starlette_hello(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"hello {request.query_params.get('name', 'nobody')}")


starlette_app = Starlette(routes=[Route("/", starlette_hello)])
