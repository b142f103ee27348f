#!/bin/sh
# The Node of a front whose heap is to be read, named by TYPHON_NODE: its inspector listens on a free port.
# bin/typhon passes an option first that keeps the inspector shut; it is left out here.
case ${1:-} in
--inspect-port=*) shift ;;
esac
exec "$(dirname "$0")/../../node_modules/.bin/node" --inspect=127.0.0.1:0 "$@"
