"""A small weblog with accounts, after the example that Flask's tutorial builds.

`typhon 'flaskr:create_app()'`. FLASKR_DATABASE names the SQLite file; made when missing.
"""

import os

from flask import Flask

from . import accounts, posts, storage


def create_app() -> Flask:
    """The application, its tables made if need be."""
    app = Flask(__name__)
    app.config.from_mapping(
        SECRET_KEY=os.environ.get("FLASKR_SECRET", "only for tests"),
        DATABASE=os.environ.get("FLASKR_DATABASE", "flaskr.sqlite"),
    )
    storage.prepare(app)
    app.register_blueprint(accounts.pages)
    app.register_blueprint(posts.pages)
    app.add_url_rule("/", endpoint="index")
    return app
