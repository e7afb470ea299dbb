#!/usr/bin/env bash
# The tests against real servers: tests/real/run.sh
#
# Needs Rust, and Node 20 or later with npm. When Node, npm or the npm packages
# cannot be had, it says SKIPPED and why, and succeeds; with
# REAL_TESTS=required that is a failure instead.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."

missing() {
    if [ "${REAL_TESTS:-}" = required ]; then
        echo "ERROR: $1 (and REAL_TESTS=required)" >&2
        exit 1
    fi
    echo "SKIPPED: $1"
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

REAL_PROVIDER="$PWD/tests/real/provider.mjs"
export REAL_PROVIDER
exec cargo test --all-features --locked --test real -- --nocapture
