#!/usr/bin/python3
"""Cookies by http.cookies: two fields of one name, and one that the client sends back."""

import os
from http import cookies

sent = cookies.SimpleCookie(os.environ.get("HTTP_COOKIE", ""))
count = int(sent["count"].value) + 1 if "count" in sent else 1
made = cookies.SimpleCookie()
made["count"] = str(count)
made["count"]["path"] = "/"
made["kind"] = "oatmeal"
print("Content-Type: text/plain")
print(made)
print()
print(count, sorted(sent))
