#!/usr/bin/python3
"""A small program with the imports of many: each cold start loads them anew."""

import html
import json
import os
import sqlite3
import urllib.request
from contextlib import closing
from datetime import datetime, timezone
from urllib.parse import parse_qs


def select(text: str) -> list[str]:
    with closing(sqlite3.connect(":memory:")) as database:
        return database.execute("select ?", (text,)).fetchone()


query = parse_qs(os.environ.get("QUERY_STRING", ""))
day = datetime(2026, 1, 2, tzinfo=timezone.utc).isoformat()
row = select(html.escape("<Hello>"))
request = urllib.request.Request("http://a.example/b")
print("Content-Type: application/json\n")
print(json.dumps({"day": day, "row": row, "query": query, "host": request.host}))
