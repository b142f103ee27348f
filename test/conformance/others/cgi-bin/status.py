#!/usr/bin/python3
"""Status codes, by the query; 204 and 304 have no document."""

import os

code = int(os.environ["QUERY_STRING"])
print(f"Status: {code}")
if code in (204, 304):
    print('ETag: "a"\n')
else:
    print("Content-Type: text/plain\n")
    print("a document of", code)
