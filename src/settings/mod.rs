//! Everything that a deployment sets, from variables of the environment or from any file.
//!
//! ```
//! # #[cfg(all(feature = "jwt", feature = "reqwest", any(feature = "aws-lc-rs", feature = "rust-crypto")))] {
//! use tower_bearer::settings::Settings;
//!
//! let variables = [
//!     ("API_AUTH_ISSUER", "https://idp.example.com/"),
//!     ("API_AUTH_AUDIENCE", "https://api.example.com"),
//!     ("API_AUTH_REQUIRED_SCOPES", "files:read"),
//! ];
//! // In a program: `Settings::from_env("API_AUTH")?`.
//! let settings = Settings::from_vars("API_AUTH", variables)?;
//! let app = axum::Router::<()>::new();
//! let app = match settings.layer()? {
//!     Some(auth) => app.layer(auth),
//!     // Only with `API_AUTH_ENABLED=false`.
//!     None => app,
//! };
//! # }
//! # Ok::<(), tower_bearer::settings::SettingsError>(())
//! ```
//!
//! [`layer_builder`](Settings::layer_builder) lets more be said in code.
//!
#![doc = include_str!("../../docs/settings.md")]

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use self::fields::{Fields, TABLE};
use self::parts::{Parts, Stage};
use self::raw::Raw;
use self::surroundings::Surroundings;
use self::what::What;
use crate::cache::Cached;
use crate::client::HttpClient;
use crate::clock::Clock;
use crate::error::BuildError;
use crate::log::{Escaped, TARGET};
use crate::middleware::{AuthLayer, AuthLayerBuilder};
use crate::verifier::{BoxVerifier, TokenVerifier};

#[cfg(any(feature = "github", feature = "introspection"))]
mod asked;
mod claims;
mod credentials;
mod draft;
mod error;
mod fields;
mod files;
mod form;
mod hint;
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
mod jwt;
mod parts;
mod provider;
mod raw;
mod rules;
mod source;
mod stand_in;
mod structure;
mod surroundings;
mod what;

pub use self::error::{SettingsError, SettingsFault};
pub use self::fields::Setting;

/// The settings of a layer, its verifier, its cache and its client.
///
/// Read from variables by [`from_env`](Self::from_env), or from any format of serde. Nothing is set by default, which
/// no provider can work with. See [what can be set](crate::settings).
#[derive(Clone, Default)]
pub struct Settings {
    fields: Fields,
    // What could not be read.
    faults: Vec<SettingsFault>,
    names: Names,
    surroundings: Surroundings,
}

/// How settings are called where they come from.
#[derive(Clone, Default)]
struct Names {
    // Of variables.
    prefix: Option<String>,
    // As they were written, those that could not be read included.
    written: BTreeMap<&'static str, String>,
}

impl Settings {
    /// Everything that can be set, for a help text for example.
    #[must_use]
    pub fn table() -> &'static [Setting] {
        TABLE
    }

    /// The client to ask the provider with. Excludes the settings about the one that this crate brings.
    #[must_use]
    pub fn http_client(mut self, client: impl HttpClient) -> Self {
        self.surroundings.client = Some(Arc::new(client));
        self
    }

    /// The clock of the verifier, the cache and the layer. Default: that of the system.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.surroundings.clock = Some(Arc::new(clock));
        self
    }

    /// Whether requests are to be examined: unless `enabled` is the word `false`.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.fields.enabled != Some(false)
    }

    /// Finds everything that is wrong. Reads the files that are named; sends nothing.
    ///
    /// Where authentication is off, it looks only for what is unknown or unreadable.
    ///
    /// # Errors
    ///
    /// All of these, at once:
    ///
    /// - a name that is none, or is there twice; a value of another form, an empty one included
    /// - a setting without which the provider cannot work is missing
    /// - a setting means nothing to the provider, or excludes another
    /// - a file cannot be read
    /// - a feature of this crate is off that is needed
    /// - whatever `build` of the verifier, the cache, the client and the layer finds
    pub fn check(&self) -> Result<(), SettingsError> {
        self.examine(Stage::Use)
    }

    /// Makes the verifier, within a cache of its own, whether authentication is on or off.
    ///
    /// The [handle](Cached::handle) of the cache forgets tokens that were revoked.
    ///
    /// # Errors
    ///
    /// Those of [`check`](Self::check).
    pub fn verifier(&self) -> Result<Cached<BoxVerifier>, SettingsError> {
        let Parts { verifier, cache, .. } = self.announced()?;
        Ok(verifier.cached(cache))
    }

    /// Starts the layer, so that more can be said in code. None only if `enabled` is `false`.
    ///
    /// # Errors
    ///
    /// Those of [`check`](Self::check).
    pub fn layer_builder(&self) -> Result<Option<AuthLayerBuilder<Cached<BoxVerifier>>>, SettingsError> {
        if !self.is_enabled() {
            self.check()?;
            let name = self.shown("enabled");
            tracing::warn!(
                target: TARGET,
                setting = %Escaped(&name),
                "authentication is off: every request passes unexamined"
            );
            return Ok(None);
        }
        let Parts { verifier, cache, fields } = self.announced()?;
        let clock = self.surroundings.clock.as_ref();
        Ok(Some(parts::layer(&fields, verifier.cached(cache), clock)))
    }

    /// Makes the layer. None only if `enabled` is `false`, which is logged.
    ///
    /// # Errors
    ///
    /// Those of [`check`](Self::check).
    pub fn layer(&self) -> Result<Option<AuthLayer<Cached<BoxVerifier>>>, SettingsError> {
        let Some(builder) = self.layer_builder()? else { return Ok(None) };
        // The same was built before, of the same settings.
        let unlikely = |fault: BuildError| {
            SettingsError::new(vec![self.fault(fault.setting(), What::Build(fault.kind()))])
        };
        builder.build().map(Some).map_err(unlikely)
    }

    fn examine(&self, stage: Stage) -> Result<(), SettingsError> {
        match self.is_enabled() {
            true => self.parts(stage).map(drop),
            false => draft::Draft::new(self).result(),
        }
    }

    /// The parts, and a word in the log for each that weakens them.
    fn announced(&self) -> Result<Parts, SettingsError> {
        let parts = self.parts(Stage::Use)?;
        for (name, is_on) in [
            ("insecure_allow_any_audience", self.fields.insecure_allow_any_audience),
            ("insecure_allow_any_issuer", self.fields.insecure_allow_any_issuer),
            ("insecure_allow_missing_expiry", self.fields.insecure_allow_missing_expiry),
            ("insecure_allow_id_tokens", self.fields.insecure_allow_id_tokens),
        ] {
            if is_on == Some(true) {
                let name = self.shown(name);
                tracing::warn!(target: TARGET, setting = %Escaped(&name), "an insecure setting is on");
            }
        }
        Ok(parts)
    }

    /// Takes a setting from wherever it comes. `own` is our name, `shown` that of the user.
    fn take(&mut self, own: &str, shown: String, value: &Raw) {
        let read = |fields: &mut Fields| fields.set(own, value);
        self.take_with(own, shown, read);
    }

    fn take_with(&mut self, own: &str, shown: String, read: impl FnOnce(&mut Fields) -> Result<(), What>) {
        let name = TABLE.iter().map(Setting::name).find(|name| *name == own);
        let what = match name {
            None => Err(What::Unknown),
            Some(name) if self.names.written.contains_key(name) => Err(What::Twice),
            Some(name) => {
                self.names.written.insert(name, shown.clone());
                read(&mut self.fields)
            }
        };
        if let Err(what) = what {
            let nearest = hint::nearest(own).filter(|_| name.is_none());
            let nearest = nearest.map(|nearest| format!("`{}`?", Escaped(&self.shown(nearest))));
            let hint = nearest.or_else(|| hint::of_value(own, what));
            self.faults.push(SettingsFault::new(shown, what, Vec::new(), hint));
        }
    }

    /// The name of a setting as the user wrote it, or would have to.
    fn shown(&self, name: &'static str) -> String {
        let is_ours = TABLE.iter().any(|setting| setting.name() == name);
        match (self.names.written.get(name), &self.names.prefix) {
            (Some(written), _) => written.clone(),
            (None, Some(prefix)) if is_ours => format!("{prefix}_{}", name.to_ascii_uppercase()),
            _ => name.to_owned(),
        }
    }

    fn fault(&self, name: &'static str, what: What) -> SettingsFault {
        let spelling = |name| self.shown(self.spelling(name));
        let others = what.others().iter().copied().map(spelling).collect();
        SettingsFault::new(spelling(name), what, others, hint::of_value(name, what))
    }

    /// The place in the table of the setting that a fault is about.
    fn position(&self, fault: &SettingsFault) -> Option<usize> {
        TABLE.iter().position(|setting| {
            self.names.written.get(setting.name()).is_some_and(|written| written == fault.name())
        })
    }

    fn is_written(&self, name: &str) -> bool {
        self.names.written.contains_key(name)
    }

    /// Whether a setting is there by itself or by its file.
    fn is_there(&self, name: &'static str) -> bool {
        self.is_written(self.spelling(name))
    }

    /// The setting by which this one is there: that of its file, if only that is.
    fn spelling(&self, name: &'static str) -> &'static str {
        let is_file = |file: &&str| file.strip_suffix("_file") == Some(name) && self.is_written(file);
        let file = TABLE.iter().map(Setting::name).find(is_file);
        file.filter(|_| !self.is_written(name)).unwrap_or(name)
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (name, value) in self.fields.written() {
            match value {
                Some(value) => map.entry(&name, &raw::Shown(&value)),
                None => map.entry(&name, &format_args!("Secret(..)")),
            };
        }
        map.finish_non_exhaustive()
    }
}
