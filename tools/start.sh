#!/bin/sh
# npm start: serves an application from a checkout, after installing what the checkout lacks (npm
# packages below node_modules; nothing global, nothing from PyPI).
#     npm start                                   the example that shows what Typhon does
#     npm start -- --port 9000                    the same, with options
#     npm start -- flaskr:app --port 9000         your application, from the folder you are in
set -eu
root=$(CDPATH='' cd -P -- "$(dirname -- "$0")/.." && pwd -P)

# npm writes node_modules/.package-lock.json when it has installed everything that the lock file names.
installed=$root/node_modules/.package-lock.json
if [ ! -e "$installed" ] || [ "$root/package-lock.json" -nt "$installed" ]; then
  echo "typhon: installing npm packages (npm ci)" >&2
  # Only errors: on an older Node npm warns of the engine (EBADENGINE), but the packages bring their own Node.
  (cd "$root" && npm ci --no-audit --no-fund --loglevel=error >&2) || {
    echo "typhon: npm ci failed, see above" >&2
    exit 2
  }
fi

# bin/typhon runs the sources when the build is old; a build only makes the start quicker.
if [ ! -e "$root/dist/.built" ] ||
  [ -n "$(find "$root/src" -name '*.ts' -newer "$root/dist/.built" -print 2>/dev/null)" ]; then
  (cd "$root" && sh tools/build.sh >&2) ||
    echo "typhon: the build failed; running the sources as they are" >&2
fi

# Whoever starts by hand wants to see the requests; an --access-log of the caller's stands later and wins.
[ -n "${TYPHON_ACCESS_LOG:-}" ] || set -- --access-log - "$@"

# npm runs us in the root of the project and tells in INIT_CWD where the caller is.
case ${1:-} in
--access-log) first=${3:-} ;;
*) first=${1:-} ;;
esac
case $first in
'' | -*)
  if [ -z "${TYPHON_APP:-}" ]; then
    exec "$root/bin/typhon" --app-dir "$root/examples/welcome" "$@" welcome:application
  fi
  ;;
esac
cd "${INIT_CWD:-$PWD}"
exec "$root/bin/typhon" "$@"
