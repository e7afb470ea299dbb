//! Each requirement of `docs/requirements.md` stands there once, and the tests that it names exist.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const LAST: usize = 231;
const LEVELS: [&str; 5] = ["must", "must†", "should", "should†", "may"];

/// One row of the table.
struct Row {
    id: usize,
    level: String,
    demands: String,
    tests: Vec<String>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rows() -> Vec<Row> {
    let text = fs::read_to_string(root().join("docs/requirements.md")).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| RS-")).map(|line| {
        let cells: Vec<&str> = line.trim_end_matches('|').split(" | ").map(str::trim).collect();
        let [id, level, demands, tests] = cells[..] else { panic!("four cells: {line}") };
        Row {
            id: id.parse().expect("a number"),
            level: level.to_owned(),
            demands: demands.to_owned(),
            tests: tests.split('`').filter(|test| test.contains("::")).map(str::to_owned).collect(),
        }
    });
    rows.collect()
}

/// Whether a file has a function of this name that is run as a test.
fn has_test(text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let heads = [format!("fn {name}("), format!("async fn {name}(")];
    let is_head = |line: &&str| heads.iter().any(|head| line.starts_with(head));
    let Some(at) = lines.iter().position(is_head) else { return false };
    let attributes = lines.iter().take(at).rev().take_while(|line| line.starts_with("#["));
    attributes.into_iter().any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
}

#[test]
fn each_requirement_stands_there_once_and_in_order() {
    let found: Vec<usize> = rows().iter().map(|row| row.id).collect();
    for id in 1..=LAST {
        assert_eq!(found.iter().filter(|own| **own == id).count(), 1, "RS-{id}");
    }
    assert!(found.iter().copied().eq(1..=LAST), "in order, and no other");
}

#[test]
fn each_row_says_what_is_demanded_and_which_test_shows_it() {
    for Row { id, level, demands, tests } in rows() {
        assert!(LEVELS.contains(&&*level), "RS-{id}: {level}");
        assert!(!demands.is_empty(), "RS-{id}");
        assert_eq!(tests.is_empty(), demands.starts_with("Left out: "), "RS-{id}");
    }
}

#[test]
fn each_test_that_is_named_exists() {
    let mut files: BTreeMap<PathBuf, String> = BTreeMap::new();
    for Row { id, tests, .. } in rows() {
        for test in tests {
            let (file, name) = test.split_once("::").unwrap();
            let file = if file.contains('/') { file.to_owned() } else { format!("tests/{file}.rs") };
            let path = root().join(&file);
            let text = files.entry(path).or_insert_with_key(|path| {
                fs::read_to_string(path).unwrap_or_else(|_| panic!("RS-{id}: there is no {file}"))
            });
            assert!(has_test(text, name), "RS-{id}: there is no test {test}");
        }
    }
}

/// All public functions of the crate, with the comments above them.
fn public_functions(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            public_functions(&path, found);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let mut comment = String::new();
        for line in text.lines().map(str::trim) {
            if let Some(rest) = line.strip_prefix("pub fn ") {
                let name = rest.split(['(', '<']).next().unwrap();
                found.push((name.to_owned(), std::mem::take(&mut comment)));
            } else if line.starts_with("///") {
                comment.push_str(line);
                comment.push('\n');
            } else if !line.starts_with("#[") {
                comment.clear();
            }
        }
    }
}

#[test]
fn what_weakens_a_check_says_so_in_its_name() {
    let mut found = Vec::new();
    public_functions(&root().join("src"), &mut found);
    let insecure = found.iter().filter(|(name, _)| name.starts_with("insecure_"));
    // Two of them are written once for two builders.
    assert!(insecure.clone().count() >= 8);
    for (name, comment) in insecure {
        assert!(comment.contains("# Security"), "{name} says what it costs");
    }
    // An answer of a provider that serves one issuer, and does not name it, weakens nothing.
    let harmless = ["allow_missing_issuer"];
    for (name, _) in found.iter().filter(|(name, _)| !name.starts_with("insecure_")) {
        let weakens = ["allow_", "skip_", "disable_", "danger", "ignore_", "trust_all", "accept_any"];
        let weakens = weakens.iter().any(|word| name.contains(word));
        assert!(!weakens || harmless.contains(&&**name), "{name}");
    }
}
