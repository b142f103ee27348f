#!/bin/sh
# npm test: everything that must hold, in the order of cheapness; the first section that fails ends it.
# `sh tools/test.sh unit` runs one section, `sh tools/test.sh unit e2e` several; with an argument that
# is a file, as in `sh tools/test.sh test/e2e/flask.test.ts`, only that test file. Brings what it
# needs: npm packages (npm ci) and a virtual environment of its own (tools/setup-python.sh).
set -eu
cd "$(dirname "$0")/.."
node=node_modules/.bin/node
python=.venv-test/bin/python
all="format lint types unused architecture ruff mypy pytest unit acceptance chaos"

# What a shell or a platform sets for other programs must not steer the servers under test.
unset PORT WEB_CONCURRENCY FORWARDED_ALLOW_IPS VIRTUAL_ENV NODE_OPTIONS PYTHONPATH PYTHONHOME || true

# A hundred files of tests compile the same modules.
export NODE_COMPILE_CACHE="$PWD/node_modules/.cache/compile"

# The tools start by `#!/usr/bin/env node`, which may be an older one: they get ours.
tool() {
  name=$1
  shift
  "$node" "node_modules/.bin/$name" "$@"
}

node_tests() {
  "$node" --test --test-reporter=spec --throw-deprecation "$@"
}

run_format() {
  tool oxfmt --check
}

run_lint() {
  tool oxlint --type-aware --deny-warnings
}

run_types() {
  tool tsc -p tsconfig.json
}

run_unused() {
  tool knip --no-progress
}

run_architecture() {
  node_tests test/architecture.test.ts test/python-architecture.test.ts
}

run_ruff() {
  "$python" -m ruff check
  "$python" -m ruff format --check
  # Applications have rules of their own.
  "$python" -m ruff check --config test/apps/ruff.toml test/apps test/conformance examples benchmarks/cases
  "$python" -m ruff format --check --config test/apps/ruff.toml test/apps test/conformance examples benchmarks/cases
}

run_mypy() {
  "$python" -m mypy --strict python/typhon_worker
}

run_pytest() {
  "$python" -m pytest python/tests -q --numprocesses auto
}

run_unit() {
  # shellcheck disable=SC2046
  node_tests --test-concurrency=2 $(find test -name '*.test.ts' -not -path 'test/e2e/*' \
    -not -path 'test/conformance/*' -not -name '*architecture.test.ts' | sort)
}

# The command as it is published: bin/typhon takes dist/ when it is newer than the sources. Many of
# these tests wait, so more run at once than there are cores.
run_acceptance() {
  sh tools/build.sh
  # shellcheck disable=SC2046
  node_tests --test-concurrency=4 $(find test/conformance test/e2e -name '*.test.ts' | sort)
}

run_conformance() {
  sh tools/build.sh
  # shellcheck disable=SC2046
  node_tests --test-concurrency=3 $(find test/conformance -name '*.test.ts' | sort)
}

run_e2e() {
  sh tools/build.sh
  # shellcheck disable=SC2046
  node_tests --test-concurrency=3 $(find test/e2e -name '*.test.ts' | sort)
}

# Faults done to the real command, in their short form: outcomes and order, no milliseconds.
run_chaos() {
  node_tests benchmarks/test/chaos.test.ts
  sh tools/chaos.sh --short
}

# Both fetch for half a minute: side by side. What needs no Python does not wait for it.
sh tools/setup-python.sh &
setup=$!
end_setup() {
  [ -z "$setup" ] || wait "$setup"
  setup=
}
if [ ! -x "$node" ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  echo "== npm ci"
  npm ci --no-audit --no-fund || {
    kill "$setup"
    exit 1
  }
fi

[ $# -gt 0 ] || set -- $all
for section in "$@"; do
  case $section in
  format | lint | types | unused | architecture) ;;
  *) end_setup ;;
  esac
  printf '\n== %s\n' "$section"
  case " $all conformance e2e " in
  *" $section "*) "run_$section" ;;
  *)
    if [ ! -f "$section" ]; then
      echo "test: no section or file '$section'; sections: $all conformance e2e" >&2
      exit 2
    fi
    node_tests "$section"
    ;;
  esac
done
end_setup
printf '\n== all passed: %s\n' "$*"
