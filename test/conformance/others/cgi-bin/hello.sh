#!/bin/sh
# A head by echo; the query as the shell sees it.
echo "Content-Type: text/plain"
echo
echo "Hello from sh: $QUERY_STRING, $# words"
cat
