#!/bin/sh
# Compiles src/ to dist/ (tsc, no bundler: dist/ mirrors src/). Runs after `npm ci` and by `npm run build`.
set -eu
cd "$(dirname "$0")/.."
rm -rf dist
node_modules/.bin/tsc -p tsconfig.build.json
touch dist/.built
