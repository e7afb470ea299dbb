//! The parts that settings are for: the client, the verifier, the cache, the layer.

use std::sync::Arc;

#[cfg(any(feature = "github", feature = "introspection"))]
use super::asked;
use super::draft::{Draft, Part};
use super::fields::Fields;
#[cfg(feature = "reqwest")]
use super::files;
#[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
use super::jwt;
use super::provider::{Provider, Via};
use super::stand_in::{NoClient, NoVerifier};
use super::surroundings::Surroundings;
use super::what::What;
use super::{Settings, SettingsError};
use crate::cache::CacheLayer;
use crate::client::HttpClient;
#[cfg(feature = "reqwest")]
use crate::client::ReqwestClient;
use crate::clock::Clock;
use crate::error::{BuildError, BuildErrorKind};
use crate::middleware::{AuthLayer, AuthLayerBuilder};
use crate::verifier::{BoxVerifier, TokenVerifier};

/// Settings about the client that this crate brings.
const OF_CLIENT: [&str; 3] = ["root_certificates_file", "proxy", "ssrf_protection"];

/// When settings are looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stage {
    /// The client may still be named.
    Start,
    Use,
}

/// Parts of which each was built once.
pub(super) struct Parts {
    pub(super) verifier: BoxVerifier,
    pub(super) cache: CacheLayer,
    /// The settings with what was read from files.
    pub(super) fields: Fields,
}

impl Settings {
    /// Builds everything once, whether it is enabled or not.
    pub(super) fn parts(&self, stage: Stage) -> Result<Parts, SettingsError> {
        let mut draft = Draft::new(self);
        // One that could not be read is no default.
        let default = || Provider::of_name("jwt").filter(|_| !self.is_written("provider"));
        let provider = self.fields.provider.or_else(default);
        if let Some(provider) = provider {
            draft.follow_rules(provider);
        }
        let surroundings = draft.surroundings(stage);
        let verifier = provider.and_then(|provider| draft.verifier(provider, &surroundings));
        let clock = surroundings.clock.as_ref();
        let cache = draft.settle(Part::Cache, |fields| cache(fields, clock));
        let judge = verifier.clone().unwrap_or_else(|| NoVerifier.boxed());
        draft.settle(Part::Layer, |fields| layer(fields, judge.clone(), clock).build().map(drop));
        draft.result()?;
        match (verifier, cache) {
            (Some(verifier), Some(cache)) => Ok(Parts { verifier, cache, fields: draft.fields }),
            _ => Err(SettingsError::new(vec![self.fault("provider", What::Build(BuildErrorKind::Missing))])),
        }
    }
}

impl Draft<'_> {
    fn surroundings(&mut self, stage: Stage) -> Surroundings {
        let clock = self.settings.surroundings.clock.clone();
        let own = self.settings.surroundings.client.clone();
        let asked_for: Vec<_> = OF_CLIENT.into_iter().filter(|name| self.settings.is_written(name)).collect();
        let client = match own {
            Some(own) => {
                asked_for.into_iter().for_each(|name| self.note(name, What::Conflict("http_client")));
                Some(own)
            }
            None if asked_for.is_empty() => None,
            None => self.configured_client(&asked_for),
        };
        let has_default = cfg!(feature = "reqwest") || stage == Stage::Use;
        let client = client.or_else(|| (!has_default).then(|| Arc::new(NoClient) as Arc<dyn HttpClient>));
        Surroundings { client, clock }
    }

    #[cfg(feature = "reqwest")]
    fn configured_client(&mut self, _: &[&'static str]) -> Option<Arc<dyn HttpClient>> {
        let path = self.fields.root_certificates_file.clone();
        let certificates = path.and_then(|path| match files::read(&path) {
            Ok(certificates) => Some(certificates),
            Err(what) => {
                self.note("root_certificates_file", what);
                None
            }
        });
        let client = self.settle(Part::Client, |fields| {
            let mut builder = ReqwestClient::builder();
            if let (Some(pem), Some(_)) = (&certificates, &fields.root_certificates_file) {
                builder = builder.add_root_certificates(pem.expose().as_bytes());
            }
            if let Some(proxy) = &fields.proxy {
                builder = builder.proxy(proxy.expose());
            }
            if fields.ssrf_protection == Some(true) {
                builder = builder.ssrf_protection();
            }
            builder.build()
        });
        // Where there is none, a fault was noted.
        Some(client.map_or_else(|| Arc::new(NoClient) as Arc<dyn HttpClient>, |client| Arc::new(client)))
    }

    #[cfg(not(feature = "reqwest"))]
    fn configured_client(&mut self, asked_for: &[&'static str]) -> Option<Arc<dyn HttpClient>> {
        asked_for.iter().for_each(|name| self.note(name, What::Feature("`reqwest`")));
        Some(Arc::new(NoClient))
    }

    fn verifier(&mut self, provider: &'static Provider, surroundings: &Surroundings) -> Option<BoxVerifier> {
        if let Some(feature) = provider.missing_feature() {
            self.note("provider", What::Feature(feature));
            return None;
        }
        self.settle(Part::Verifier, |fields| verifier(provider, fields, surroundings))
    }
}

#[cfg_attr(
    not(any(
        feature = "github",
        feature = "introspection",
        all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto"))
    )),
    expect(unused_variables, reason = "there is no verifier to build")
)]
fn verifier(
    provider: &Provider,
    fields: &Fields,
    surroundings: &Surroundings,
) -> Result<BoxVerifier, BuildError> {
    match provider.via {
        #[cfg(feature = "github")]
        Via::GitHub => asked::github(fields, surroundings),
        #[cfg(feature = "introspection")]
        Via::Introspection => asked::introspection(provider.name, fields, surroundings),
        #[cfg(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
        Via::Jwt => jwt::build(provider.name, fields, surroundings),
        #[cfg(feature = "introspection")]
        Via::TokenInfo => asked::google(fields, surroundings),
        #[cfg(feature = "introspection")]
        Via::UserInfo => asked::user_info(provider.name, fields, surroundings),
        #[cfg(not(feature = "github"))]
        Via::GitHub => no_feature(),
        #[cfg(not(feature = "introspection"))]
        Via::Introspection | Via::TokenInfo | Via::UserInfo => no_feature(),
        #[cfg(not(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto"))))]
        Via::Jwt => no_feature(),
    }
}

/// It was asked for before.
#[cfg(not(all(
    feature = "github",
    feature = "introspection",
    feature = "jwt",
    any(feature = "aws-lc-rs", feature = "rust-crypto")
)))]
fn no_feature() -> Result<BoxVerifier, BuildError> {
    Err(BuildError::new("provider", BuildErrorKind::Missing))
}

fn cache(fields: &Fields, clock: Option<&Arc<dyn Clock>>) -> Result<CacheLayer, BuildError> {
    let mut builder = CacheLayer::builder();
    if let Some(time) = fields.cache_time_to_live {
        builder = builder.time_to_live(time);
    }
    if let Some(entries) = fields.cache_max_entries {
        builder = builder.max_entries(entries);
    }
    if let Some(bytes) = fields.cache_max_bytes {
        builder = builder.max_bytes(bytes);
    }
    if let Some(time) = fields.cache_negative_time_to_live {
        builder = builder.negative_time_to_live(time);
    }
    if let Some(percent) = fields.cache_refresh_ahead {
        builder = builder.refresh_ahead(percent.0);
    }
    if let Some(percent) = fields.cache_jitter {
        builder = builder.jitter(percent.0);
    }
    if let Some(time) = fields.cache_stale_if_error {
        builder = builder.stale_if_error(time);
    }
    if let Some(calls) = fields.cache_max_upstream_calls {
        builder = builder.max_upstream_calls(calls);
    }
    if let Some(clock) = clock {
        builder = builder.clock(Arc::clone(clock));
    }
    builder.build()
}

/// The layer around a verifier, with everything that is set.
pub(super) fn layer<V: TokenVerifier>(
    fields: &Fields,
    verifier: V,
    clock: Option<&Arc<dyn Clock>>,
) -> AuthLayerBuilder<V> {
    let mut builder = scopes(AuthLayer::builder(verifier), fields);
    if let Some(resource) = &fields.resource {
        builder = builder.resource(resource);
    }
    if let Some(name) = fields.resource_name.clone() {
        builder = builder.describe_resource(|about| about.resource_name(name.0));
    }
    if let Some(scopes) = &fields.scopes_supported {
        builder = builder.scopes_supported(scopes);
    }
    if let Some(issuers) = &fields.authorization_servers {
        builder = builder.authorization_servers(issuers);
    }
    if fields.optional == Some(true) {
        builder = builder.optional();
    }
    if fields.strip_authorization == Some(true) {
        builder = builder.strip_authorization();
    }
    if fields.grpc == Some(true) {
        builder = builder.grpc();
    }
    if let Some(timeout) = fields.timeout {
        builder = builder.timeout(timeout);
    }
    if let Some(clock) = clock {
        builder = builder.clock(Arc::clone(clock));
    }
    builder
}

fn scopes<V: TokenVerifier>(mut builder: AuthLayerBuilder<V>, fields: &Fields) -> AuthLayerBuilder<V> {
    if let Some(scopes) = &fields.required_scopes {
        builder = builder.required_scopes(scopes);
    }
    if let Some(scopes) = &fields.challenge_scopes {
        builder = builder.challenge_scopes(scopes);
    }
    if let Some(prefix) = fields.challenge_scope_prefix.clone() {
        builder = builder.challenge_scope_names(move |scope| format!("{prefix}{scope}"));
    }
    builder
}
