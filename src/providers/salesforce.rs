//! Salesforce.

use super::parameters::Parameters;
use crate::secret::Secret;
use crate::verifier::{IntrospectionVerifier, IntrospectionVerifierBuilder};

/// Verifies the OAuth access tokens of one org of [Salesforce] for one connected app.
pub fn salesforce(
    domain: &str,
    client_id: impl Into<String>,
    client_secret: impl Into<Secret<String>>,
) -> IntrospectionVerifierBuilder {
    let mut given = Parameters::default();
    let domain = given.host("domain", domain);
    let client_id = given.id("client_id", client_id);
    IntrospectionVerifier::builder(format!("https://{domain}"), client_id.clone())
        .endpoint(format!("https://{domain}/services/oauth2/introspect"))
        .client_secret_basic(client_id, client_secret)
        .client_as_audience()
        .allow_missing_issuer()
        .fault(given.fault())
}
