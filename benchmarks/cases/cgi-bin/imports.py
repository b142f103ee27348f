#!/usr/bin/python3
"""A small program with the imports of many: each cold start loads them anew."""

import html
import json
import os
import sqlite3
import urllib.request
from datetime import datetime, timezone
from urllib.parse import parse_qs

query = parse_qs(os.environ.get("QUERY_STRING", ""))
day = datetime(2026, 1, 2, tzinfo=timezone.utc).isoformat()
with sqlite3.connect(":memory:") as database:
    row = database.execute("select ?", (html.escape("<Hello>"),)).fetchone()
request = urllib.request.Request("http://a.example/b")
print("Content-Type: application/json\n")
print(json.dumps({"day": day, "row": row, "query": query, "host": request.host}))
