//! Which versions were compiled in.

use crate::peers::Peer;

const LOCK: &str = include_str!("../Cargo.lock");

fn versions(krate: &str) -> Vec<&'static str> {
    let name = format!("name = \"{krate}\"\n");
    let packages = LOCK.split("[[package]]\n").filter_map(|package| package.strip_prefix(&*name));
    packages.filter_map(|rest| rest.strip_prefix("version = \"")?.split('"').next()).collect()
}

pub(crate) fn text() -> String {
    let krates = std::iter::once(Peer::Ours).chain(Peer::OTHERS).map(Peer::krate);
    let named =
        krates.chain(["jsonwebtoken", "aws-lc-rs"]).map(|it| format!("{it} {}", versions(it).join(" and ")));
    format!("Versions: {}.\n", named.collect::<Vec<_>>().join(", "))
}
