#!/usr/bin/env bash
# The tests against real servers: tests/real/run.sh
#
# Needs Rust, Node 20 or later with npm, and Python 3.11 or later with venv.
# When something is missing, or its packages cannot be had, it says SKIPPED and
# why, and succeeds: without Node no test is run, without Python all but those
# against django-oauth-toolkit and with the MCP clients in Python. With
# REAL_TESTS=required either is a failure.
#
# The Python packages are installed into target/django and target/mcp, once.
# Two of the MCP programs want Node 22.19 or later. On Linux it comes with their
# packages; elsewhere it has to be the `node` that is there.
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

# Says why there is no Python with the packages of a list, if there is none:
# FOLDER LIST MODULE MINOR, where MODULE is what has to be there in the end, and
# MINOR the oldest Python 3 that the packages are for.
install_python() {
    local requirements=$2
    local wanted installed=$1/installed

    command -v python3 >/dev/null || { echo "python3 is not installed"; return; }
    python3 -c "import sys; sys.exit(sys.version_info < (3, $4))" ||
        { echo "python3 does not run, or is older than 3.$4"; return; }

    wanted=$(python3 -c 'import sys; print(sys.version)' && cat "$requirements")
    if [ "$(cat "$installed" 2>/dev/null)" = "$wanted" ] && "$1/bin/python" -c "import $3" 2>/dev/null; then
        return
    fi
    python3 -m venv --clear "$1" >/dev/null || { echo "python3 -m venv failed"; return; }
    "$1/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --no-deps \
        --only-binary=:all: --requirement "$requirements" >/dev/null ||
        { echo "pip failed with $requirements"; return; }
    printf '%s\n' "$wanted" >"$installed"
}

# Prints a Node that is new enough for the inspector and the conformance suite.
newer_node() {
    local candidate
    local check='const [a, b] = process.versions.node.split("."); process.exit(a * 100 + +b < 2219 ? 1 : 0)'
    for candidate in tests/real/mcp/node_modules/node-linux-*/bin/node node; do
        if "$candidate" --eval "$check" 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
}

# Whatever needs something that is missing has a word for it in its name.
filter=()

reason=$(install_python "$PWD/target/django" tests/real/django/requirements.txt django 10)
if [ -n "$reason" ]; then
    skipped "$reason, so that nothing is tested against django-oauth-toolkit"
    filter+=(--skip django)
fi

if (cd tests/real/mcp && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null); then
    reason=$(install_python "$PWD/target/mcp" tests/real/mcp/requirements.txt fastmcp 11)
    if [ -n "$reason" ]; then
        skipped "$reason, so that no MCP client in Python is tested"
        filter+=(--skip python)
    fi
    REAL_MCP_NODE=$(newer_node)
    if [ -z "$REAL_MCP_NODE" ]; then
        skipped "node is $version, and the MCP inspector and conformance suite need 22.19 or later"
        filter+=(--skip inspector --skip conformance)
    fi
    REAL_MCP_NODE=$(realpath "${REAL_MCP_NODE:-$(command -v node)}")
else
    skipped "npm ci failed in tests/real/mcp, so that no MCP client is tested"
    filter+=(--skip mcp::)
    REAL_MCP_NODE=node
fi

REAL_PROVIDER="$PWD/tests/real/provider.mjs"
REAL_DJANGO="$PWD/tests/real/django/server.py"
REAL_PYTHON="$PWD/target/django/bin/python"
REAL_MCP="$PWD/tests/real/mcp"
REAL_MCP_PYTHON="$PWD/target/mcp/bin/python"
export REAL_PROVIDER REAL_DJANGO REAL_PYTHON REAL_MCP REAL_MCP_NODE REAL_MCP_PYTHON
exec cargo test --all-features --locked --test real -- --nocapture ${filter[@]+"${filter[@]}"}
