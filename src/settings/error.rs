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
    // Other settings that it speaks of, as the user would write them.
    others: Vec<String>,
    // What would be right.
    hint: Option<String>,
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
    pub(super) fn new(name: String, what: What, others: Vec<String>, hint: Option<String>) -> Self {
        Self { name, what, others, hint }
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
        for (number, other) in self.others.iter().enumerate() {
            write!(f, "{} `{}`", if number == 0 { "" } else { "," }, Escaped(other))?;
        }
        self.hint.iter().try_for_each(|hint| write!(f, ": {hint}"))
    }
}

impl fmt::Debug for SettingsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for SettingsFault {}
