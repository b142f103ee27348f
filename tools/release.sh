#!/bin/sh
# npm run release: builds and checks the packages, and leaves them in release/ with their checksums. It
# publishes nothing (docs/releasing.md). All arguments go to tools/release.ts.
set -eu
cd "$(dirname "$0")/.."
. tools/test-setup.sh
need npm python
sh tools/build.sh
exec "$node" tools/release.ts "$@"
