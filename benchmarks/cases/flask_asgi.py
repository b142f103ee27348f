"""flask_hello.py for uvicorn, through a2wsgi as uvicorn's documentation advises; four threads."""

from a2wsgi import WSGIMiddleware
from flask_hello import app as wsgi_app

app = WSGIMiddleware(wsgi_app, workers=4)
