//! Everything that is wrong with the settings, told at once.

use std::error::Error;
use std::fmt;

use super::what::What;
use crate::log::Escaped;

/// Settings that cannot work: all that is wrong with them. It names settings and never a value.
///
/// `Display` is one line for each, and `Debug` is the same: a `main` that returns the error prints what to do.
#[derive(Clone)]
pub struct SettingsError {
    // Not empty.
    faults: Vec<SettingsFault>,
}

/// One thing that is wrong, as a line of text.
#[derive(Clone)]
pub struct SettingsFault {
    name: String,
    what: What,
    // Another setting that it speaks of, as the user would write it.
    other: Option<String>,
}

impl SettingsError {
    pub(super) fn new(faults: Vec<SettingsFault>) -> Self {
        Self { faults }
    }

    /// What is wrong, in the order of the [table](super::Settings::table), unknown names first.
    #[must_use]
    pub fn faults(&self) -> &[SettingsFault] {
        &self.faults
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the settings cannot work:")?;
        self.faults.iter().try_for_each(|fault| write!(f, "\n{fault}"))
    }
}

impl fmt::Debug for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for SettingsError {}

impl SettingsFault {
    pub(super) fn new(name: String, what: What, other: Option<String>) -> Self {
        Self { name, what, other }
    }

    /// The setting, as the user wrote it or would have to: the variable, or the name in a file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for SettingsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", Escaped(&self.name), self.what)?;
        self.other.iter().try_for_each(|other| write!(f, " `{}`", Escaped(other)))
    }
}

impl fmt::Debug for SettingsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for SettingsFault {}
