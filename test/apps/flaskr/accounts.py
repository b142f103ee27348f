"""Register, log in, log out. Who is logged in stands in the signed session cookie."""

import functools
import sqlite3
from collections.abc import Callable
from typing import Any

from flask import Blueprint, flash, g, redirect, render_template, request, session, url_for
from werkzeug.security import check_password_hash, generate_password_hash

from .storage import connection

pages = Blueprint("accounts", __name__, url_prefix="/auth")

# The default (scrypt) takes 64 MB and a good part of a second: too much for tests.
HASH_METHOD = "pbkdf2:sha256:1000"


@pages.before_app_request
def load_account() -> None:
    number = session.get("account")
    found = connection().execute("SELECT * FROM account WHERE id = ?", (number,)).fetchone()
    g.account = found


def account_required(view: Callable[..., Any]) -> Callable[..., Any]:
    """Sends whoever is not logged in to the form."""

    @functools.wraps(view)
    def guarded(**values: Any) -> Any:
        if g.account is None:
            return redirect(url_for("accounts.log_in"))
        return view(**values)

    return guarded


@pages.route("/register", methods=("GET", "POST"))
def register() -> Any:
    if request.method == "POST":
        name = request.form["username"].strip()
        password = request.form["password"]
        if not name or not password:
            flash("A name and a password are needed.")
        else:
            try:
                with connection() as opened:
                    opened.execute(
                        "INSERT INTO account (name, secret) VALUES (?, ?)",
                        (name, generate_password_hash(password, method=HASH_METHOD)),
                    )
            except sqlite3.IntegrityError:
                flash(f"The name {name} is taken.")
            else:
                return redirect(url_for("accounts.log_in"))
    return render_template("auth/register.html")


@pages.route("/login", methods=("GET", "POST"))
def log_in() -> Any:
    if request.method == "POST":
        found = (
            connection()
            .execute("SELECT * FROM account WHERE name = ?", (request.form["username"],))
            .fetchone()
        )
        if found is not None and check_password_hash(found["secret"], request.form["password"]):
            session.clear()
            session["account"] = found["id"]
            return redirect(url_for("index"))
        flash("Name or password is wrong.")
    return render_template("auth/login.html")


@pages.route("/logout")
def log_out() -> Any:
    session.clear()
    return redirect(url_for("index"))
