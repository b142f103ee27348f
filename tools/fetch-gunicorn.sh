#!/bin/sh
# Brings the source distribution of gunicorn, whose ASGI applications and tests are run against us
# (test/conformance/others/gunicorn-asgi.test.ts), and prints the folder that it lies in. Pinned by its SHA-256;
# kept in a folder that git ignores, so that it is fetched once. Nothing of it is installed or changed.
set -eu
cd "$(dirname "$0")/.."
version=27.0.1
sum=b1514965361c8b7e8107a80aa2a92636878df1ccfac6dd204a676426e04d9e3e
cache=test/.cache
file=$cache/gunicorn-$version.tar.gz
folder=$cache/gunicorn-$version

fail() {
  echo "fetch-gunicorn: $1" >&2
  exit 2
}

is_right() {
  [ -f "$file" ] && printf '%s  %s\n' "$sum" "$file" | sha256sum --check --status -
}

mkdir -p "$cache"
if ! is_right; then
  rm -rf "$file" "$folder"
  .venv-test/bin/python -m pip download --quiet --disable-pip-version-check --no-deps \
    --no-binary gunicorn --dest "$cache" "gunicorn==$version" >&2 ||
    fail "pip could not fetch gunicorn $version; its tests need the package index once"
  is_right || fail "$file is not the file that is pinned here"
fi

# The folder gets its name last, so an unpacking that was cut off counts as none.
if [ ! -d "$folder" ]; then
  rm -rf "$cache/unpacking"
  mkdir "$cache/unpacking"
  tar -xzf "$file" -C "$cache/unpacking"
  mv "$cache/unpacking/gunicorn-$version" "$folder"
  rmdir "$cache/unpacking"
fi
printf '%s\n' "$folder"
