#!/usr/bin/env bash
# Instructions of one request on the hot path: benches/instructions.sh
#
# Needs valgrind. The difference between the layer and the limit is what the layer itself costs; valgrind does not know the
# processor's SHA instructions, so that the digest, which both have, looks dearer than it is.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
binary=$(cargo bench --no-run --bench hot_path --message-format=json 2>/dev/null |
    sed -n 's/.*"executable":"\([^"]*hot_path[^"]*\)".*/\1/p')

count() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$binary" "$1" "$2" 2>&1 | sed -n 's/.*Collected : //p'
}

for kind in bare limit layer; do
    none=$(count "$kind" 0)
    many=$(count "$kind" 10000)
    echo "$kind: $(((many - none) / 10000)) instructions"
done
