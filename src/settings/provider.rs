//! The providers by name, and what each of them takes.

use super::form::{Form, text};
use super::raw::Raw;
use super::what::What;

/// Which verifier judges the tokens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Via {
    GitHub,
    Introspection,
    Jwt,
    TokenInfo,
    UserInfo,
}

/// One provider.
#[derive(Debug)]
pub(super) struct Provider {
    pub(super) name: &'static str,
    pub(super) via: Via,
    /// What it cannot do without.
    pub(super) required: &'static [&'static str],
    /// What it takes besides those, and besides what its verifier takes.
    optional: &'static [&'static str],
}

const fn provider(
    name: &'static str,
    via: Via,
    required: &'static [&'static str],
    optional: &'static [&'static str],
) -> Provider {
    Provider { name, via, required, optional }
}

/// Its tokens name no audience: that has to be said.
const ANY_AUDIENCE: &[&str] = &["insecure_allow_any_audience"];
const AUDIENCE: &[&str] = &["audience"];
const GITHUB: &[&str] = &["url", "allowed_users", "allowed_organizations", "allowed_teams"];
const JWT: &[&str] = &[
    "jwks_url",
    "public_key",
    "public_key_file",
    "secret_key",
    "secret_key_file",
    "jwk_set",
    "jwk_set_file",
    "client_as_audience",
    "insecure_allow_any_audience",
    "insecure_allow_any_issuer",
];
const INTROSPECTION: &[&str] = &[
    "client_authentication",
    "introspection_url",
    "allow_missing_issuer",
    "client_as_audience",
    "insecure_allow_any_audience",
    "insecure_allow_any_issuer",
];

/// All of them.
pub(super) static PROVIDERS: &[Provider] = &[
    provider("jwt", Via::Jwt, &["issuer", "audience"], JWT),
    provider(
        "introspection",
        Via::Introspection,
        &["issuer", "audience", "client_id", "client_secret"],
        INTROSPECTION,
    ),
    provider("atlassian", Via::UserInfo, ANY_AUDIENCE, &[]),
    provider("auth0", Via::Jwt, &["domain", "audience"], &[]),
    provider("authkit", Via::Jwt, &["domain", "audience"], &[]),
    provider("clerk", Via::Introspection, &["domain", "client_id", "client_secret"], AUDIENCE),
    provider("clerk_jwt", Via::Jwt, &["domain", "client_id"], AUDIENCE),
    provider("cognito", Via::Jwt, &["user_pool", "client_id"], AUDIENCE),
    provider("descope", Via::Jwt, &["project_id", "audience"], &[]),
    provider("discord", Via::UserInfo, &["client_id"], &[]),
    provider("entra", Via::Jwt, &["tenant_id", "client_id"], AUDIENCE),
    provider("entra_any_tenant", Via::Jwt, &["client_id"], AUDIENCE),
    provider("entra_b2c", Via::Jwt, &["tenant_name", "tenant_id", "policy", "client_id"], AUDIENCE),
    provider("entra_china", Via::Jwt, &["tenant_id", "client_id"], AUDIENCE),
    provider("entra_external_id", Via::Jwt, &["tenant_name", "tenant_id", "client_id"], AUDIENCE),
    provider("entra_us_government", Via::Jwt, &["tenant_id", "client_id"], AUDIENCE),
    provider("github", Via::GitHub, &["client_id", "client_secret"], GITHUB),
    provider("gitlab", Via::UserInfo, &["client_id"], &["url"]),
    provider("google", Via::TokenInfo, &["client_id"], &[]),
    provider("google_id_tokens", Via::Jwt, &["client_id"], AUDIENCE),
    provider("hugging_face", Via::UserInfo, ANY_AUDIENCE, &[]),
    provider("keycloak", Via::Jwt, &["url", "realm", "audience"], &[]),
    provider("oci", Via::Jwt, &["url", "audience"], &[]),
    provider("okta", Via::Jwt, &["domain", "audience"], &["authorization_server"]),
    provider("propelauth", Via::Introspection, &["url", "audience", "client_id", "client_secret"], &[]),
    provider("salesforce", Via::Introspection, &["domain", "client_id", "client_secret"], AUDIENCE),
    provider("scalekit", Via::Jwt, &["url", "resource_id"], AUDIENCE),
    provider("supabase", Via::Jwt, &["url"], &["audience", "secret_key", "secret_key_file"]),
    provider("workos", Via::UserInfo, &["domain", "insecure_allow_any_audience"], &[]),
];

impl Provider {
    /// The one of this name, with `-` or `_` between its words.
    pub(super) fn of_name(name: &str) -> Option<&'static Self> {
        let name = name.replace('-', "_");
        PROVIDERS.iter().find(|provider| provider.name == name)
    }

    /// Whether a setting means something to it.
    pub(super) fn takes(&self, setting: &str) -> bool {
        // What none of them speaks of is about the layer, the cache or the client.
        self.speaks_of(setting) || !PROVIDERS.iter().any(|provider| provider.speaks_of(setting))
    }

    /// The feature that it needs and that is off.
    pub(super) fn missing_feature(&self) -> Option<&'static str> {
        let (is_on, feature) = match self.via {
            Via::GitHub => (cfg!(feature = "github"), "`github`"),
            Via::Introspection | Via::TokenInfo | Via::UserInfo => {
                (cfg!(feature = "introspection"), "`introspection`")
            }
            Via::Jwt => (
                cfg!(all(feature = "jwt", any(feature = "aws-lc-rs", feature = "rust-crypto"))),
                "`jwt`, and `aws-lc-rs` or `rust-crypto`,",
            ),
        };
        (!is_on).then_some(feature)
    }

    fn speaks_of(&self, setting: &str) -> bool {
        // What is an ID token is settled there.
        if setting == "insecure_allow_id_tokens" && ["cognito", "google_id_tokens"].contains(&self.name) {
            return false;
        }
        let own = setting.strip_suffix("_file").filter(|own| *own == "client_secret").unwrap_or(setting);
        self.required.contains(&own) || self.optional.contains(&own) || self.via.takes(own)
    }
}

impl Via {
    fn takes(self, setting: &str) -> bool {
        let claims = matches!(self, Self::Jwt | Self::Introspection);
        match setting {
            "leeway"
            | "required_claims"
            | "required_values"
            | "refused_values"
            | "scopes_at"
            | "issuer_aliases"
            | "client_claim"
            | "insecure_allow_missing_expiry" => claims,
            "algorithms" | "rfc9068" | "max_token_age" | "insecure_allow_id_tokens" => self == Self::Jwt,
            "opaque_tokens_only" => self == Self::Introspection,
            "upstream_timeout" | "max_upstream_calls" => self != Self::Jwt,
            _ => false,
        }
    }
}

impl Form for &'static Provider {
    const NAME: &'static str = "name";

    fn read(raw: &Raw) -> Result<Self, What> {
        Provider::of_name(text(raw)?).ok_or(What::Form("the name of a provider that is known"))
    }

    fn written(&self) -> Option<Raw> {
        Some(Raw::text(self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_lists_every_provider_with_what_it_takes() {
        let names =
            |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let row = |provider: &Provider| {
            let how = match provider.via {
                Via::Introspection => "introspection",
                Via::Jwt => "signed",
                Via::GitHub | Via::TokenInfo | Via::UserInfo => "asked",
            };
            let Provider { name, required, optional, .. } = provider;
            format!("| `{name}` | {how} | {} | {} |", names(required), names(optional))
        };
        let page = include_str!("../../docs/settings.md");
        let after = page.split("| provider | how | needs | takes besides |\n|---|---|---|---|\n").nth(1);
        let listed: Vec<&str> = after.unwrap().lines().take_while(|line| line.starts_with('|')).collect();
        assert_eq!(listed, PROVIDERS.iter().map(row).collect::<Vec<_>>());
    }

    #[test]
    fn the_page_says_what_goes_with_each_way_to_judge() {
        let page = include_str!("../../docs/settings.md");
        let after = page.split("| how | settings |\n|---|---|\n").nth(1).unwrap();
        for (line, via) in after.lines().zip([
            &[Via::Jwt][..],
            &[Via::Introspection],
            &[Via::GitHub, Via::TokenInfo, Via::UserInfo],
        ]) {
            let listed: Vec<&str> = line.split('`').skip(1).step_by(2).collect();
            for setting in super::super::fields::TABLE {
                for via in via {
                    assert_eq!(listed.contains(&setting.name()), via.takes(setting.name()), "{line}");
                }
            }
        }
    }
}
