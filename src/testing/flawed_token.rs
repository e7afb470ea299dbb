//! Tokens with one thing wrong.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::flaw::Flaw;
use super::opaque::alphanumeric;
use super::signing_key::{Generation, sign_by_secret};
use super::token::{TestToken, compact, compact_by};
use crate::algorithm::Algorithm;

/// Who is neither the issuer nor the audience of anybody.
const ELSEWHERE: &str = "https://elsewhere.example";
const EXTENSION: &str = "https://elsewhere.example/extension";
/// More than any leeway.
const LONG: Duration = Duration::from_secs(3600);
/// RFC 9449 §6.1.
const THUMBPRINT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

impl TestToken {
    /// Signs it with one thing wrong, in place of what was said about that.
    ///
    /// For a test that loops over [`Flaw::ALL`]. [`mint`](Self::mint) makes the good token of the same description,
    /// which should be served: else nothing is learnt from the bad ones being refused.
    #[must_use]
    pub fn mint_with(self, flaw: Flaw) -> String {
        match flaw {
            Flaw::AlgorithmConfusion => self.signed_by_the_public_key(),
            Flaw::CriticalHeader => self.header("crit", json!([EXTENSION])).header(EXTENSION, true).mint(),
            Flaw::DuplicateMember => self.with_two_subjects(),
            Flaw::EmbeddedKey => {
                let key = Generation::STRANGER.checking_key(self.algorithm);
                self.header("jwk", key).signed_by_a_stranger()
            }
            Flaw::EmptySignature => with_signature(&self.mint(), &[]),
            Flaw::Expired => {
                let (end, start) = (self.now - LONG, self.now - LONG * 2);
                self.without_claim("nbf").issued_at(start).expires_at(end).mint()
            }
            Flaw::ForeignKey => self.signed_by_a_stranger(),
            Flaw::IdToken => {
                let audience = self.claims.get("aud").cloned();
                audience.into_iter().fold(self.id_token(), |token, own| token.claim("aud", own)).mint()
            }
            Flaw::KeyBound => self.claim("cnf", json!({ "jkt": THUMBPRINT })).mint(),
            Flaw::MissingAudience => self.without_claim("aud").mint(),
            Flaw::MissingExpiry => self.without_claim("exp").mint(),
            Flaw::MissingIssuer => self.without_claim("iss").mint(),
            Flaw::NotAJwt => alphanumeric(&self.mint(), 43),
            Flaw::NotYetValid => {
                let (start, end) = (self.now + LONG, self.now + LONG * 2);
                self.not_before(start).expires_at(end).mint()
            }
            Flaw::OtherAudience => self.audience(ELSEWHERE).mint(),
            Flaw::OtherIssuer => self.issuer(ELSEWHERE).mint(),
            Flaw::RefreshToken => self.claim("typ", "Refresh").mint(),
            Flaw::TamperedPayload => self.with_the_signature_of_another(),
            Flaw::TamperedSignature => {
                let token = self.mint();
                let mut signature = signature(&token);
                signature.iter_mut().take(1).for_each(|byte| *byte ^= 1);
                with_signature(&token, &signature)
            }
            Flaw::Truncated => {
                let token = self.mint();
                let mut signature = signature(&token);
                signature.truncate(signature.len() / 2);
                with_signature(&token, &signature)
            }
            Flaw::UnknownKeyId => {
                let id = format!("not-{}", text(self.header.get("kid")));
                self.key_id(&id).mint()
            }
            Flaw::Unsigned => {
                let token = self.header("alg", "none").without_header("kid");
                with_signature(&token.mint(), &[])
            }
        }
    }

    fn signed_by_a_stranger(self) -> String {
        Self { generation: Generation::STRANGER, ..self }.mint()
    }

    fn signed_by_the_public_key(self) -> String {
        let secret = self.generation.public_pem(self.algorithm);
        let token = self.header("alg", "HS256");
        let sign = |message: &[u8]| sign_by_secret(Algorithm::Hs256, secret.as_bytes(), message);
        compact_by(token.header_text().as_bytes(), token.claims_text().as_bytes(), sign)
    }

    fn with_two_subjects(mut self) -> String {
        self.claims.entry("sub").or_insert_with(|| "alice".into());
        let claims = self.claims_text();
        let claims = format!(r#"{{"sub":"mallory",{}"#, claims.trim_start_matches('{'));
        compact(self.generation, self.algorithm, self.header_text().as_bytes(), claims.as_bytes())
    }

    fn with_the_signature_of_another(self) -> String {
        let signed = self.clone().mint();
        let subject = format!("not-{}", text(self.claims.get("sub")));
        with_signature(&self.subject(&subject).mint(), &signature(&signed))
    }
}

fn text(value: Option<&Value>) -> &str {
    value.and_then(Value::as_str).unwrap_or_default()
}

/// What goes after the second dot of a token.
fn signature(token: &str) -> Vec<u8> {
    let (_, signature) = token.rsplit_once('.').unwrap_or_default();
    URL_SAFE_NO_PAD.decode(signature).unwrap_or_default()
}

/// A token with something else after its second dot.
fn with_signature(token: &str, signature: &[u8]) -> String {
    let (message, _) = token.rsplit_once('.').unwrap_or_default();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}
