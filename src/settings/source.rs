//! Settings from the variables of the environment.

use std::env;
use std::ffi::OsString;

use super::parts::Stage;
use super::raw::Raw;
use super::what::What;
use super::{Settings, SettingsError};

impl Settings {
    /// Reads the variables of this process that begin with a prefix and `_`, and [checks](Self::check) them.
    ///
    /// With the prefix `API_AUTH` the setting `issuer` is the variable `API_AUTH_ISSUER`. Small letters are as good as
    /// capitals. A variable with the prefix that is no setting is an error, as is one that is empty: nothing that
    /// somebody has set is passed over.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, at once: those of [`check`](Self::check), variables that are unknown or no text, and a
    /// prefix that is not made of letters, digits and `_` or ends with `_`.
    pub fn from_env(prefix: &str) -> Result<Self, SettingsError> {
        Self::read(prefix, env::vars_os())
    }

    /// The same from variables that come from elsewhere.
    ///
    /// ```
    /// use tower_bearer::settings::Settings;
    ///
    /// let variables = [("API_AUTH_ISUER", "https://idp.example.com/"), ("HOME", "/root")];
    /// let error = Settings::from_vars("API_AUTH", variables).unwrap_err();
    /// assert!(error.faults().iter().any(|fault| fault.name() == "API_AUTH_ISUER"));
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`from_env`](Self::from_env).
    pub fn from_vars<N: Into<String>, V: Into<String>>(
        prefix: &str,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, SettingsError> {
        let owned = |(name, value): (N, V)| (OsString::from(name.into()), OsString::from(value.into()));
        Self::read(prefix, variables.into_iter().map(owned))
    }

    fn read(
        prefix: &str,
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<Self, SettingsError> {
        let mut settings = Self::default();
        let is_plain = prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        // Without a prefix every variable of the process would be a setting.
        if prefix.is_empty() || prefix.ends_with('_') || !is_plain {
            let fault = settings.fault("prefix", What::Form("a name such as `API_AUTH`"));
            return Err(SettingsError::new(vec![fault]));
        }
        settings.names.prefix = Some(prefix.to_owned());
        for (name, value) in variables {
            let shown = name.to_string_lossy().into_owned();
            let Some(own) = own_name(&shown, prefix) else { continue };
            // Of a name that is no text the marks that stand for its bytes make an unknown one.
            match value.to_str() {
                Some(value) => settings.take(&own, shown, &Raw::text(value)),
                None => settings.take_with(&own, shown, |_| Err(What::Unprintable)),
            }
        }
        settings.examine(Stage::Start)?;
        Ok(settings)
    }
}

/// The setting of a variable that has the prefix. Letters beyond ASCII that look like one are none.
fn own_name(variable: &str, prefix: &str) -> Option<String> {
    let (start, rest) = variable.split_at_checked(prefix.len())?;
    let own = rest.strip_prefix('_').filter(|_| start.eq_ignore_ascii_case(prefix))?;
    Some(own.to_ascii_lowercase())
}
