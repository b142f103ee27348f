#!/usr/bin/env python3
"""A CGI program (RFC 3875): reads its variables and its input, prints a head and a page."""

import html
import os
import sys
from urllib.parse import parse_qsl

SHOWN = (
    "REQUEST_METHOD",
    "SCRIPT_NAME",
    "PATH_INFO",
    "QUERY_STRING",
    "REMOTE_ADDR",
    "HTTP_USER_AGENT",
)

length = int(os.environ.get("CONTENT_LENGTH") or 0)
sent = sys.stdin.buffer.read(length).decode("utf-8", "replace")
rows = [(name, os.environ.get(name, "")) for name in SHOWN]
rows += parse_qsl(sent, keep_blank_values=True)
table = "\n".join(f"<tr><th>{html.escape(name)}<td>{html.escape(value)}" for name, value in rows)

print("Content-Type: text/html; charset=utf-8\n")
print(f"""<!DOCTYPE html>
<html lang="en">
<title>CGI</title>
<h1>Hello from process {os.getpid()}</h1>
<form method="post"><input name="name" aria-label="name"> <button>Send</button></form>
<table>
{table}
</table>""")
