#!/usr/bin/env bash
# Puts into the committed corpora what covers most with fewest files: of what is there, and of what the last runs of
# fuzz/run.sh found. Seeds that were written by hand stay: those whose name is neither a hash nor `vector-…`.
#
#   fuzz/minimise.sh                all targets
#   fuzz/minimise.sh claims jwks    these
set -euo pipefail
cd "$(dirname "$0")/.."

most=300
all="authorization_header challenge_round_trip claims github_answer introspection_answer jose_header jwks jws_compact"
nightly="${NIGHTLY:-nightly}"
out="${CARGO_TARGET_DIR:-$PWD/fuzz/target}"
host="$(rustc "+$nightly" -vV | sed -n 's/^host: //p')"
export ASAN_OPTIONS="quarantine_size_mb=16:${ASAN_OPTIONS:-}"

for target in ${*:-$all}; do
  new="$out/fuzz-run/$target/minimal"
  rm -rf "$new"
  mkdir -p "$new" "$out/fuzz-run/$target/corpus"
  "$out/$host/release/$target" -set_cover_merge=1 -use_counters=0 -max_len=4096 -timeout=60 \
    "$new" "fuzz/corpus/$target" "$out/fuzz-run/$target/corpus" >"$out/fuzz-run/$target/minimise.log" 2>&1
  find "fuzz/corpus/$target" -type f -regextype posix-extended -regex '.*/(vector-.*|[0-9a-f]{40})' -delete
  kept="$(ls "fuzz/corpus/$target" | wc -l)"
  # What covers most was written first.
  ls -t -r --time=ctime "$new" | head -n $((most - kept)) | while read -r name; do
    cp "$new/$name" "fuzz/corpus/$target/"
  done
  echo "$target: $(ls "fuzz/corpus/$target" | wc -l) files, $(cat "fuzz/corpus/$target"/* | wc -c) bytes"
done
