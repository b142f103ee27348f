"""One SQLite connection a request."""

import sqlite3

from flask import Flask, current_app, g


def connection() -> sqlite3.Connection:
    """The connection of this request, opened at the first use."""
    if "connection" not in g:
        g.connection = sqlite3.connect(current_app.config["DATABASE"])
        g.connection.row_factory = sqlite3.Row
    opened: sqlite3.Connection = g.connection
    return opened


def close(_error: BaseException | None) -> None:
    opened = g.pop("connection", None)
    if opened is not None:
        opened.close()


def prepare(app: Flask) -> None:
    """Makes the tables where they are missing; several workers may do so at once."""
    app.teardown_appcontext(close)
    with app.app_context(), app.open_resource("tables.sql") as script:
        connection().executescript(script.read().decode())
