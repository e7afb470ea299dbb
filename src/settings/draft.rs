//! Settings on their way to something that works: what is wrong is noted, and something harmless put in its place, so
//! that the rest can be judged too. Nothing that was made of a draft with a fault is handed out.

use std::collections::BTreeSet;

use super::fields::{Fields, TABLE};
use super::raw::Raw;
use super::what::What;
use super::{Settings, SettingsError, SettingsFault};
use crate::error::BuildError;

/// What every builder takes in the place of what it refused.
const HARMLESS: &[(&str, &str)] = &[
    ("issuer", "https://issuer.example.com"),
    ("audience", "https://api.example.com"),
    ("client_id", "00000000-0000-0000-0000-000000000000"),
    ("client_secret", "secret"),
    ("domain", "tenant.example.com"),
    ("url", "https://issuer.example.com"),
    ("tenant_id", "00000000-0000-0000-0000-000000000000"),
    ("tenant_name", "example"),
    ("policy", "example"),
    ("user_pool", "eu-west-1_example"),
    ("realm", "example"),
    ("authorization_server", "default"),
    ("project_id", "example"),
    ("resource_id", "res_1"),
    ("introspection_url", "https://issuer.example.com/introspect"),
    ("insecure_allow_any_audience", "true"),
    ("resource", "https://api.example.com"),
    ("authorization_servers", "https://issuer.example.com"),
];
/// The names of keys, and where to fetch others.
const KEYS: [&str; 4] = ["jwks_url", "public_key", "secret_key", "jwk_set"];
const HARMLESS_KEYS: &str = "https://issuer.example.com/keys";

/// What is built, each by settings of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Part {
    Cache,
    #[cfg(feature = "reqwest")]
    Client,
    Layer,
    Verifier,
}

/// Settings of which some were replaced.
pub(super) struct Draft<'a> {
    pub(super) settings: &'a Settings,
    pub(super) fields: Fields,
    faults: Vec<(Option<usize>, SettingsFault)>,
    blamed: BTreeSet<&'static str>,
}

impl<'a> Draft<'a> {
    /// A draft in which everything that could not be read is replaced.
    pub(super) fn new(settings: &'a Settings) -> Self {
        let mut draft = Self {
            settings,
            fields: settings.fields.clone(),
            faults: settings.faults.iter().map(|fault| (settings.position(fault), fault.clone())).collect(),
            blamed: BTreeSet::new(),
        };
        for name in settings.names.written.keys().copied().filter(|name| !settings.fields.has(name)) {
            draft.blamed.insert(name);
            draft.replace(name);
        }
        draft
    }

    /// Notes a fault of a setting, one at most, and replaces it.
    pub(super) fn note(&mut self, name: &'static str, what: What) {
        if self.blamed.insert(name) {
            let position = TABLE.iter().position(|setting| setting.name() == name);
            self.faults.push((position, self.settings.fault(name, what)));
            self.replace(name);
        }
    }

    /// Builds a part; what is refused is noted and replaced, as long as that leads anywhere.
    pub(super) fn settle<T>(
        &mut self,
        part: Part,
        build: impl Fn(&Fields) -> Result<T, BuildError>,
    ) -> Option<T> {
        loop {
            let fault = match build(&self.fields) {
                Ok(built) => return Some(built),
                Err(fault) => fault,
            };
            let name = self.blame(part, fault.setting());
            if self.blamed.contains(name) {
                return None;
            }
            self.note(name, What::Build(fault.kind()));
        }
    }

    /// All faults, if there is one.
    pub(super) fn result(&self) -> Result<(), SettingsError> {
        let mut faults = self.faults.clone();
        faults.sort_by(|(one, a), (other, b)| (one, a.name()).cmp(&(other, b.name())));
        match faults.is_empty() {
            true => Ok(()),
            false => Err(SettingsError::new(faults.into_iter().map(|(_, fault)| fault).collect())),
        }
    }

    fn replace(&mut self, name: &'static str) {
        let own = name.strip_suffix("_file").unwrap_or(name);
        self.fields.clear(own);
        if KEYS.contains(&own) {
            KEYS.iter().for_each(|name| self.fields.clear(name));
            // Of other keys, they would be the wrong ones.
            self.fields.algorithms = None;
            self.fields.jwks_url = Some(HARMLESS_KEYS.to_owned());
        }
        if let Some((_, text)) = HARMLESS.iter().find(|(harmless, _)| *harmless == own) {
            // All of them are of a form that takes any text.
            let _ = self.fields.set(own, &Raw::text(*text));
        }
    }

    /// The setting of ours from which a builder got what it calls `setting`.
    fn blame(&self, part: Part, setting: &'static str) -> &'static str {
        let names: &[&'static str] = match (part, setting) {
            (Part::Verifier, "audience" | "add_audience") => &["audience", "resource", "client_id"],
            (Part::Verifier, "client_secret_basic" | "client_secret_post") => &["client_secret"],
            (Part::Verifier, "public_key_pem") => &["public_key"],
            (Part::Verifier, "hmac_secret") => &["secret_key"],
            (Part::Verifier, "static_keys") => &["public_key", "secret_key"],
            (Part::Verifier, "jwks_uri") => &["jwks_url"],
            (Part::Verifier, "add_scopes_at") => &["scopes_at"],
            (Part::Verifier, "add_client_claim") => &["client_claim"],
            (Part::Verifier, "add_issuer_alias") => &["issuer_aliases"],
            (Part::Verifier, "add_required_values") => &["required_values"],
            (Part::Verifier, "add_refused_values") => &["refused_values"],
            (Part::Verifier, "audience_at") => &["insecure_allow_any_audience"],
            (Part::Verifier, "endpoint") => &["introspection_url"],
            (Part::Verifier, "timeout") => &["upstream_timeout"],
            (Part::Verifier, "api_url" | "auth_url" | "domain_url" | "environment_url" | "project_url") => {
                &["url"]
            }
            (Part::Layer, "challenge_scope_names") => &["challenge_scope_prefix"],
            (Part::Layer, "metadata") => &["resource"],
            (_, "add_root_certificates") => &["root_certificates_file"],
            (_, "http_client") => return "http_client",
            _ => &[],
        };
        let is_there = |name: &&&'static str| self.settings.is_there(name);
        if let Some(name) = names.iter().find(is_there).or_else(|| names.first()) {
            return name;
        }
        let of_cache = |name: &str| name.strip_prefix("cache_") == Some(setting);
        let is_it = |name: &str| if part == Part::Cache { of_cache(name) } else { name == setting };
        TABLE.iter().map(super::Setting::name).find(|name| is_it(name)).unwrap_or("provider")
    }
}
