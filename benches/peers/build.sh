#!/usr/bin/env bash
# What it takes to build each crate alone: crates in its tree, CPU seconds of a cold debug build. Prints Markdown.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export CARGO_TERM_COLOR=never CARGO_INCREMENTAL=0
unset CARGO_PROFILE_DEV_DEBUG

# The version that the comparison was built with, so that all tables speak of the same crates.
version() {
  awk -v name="name = \"$1\"" '$0 == name { getline; gsub(/version = |"/, ""); print; exit }' "$here/Cargo.lock"
}

# name, what stands in Cargo.toml
measure() {
  local name=$1 dependency=$2 package="$work/package"
  cd "$work"
  rm -rf "$package" "$work/target"
  cargo new --quiet --lib --vcs none --name alone "$package"
  echo "$dependency" >> "$package/Cargo.toml"
  cd "$package"
  export CARGO_TARGET_DIR="$work/target"
  cargo fetch --quiet
  local crates cpu
  # Without the package itself.
  crates=$(cargo tree -e normal --prefix none --format '{p}' | sed 's/ (.*//' | sort -u | grep -vc '^alone ')
  TIMEFORMAT='%U %S'
  cpu=$({ time cargo build --quiet > /dev/null 2>&1; } 2>&1 | awk '{ printf "%.0f", $1 + $2 }')
  printf '| %s | %s | %s |\n' "$name" "$crates" "$cpu"
}

printf '| alone in a package | crates | CPU seconds of a cold debug build |\n|---|--:|--:|\n'
measure "**tower-bearer**, default features" "tower-bearer = { path = \"$root\" }"
measure "**tower-bearer**, no default features" "tower-bearer = { path = \"$root\", default-features = false }"
for crate in tower-oauth2-resource-server jwt-authorizer axum-jwt-auth; do
  measure "$crate $(version $crate)" "$crate = \"=$(version $crate)\""
done
# What the comparison needs of them: without these features they have no layer.
measure "tower-mcp $(version tower-mcp), \`jwks\`" \
  "tower-mcp = { version = \"=$(version tower-mcp)\", features = [\"jwks\"] }"
measure "oauth-resource-server $(version oauth-resource-server), \`tower\`" \
  "oauth-resource-server = { version = \"=$(version oauth-resource-server)\", features = [\"tower\"] }"
