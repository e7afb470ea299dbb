//! The tag that makes a session id somebody's: a MAC over the owner and the id ([RFC 2104], SHA-256).
//!
//! [RFC 2104]: https://www.rfc-editor.org/rfc/rfc2104

use hmac::{Hmac, KeyInit, Mac};
use http::HeaderValue;
use sha2::Sha256;

use crate::access_token::Principal;
use crate::error::BuildErrorKind;
use crate::secret::Secret;

/// What the tag is for. Whoever uses the key for anything else as well gets no tag by it.
const PURPOSE: &[u8] = b"tower-bearer mcp-session-id 1";
/// RFC 2104 §3: a key shorter than the output of the hash weakens the MAC.
const MIN_KEY: usize = 32;
const LENGTH: usize = 32;
const DIGITS: usize = 2 * LENGTH;
/// Ids in use have 32 to 64 characters.
const MAX_ID: usize = 1_024;

/// Whose a session is.
#[derive(Clone, Copy)]
pub(super) enum Owner<'a> {
    /// All callers without a token together.
    Anonymous,
    /// The principal of a token.
    Principal(Principal<'a>),
}

/// A key that tags are made with.
pub(super) struct Key(Hmac<Sha256>);

/// The keys of a binding: one that makes tags, and others whose tags still count.
#[derive(Default)]
pub(super) struct Keys {
    // None: the operating system had no randomness for one. Nothing can be bound, and no tag is right.
    current: Option<Key>,
    previous: Vec<Key>,
}

impl Key {
    pub(super) fn new(key: &Secret<Vec<u8>>) -> Result<Self, BuildErrorKind> {
        if key.expose().len() < MIN_KEY {
            return Err(BuildErrorKind::WeakSecret);
        }
        Hmac::new_from_slice(key.expose()).map(Self).map_err(|_| BuildErrorKind::InvalidKey)
    }

    /// A key that only this value knows. None if the operating system has no randomness.
    pub(super) fn random() -> Option<Self> {
        let mut key = vec![0; MIN_KEY];
        let filled = getrandom::fill(&mut key);
        let key = Secret::new(key);
        filled.ok().and_then(|()| Self::new(&key).ok())
    }

    fn mac(&self, owner: Owner<'_>, id: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        let mut absorb = |part: &[u8]| {
            // Each part after its length, so that no two lists of parts look alike.
            mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            mac.update(part);
        };
        let (kind, issuer, name): (&[u8], _, _) = match owner {
            Owner::Anonymous => (b"anonymous", None, ""),
            Owner::Principal(Principal::Client { issuer, client }) => (b"client", issuer, client),
            Owner::Principal(Principal::Subject { issuer, subject }) => (b"subject", issuer, subject),
        };
        absorb(PURPOSE);
        absorb(kind);
        // No issuer is not the issuer without a name.
        absorb(if issuer.is_some() { b"issuer" } else { b"" });
        absorb(issuer.unwrap_or_default().as_bytes());
        absorb(name.as_bytes());
        absorb(id);
        mac
    }
}

impl Keys {
    pub(super) fn new(current: Key, previous: Vec<Key>) -> Self {
        Self { current: Some(current), previous }
    }

    /// The id that a client gets to see: `<id>.<tag>`. None if there is no key.
    pub(super) fn seal(&self, owner: Owner<'_>, id: &HeaderValue) -> Option<HeaderValue> {
        let tag = self.current.as_ref()?.mac(owner, id.as_bytes()).finalize().into_bytes();
        let mut sealed = Vec::with_capacity(id.len() + 1 + DIGITS);
        sealed.extend_from_slice(id.as_bytes());
        sealed.push(b'.');
        sealed.extend(tag.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xF)]));
        HeaderValue::from_bytes(&sealed).ok()
    }

    /// The id as the inner service knows it, if the tag is the owner's.
    pub(super) fn open(&self, owner: Owner<'_>, sealed: &HeaderValue) -> Option<HeaderValue> {
        if sealed.len() > MAX_ID + 1 + DIGITS {
            return None;
        }
        let (rest, tag) = sealed.as_bytes().split_last_chunk::<DIGITS>()?;
        let id = rest.strip_suffix(b".")?;
        let tag = decode(tag)?;
        let mut keys = self.current.iter().chain(&self.previous);
        let is_right = keys.any(|key| key.mac(owner, id).verify_slice(&tag).is_ok());
        is_right.then(|| HeaderValue::from_bytes(id).ok()).flatten()
    }
}

/// MCP 2025-06-18, Session Management: visible ASCII characters only. Whoever has no session must not let this server
/// digest megabytes.
pub(super) fn is_id(id: &[u8]) -> bool {
    !id.is_empty() && id.len() <= MAX_ID && id.iter().all(u8::is_ascii_graphic)
}

fn digit(number: u8) -> u8 {
    if number < 10 { b'0' + number } else { b'a' + number - 10 }
}

/// Lower-case digits only, so that a tag has one form.
fn decode(tag: &[u8; DIGITS]) -> Option<[u8; LENGTH]> {
    let number = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; LENGTH];
    for (byte, [high, low]) in bytes.iter_mut().zip(tag.as_chunks().0) {
        *byte = number(*high)? << 4 | number(*low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use sha2::Digest;

    use super::*;

    fn keys() -> Keys {
        Keys::new(Key::new(&Secret::new(vec![7; MIN_KEY])).unwrap(), Vec::new())
    }

    #[test]
    fn a_tag_is_the_mac_of_purpose_owner_and_id() {
        let mut message = Vec::new();
        let parts: [&[u8]; 6] =
            [PURPOSE, b"subject", b"issuer", b"https://idp.example.com", b"alice", b"id-1"];
        for part in parts {
            message.extend(u64::try_from(part.len()).unwrap().to_be_bytes());
            message.extend(part);
        }
        // RFC 2104 §2, with a key that is shorter than the block.
        let pad = |byte: u8| {
            let mut block = [byte; 64];
            block.iter_mut().take(MIN_KEY).for_each(|own| *own ^= 7);
            block
        };
        let inner = Sha256::new().chain_update(pad(0x36)).chain_update(&message).finalize();
        let mac = Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize();
        let expected: String = mac.iter().map(|byte| format!("{byte:02x}")).collect();

        let issuer = Some("https://idp.example.com");
        let owner = Owner::Principal(Principal::Subject { issuer, subject: "alice" });
        let id = HeaderValue::from_static("id-1");
        let sealed = keys().seal(owner, &id).unwrap();
        assert_eq!(sealed.to_str().unwrap(), format!("id-1.{expected}"));
        assert_eq!(keys().open(owner, &sealed), Some(id));
    }

    #[test]
    fn no_two_owners_share_a_tag_however_their_names_are_cut() {
        let mut owners = vec![Owner::Anonymous];
        for issuer in [None, Some(""), Some("a"), Some("ab"), Some("issuer")] {
            for name in ["", "a", "ab", "b", "issuer", "anonymous"] {
                owners.push(Owner::Principal(Principal::Subject { issuer, subject: name }));
                owners.push(Owner::Principal(Principal::Client { issuer, client: name }));
            }
        }
        let mut tags = Vec::new();
        for owner in &owners {
            tags.extend(
                ["a", "ab", "b", "ab.c"].map(|id| keys().current.unwrap().mac(*owner, id.as_bytes())),
            );
        }
        let tags: Vec<_> = tags.into_iter().map(|mac| mac.finalize().into_bytes()).collect();
        for (at, tag) in tags.iter().enumerate() {
            assert!(tags.iter().skip(at + 1).all(|other| other != tag), "{at}");
        }
    }

    #[test]
    fn without_a_key_nothing_is_sealed_and_nothing_opened() {
        let id = HeaderValue::from_static("id-1");
        let sealed = keys().seal(Owner::Anonymous, &id).unwrap();
        assert!(Keys::default().seal(Owner::Anonymous, &id).is_none());
        assert!(Keys::default().open(Owner::Anonymous, &sealed).is_none());
    }

    #[test]
    fn random_keys_differ() {
        let key = || Keys::new(Key::random().unwrap(), Vec::new());
        let sealed = key().seal(Owner::Anonymous, &HeaderValue::from_static("id-1")).unwrap();
        assert!(key().open(Owner::Anonymous, &sealed).is_none());
    }
}
