"""The pages of exceptions, as HTML or as text. The front has their style sheet and their script.

A page has no script of its own, and its Content-Security-Policy lets no value become one.
"""

from __future__ import annotations

from typhon_worker.process.tracebacks import describe

from .report import Frame, Report, make_reports
from .request import RequestFacts
from .values import MASK, Secrets, is_secret_name

STYLE_PATH = "/.typhon/error.css"
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# Characters of a whole page; the variables and then the frames of a longer one are left out.
MAX_CHARACTERS = 1_000_000
# A page of code that does not load has to fit into one frame, beside its text.
MAX_LOAD_CHARACTERS = 150_000
MAX_FIELDS = 100


def render_exception(error: BaseException, request: RequestFacts, why_hidden: str) -> str:
    """Returns the page of a request's exception; `why_hidden`: variables, "" if they are shown."""
    secrets = _secrets_of(request)
    reports = make_reports(error, secrets, has_locals=not why_hidden)
    about = secrets.mask(f"{request.method} {request.target}")
    end = _request(request, secrets)
    end += f"<p>{escape(why_hidden or 'Secrets are masked by their names.')}</p>"
    page = _page(reports, about, end)
    if len(page) > MAX_CHARACTERS:
        reports = make_reports(error, secrets, has_locals=False)
        page = _page(reports[:1], about, "<p>This page is shortened: it was too long.</p>")
    return page


def render_failure(error: BaseException) -> str:
    """Returns the page of code that does not load; "" if it is too long."""
    reports = make_reports(error, Secrets(), has_locals=False)
    hint = "<p>The page reloads when a file is saved.</p>"
    page = _page(reports, "The application does not load", hint)
    # The frame escapes other characters with up to twelve bytes each.
    page = page.encode("ascii", "xmlcharrefreplace").decode("ascii")
    return page if len(page) <= MAX_LOAD_CHARACTERS else ""


def render_text(error: BaseException, request: RequestFacts) -> str:
    """Returns the traceback for a client that is no browser."""
    secrets = _secrets_of(request)
    lines = f"{request.method} {request.target}\n\n{describe(error)}\n".split("\n")
    # Source lines, which begin with four blanks, stay as they are on a page, too.
    return "\n".join(line if line.startswith("    ") else secrets.mask(line) for line in lines)


def _secrets_of(request: RequestFacts) -> Secrets:
    secrets = Secrets()
    for name, value in request.fields:
        if is_secret_name(name):
            secrets.learn(value)
    return secrets


def escape(text: str) -> str:
    """Escapes a text for HTML, in attributes too; lone surrogates are written as escapes."""
    text = text.encode("utf-8", "backslashreplace").decode()
    for sign, entity in _ENTITIES:
        text = text.replace(sign, entity)
    return text


_ENTITIES = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#39;"))


def _page(reports: list[Report], about: str, end: str) -> str:
    first = reports[0]
    title = escape(f"{first.name}: {first.message}".splitlines()[0][:200])
    body = "".join(_exception(report) for report in reports)
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f'<title>{title}</title>\n<link rel="stylesheet" href="{STYLE_PATH}">\n'
        f'<p class="about">{escape(about)}</p>\n{body}{end}\n</html>\n'
    )


def _exception(report: Report) -> str:
    parts = []
    if report.relation:
        parts.append(f'<h2 class="relation">{escape(report.relation)}</h2>\n')
    parts.append(f"<h1>{escape(report.name)}</h1>\n")
    parts.append(f'<p class="message">{escape(report.message)}</p>\n')
    if report.place is not None:
        file, line, column = report.place
        parts.append(f"<p><code>{escape(file)}</code>, line {line}</p>\n")
        parts.append(_source(report.source, line, column))
    half = len(report.frames) // 2
    for at, frame in enumerate(report.frames):
        if report.left_out and at == half:
            parts.append(f"<p>… {report.left_out} frames are left out …</p>\n")
        parts.append(_frame(frame))
    return "".join(parts)


# The application's own frames are open.
def _frame(frame: Frame) -> str:
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in frame.variables
    )
    return (
        f'<details class="{"library" if frame.is_library else "own"}"'
        f"{'' if frame.is_library else ' open'}>"
        f"<summary><code>{escape(frame.file)}</code>, line {frame.line}, "
        f"in <code>{escape(frame.function)}</code></summary>\n"
        + _source(frame.source, frame.line, 0)
        + (f"<table>{rows}</table>\n" if rows else "")
        + "</details>\n"
    )


def _source(lines: list[tuple[int, str]], current: int, column: int) -> str:
    if not lines:
        return ""
    parts = []
    for number, text in lines:
        line = f"{number:>5}  {escape(text)}"
        parts.append(f"<mark>{line}</mark>" if number == current else line)
        if number == current and column > 0:
            parts.append(" " * (6 + column) + "^")
    return f"<pre>{chr(10).join(parts)}</pre>\n"


def _request(request: RequestFacts, secrets: Secrets) -> str:
    rows = []
    for name, value in request.fields[:MAX_FIELDS]:
        text = MASK if is_secret_name(name) else secrets.mask(value[:1000])
        rows.append(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>")
    return f"<h2>The request</h2>\n<table>{''.join(rows)}</table>\n"
