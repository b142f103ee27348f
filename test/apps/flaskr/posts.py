"""The posts: everybody reads them, their authors change them."""

import sqlite3
from typing import Any

from flask import Blueprint, abort, flash, g, redirect, render_template, request, url_for

from .accounts import account_required
from .storage import connection

pages = Blueprint("posts", __name__)

ALL_POSTS = """
    SELECT post.id, title, body, written, account_id, name
    FROM post JOIN account ON account.id = account_id
"""


@pages.route("/")
def index() -> Any:
    found = connection().execute(ALL_POSTS + "ORDER BY post.id DESC").fetchall()
    return render_template("blog/index.html", posts=found)


def own_post(number: int) -> sqlite3.Row:
    """The post, if it is the reader's own; else 404 or 403."""
    found = connection().execute(ALL_POSTS + "WHERE post.id = ?", (number,)).fetchone()
    if found is None:
        abort(404, f"There is no post {number}.")
    if found["account_id"] != g.account["id"]:
        abort(403)
    row: sqlite3.Row = found
    return row


@pages.route("/create", methods=("GET", "POST"))
@account_required
def create() -> Any:
    if request.method == "POST":
        if request.form["title"]:
            with connection() as opened:
                opened.execute(
                    "INSERT INTO post (title, body, account_id) VALUES (?, ?, ?)",
                    (request.form["title"], request.form["body"], g.account["id"]),
                )
            return redirect(url_for("index"))
        flash("A title is needed.")
    return render_template("blog/form.html", heading="New post", post=None)


@pages.route("/<int:number>/update", methods=("GET", "POST"))
@account_required
def update(number: int) -> Any:
    post = own_post(number)
    if request.method == "POST":
        if request.form["title"]:
            with connection() as opened:
                opened.execute(
                    "UPDATE post SET title = ?, body = ? WHERE id = ?",
                    (request.form["title"], request.form["body"], number),
                )
            return redirect(url_for("index"))
        flash("A title is needed.")
    return render_template("blog/form.html", heading=f"Edit “{post['title']}”", post=post)


@pages.route("/<int:number>/delete", methods=("POST",))
@account_required
def delete(number: int) -> Any:
    own_post(number)
    with connection() as opened:
        opened.execute("DELETE FROM post WHERE id = ?", (number,))
    return redirect(url_for("index"))
