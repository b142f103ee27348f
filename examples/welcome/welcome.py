"""A WSGI application that shows what the server does with it; standard library only.

`typhon welcome:application` serves it. Pages: the request as the application sees it, a form that
posts, a page that arrives in pieces, and a page that takes its time while others are answered.
"""

from __future__ import annotations

import html
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import parse_qs

Environ = dict[str, Any]
StartResponse = Callable[..., Any]

STYLE = """
:root { color-scheme: light dark; --ink: #1d2b34; --paper: #fbfaf6; --line: #d8d3c4;
  --accent: #0b6b63; --soft: #eef3ef }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e4dc; --paper: #14191c; --line: #39434a; --accent: #5fc9bd; --soft: #1d2629 } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 46rem; padding: 2rem 1.25rem 4rem; color: var(--ink);
  background: var(--paper); font: 1.05rem/1.6 system-ui, sans-serif }
h1 { font-size: 2rem; line-height: 1.2; margin: 1.5rem 0 .5rem }
h2 { font-size: 1.2rem; margin: 2.25rem 0 .5rem }
a { color: var(--accent) }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; list-style: none; margin: 0;
  padding: 0 0 .75rem; border-bottom: 1px solid var(--line) }
nav [aria-current] { color: inherit; font-weight: 600; text-decoration: none }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .4rem .75rem .4rem 0;
  border-bottom: 1px solid var(--line) }
th { font-weight: 500; white-space: nowrap; width: 13rem }
td { font-family: ui-monospace, monospace; font-size: .92rem; overflow-wrap: anywhere }
label { display: block; font-weight: 500; margin-bottom: .25rem }
input { font: inherit; width: 100%; padding: .5rem .7rem; color: inherit;
  background: transparent; border: 1px solid var(--line); border-radius: .4rem }
button { font: inherit; margin-top: .75rem; padding: .5rem 1.1rem; border: 0; cursor: pointer;
  border-radius: .4rem; color: var(--paper); background: var(--accent) }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
.note, output { display: block; background: var(--soft); border-left: 4px solid var(--accent);
  padding: .75rem 1rem; overflow-wrap: anywhere }
ol.stream { padding-left: 1.5rem }
"""

PAGES = (
    ("/", "This request"),
    ("/form", "A form"),
    ("/stream", "A stream"),
    ("/slow", "A slow page"),
)

MAX_FORM_BYTES = 65_536
STREAM_CHUNKS = 10
STREAM_PAUSE_SECONDS = 0.5
SLOW_SECONDS = 3.0


def link(environ: Environ, path: str) -> str:
    """The path of a page below the prefix that the server mounts the application under."""
    return html.escape(environ.get("SCRIPT_NAME", "") + path)


def head(environ: Environ, title: str) -> str:
    """The beginning of a page, up to and with its heading."""
    here = environ.get("PATH_INFO", "/")
    current = ' aria-current="page"'
    items = "".join(
        f'<li><a href="{link(environ, path)}"{current if path == here else ""}>{name}</a></li>'
        for path, name in PAGES
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title} · Typhon</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f'<nav aria-label="Pages"><ul>{items}</ul></nav>\n<main>\n<h1>{title}</h1>\n'
    )


FOOT = "</main>\n</body>\n</html>\n"


def table(rows: Iterable[tuple[str, object]]) -> str:
    """A table of two columns; all text is escaped."""
    cells = "".join(
        f'<tr><th scope="row">{html.escape(name)}</th><td>{html.escape(str(value))}</td></tr>\n'
        for name, value in rows
    )
    return f"<table>\n{cells}</table>\n"


def as_text(value: str) -> str:
    """A text of the environment (latin-1 characters that are bytes, PEP 3333) as readable text."""
    return value.encode("latin-1", "replace").decode("utf-8", "replace")


def home(environ: Environ) -> str:
    """What the application knows of the request and of the process that runs it."""
    facts = (
        ("Method", environ["REQUEST_METHOD"]),
        ("Path", as_text(environ.get("PATH_INFO", ""))),
        ("Query", as_text(environ.get("QUERY_STRING", "")) or "none"),
        ("Protocol", environ.get("SERVER_PROTOCOL", "")),
        ("Scheme", environ["wsgi.url_scheme"]),
        ("Client", environ.get("REMOTE_ADDR", "") or "a Unix socket"),
        ("Request id", environ.get("HTTP_X_REQUEST_ID", "none")),
    )
    process = (
        ("Server", environ.get("SERVER_SOFTWARE", "")),
        ("Worker (process id)", os.getpid()),
        ("Thread", threading.current_thread().name),
        ("Threads share a worker", "yes" if environ["wsgi.multithread"] else "no"),
        ("Several workers", "yes" if environ["wsgi.multiprocess"] else "no"),
    )
    fields = sorted(
        (name[5:].replace("_", "-").title(), as_text(value))
        for name, value in environ.items()
        if name.startswith("HTTP_") and name != "HTTP_COOKIE"
    )
    return (
        head(environ, "Typhon is running")
        + '<p class="note">This page comes from a Python process behind Typhon. Load it again: '
        "whichever worker is free answers, under a new request id, which is in the access log and "
        "in the response as well.</p>\n"
        + f"<h2>The request</h2>\n{table(facts)}<h2>Who answers</h2>\n{table(process)}"
        + f"<h2>Header fields</h2>\n{table(fields)}"
        + FOOT
    )


def form(environ: Environ, words: str | None) -> str:
    """The form, and below it what was posted."""
    answer = ""
    if words is not None:
        answer = (
            "<h2>The answer</h2>\n"
            f'<output for="words">{len(words)} characters: {html.escape(words)}</output>\n'
        )
    return (
        head(environ, "A form that posts")
        + "<p>Typhon receives the whole body before a worker sees the request, so a client that "
        "sends slowly holds no worker.</p>\n"
        + f'<form method="post" action="{link(environ, "/form")}">\n'
        '<label for="words">Some words</label>\n'
        '<input id="words" name="words" maxlength="1000" required autocomplete="off">\n'
        f"<button>Send</button>\n</form>\n{answer}" + FOOT
    )


def posted_words(environ: Environ) -> str:
    """The field `words` of a posted form."""
    length = min(int(environ.get("CONTENT_LENGTH") or 0), MAX_FORM_BYTES)
    fields = parse_qs(environ["wsgi.input"].read(length).decode("utf-8", "replace"))
    return fields.get("words", [""])[0]


def stream(environ: Environ) -> Iterator[bytes]:
    """A page in pieces: each chunk leaves at once, while the page is still being made."""
    yield (
        head(environ, "A page in pieces")
        + "<p>Each line is a chunk of its own, half a second after the one before.</p>\n"
        '<ol class="stream" aria-live="polite">\n'
    ).encode()
    began = time.monotonic()
    for _ in range(STREAM_CHUNKS):
        time.sleep(STREAM_PAUSE_SECONDS)
        yield f"<li>after {time.monotonic() - began:.1f} s, worker {os.getpid()}</li>\n".encode()
    yield f"</ol>\n<p>That was all.</p>\n{FOOT}".encode()


def slow(environ: Environ) -> str:
    """A page that takes some seconds; other requests go to whoever is free meanwhile."""
    began = time.monotonic()
    time.sleep(SLOW_SECONDS)
    return (
        head(environ, "A slow page")
        + f"<p>Worker {os.getpid()} slept for {time.monotonic() - began:.1f} seconds. While it "
        "did, every other request went to a free worker, or to another thread of this one. Load "
        f'this page and, at the same time, <a href="{link(environ, "/")}">the first one</a> in '
        "another tab.</p>\n"
        + table((("Request id", environ.get("HTTP_X_REQUEST_ID", "none")),))
        + FOOT
    )


def application(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """The WSGI entry point (PEP 3333)."""
    method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO") or "/"
    allowed = ("GET", "HEAD", "POST") if path == "/form" else ("GET", "HEAD")
    headers = [("Content-Type", "text/html; charset=utf-8"), ("Cache-Control", "no-store")]
    status = "200 OK"
    if path not in dict(PAGES):
        status = "404 Not Found"
        page = head(environ, "No such page") + "<p>The pages are named above.</p>\n" + FOOT
    elif method not in allowed:
        status = "405 Method Not Allowed"
        headers.append(("Allow", ", ".join(allowed)))
        page = head(environ, "Not this method") + FOOT
    elif path == "/stream":
        start_response(status, headers)
        return stream(environ) if method == "GET" else [b""]
    elif path == "/form":
        page = form(environ, posted_words(environ) if method == "POST" else None)
    elif path == "/slow":
        page = slow(environ)
    else:
        page = home(environ)
    body = page.encode()
    start_response(status, [*headers, ("Content-Length", str(len(body)))])
    return [body]
