//! What may go into a log: on one line, escaped, bounded.

use std::error::Error;
use std::fmt::{self, Write};

/// The name under which all events of this crate are logged.
pub(crate) const TARGET: &str = "tower_bearer";
/// With the three dots that stand for the rest: 256 bytes.
const MAX_LENGTH: usize = 253;

const MAX_CAUSES: usize = 8;

/// Text from outside.
#[derive(Clone, Copy)]
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = MAX_LENGTH;
        for character in self.0.chars() {
            let acts = acts_on_a_viewer(character);
            let width = if acts { 10 } else { character.len_utf8() };
            if width > left {
                return f.write_str("...");
            }
            left -= width;
            if acts { write!(f, "{}", character.escape_unicode())? } else { f.write_char(character)? }
        }
        Ok(())
    }
}

/// What a terminal or a viewer would act upon: controls, marks that reverse the direction of text, what is not seen.
fn acts_on_a_viewer(character: char) -> bool {
    let marks = ['\u{61C}', '\u{180E}', '\u{FEFF}'];
    let ranges = [
        '\u{200B}'..='\u{200F}',
        '\u{2028}'..='\u{202E}',
        '\u{2060}'..='\u{206F}',
        '\u{E0000}'..='\u{E007F}',
    ];
    character.is_control()
        || marks.contains(&character)
        || ranges.iter().any(|range| range.contains(&character))
}

/// The causes of an error, outermost first, without the error itself.
pub(crate) struct Causes<'a>(pub(crate) &'a (dyn Error + 'static));

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        let causes =
            std::iter::successors(self.0.source(), |error: &&(dyn Error + 'static)| (*error).source());
        // What others wrote may fail, or never end.
        for cause in causes.take(MAX_CAUSES) {
            let separator = if text.is_empty() { "" } else { ": " };
            let _ = write!(text, "{separator}{cause}");
        }
        Escaped(&text).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_acts_on_a_terminal_is_written() {
        let text = Escaped("a\r\nSet-Cookie: x=1\u{1b}[31m\u{202e}b").to_string();
        assert_eq!(text, "a\\u{d}\\u{a}Set-Cookie: x=1\\u{1b}[31m\\u{202e}b");
        assert!(!text.contains(['\r', '\n', '\u{1b}', '\u{202e}']));
    }

    #[test]
    fn a_long_text_is_cut() {
        let text = Escaped(&"é".repeat(4_000)).to_string();
        assert!(text.len() <= MAX_LENGTH + 3 && text.ends_with("..."));
    }
}
