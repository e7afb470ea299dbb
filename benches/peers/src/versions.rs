//! Which versions were compiled in.

use crate::peers::Peer;

const LOCK: &str = include_str!("../Cargo.lock");

fn versions(krate: &str) -> Vec<&'static str> {
    let name = format!("name = \"{krate}\"\n");
    let packages = LOCK.split("[[package]]\n").filter_map(|package| package.strip_prefix(&*name));
    packages.filter_map(|rest| rest.strip_prefix("version = \"")?.split('"').next()).collect()
}

/// What a command prints, in one line.
fn said_by(program: &str, argument: &str) -> String {
    let output = std::process::Command::new(program).arg(argument).output();
    output.map_or_else(
        |_| "unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{cores} cores of {}", name.unwrap_or("an unknown processor"))
}

pub(crate) fn text() -> String {
    let krates = std::iter::once(Peer::Ours).chain(Peer::OTHERS).map(Peer::krate);
    let named =
        krates.chain(["jsonwebtoken", "aws-lc-rs"]).map(|it| format!("{it} {}", versions(it).join(" and ")));
    format!(
        "Measured on {}, on {}, with {}. Versions: {}.\n",
        said_by("date", "-I"),
        processor(),
        said_by("rustc", "-V"),
        named.collect::<Vec<_>>().join(", ")
    )
}
