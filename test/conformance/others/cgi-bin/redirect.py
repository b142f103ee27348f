#!/usr/bin/python3
"""Redirects of RFC 3875 (6.2.2 to 6.2.4), by the query."""

import os

kind = os.environ["QUERY_STRING"]
if kind == "client":
    print("Location: https://example.org/a?b=c\n")
elif kind == "document":
    print("Status: 303 See Other")
    print("Location: https://example.org/there")
    print("Content-Type: text/html\n")
    print('<a href="https://example.org/there">there</a>')
elif kind == "local":
    print("Location: /cgi-bin/where.py/moved?by=redirect\n")
