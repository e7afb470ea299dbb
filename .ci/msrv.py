"""No crate that comes with this one asks for a newer Rust than it does.

Reads `cargo metadata --all-features --locked` from the standard input. Crates of tests are not looked at.
"""

import json
import sys

metadata = json.load(sys.stdin)
packages = {package["id"]: package for package in metadata["packages"]}
nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}


def version(text):
    return tuple(int(part) for part in (text.split(".") + ["0", "0"])[:3])


root = metadata["resolve"]["root"]
ours = packages[root]["rust_version"]
reached, waiting = set(), [root]
while waiting:
    at = waiting.pop()
    if at not in reached:
        reached.add(at)
        for dependency in nodes[at]["deps"]:
            if any(kind["kind"] != "dev" for kind in dependency["dep_kinds"]):
                waiting.append(dependency["pkg"])

newer = [
    f"{packages[at]['name']} {packages[at]['version']} needs Rust {packages[at]['rust_version']}"
    for at in sorted(reached)
    if version(packages[at]["rust_version"] or "1.0") > version(ours)
]
print(f"{len(reached)} crates, {len(newer)} of them newer than Rust {ours}", *newer, sep="\n")
sys.exit(bool(newer) or len(reached) < 2)
