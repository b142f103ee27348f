"""Flask logs the exception and responds by itself."""

from fails import fail
from flask import Flask, abort

app = Flask(__name__)
app.add_url_rule("/boom", view_func=lambda: fail("flask"), endpoint="boom")
app.add_url_rule("/deliberate", view_func=lambda: abort(503), endpoint="deliberate")
app.add_url_rule("/ok", view_func=lambda: "fine", endpoint="ok")


@app.route("/json")
def json():
    try:
        fail("flask")
    except ValueError:
        app.logger.exception("told")
    return {"error": "ours"}, 500
