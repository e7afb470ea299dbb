//! Claims that have to be there, and what they have to say.

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
}

impl RequiredClaims {
    /// Whether the claims are what is demanded.
    pub(crate) fn are_met(&self, claims: &Object<'_>) -> bool {
        let is_there = |name: &String| claims.get(name).is_some_and(|value| !value.is_null());
        self.all.iter().all(is_there)
            && self.one_of.iter().all(|names| names.iter().any(is_there))
            && self.values.iter().all(|(name, values)| has_one(claims.get(name), values))
    }

    /// Whether they can be met.
    pub(crate) fn check(&self) -> Result<(), BuildError> {
        parties::names("required_claims", &self.all)?;
        for names in &self.one_of {
            not_empty("add_required_one_of", names)?;
            parties::names("add_required_one_of", names)?;
        }
        for (name, values) in &self.values {
            not_empty("add_required_values", values)?;
            parties::names("add_required_values", std::slice::from_ref(name))?;
        }
        Ok(())
    }
}

/// Of nothing, nothing would do.
fn not_empty(setting: &'static str, list: &[String]) -> Result<(), BuildError> {
    if list.is_empty() { Err(BuildError::new(setting, BuildErrorKind::Empty)) } else { Ok(()) }
}

/// Whether a claim is one of these strings, or a list with one of them.
fn has_one(value: Option<Value<'_>>, wanted: &[String]) -> bool {
    let mut found = false;
    let readable =
        value.and_then(|value| value.each_string(|own| found |= wanted.iter().any(|one| *one == own)));
    readable.is_some() && found
}
