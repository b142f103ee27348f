#!/usr/bin/python3
"""A form as programs have read it since 1995: by the module cgi, from a query or a body."""

import cgi
import html

form = cgi.FieldStorage(keep_blank_values=True)
print("Content-type: text/html; charset=utf-8\n")
for name in sorted(form):
    values = form[name]
    for value in values if isinstance(values, list) else [values]:
        content = value.file.read() if value.filename else value.value
        size = len(content)
        shown = content if isinstance(content, str) else content[:16].hex()
        print(f"<p>{html.escape(name)} ({value.filename}, {size}): {html.escape(shown[:200])}")
