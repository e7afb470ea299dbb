//! Claims that have to be there, and what they have to say or must not.

use std::borrow::Cow;

use super::parties;
use crate::error::{BuildError, BuildErrorKind};
use crate::json::{Object, Value};

/// What a configuration demands of the claims, besides what every token needs.
#[derive(Clone, Debug, Default)]
pub(crate) struct RequiredClaims {
    pub(crate) all: Vec<String>,
    /// Of each group one.
    pub(crate) one_of: Vec<Vec<String>>,
    /// A claim, and the values of which it has to have one.
    pub(crate) values: Vec<(String, Vec<String>)>,
    /// A claim, and the values of which it must not have any.
    pub(crate) refused: Vec<(String, Vec<String>)>,
}

impl RequiredClaims {
    /// Whether the claims are what is demanded.
    pub(crate) fn are_met(&self, claims: &Object<'_>) -> bool {
        let is_there = |name: &String| claims.get(name).is_some_and(|value| !value.is_null());
        self.all.iter().all(is_there)
            && self.one_of.iter().all(|names| names.iter().any(|name| claims.get(name).is_some_and(says_something)))
            && self.values.iter().all(|(name, values)| has_one(claims.get(name), values) == Some(true))
            // What cannot be read may say anything.
            && self.refused.iter().all(|(name, values)| {
                !claims.has(name) || has_one(claims.get(name), values) == Some(false)
            })
    }

    /// Whether they can be met.
    pub(crate) fn check(&self) -> Result<(), BuildError> {
        parties::names("required_claims", &self.all)?;
        for names in &self.one_of {
            not_empty("add_required_one_of", names)?;
            parties::names("add_required_one_of", names)?;
        }
        for (setting, list) in [("add_required_values", &self.values), ("add_refused_values", &self.refused)]
        {
            for (name, values) in list {
                not_empty(setting, values)?;
                parties::names(setting, std::slice::from_ref(name))?;
            }
        }
        Ok(())
    }
}

/// Of nothing, nothing would do.
fn not_empty(setting: &'static str, list: &[String]) -> Result<(), BuildError> {
    if list.is_empty() { Err(BuildError::new(setting, BuildErrorKind::Empty)) } else { Ok(()) }
}

/// Whether a claim is more than an empty one.
fn says_something(value: Value<'_>) -> bool {
    let text: String =
        value.text().chars().filter(|character| !character.is_ascii_whitespace()).take(6).collect();
    !["\"\"", "[]", "false", "null", "{}"].contains(&&*text)
}

/// Whether a claim has one of these values, or is a list in which one is. None if it is neither.
fn has_one(value: Option<Value<'_>>, wanted: &[String]) -> Option<bool> {
    let values = value.map(|value| value.elements().unwrap_or_else(|| vec![value]))?;
    let is_plain = |value: &Value<'_>| !value.text().starts_with(['[', '{']);
    let is_wanted = |value: &Value<'_>| {
        // `true` and `1` are written in one way, and strings in many.
        let text = value.string().unwrap_or_else(|| Cow::Borrowed(value.text()));
        wanted.iter().any(|one| *one == text)
    };
    values.iter().all(is_plain).then(|| values.iter().any(is_wanted))
}
