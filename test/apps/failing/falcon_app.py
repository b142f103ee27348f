"""Falcon logs the exception and responds by itself."""

import falcon
import falcon.asgi
from fails import fail


class Boom:
    def on_get(self, request, response):
        fail("falcon")


class Deliberate:
    def on_get(self, request, response):
        raise falcon.HTTPServiceUnavailable


class Ok:
    def on_get(self, request, response):
        response.content_type = "text/html"
        response.text = "fine"


class AsyncBoom:
    async def on_get(self, request, response):
        fail("falcon")


class AsyncDeliberate:
    async def on_get(self, request, response):
        raise falcon.HTTPServiceUnavailable


class AsyncOk:
    async def on_get(self, request, response):
        response.content_type = "text/html"
        response.text = "fine"


wsgi = falcon.App()
asgi = falcon.asgi.App()
for path, plain, waiting in (
    ("/boom", Boom, AsyncBoom),
    ("/deliberate", Deliberate, AsyncDeliberate),
    ("/ok", Ok, AsyncOk),
):
    wsgi.add_route(path, plain())
    # Falcon takes the path with root_path.
    asgi.add_route(f"/falcon_app-asgi{path}", waiting())
