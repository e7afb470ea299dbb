//! What would be right, next to what is wrong. Nothing of a value.

use super::fields::{Setting, TABLE};
use super::provider::PROVIDERS;
use super::what::What;
use crate::error::BuildErrorKind;

/// How much of two names has to be the same, of 1.
const ALIKE: f64 = 0.7;
/// Longer names are nobody's slip.
const MAX_NAME: usize = 64;

/// What the value of a setting may be, where that is what is wrong with it.
pub(super) fn of_value(name: &str, what: What) -> Option<String> {
    match what {
        What::Form(_) if name == "provider" => {
            let names: Vec<String> =
                PROVIDERS.iter().map(|provider| format!("`{}`", provider.name)).collect();
            Some(names.join(", "))
        }
        What::Build(
            BuildErrorKind::InvalidKey
            | BuildErrorKind::InvalidText
            | BuildErrorKind::InvalidUrl
            | BuildErrorKind::OutOfRange
            | BuildErrorKind::WeakSecret,
        ) => {
            let setting = TABLE.iter().find(|setting| setting.name() == name)?;
            Some(setting.range()).filter(|range| !range.is_empty()).map(str::to_owned)
        }
        _ => None,
    }
}

/// The setting that a name that is none was probably meant for.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    if name.len() > MAX_NAME {
        return None;
    }
    let name = name.to_ascii_lowercase();
    let similarity = |known| strsim::normalized_damerau_levenshtein(&name, known);
    let all = TABLE.iter().map(Setting::name).map(|known| (similarity(known), known));
    let (similarity, known) = all.max_by(|(one, _), (other, _)| one.total_cmp(other))?;
    (similarity >= ALIKE).then_some(known)
}
