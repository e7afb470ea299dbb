//! Tables.

use std::fmt::Write;

/// A table whose first column is text and whose others are figures.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut text = format!("| {} |\n|---|{}\n", head.join(" | "), "--:|".repeat(head.len() - 1));
    for row in rows {
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
    text
}

/// Thousands apart.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|it| str::from_utf8(it).ok()).collect();
    groups.join(" ")
}

/// Nanoseconds as microseconds.
pub(crate) fn micros(nanos: f64) -> String {
    match nanos / 1e3 {
        micros if micros < 10.0 => format!("{micros:.2}"),
        micros if micros < 100.0 => format!("{micros:.1}"),
        micros => format!("{micros:.0}"),
    }
}

/// Names that were noted, in code font.
pub(crate) fn ids(ids: &[String]) -> String {
    ids.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ")
}

/// Reasons below a table, numbered by their order.
#[derive(Debug, Default)]
pub(crate) struct Notes(Vec<String>);

impl Notes {
    /// The mark that stands for a reason.
    pub(crate) fn mark(&mut self, reason: &str) -> String {
        let known = self.0.iter().position(|own| own == reason);
        let index = known.unwrap_or_else(|| {
            self.0.push(reason.to_owned());
            self.0.len() - 1
        });
        format!("– ({})", index + 1)
    }

    pub(crate) fn text(&self) -> String {
        let line = |(index, reason): (usize, &String)| format!("({}) {reason}.", index + 1);
        self.0.iter().enumerate().map(line).collect::<Vec<_>>().join(" ")
    }
}
