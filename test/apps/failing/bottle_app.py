"""Bottle writes the traceback to wsgi.errors and responds by itself."""

from bottle import Bottle, abort
from fails import fail

app = Bottle()
app.route("/boom", callback=lambda: fail("bottle"))
app.route("/deliberate", callback=lambda: abort(503, "closed"))
app.route("/ok", callback=lambda: "fine")
