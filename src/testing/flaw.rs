//! What can be wrong with a token.

use std::fmt;

/// Declares the flaws once, so that none is missing from the list of all.
macro_rules! flaws {
    ($($(#[$doc:meta])+ $flaw:ident = $name:literal,)+) => {
        /// Something that is wrong with a token, and the only thing.
        ///
        /// [`TestToken::mint_with`](super::TestToken::mint_with) takes it. A server should answer every one of them 401
        /// `invalid_token`; a `JwtVerifier` does unless it was told otherwise by one of its `insecure_` settings.
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        #[non_exhaustive]
        pub enum Flaw {
            $($(#[$doc])+ $flaw,)+
        }

        impl Flaw {
            /// All of them, to loop over.
            pub const ALL: &'static [Self] = &[$(Self::$flaw,)+];

            /// The name: fixed, lower case, with underscores.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$flaw => $name,)+
                }
            }
        }
    };
}

flaws! {
    /// Signed by HS256, with the public key, which everybody has, as the secret ([RFC 8725 §2.1]). A key of RSA if the
    /// token was to be signed by a secret anyway.
    ///
    /// [RFC 8725 §2.1]: https://www.rfc-editor.org/rfc/rfc8725#section-2.1
    AlgorithmConfusion = "algorithm_confusion",
    /// Names an extension in `crit` that nobody knows ([RFC 7515 §4.1.11]).
    ///
    /// [RFC 7515 §4.1.11]: https://www.rfc-editor.org/rfc/rfc7515#section-4.1.11
    CriticalHeader = "critical_header",
    /// Has two subjects: parsers differ in which one they believe ([RFC 7519
    /// §4](https://www.rfc-editor.org/rfc/rfc7519#section-4)).
    DuplicateMember = "duplicate_member",
    /// Signed with the key of a stranger, which its header brings along in `jwk`. The `kid` is that of the issuer.
    EmbeddedKey = "embedded_key",
    /// Nothing after the second dot, although the header names an algorithm.
    EmptySignature = "empty_signature",
    /// Ended an hour ago.
    Expired = "expired",
    /// Signed with the key of a stranger. The `kid` is that of the issuer.
    ForeignKey = "foreign_key",
    /// An ID token, although for the right audience.
    IdToken = "id_token",
    /// Bound to a key by `cnf`: good for nothing without a proof ([RFC 7800
    /// §3.1](https://www.rfc-editor.org/rfc/rfc7800#section-3.1)).
    KeyBound = "key_bound",
    /// For nobody in particular.
    MissingAudience = "missing_audience",
    /// Without an end.
    MissingExpiry = "missing_expiry",
    /// From nobody in particular.
    MissingIssuer = "missing_issuer",
    /// An opaque token.
    NotAJwt = "not_a_jwt",
    /// Begins in an hour.
    NotYetValid = "not_yet_valid",
    /// For somebody else.
    OtherAudience = "other_audience",
    /// From somebody else, as it says. The signature is good.
    OtherIssuer = "other_issuer",
    /// A refresh token, in the manner of Keycloak.
    RefreshToken = "refresh_token",
    /// About another subject than the one that was signed.
    TamperedPayload = "tampered_payload",
    /// One bit of the signature is another.
    TamperedSignature = "tampered_signature",
    /// Without the second half of its signature.
    Truncated = "truncated",
    /// Names a key that the issuer does not have. The signature is good. A verifier that was given one key without an id
    /// has nothing to compare, and takes it.
    UnknownKeyId = "unknown_key_id",
    /// Not signed, and says so: `alg` is `none` ([RFC 8725
    /// §3.2](https://www.rfc-editor.org/rfc/rfc8725#section-3.2)).
    Unsigned = "unsigned",
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
