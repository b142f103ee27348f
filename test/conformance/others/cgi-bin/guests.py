#!/usr/bin/python3
"""A guest book in a database of this request alone."""

import json
import os
import sqlite3
from datetime import datetime, timezone
from urllib.parse import parse_qsl

book = sqlite3.connect(":memory:")
book.execute("create table guests (name text, wrote text)")
book.executemany("insert into guests values (?, ?)", parse_qsl(os.environ["QUERY_STRING"]))
rows = book.execute("select name, wrote from guests order by name").fetchall()
year = datetime.fromtimestamp(0, timezone.utc).year
print("Content-Type: application/json\n")
print(json.dumps({"guests": rows, "since": year}))
