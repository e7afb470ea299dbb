//! Everything that can be set: one table, from which the structure is made.

use std::path::PathBuf;
use std::time::Duration;

use super::claims::ClaimValue;
use super::credentials::PublicKeys;
use super::form::{ClientAuthentication, Form, Line, Percent};
use super::provider::Provider;
use super::raw::Raw;
use super::what::What;
use crate::algorithm::Algorithm;
use crate::secret::Secret;

/// What can be set under one name, see [`Settings::table`](super::Settings::table).
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    name: &'static str,
    form: &'static str,
    default: &'static str,
    range: &'static str,
    meaning: &'static str,
}

impl Setting {
    /// The name in a file. That of the variable is the same in capitals, behind the prefix.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The form of the value.
    #[must_use]
    pub fn form(&self) -> &'static str {
        self.form
    }

    /// What holds if it is not set. Empty: nothing does.
    #[must_use]
    pub fn default_value(&self) -> &'static str {
        self.default
    }

    /// What the value may be, if not everything of that form.
    #[must_use]
    pub fn range(&self) -> &'static str {
        self.range
    }

    /// What it does: a sentence or more, of plain text with names in backticks.
    #[must_use]
    pub fn meaning(&self) -> &'static str {
        self.meaning.trim_start()
    }
}

macro_rules! fields {
    ($($(#[doc = $meaning:literal])+ $name:ident: $form:ty $(= $default:literal)? $(, $range:literal)?;)+) => {
        /// The values that are set and could be read.
        #[derive(Clone, Default)]
        pub(super) struct Fields {
            $(pub(super) $name: Option<$form>,)+
        }

        pub(super) const TABLE: &[Setting] = &[$(Setting {
            name: stringify!($name),
            form: <$form as Form>::NAME,
            default: concat!("", $($default)?),
            range: concat!("", $($range)?),
            meaning: concat!($($meaning),+),
        },)+];

        impl Fields {
            /// Sets what has this name.
            pub(super) fn set(&mut self, name: &str, raw: &Raw) -> Result<(), What> {
                match name {
                    $(stringify!($name) => self.$name = Some(<$form as Form>::read(raw)?),)+
                    _ => return Err(What::Unknown),
                }
                Ok(())
            }

            pub(super) fn clear(&mut self, name: &str) {
                match name {
                    $(stringify!($name) => self.$name = None,)+
                    _ => {}
                }
            }

            pub(super) fn has(&self, name: &str) -> bool {
                match name {
                    $(stringify!($name) => self.$name.is_some(),)+
                    _ => false,
                }
            }

            /// What is set, as it is written into a file; secrets are not.
            pub(super) fn written(&self) -> Vec<(&'static str, Option<Raw>)> {
                let mut written = Vec::new();
                $(if let Some(value) = &self.$name {
                    written.push((stringify!($name), value.written()));
                })+
                written
            }
        }
    };
}

fields! {
    /// `false` turns authentication off: there is no layer then, and every request passes unexamined.
    enabled: bool = "`true`";
    /// Who issues the tokens.
    provider: &'static Provider = "`jwt`";

    /// The issuer, byte for byte as tokens name it.
    issuer: String;
    /// For whom tokens have to be: the identifiers of this API at the provider.
    audience: Vec<String> = "the resource";
    /// The id of this application at the provider.
    client_id: String;
    /// Its secret.
    client_secret: Secret<String>;
    /// The file of its secret.
    client_secret_file: PathBuf;
    /// How id and secret are sent to an introspection endpoint.
    client_authentication: ClientAuthentication = "`basic`", "`basic`, `post`";
    /// The domain of the tenant at the provider.
    domain: String, "host";
    /// The address of the provider or of the project there; of GitHub the address of its API.
    url: String, "`https` URL";
    /// The directory of Microsoft Entra ID.
    tenant_id: String, "UUID";
    /// The name of the tenant of Microsoft Entra.
    tenant_name: String, "letters, digits, `-`";
    /// The user flow of Azure AD B2C.
    policy: String, "letters, digits, `-`, `_`, `.`";
    /// The user pool of Amazon Cognito.
    user_pool: String, "such as `eu-west-1_AbCdEfGhI`";
    /// The realm of Keycloak.
    realm: String, "letters, digits, `-`, `_`, `.`";
    /// The authorization server of Okta.
    authorization_server: String = "`default`", "letters, digits, `-`, `_`, `.`";
    /// The project of Descope.
    project_id: String, "letters, digits, `-`, `_`, `.`";
    /// The resource of Scalekit.
    resource_id: String, "letters, digits, `-`, `_`, `.`";

    /// Where keys are, instead of asking the issuer.
    jwks_url: String, "`https` URL";
    /// Public keys in PEM, one after the other.
    public_key: PublicKeys, "PEM";
    /// The file of the public keys.
    public_key_file: PathBuf;
    /// Shared secrets of HMAC, one a line.
    secret_key: Vec<Secret<String>>, "32 bytes or more each";
    /// The file of the shared secrets.
    secret_key_file: PathBuf;
    /// The keys as a JWK set, in JSON.
    jwk_set: Secret<String>, "JSON with `keys` that are public";
    /// The file of the JWK set.
    jwk_set_file: PathBuf;

    /// The algorithms that tokens may be signed with.
    algorithms: Vec<Algorithm> = "all with public keys; for `secret_key` `HS256`", "such as `RS256`";
    /// Takes tokens of the JWT profile for access tokens only.
    rfc9068: bool = "`false`";
    /// Refuses tokens that were issued longer ago.
    max_token_age: Duration = "no limit", "1s to 366d";
    /// How far the clocks of issuer and server may differ.
    leeway: Duration = "`60s`", "to 300s";
    /// Claims that tokens have to have.
    required_claims: Vec<String>;
    /// Values of claims that tokens have to have; of one claim, one of them.
    required_values: Vec<ClaimValue>, "such as `hd=example.com`";
    /// Values of claims that tokens must not have.
    refused_values: Vec<ClaimValue>, "such as `is_anonymous=true`";
    /// Further places of scopes.
    scopes_at: Vec<String>, "JSON pointers such as `/realm_access/roles`";
    /// Further claims that may name the client.
    client_claim: Vec<String>;
    /// Takes the client to which a token was issued for its audience, if it names none.
    client_as_audience: bool = "`false`";
    /// Further names by which the issuer calls itself in tokens.
    issuer_aliases: Vec<String>;
    /// Where tokens are asked about, instead of asking the issuer for that address.
    introspection_url: String, "`https` URL";
    /// Never asks about tokens that look like a JWT.
    opaque_tokens_only: bool = "`false`";
    /// Takes answers that do not name the issuer for those of the issuer.
    allow_missing_issuer: bool = "`false`";
    /// How long it may take to ask about a token.
    upstream_timeout: Duration = "`5s`", "1ms to 60s";
    /// How many tokens are asked about at a time.
    max_upstream_calls: usize = "64", "1 to 10000";
    /// Lets these users of GitHub in, by number.
    allowed_users: Vec<u64> = "everybody";
    /// Lets members of these organisations of GitHub in.
    allowed_organizations: Vec<String> = "everybody", "names, to 20";
    /// Lets members of these teams of GitHub in.
    allowed_teams: Vec<String> = "everybody", "`organisation/team`, to 20";

    /// Scopes that every token needs.
    required_scopes: Vec<String>, "visible ASCII, no quotes or backslashes";
    /// Scopes that clients have to ask for.
    challenge_scopes: Vec<String> = "the required scopes", "visible ASCII, no quotes or backslashes";
    /// What clients have to write before the name of a required scope when they ask for it.
    challenge_scope_prefix: String, "such as `api://files/`";
    /// The identifier of this server, by which clients find the provider.
    resource: String, "`https` URL";
    /// The name of the resource for people. Needs `resource`.
    resource_name: Line;
    /// The scopes that the metadata of the resource list. Needs `resource`.
    scopes_supported: Vec<String> = "those that clients have to ask for", "visible ASCII, no quotes or backslashes";
    /// The issuers that the metadata of the resource name. Needs `resource`.
    authorization_servers: Vec<String> = "those of the provider", "`https` URLs";
    /// Lets requests without a token through.
    optional: bool = "`false`";
    /// Removes the `Authorization` header from requests that are let through.
    strip_authorization: bool = "`false`";
    /// Answers gRPC calls in gRPC.
    grpc: bool = "`false`";
    /// How long a verification may take before the answer is 503.
    timeout: Duration = "`10s`", "1ms to 60s";

    /// How long a good verdict is remembered. `0` turns memory off.
    cache_time_to_live: Duration = "`5m`", "to 24h";
    /// How many good tokens are remembered.
    cache_max_entries: usize = "10000", "to 10000000";
    /// How many bytes good tokens take.
    cache_max_bytes: u64 = "33554432", "0, 65536 to 68719476736";
    /// How long a rejection is remembered.
    cache_negative_time_to_live: Duration = "`5s`", "to 10s";
    /// In which last part of its time, in percent, an entry in use is verified again.
    cache_refresh_ahead: Percent = "20", "0 to 50";
    /// By how much, in percent, times to live differ.
    cache_jitter: Percent = "10", "0 to 50";
    /// For how much longer a good verdict is given when nobody can tell.
    cache_stale_if_error: Duration = "`0`", "to 24h";
    /// How many verifications are under way.
    cache_max_upstream_calls: usize = "64", "1 to 65536";

    /// The file of further root certificates, in PEM.
    root_certificates_file: PathBuf, "PEM";
    /// The proxy through which the provider is asked. It may hold a password.
    proxy: Secret<String>, "`http` or `https` URL of a host";
    /// Connects to hosts on the public internet only. Excludes `proxy`.
    ssrf_protection: bool = "`false`";

    /// Takes tokens for any audience: any service's token opens this one. Excludes `audience`.
    insecure_allow_any_audience: bool = "`false`";
    /// Takes tokens of any issuer whose key fits. Excludes `issuer`.
    insecure_allow_any_issuer: bool = "`false`";
    /// Takes tokens without an end.
    insecure_allow_missing_expiry: bool = "`false`";
    /// Takes ID tokens.
    insecure_allow_id_tokens: bool = "`false`";
}
