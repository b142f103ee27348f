"""Applications without a framework, which let exceptions pass."""

from fails import fail


def wsgi(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/late":
        start_response("200 OK", [("Content-Type", "text/html")])
        return late("wsgi")
    if path == "/begun":
        start_response("200 OK", [("Content-Type", "text/html")])
        return begun("wsgi")
    if path == "/deliberate":
        start_response("503 Service Unavailable", [("Content-Type", "text/html")])
        return [b"closed"]
    if path != "/ok":
        fail("wsgi")
    start_response("200 OK", [("Content-Type", "text/html")])
    return [b"fine"]


def late(name):
    fail(name)
    yield b""


def begun(name):
    yield b"<!doctype html>begun"
    fail(name)


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError
    path = scope["path"].removeprefix(scope["root_path"])
    status = 503 if path == "/deliberate" else 200
    if path in ("/boom",):
        fail("asgi")
    fields = [(b"content-type", b"text/html")]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    if path == "/late":
        fail("asgi")
    body = b"closed" if status == 503 else b"fine"
    await send({"type": "http.response.body", "body": body, "more_body": path == "/begun"})
    if path == "/begun":
        fail("asgi")
