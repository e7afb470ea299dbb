//! Verifiers of signed tokens, by settings.

use super::claims::expect_claims;
use super::credentials::PublicKeys;
use super::fields::Fields;
use super::surroundings::Surroundings;
use crate::error::BuildError;
use crate::jwks::StaticKeys;
use crate::providers;
use crate::verifier::{BoxVerifier, JwtVerifier, JwtVerifierBuilder, TokenVerifier};

/// Makes the verifier of a provider.
pub(super) fn build(
    provider: &str,
    fields: &Fields,
    surroundings: &Surroundings,
) -> Result<BoxVerifier, BuildError> {
    let builder = expect_claims!(preset(provider, fields), fields);
    let mut builder = keys(claims(builder, fields), fields);
    if let Some(client) = &surroundings.client {
        builder = builder.http_client(client.clone());
    }
    if let Some(clock) = &surroundings.clock {
        builder = builder.clock(clock.clone());
    }
    builder.build().map(TokenVerifier::boxed)
}

/// The builder of a provider, with all audiences.
fn preset(provider: &str, fields: &Fields) -> JwtVerifierBuilder {
    let [domain, url, tenant_id, tenant_name, policy, user_pool] = [
        &fields.domain,
        &fields.url,
        &fields.tenant_id,
        &fields.tenant_name,
        &fields.policy,
        &fields.user_pool,
    ]
    .map(|text| text.as_deref().unwrap_or_default());
    let client_id = fields.client_id.as_deref().unwrap_or_default();
    let realm = fields.realm.as_deref().unwrap_or_default();
    let server = fields.authorization_server.as_deref().unwrap_or("default");
    let all = fields.audience.as_deref().unwrap_or_default();
    let (audience, others) = all.split_first().map_or(("", all), |(first, rest)| (first.as_str(), rest));
    let add = |builder: JwtVerifierBuilder, audiences: &[String]| {
        audiences.iter().fold(builder, JwtVerifierBuilder::add_audience)
    };
    match provider {
        "auth0" => add(providers::auth0(domain, audience), others),
        "authkit" => add(providers::authkit(domain, audience), others),
        "clerk_jwt" => add(providers::clerk_jwt(domain, client_id), all),
        "cognito" => add(providers::cognito(user_pool, client_id), all),
        "descope" => {
            add(providers::descope(fields.project_id.as_deref().unwrap_or_default(), audience), others)
        }
        "entra" => add(providers::entra(tenant_id, client_id), all),
        "entra_any_tenant" => add(providers::entra_any_tenant(client_id), all),
        "entra_b2c" => add(providers::entra_b2c(tenant_name, tenant_id, policy, client_id), all),
        "entra_china" => add(providers::entra_china(tenant_id, client_id), all),
        "entra_external_id" => add(providers::entra_external_id(tenant_name, tenant_id, client_id), all),
        "entra_us_government" => add(providers::entra_us_government(tenant_id, client_id), all),
        "google_id_tokens" => add(providers::google_id_tokens(client_id), all),
        "keycloak" => add(providers::keycloak(url, realm, audience), others),
        "oci" => add(providers::oci(url, audience), others),
        "okta" => add(providers::okta(domain, server, audience), others),
        "scalekit" => add(providers::scalekit(url, fields.resource_id.as_deref().unwrap_or_default()), all),
        "supabase" => add(providers::supabase(url), all),
        _ => add(JwtVerifier::builder(fields.issuer.as_deref().unwrap_or_default(), audience), others),
    }
}

fn claims(mut builder: JwtVerifierBuilder, fields: &Fields) -> JwtVerifierBuilder {
    if let Some(algorithms) = &fields.algorithms {
        builder = builder.algorithms(algorithms.iter().copied());
    }
    if fields.rfc9068 == Some(true) {
        builder = builder.rfc9068();
    }
    if let Some(age) = fields.max_token_age {
        builder = builder.max_token_age(age);
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
    if fields.insecure_allow_id_tokens == Some(true) {
        builder = builder.insecure_allow_id_tokens();
    }
    builder
}

fn keys(mut builder: JwtVerifierBuilder, fields: &Fields) -> JwtVerifierBuilder {
    if let Some(url) = &fields.jwks_url {
        builder = builder.jwks_uri(url);
    }
    if let Some(json) = &fields.jwk_set {
        builder = builder.jwk_set(json.expose());
    }
    if let Some(PublicKeys(texts)) = &fields.public_key {
        let keys = texts.iter().flat_map(|text| blocks(text.expose()));
        builder = builder.static_keys(keys.fold(StaticKeys::new(), StaticKeys::add_public_key_pem));
    }
    if let Some(texts) = &fields.secret_key {
        let lines = texts.iter().flat_map(|text| text.expose().lines());
        let keys = lines.filter(|line| !line.is_empty());
        builder = builder.static_keys(keys.fold(StaticKeys::new(), StaticKeys::add_hmac_secret));
    }
    builder
}

/// The parts of a text in PEM, each from its first line on. A text without one is a part too, and refused as a key.
fn blocks(text: &str) -> Vec<&str> {
    let mut starts: Vec<usize> = text.match_indices("-----BEGIN").map(|(at, _)| at).collect();
    match starts.first_mut() {
        // What stands before the first belongs to it.
        Some(first) => *first = 0,
        None => return vec![text],
    }
    let ends = starts.iter().copied().skip(1).chain([text.len()]);
    starts.iter().zip(ends).filter_map(|(start, end)| text.get(*start..end)).collect()
}
