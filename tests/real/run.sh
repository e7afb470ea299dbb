#!/usr/bin/env bash
# The tests against real servers: tests/real/run.sh
#
# Needs Rust, Node 20 or later with npm, and Python 3.10 or later with venv.
# When something is missing, or its packages cannot be had, it says SKIPPED and
# why, and succeeds: without Node no test is run, without Python all but those
# against django-oauth-toolkit. With REAL_TESTS=required either is a failure.
#
# The Python packages are installed into target/django, once.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."

skipped() {
    if [ "${REAL_TESTS:-}" = required ]; then
        echo "ERROR: $1 (and REAL_TESTS=required)" >&2
        exit 1
    fi
    echo "SKIPPED: $1"
}

missing() {
    skipped "$1"
    exit 0
}

command -v node >/dev/null || missing "node is not installed"
command -v npm >/dev/null || missing "npm is not installed"

version=$(node --version) || missing "node does not run"
major=${version#v}
major=${major%%.*}
[[ $major =~ ^[0-9]+$ ]] || missing "node does not tell its version"
[ "$major" -ge 20 ] || missing "node is $version, and 20 or later is needed"

(cd tests/real && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null) ||
    missing "npm ci failed in tests/real"

# Says why there is no Python with the packages, if there is none.
install_django() {
    local requirements=tests/real/django/requirements.txt
    local wanted installed=$1/installed

    command -v python3 >/dev/null || { echo "python3 is not installed"; return; }
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
        { echo "python3 does not run, or is older than 3.10"; return; }

    wanted=$(python3 -c 'import sys; print(sys.version)' && cat "$requirements")
    if [ "$(cat "$installed" 2>/dev/null)" = "$wanted" ] && "$1/bin/python" -c 'import django' 2>/dev/null; then
        return
    fi
    python3 -m venv --clear "$1" >/dev/null || { echo "python3 -m venv failed"; return; }
    "$1/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --no-deps \
        --only-binary=:all: --requirement "$requirements" >/dev/null ||
        { echo "pip failed with $requirements"; return; }
    printf '%s\n' "$wanted" >"$installed"
}

filter=()
reason=$(install_django "$PWD/target/django")
if [ -n "$reason" ]; then
    skipped "$reason, so that nothing is tested against django-oauth-toolkit"
    # Whatever needs it has it in its name.
    filter=(--skip django)
fi

REAL_PROVIDER="$PWD/tests/real/provider.mjs"
REAL_DJANGO="$PWD/tests/real/django/server.py"
REAL_PYTHON="$PWD/target/django/bin/python"
export REAL_PROVIDER REAL_DJANGO REAL_PYTHON
exec cargo test --all-features --locked --test real -- --nocapture ${filter[@]+"${filter[@]}"}
