//! What goes together: which settings a provider takes and needs, and which exclude each other.

use super::draft::Draft;
use super::fields::TABLE;
use super::files;
use super::provider::Provider;
use super::raw::Raw;
use super::what::What;
use crate::error::BuildErrorKind;

/// Settings that can be read from a file.
const FROM_FILES: [&str; 4] = ["client_secret", "public_key", "secret_key", "jwk_set"];
/// Of these, one.
const SOURCES: [&str; 4] = ["jwks_url", "public_key", "secret_key", "jwk_set"];
/// These speak about a resource.
const OF_RESOURCE: [&str; 3] = ["resource_name", "scopes_supported", "authorization_servers"];

impl Draft<'_> {
    /// Notes what a provider does not take, what it lacks and what excludes something else, and reads files.
    pub(super) fn follow_rules(&mut self, provider: &'static Provider) {
        for name in TABLE.iter().map(super::Setting::name) {
            if self.settings.is_written(name) && !provider.takes(name) {
                self.note(name, What::Meaningless(provider.name));
                self.fields.clear(name);
            }
        }
        self.read_files();
        // Before a setting is taken away that excludes another.
        self.find_missing_keys(provider);
        self.find_conflicts();
        self.find_missing(provider);
    }

    fn read_files(&mut self) {
        for name in FROM_FILES {
            let Some(file) = TABLE.iter().map(super::Setting::name).find(|file| is_file_of(file, name))
            else {
                continue;
            };
            if self.settings.is_written(file) && self.settings.is_written(name) {
                self.note(file, What::Conflict(name));
                continue;
            }
            let path = match file {
                "client_secret_file" => &self.fields.client_secret_file,
                "public_key_file" => &self.fields.public_key_file,
                "secret_key_file" => &self.fields.secret_key_file,
                _ => &self.fields.jwk_set_file,
            };
            let Some(path) = path else { continue };
            let read = files::read(path).and_then(|text| self.fields.set(name, &Raw::Text(text)));
            if let Err(what) = read {
                self.note(file, what);
            }
        }
    }

    fn find_conflicts(&mut self) {
        let settings = self.settings;
        let mut sources = SOURCES.into_iter().filter(|name| settings.is_there(name));
        if let Some(first) = sources.next() {
            for name in sources {
                self.note(settings.spelling(name), What::Conflict(settings.spelling(first)));
            }
        }
        for (insecure, is_on, excluded) in [
            ("insecure_allow_any_audience", self.fields.insecure_allow_any_audience, "audience"),
            ("insecure_allow_any_issuer", self.fields.insecure_allow_any_issuer, "issuer"),
        ] {
            if is_on == Some(true) && settings.is_written(excluded) {
                self.note(insecure, What::Conflict(excluded));
            }
        }
        if self.fields.ssrf_protection == Some(true) && settings.is_written("proxy") {
            self.note("ssrf_protection", What::Conflict("proxy"));
        }
        for name in OF_RESOURCE {
            if settings.is_written(name) && !settings.is_written("resource") {
                self.note(name, What::Needs("resource"));
            }
        }
    }

    fn find_missing_keys(&mut self, provider: &Provider) {
        if SOURCES.iter().any(|name| self.settings.is_there(name)) {
            return;
        }
        if provider.takes("jwks_url") && self.fields.insecure_allow_any_issuer == Some(true) {
            self.note("jwks_url", What::MissingKeys);
        }
        let mut algorithms = self.fields.algorithms.iter().flatten();
        if provider.takes("secret_key") && algorithms.any(|algorithm| algorithm.is_symmetric()) {
            self.note("algorithms", What::NoSecretKey);
        }
    }

    fn find_missing(&mut self, provider: &Provider) {
        if provider.required.contains(&"audience")
            && self.fields.audience.is_none()
            && self.fields.insecure_allow_any_audience != Some(true)
        {
            self.fields.audience = self.fields.resource.clone().map(|resource| vec![resource]);
        }
        for name in provider.required.iter().copied() {
            if name == "insecure_allow_any_audience" {
                if self.fields.insecure_allow_any_audience != Some(true) {
                    self.note(name, What::NamesNoApplication(provider.name));
                }
                continue;
            }
            let is_waived = match name {
                "audience" => {
                    self.fields.audience.is_some() || self.fields.insecure_allow_any_audience == Some(true)
                }
                "issuer" => self.fields.insecure_allow_any_issuer == Some(true),
                _ => false,
            };
            if !is_waived && !self.settings.is_there(name) {
                self.note(name, What::Build(BuildErrorKind::Missing));
            }
        }
    }
}

fn is_file_of(file: &str, name: &str) -> bool {
    file.strip_suffix("_file") == Some(name)
}
