# What tools/test.sh and tools/test-all.sh share: the environment of the tests, what they need, and
# sections side by side. Read by `.` from the root of the checkout; does nothing by itself.
# shellcheck shell=sh
node=node_modules/.bin/node
python=.venv-test/bin/python

# What a shell or a platform sets for other programs must not steer the servers under test.
unset PORT WEB_CONCURRENCY FORWARDED_ALLOW_IPS VIRTUAL_ENV NODE_OPTIONS PYTHONPATH PYTHONHOME || true

# A hundred test files compile the same modules.
export NODE_COMPILE_CACHE="$PWD/node_modules/.cache/compile"

# The tools start by `#!/usr/bin/env node`, which may be an older Node: they are run by ours.
tool() {
  name=$1
  shift
  "$node" "node_modules/.bin/$name" "$@"
}

node_tests() {
  "$node" --test --test-reporter=spec --throw-deprecation "$@"
}

setup=
# need npm | python | strace | openssl | curl: installs npm's packages, the virtual environment of the tests, or the Debian
# package, unless they are there. They fetch for a while: the virtual environment is made in the background
# from the first call on.
need() {
  for what in "$@"; do
    "need_$what"
  done
}

begin_python() {
  [ -n "$setup" ] || {
    sh tools/setup-python.sh &
    setup=$!
  }
}

need_npm() {
  begin_python
  [ ! -x "$node" ] || [ package-lock.json -nt node_modules/.package-lock.json ] || return 0
  echo "== npm ci"
  npm ci --no-audit --no-fund --loglevel=error || {
    kill "$setup" 2>/dev/null
    exit 1
  }
}

need_strace() {
  debian_package strace
}

need_curl() {
  debian_package curl
}

need_openssl() {
  debian_package openssl
}

# debian_package NAME: installs the package unless its command is there.
debian_package() {
  command -v "$1" >/dev/null 2>&1 && return 0
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 && apt-get update -qq &&
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1" >/dev/null || {
    echo "test: lacking: $1; install with: sudo apt-get install --no-install-recommends $1" >&2
    exit 1
  }
}

need_python() {
  begin_python
  [ "$setup" = made ] || wait "$setup"
  setup=made
}

# Runs the sections named by its arguments at the same time. The output of the first is shown as it
# comes, the others' when they have ended, so that no two mix. All of them run to their end; then the
# program ends with 1 if one has failed.
side_by_side() {
  outputs=$(mktemp -d)
  sections="$*"
  pids=
  for section in "$@"; do
    if [ "$section" = "$1" ]; then
      printf '\n== %s\n' "$section"
      "run_$section" &
    else
      "run_$section" >"$outputs/$section" 2>&1 &
    fi
    pids="$pids $!"
  done
  # A program that a shell runs in the background ignores Ctrl-C: the whole process group gets SIGTERM.
  trap 'trap "" TERM; kill 0; rm -rf "$outputs"; exit 130' INT TERM HUP
  failed=
  for section in $sections; do
    pid=${pids# }
    pid=${pid%% *}
    pids=${pids# "$pid"}
    wait "$pid" || failed="$failed $section"
    [ ! -f "$outputs/$section" ] || {
      printf '\n== %s\n' "$section"
      cat "$outputs/$section"
    }
  done
  trap - INT TERM HUP
  rm -rf "$outputs"
  [ -z "$failed" ] || {
    printf '\n== failed:%s\n' "$failed" >&2
    exit 1
  }
}
