#!/usr/bin/env bash
# Builds the fuzz targets once and runs them, one after the other. Ends with exit code 0 only if nothing was found.
#
#   fuzz/run.sh                          all targets, 15 seconds each
#   fuzz/run.sh 60 claims jwks           these targets, 60 seconds each
#   fuzz/run.sh --runs 10000000 claims   this target, so many inputs
#
# Works on a copy of the corpora: what it finds stays in the target directory. docs/fuzzing.md says more.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=15 runs=-1
case "${1:-}" in
  --runs) runs="${2:?how many}" seconds=0; shift 2 ;;
  [0-9]*) seconds="$1"; shift ;;
esac
all="authorization_header challenge_round_trip claims github_answer introspection_answer jose_header jwks jws_compact"
targets="${*:-$all}"

nightly="${NIGHTLY:-nightly}"
out="${CARGO_TARGET_DIR:-$PWD/fuzz/target}"
export CARGO_TERM_COLOR=never CARGO_INCREMENTAL=0
export PATH="$PWD/target/tools/bin:$PATH"
if ! command -v cargo-fuzz >/dev/null; then
  cargo install cargo-fuzz --locked --root target/tools
fi
# The fuzzer itself is not what is looked at: without the sanitizer in it, all is twice as fast.
export CXXFLAGS="${CXXFLAGS:-} -fno-sanitize=all"
# Comparing every comparison costs a third of the speed, and finds little that the dictionaries do not.
cargo "+$nightly" fuzz build --fuzz-dir fuzz --target-dir "$out" --no-trace-compares
host="$(rustc "+$nightly" -vV | sed -n 's/^host: //p')"

longest() {
  case "$1" in
    authorization_header | challenge_round_trip) echo 512 ;;
    *) echo 4096 ;;
  esac
}

dictionaries() {
  case "$1" in
    authorization_header | challenge_round_trip) echo header ;;
    github_answer | introspection_answer) echo http jose ;;
    *) echo jose ;;
  esac
}

# A target limits time and memory of an input by itself, in time of the processor: a busy machine is no finding.
export ASAN_OPTIONS="quarantine_size_mb=16:${ASAN_OPTIONS:-}"
failed=""
for target in $targets; do
  scratch="$out/fuzz-run/$target"
  mkdir -p "$scratch/corpus" "$scratch/found"
  cp -n fuzz/corpus/"$target"/* "$scratch/corpus/"
  : >"$scratch/dictionary"
  for name in $(dictionaries "$target"); do cat "fuzz/dictionaries/$name.dict" >>"$scratch/dictionary"; done
  if "$out/$host/release/$target" "$scratch/corpus" -runs="$runs" -max_total_time="$seconds" \
    -max_len="$(longest "$target")" -dict="$scratch/dictionary" -timeout=5 -report_slow_units=1 \
    -malloc_limit_mb=64 -rss_limit_mb=1024 -artifact_prefix="$scratch/found/" -print_final_stats=1 \
    >"$scratch/log" 2>&1; then
    grep -a 'DONE' "$scratch/log" | sed "s/^#\([0-9]*\)[[:space:]]*DONE/$target: \1 executions,/"
  else
    tail -n 60 "$scratch/log"
    echo "$target: a finding in $scratch/found"
    failed="$failed $target"
  fi
done
[ -z "$failed" ] || { echo "findings:$failed"; exit 1; }
