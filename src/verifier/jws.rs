//! The outer form of a JWT: compact serialisation and JOSE header ([RFC 7515 §7.1], [RFC 7515 §4]).
//!
//! 1. At most 16 KiB, only `A-Z a-z 0-9 - _ .`, exactly two dots, three parts that are not empty.
//! 2. The header is one strict JSON object, in strict base64url.
//! 3. No `crit`, `b64`, `enc`, `zip`, `cty`: nothing that changes how the token is read.
//! 4. `alg` names an algorithm of this crate. Key hints (`jwk`, `jku`, `x5u`, `x5c`, …) are ignored.
//! 5. `kid`, if present, has 1 to 256 bytes and no control characters.
//!
//! [RFC 7515 §4]: https://www.rfc-editor.org/rfc/rfc7515#section-4
//! [RFC 7515 §7.1]: https://www.rfc-editor.org/rfc/rfc7515#section-7.1

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use memchr::memchr_iter;

use crate::algorithm::Algorithm;
use crate::error::VerifyErrorKind;
use crate::json::Object;

const MAX_LENGTH: usize = 16 * 1024;
const MAX_KID: usize = 256;
const SHORT_HEADER: usize = 512;
/// The longest signature: RSA with 8192 bits.
pub(crate) const MAX_SIGNATURE: usize = 1024;

/// A token in its three parts, none of them believed yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Jws<'a> {
    header: &'a [u8],
    payload: &'a [u8],
    signature: &'a [u8],
    signed: &'a [u8],
}

/// What the header says.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) algorithm: Algorithm,
    pub(crate) key_id: Option<Box<str>>,
    pub(crate) token_type: TokenType,
}

/// What the `typ` of a header says ([RFC 7515 §4.1.9](https://www.rfc-editor.org/rfc/rfc7515#section-4.1.9)).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum TokenType {
    /// `at+jwt`: an access token ([RFC 9068 §2.1](https://www.rfc-editor.org/rfc/rfc9068#section-2.1)).
    AccessToken,
    /// `JWT`, or nothing: it may be one.
    Unspecific,
    /// `token-introspection+jwt`: what an issuer says of a token ([RFC 9701
    /// §5](https://www.rfc-editor.org/rfc/rfc9701#section-5)).
    Introspection,
    /// A token of another class.
    Other,
}

impl<'a> Jws<'a> {
    /// Cuts a JWT into its parts. It has claims: none of the parts is empty. Allocates nothing.
    pub(crate) fn parse_jwt(token: &'a [u8]) -> Result<Self, VerifyErrorKind> {
        let jws = Self::parse(token)?;
        if jws.payload.is_empty() { Err(VerifyErrorKind::Malformed) } else { Ok(jws) }
    }

    /// Cuts a signed text, which may be empty, into its parts.
    pub(super) fn parse(token: &'a [u8]) -> Result<Self, VerifyErrorKind> {
        Self::parse_within(token, MAX_LENGTH)
    }

    /// The same with another bound.
    pub(super) fn parse_within(token: &'a [u8], longest: usize) -> Result<Self, VerifyErrorKind> {
        let malformed = VerifyErrorKind::Malformed;
        if token.len() > longest {
            return Err(malformed);
        }
        // No early exit and no table: this form is compiled to vector instructions.
        let strange = token.iter().fold(0, |strange, &byte| strange | u8::from(!is_token_byte(byte)));
        let mut dots = memchr_iter(b'.', token);
        let (0, Some(first), Some(second), None) = (strange, dots.next(), dots.next(), dots.next()) else {
            return Err(malformed);
        };
        let (signed, rest) = token.split_at(second);
        let (header, payload) = signed.split_at(first);
        // Both begin with the dot.
        let (Some((_, payload)), Some((_, signature))) = (payload.split_first(), rest.split_first()) else {
            return Err(malformed);
        };
        if header.is_empty() || signature.is_empty() {
            return Err(malformed);
        }
        Ok(Self { header, payload, signature, signed })
    }

    /// The header as it was written, in base64url.
    pub(super) fn header_text(&self) -> &'a [u8] {
        self.header
    }

    /// Reads the header.
    pub(crate) fn header(&self) -> Result<Header, VerifyErrorKind> {
        // Almost every header fits on the stack; one with a chain of certificates does not.
        let (mut short, mut long);
        let buffer: &mut [u8] = if self.header.len() <= SHORT_HEADER {
            short = [0; SHORT_HEADER];
            &mut short
        } else {
            long = vec![0; base64::decoded_len_estimate(self.header.len())];
            &mut long
        };
        let length = URL_SAFE_NO_PAD.decode_slice(self.header, buffer);
        let length = length.map_err(|_| VerifyErrorKind::Malformed)?;
        let text = buffer.get(..length).unwrap_or_default();
        let header = Object::parse(text).map_err(|_| VerifyErrorKind::Malformed)?;
        let changes_the_reading = ["crit", "b64", "enc", "zip", "cty"];
        if changes_the_reading.iter().any(|name| header.has(name)) {
            return Err(VerifyErrorKind::Malformed);
        }
        let text = |name| header.string(name).map_err(|_| VerifyErrorKind::Malformed);
        let name = text("alg")?.ok_or(VerifyErrorKind::Malformed)?;
        let key_id = text("kid")?;
        if key_id.as_deref().is_some_and(|id| !is_key_id(id)) {
            return Err(VerifyErrorKind::Malformed);
        }
        Ok(Header {
            algorithm: Algorithm::from_name(&name).ok_or(VerifyErrorKind::Algorithm)?,
            key_id: key_id.map(Into::into),
            token_type: text("typ")?.map_or(TokenType::Unspecific, |name| TokenType::of(&name)),
        })
    }

    /// Decodes the payload.
    pub(crate) fn payload(&self) -> Result<Vec<u8>, VerifyErrorKind> {
        URL_SAFE_NO_PAD.decode(self.payload).map_err(|_| VerifyErrorKind::Malformed)
    }

    /// Decodes the signature into a buffer.
    pub(crate) fn signature<'b>(
        &self,
        buffer: &'b mut [u8; MAX_SIGNATURE],
    ) -> Result<&'b [u8], VerifyErrorKind> {
        // RFC 7515 §2: without padding, line breaks or other characters; trailing bits are zero.
        let length = URL_SAFE_NO_PAD.decode_slice(self.signature, buffer);
        let length = length.map_err(|_| VerifyErrorKind::Malformed)?;
        Ok(buffer.get(..length).unwrap_or_default())
    }

    /// What the signature is made over.
    pub(crate) fn signed(&self) -> &'a [u8] {
        self.signed
    }
}

impl TokenType {
    /// A media type, compared without case; `application/` may be left out.
    fn of(name: &str) -> Self {
        let prefix = "application/";
        let start = name.get(..prefix.len()).unwrap_or_default();
        let name = if start.eq_ignore_ascii_case(prefix) {
            name.get(prefix.len()..).unwrap_or_default()
        } else {
            name
        };
        if name.eq_ignore_ascii_case("at+jwt") {
            Self::AccessToken
        } else if name.eq_ignore_ascii_case("jwt") {
            Self::Unspecific
        } else if name.eq_ignore_ascii_case("token-introspection+jwt") {
            Self::Introspection
        } else {
            Self::Other
        }
    }
}

fn is_token_byte(byte: u8) -> bool {
    let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
    let digit = byte.wrapping_sub(b'0') < 10;
    letter | digit | (byte == b'-') | (byte == b'_') | (byte == b'.')
}

/// RFC 7515 §4.1.4 says only that it is a string. Bounded and printable, it can be compared and logged.
fn is_key_id(id: &str) -> bool {
    (1..=MAX_KID).contains(&id.len()) && id.chars().all(|character| !character.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(json: &str) -> Result<Header, VerifyErrorKind> {
        let token = format!("{}.e30.AA", URL_SAFE_NO_PAD.encode(json));
        Jws::parse(token.as_bytes()).unwrap().header()
    }

    #[test]
    fn only_three_parts_of_the_right_bytes_are_cut() {
        for token in [
            "", ".", "..", "a", "a.b", "a.b.", ".b.c", "a..c", "a.b.c.d", "a.b.c=", "a.b.c ", "a.b.c\n",
            "a+.b.c", "a/.b.c", "é.b.c",
        ] {
            assert_eq!(
                Jws::parse_jwt(token.as_bytes()).unwrap_err(),
                VerifyErrorKind::Malformed,
                "{token:?}"
            );
        }
        let jws = Jws::parse(b"aa.bbb.cccc").unwrap();
        assert_eq!((jws.header, jws.payload, jws.signature), (&b"aa"[..], &b"bbb"[..], &b"cccc"[..]));
        assert_eq!(jws.signed, b"aa.bbb");
        assert!(Jws::parse(&[b'.'; MAX_LENGTH]).is_err());
        assert!(Jws::parse(&[b'a'; MAX_LENGTH + 1]).is_err());
    }

    #[test]
    fn a_header_that_changes_the_reading_is_refused() {
        for member in [
            r#""crit":["exp"]"#,
            r#""crit":[]"#,
            r#""crit":null"#,
            r#""b64":true"#,
            r#""b64":false"#,
            r#""zip":"DEF""#,
            r#""enc":"A128GCM""#,
            r#""cty":"JWT""#,
        ] {
            let json = format!(r#"{{"alg":"RS256",{member}}}"#);
            assert_eq!(header(&json).unwrap_err(), VerifyErrorKind::Malformed, "{json}");
        }
        let json = r#"{"alg":"RS256","jku":"http://127.0.0.1:9","x5c":[],"cat":7,"jwk":{}}"#;
        assert!(header(json).is_ok());
    }

    #[test]
    fn alg_kid_and_typ_are_strings_or_the_header_is_malformed() {
        use VerifyErrorKind::{Algorithm as Alg, Malformed};
        for (json, kind) in [
            (r#"{"kid":"a"}"#, Malformed),
            (r#"{"alg":null}"#, Malformed),
            (r#"{"alg":["RS256"]}"#, Malformed),
            (r#"{"alg":1}"#, Malformed),
            (r#"{"alg":""}"#, Alg),
            (r#"{"alg":"none"}"#, Alg),
            (r#"{"alg":"nOnE"}"#, Alg),
            (r#"{"alg":"rs256"}"#, Alg),
            (r#"{"alg":"RS256 "}"#, Alg),
            (r#"{"alg":"RS256","kid":7}"#, Malformed),
            (r#"{"alg":"RS256","kid":null}"#, Malformed),
            (r#"{"alg":"RS256","kid":""}"#, Malformed),
            (r#"{"alg":"RS256","kid":"a\u0000"}"#, Malformed),
            (r#"{"alg":"RS256","kid":"a\r\nb"}"#, Malformed),
            (r#"{"alg":"RS256","typ":1}"#, Malformed),
            (r#"{"alg":"RS256","alg":"none"}"#, Malformed),
            (r#"["RS256"]"#, Malformed),
        ] {
            assert_eq!(header(json).unwrap_err(), kind, "{json}");
        }
        let long = format!(r#"{{"alg":"RS256","kid":"{}"}}"#, "k".repeat(257));
        assert_eq!(header(&long).unwrap_err(), Malformed);
    }

    #[test]
    fn a_type_is_compared_as_a_media_type() {
        for (name, expected) in [
            ("at+jwt", TokenType::AccessToken),
            ("AT+JWT", TokenType::AccessToken),
            ("application/at+jwt", TokenType::AccessToken),
            ("Application/At+Jwt", TokenType::AccessToken),
            ("JWT", TokenType::Unspecific),
            ("application/jwt", TokenType::Unspecific),
            ("application/application/at+jwt", TokenType::Other),
            ("at+jwt ", TokenType::Other),
            ("at+jwt; charset=utf-8", TokenType::Other),
            ("dpop+jwt", TokenType::Other),
            ("", TokenType::Other),
            ("é", TokenType::Other),
        ] {
            assert_eq!(TokenType::of(name), expected, "{name}");
        }
    }

    #[test]
    fn base64url_has_one_spelling() {
        // "eyJhbGciOiJSUzI1NiJ9" is {"alg":"RS256"}; its last character has no spare bits, so use a longer one.
        let header = r#"{"alg":"RS256","a":1}"#;
        let good = URL_SAFE_NO_PAD.encode(format!("{header} "));
        assert!(Jws::parse(format!("{good}.e30.AA").as_bytes()).unwrap().header().is_ok());
        let mut twin = good.into_bytes();
        *twin.last_mut().unwrap() += 1;
        let twin = String::from_utf8(twin).unwrap();
        assert!(Jws::parse(format!("{twin}.e30.AA").as_bytes()).unwrap().header().is_err());
    }
}
