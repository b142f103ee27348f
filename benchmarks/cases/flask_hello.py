"""The first page of Flask's documentation."""

from flask import Flask

app = Flask(__name__)


@app.get("/")
def hello() -> str:
    """Respond with 13 bytes."""
    return "Hello, World!"
