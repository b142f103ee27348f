"""The application that server.ts serves."""


def app(environ, start_response):
    """Greet whoever asks."""
    name = environ["PATH_INFO"].strip("/") or "world"
    body = f"hello, {name}\n".encode("latin-1")
    headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
    start_response("200 OK", headers)
    return [body]
