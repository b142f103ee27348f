#!/bin/sh
# npm test: everything that must hold, in stages from cheap to dear. The sections of a stage run side by
# side; the first stage with a failure ends the run. What takes many minutes is in npm run test:all.
#     sh tools/test.sh unit                       one section
#     sh tools/test.sh unit e2e                   several sections, one after the other
#     sh tools/test.sh test/e2e/flask.test.ts     one test file
# Brings what it needs: npm packages (npm ci) and a virtual environment (tools/setup-python.sh).
set -eu
cd "$(dirname "$0")/.."
. tools/test-setup.sh

static="format lint types unused architecture"
all="$static ruff mypy pytest docs unit acceptance chaos"

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
  # shellcheck disable=SC2046
  node_tests $(find test -maxdepth 1 -name '*.test.ts' | sort)
}

run_ruff() {
  "$python" -m ruff check
  "$python" -m ruff format --check
  # Applications have rules of their own.
  "$python" -m ruff check --config test/apps/ruff.toml test/apps test/conformance examples benchmarks/cases
  "$python" -m ruff format --check --config test/apps/ruff.toml test/apps test/conformance examples benchmarks/cases
}

run_mypy() {
  "$python" -m mypy --strict python/typhon_worker python/typhon_server packaging
}

run_pytest() {
  "$python" -m pytest python/tests -q --numprocesses auto
}

# The documentation site, built strictly, and what is in it.
run_docs() {
  sh tools/build-docs.sh
  node_tests test/docs/*.test.ts
}

# Folders whose tests compute, and wait for little. A process for each file would cost three times what
# the tests cost: one process runs them all.
computing='^test/(config|http|net|observe|routing|supervisor|workers|x509)/'

unit_tests() {
  find test -mindepth 2 -name '*.test.ts' | grep -Ev '^test/(e2e|conformance|docs)/' | sort
}

run_unit() {
  # shellcheck disable=SC2046
  node_tests --test-isolation=none $(unit_tests | grep -E "$computing")
  # shellcheck disable=SC2046
  node_tests --test-concurrency=3 benchmarks/test/chaos.test.ts $(unit_tests | grep -Ev "$computing")
}

# Most of these tests wait most of the time: more files run at once than there are cores. The largest
# begin, so that no long file is left for the end.
run_acceptance() {
  # shellcheck disable=SC2046
  node_tests --test-concurrency=5 $(ls -S $(find test/e2e test/conformance -name '*.test.ts' \
    -not -path 'test/conformance/others/*'))
}

run_conformance() {
  # shellcheck disable=SC2046
  node_tests --test-concurrency=5 $(find test/conformance -name '*.test.ts' \
    -not -path 'test/conformance/others/*' | sort)
}

run_e2e() {
  # shellcheck disable=SC2046
  node_tests --test-concurrency=5 $(find test/e2e -name '*.test.ts' | sort)
}

# Faults done to the real command, those that no test of the section above does. Judged are outcomes and
# their order, never milliseconds.
run_chaos() {
  "$node" benchmarks/chaos/run.ts --short
}

if [ $# -gt 0 ]; then
  for section in "$@"; do
    case " $all conformance e2e " in
    *" $section "*) is_section=yes ;;
    *) is_section=no ;;
    esac
    if [ "$is_section" = no ] && [ ! -f "$section" ]; then
      echo "test: no section or file '$section'; sections: $all conformance e2e" >&2
      exit 2
    fi
    case " $static " in
    *" $section "*) need npm ;;
    *) need npm python ;;
    esac
    printf '\n== %s\n' "$section"
    case $section in acceptance | conformance | e2e | chaos) sh tools/build.sh ;; esac
    case $section in acceptance | e2e) need strace openssl curl ;; unit) need openssl ;; esac
    if [ "$is_section" = yes ]; then "run_$section"; else node_tests "$section"; fi
  done
else
  need npm
  side_by_side $static
  need python strace openssl curl
  sh tools/build.sh
  side_by_side ruff mypy pytest docs unit
  side_by_side acceptance chaos
fi
printf '\n== all passed: %s\n' "${*:-$all}"
