//! Verifiers that ask somebody about each token, by settings.

#[cfg(feature = "introspection")]
use super::claims::expect_claims;
use super::fields::Fields;
#[cfg(feature = "introspection")]
use super::form::ClientAuthentication;
use super::surroundings::Surroundings;
use crate::error::BuildError;
use crate::providers;
use crate::secret::Secret;
use crate::verifier::{BoxVerifier, TokenVerifier};
#[cfg(feature = "introspection")]
use crate::verifier::{IntrospectionVerifier, IntrospectionVerifierBuilder};

/// How somebody is asked; every builder has these setters.
macro_rules! asking {
    ($builder:expr, $fields:expr, $surroundings:expr) => {{
        let mut builder = $builder;
        if let Some(timeout) = $fields.upstream_timeout {
            builder = builder.timeout(timeout);
        }
        if let Some(calls) = $fields.max_upstream_calls {
            builder = builder.max_upstream_calls(calls);
        }
        if let Some(client) = &$surroundings.client {
            builder = builder.http_client(client.clone());
        }
        if let Some(clock) = &$surroundings.clock {
            builder = builder.clock(clock.clone());
        }
        builder.build().map(TokenVerifier::boxed)
    }};
}

/// Makes the verifier of an introspection endpoint.
#[cfg(feature = "introspection")]
pub(super) fn introspection(
    provider: &str,
    fields: &Fields,
    surroundings: &Surroundings,
) -> Result<BoxVerifier, BuildError> {
    let [domain, url] = [&fields.domain, &fields.url].map(|text| text.as_deref().unwrap_or_default());
    let (client_id, secret) = client(fields);
    let all = fields.audience.as_deref().unwrap_or_default();
    let (audience, others) = all.split_first().map_or(("", all), |(first, rest)| (first.as_str(), rest));
    let (builder, others) = match provider {
        "clerk" => (providers::clerk(domain, client_id, secret), all),
        "propelauth" => (providers::propelauth(url, audience, client_id, secret), others),
        "salesforce" => (providers::salesforce(domain, client_id, secret), all),
        _ => (any_endpoint(audience, fields), others),
    };
    let builder = others.iter().fold(builder, IntrospectionVerifierBuilder::add_audience);
    asking!(claims(builder, fields), fields, surroundings)
}

/// Makes the verifier of a provider that is asked for something else than introspection.
#[cfg(feature = "introspection")]
pub(super) fn user_info(
    provider: &str,
    fields: &Fields,
    surroundings: &Surroundings,
) -> Result<BoxVerifier, BuildError> {
    let (client_id, _) = client(fields);
    let domain = fields.domain.as_deref().unwrap_or_default();
    let mut builder = match provider {
        "atlassian" => providers::atlassian(),
        "discord" => providers::discord(client_id),
        "hugging_face" => providers::hugging_face(),
        "workos" => providers::workos(domain),
        _ => providers::gitlab(fields.url.as_deref().unwrap_or("https://gitlab.com"), client_id),
    };
    if fields.insecure_allow_any_audience == Some(true) {
        builder = builder.insecure_allow_any_audience();
    }
    asking!(builder, fields, surroundings)
}

/// Makes the verifier of access tokens of Google.
#[cfg(feature = "introspection")]
pub(super) fn google(fields: &Fields, surroundings: &Surroundings) -> Result<BoxVerifier, BuildError> {
    asking!(providers::google(client(fields).0), fields, surroundings)
}

/// Makes the verifier of tokens of GitHub.
#[cfg(feature = "github")]
pub(super) fn github(fields: &Fields, surroundings: &Surroundings) -> Result<BoxVerifier, BuildError> {
    let (client_id, secret) = client(fields);
    let mut builder = providers::github(client_id, secret);
    if let Some(url) = &fields.url {
        builder = builder.api_url(url);
    }
    if let Some(users) = &fields.allowed_users {
        builder = builder.allowed_users(users.iter().copied());
    }
    if let Some(organizations) = &fields.allowed_organizations {
        builder = builder.allowed_organizations(organizations);
    }
    if let Some(teams) = &fields.allowed_teams {
        // One without a slash has no slug, and is refused for that.
        let parts = teams.iter().map(|team| team.split_once('/').unwrap_or((team, "")));
        builder = builder.allowed_teams(parts);
    }
    asking!(builder, fields, surroundings)
}

fn client(fields: &Fields) -> (&str, Secret<String>) {
    let secret = fields.client_secret.clone().unwrap_or_else(|| Secret::from(""));
    (fields.client_id.as_deref().unwrap_or_default(), secret)
}

#[cfg(feature = "introspection")]
fn any_endpoint(audience: &str, fields: &Fields) -> IntrospectionVerifierBuilder {
    let builder = IntrospectionVerifier::builder(fields.issuer.as_deref().unwrap_or_default(), audience);
    let (client_id, secret) = client(fields);
    let mut builder = match fields.client_authentication {
        Some(ClientAuthentication::Post) => builder.client_secret_post(client_id, secret),
        Some(ClientAuthentication::Basic) | None => builder.client_secret_basic(client_id, secret),
    };
    if let Some(url) = &fields.introspection_url {
        builder = builder.endpoint(url);
    }
    if fields.allow_missing_issuer == Some(true) {
        builder = builder.allow_missing_issuer();
    }
    if fields.client_as_audience == Some(true) {
        builder = builder.client_as_audience();
    }
    if fields.insecure_allow_any_audience == Some(true) {
        builder = builder.insecure_allow_any_audience();
    }
    if fields.insecure_allow_any_issuer == Some(true) {
        builder = builder.insecure_allow_any_issuer();
    }
    builder
}

#[cfg(feature = "introspection")]
fn claims(mut builder: IntrospectionVerifierBuilder, fields: &Fields) -> IntrospectionVerifierBuilder {
    if fields.opaque_tokens_only == Some(true) {
        builder = builder.opaque_tokens_only();
    }
    expect_claims!(builder, fields)
}
