//! The forms of secrets and keys. They are never written.

use super::form::Form;
use super::raw::Raw;
use super::what::What;
use crate::error::BuildErrorKind;
use crate::secret::Secret;

/// Public keys in PEM.
#[derive(Clone)]
#[cfg_attr(
    not(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto"))),
    expect(dead_code, reason = "keys are for signed tokens")
)]
pub(super) struct PublicKeys(pub(super) Vec<Secret<String>>);

impl Form for Secret<String> {
    const NAME: &'static str = "secret";

    /// Reads a secret, without the line end that editors put behind it.
    fn read(raw: &Raw) -> Result<Self, What> {
        let text = without_line_end(text(raw)?);
        // A space that nobody sees.
        match text.trim() == text {
            true => Ok(Self::from(text)),
            false => Err(What::Build(BuildErrorKind::InvalidText)),
        }
    }

    fn written(&self) -> Option<Raw> {
        None
    }
}

impl Form for Vec<Secret<String>> {
    const NAME: &'static str = "secrets";

    fn read(raw: &Raw) -> Result<Self, What> {
        let secrets = each(raw, Secret::read)?;
        let mut lines = secrets.iter().flat_map(|secret| secret.expose().lines());
        // Whatever stands in a line is a key: no remark, no mark of an encoding, no zeros of a file that was lost.
        let is_plain = |line: &str| !line.starts_with(['#', '\u{feff}']) && !line.contains(char::is_control);
        match lines.all(|line| line.trim() == line && is_plain(line)) {
            true => Ok(secrets),
            false => Err(What::Build(BuildErrorKind::InvalidText)),
        }
    }

    fn written(&self) -> Option<Raw> {
        None
    }
}

impl Form for PublicKeys {
    const NAME: &'static str = "secrets";

    fn read(raw: &Raw) -> Result<Self, What> {
        each(raw, |raw| {
            let text = text(raw)?;
            // Where a value has one line, its line ends are often written as two characters.
            Ok(match text.contains('\n') {
                true => Secret::from(text),
                false => Secret::new(text.replace("\\r", "").replace("\\n", "\n")),
            })
        })
        .map(Self)
    }

    fn written(&self) -> Option<Raw> {
        None
    }
}

fn each(raw: &Raw, read: impl Fn(&Raw) -> Result<Secret<String>, What>) -> Result<Vec<Secret<String>>, What> {
    match raw {
        Raw::List(items) if items.is_empty() => Err(What::Build(BuildErrorKind::Empty)),
        Raw::List(items) => items.iter().map(read).collect(),
        single => Ok(vec![read(single)?]),
    }
}

/// A text that says something.
fn text(raw: &Raw) -> Result<&str, What> {
    match raw {
        Raw::Text(text) if text.expose().trim().is_empty() => Err(What::Build(BuildErrorKind::Empty)),
        Raw::Text(text) => Ok(text.expose()),
        _ => Err(What::Form("text")),
    }
}

fn without_line_end(text: &str) -> &str {
    let line = text.strip_suffix('\n');
    line.map_or(text, |line| line.strip_suffix('\r').unwrap_or(line))
}
