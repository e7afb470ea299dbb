#!/usr/bin/env bash
# Measures again and puts the result into docs/peers.md: `update.sh [compare] [fastmcp] [build]`, all of them if none.
set -euo pipefail
cd "$(dirname "$0")"
page=../../docs/peers.md
result=$(mktemp)
trap 'rm -f "$result"' EXIT

run() {
  case $1 in
    compare) cargo run --release --locked ;;
    fastmcp) python3 fastmcp.py ;;
    build) ./build.sh ;;
    *) echo "unknown part: $1" >&2; return 1 ;;
  esac
}

[ $# -gt 0 ] || set -- compare fastmcp build
for part in "$@"; do
  run "$part" > "$result"
  # What stands between the two comments is the result.
  awk -v result="$result" -v begin="<!-- $part: begin -->" -v end="<!-- $part: end -->" '
    $0 == begin { print; print ""; while ((getline line < result) > 0) print line; print ""; is_old = 1; next }
    $0 == end { is_old = 0 }
    !is_old { print }
  ' "$page" | cat -s > "$page.new"
  mv "$page.new" "$page"
  echo "$part: $page"
done
