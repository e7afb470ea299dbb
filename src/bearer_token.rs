//! The credential as a client presents it ([RFC 6750 §2.1]).
//!
//! 1. Exactly one `Authorization` field line, else malformed.
//! 2. Its scheme is `Bearer`, in any case, else there is no bearer token.
//! 3. At least one space, then the token and nothing else, at most 16 KiB, else malformed.
//! 4. The token is `token68` ([RFC 9110 §11.2]), else it is a bad token.
//!
//! ```
//! use tower_bearer::BearerToken;
//!
//! let token = BearerToken::new("gho_example-of-a-token").unwrap();
//! assert!(token.as_str().starts_with("gho_"));
//! assert!(!format!("{token:?}").contains("example"));
//! assert!(BearerToken::new("two words").is_err());
//! ```
//!
//! [RFC 6750 §2.1]: https://www.rfc-editor.org/rfc/rfc6750#section-2.1
//! [RFC 9110 §11.2]: https://www.rfc-editor.org/rfc/rfc9110#section-11.2

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::sync::OnceLock;

use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use sha2::{Digest, Sha256};

use crate::error::{Rejection, RejectionKind, VerifyError, VerifyErrorKind};

/// The longest token that is looked at, in bytes.
const MAX_LENGTH: usize = 16 * 1024;
const SCHEME: &[u8] = b"bearer";

/// A bearer token as it was presented: unverified, and secret.
///
/// It is never printed. A verifier reads it with [`as_str`](Self::as_str). Clones are cheap.
#[derive(Clone)]
pub struct BearerToken {
    // The whole field value: taking it out of the request and putting it back copies nothing.
    field: HeaderValue,
    token: Range<usize>,
}

impl BearerToken {
    /// Wraps a token that did not come with a request, for calling a verifier directly.
    ///
    /// # Errors
    ///
    /// - not `token68`, or longer than 16 KiB: [`Malformed`](VerifyErrorKind::Malformed)
    pub fn new(token: &str) -> Result<Self, VerifyError> {
        let malformed = || VerifyError::rejected(VerifyErrorKind::Malformed);
        if token.len() > MAX_LENGTH || !is_token68(token.as_bytes()) {
            return Err(malformed());
        }
        let field = HeaderValue::from_str(token).map_err(|_| malformed())?;
        Ok(Self { token: 0..token.len(), field })
    }

    /// The token.
    ///
    /// # Security
    ///
    /// Whoever has it can use it: send it to nobody but its issuer, and write it nowhere.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Empty only while the grammar has not been checked.
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The token as bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.field.as_bytes().get(self.token.clone()).unwrap_or_default()
    }

    /// Eight hexadecimal digits that recognise the token in the logs of this process, and only there.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        // Keyed, so that nobody who reads the log can test a token against it.
        static KEY: OnceLock<[u8; 8]> = OnceLock::new();
        let key = KEY.get_or_init(|| RandomState::new().hash_one(MAX_LENGTH).to_ne_bytes());
        let digest = Sha256::new_with_prefix(key).chain_update(self.as_bytes()).finalize();
        digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Takes the credential out of a request: steps 1 to 3, without looking at the characters of the token. Returns its
    /// place too, for [`put_back`](Self::put_back).
    #[inline]
    pub(crate) fn take(headers: &mut HeaderMap) -> Result<(Self, &mut HeaderValue), Rejection> {
        // RFC 9110 §5.3: not a list field, so that no line may win over another. Most requests have no field twice.
        let is_repeated =
            headers.len() > headers.keys_len() && headers.get_all(AUTHORIZATION).iter().count() > 1;
        let missing = || Rejection::new(RejectionKind::MissingToken);
        let slot = headers.get_mut(AUTHORIZATION).ok_or_else(missing)?;
        if is_repeated {
            return Err(Rejection::new(RejectionKind::InvalidRequest));
        }
        let token = locate(slot.as_bytes())?;
        Ok((Self { field: std::mem::replace(slot, HeaderValue::from_static("")), token }, slot))
    }

    /// Puts the field back where it was, marked so that nobody prints it by accident.
    #[inline]
    pub(crate) fn put_back(mut self, slot: &mut HeaderValue) {
        self.field.set_sensitive(true);
        *slot = self.field;
    }

    /// Step 4, and what of step 3 needs a look at every byte.
    pub(crate) fn check(&self) -> Result<(), Rejection> {
        let token = self.as_bytes();
        if is_token68(token) {
            return Ok(());
        }
        // RFC 9110 §11.6.2: one credential. A list or trailing data is a malformed header, not a bad token.
        let several = token.iter().any(|byte| matches!(byte, b' ' | b'\t' | b','));
        Err(match several {
            true => Rejection::new(RejectionKind::InvalidRequest),
            false => VerifyError::rejected(VerifyErrorKind::Malformed).into(),
        })
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken(..)")
    }
}

/// Finds the token in the value of an `Authorization` field.
fn locate(field: &[u8]) -> Result<Range<usize>, Rejection> {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    // What nearly everybody sends: the edges need not be looked for.
    if let Some((b"Bearer ", [first, .., last])) = field.split_at_checked(SCHEME.len() + 1)
        && !blank(first)
        && !blank(last)
        && field.len() <= MAX_LENGTH
    {
        return Ok(SCHEME.len() + 1..field.len());
    }
    let malformed = || Rejection::new(RejectionKind::InvalidRequest);
    let start = field.iter().position(|byte| !blank(byte)).ok_or_else(malformed)?;
    let end = field.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
    let credentials = field.get(start..end).unwrap_or_default();
    let scheme = credentials.split(blank).next().unwrap_or_default();
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return Err(Rejection::new(RejectionKind::MissingToken));
    }
    let after = credentials.get(scheme.len()..).unwrap_or_default();
    let spaces = after.iter().take_while(|byte| **byte == b' ').count();
    let token = start + scheme.len() + spaces..end;
    // Only spaces separate (RFC 6750 §2.1), and after them there has to be a token.
    let separated = spaces > 0 && after.get(spaces).is_some_and(|byte| !blank(byte));
    if !separated || token.len() > MAX_LENGTH {
        return Err(malformed());
    }
    Ok(token)
}

/// `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`
fn is_token68(token: &[u8]) -> bool {
    let padding = token.iter().rev().take_while(|byte| **byte == b'=').count();
    let (body, _) = token.split_at(token.len() - padding);
    // No early exit and no table: this form is compiled to vector instructions.
    !body.is_empty() && body.iter().fold(true, |all, &byte| all & is_token68_byte(byte))
}

fn is_token68_byte(byte: u8) -> bool {
    let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
    // '-', '.', '/', '0' to '9' stand side by side in ASCII.
    let digit_or_mark = byte.wrapping_sub(b'-') < 13;
    letter | digit_or_mark | (byte == b'_') | (byte == b'~') | (byte == b'+')
}

#[cfg(test)]
mod tests;
