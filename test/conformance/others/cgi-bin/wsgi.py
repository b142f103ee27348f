#!/usr/bin/python3
"""A WSGI application behind wsgiref's CGI handler."""

from wsgiref.handlers import CGIHandler


def application(environ, start_response):
    size = int(environ["CONTENT_LENGTH"] or 0)
    body = environ["wsgi.input"].read(size)
    start_response(
        "418 I'm a teapot",
        [("Content-Type", "text/plain"), ("X-Method", environ["REQUEST_METHOD"])],
    )
    return [b"short and stout: ", body]


CGIHandler().run(application)
