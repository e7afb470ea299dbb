//! `SessionBinding` and its settings.

use std::fmt;
use std::sync::Arc;

use tower_layer::Layer;

use super::policy::Policy;
use super::service::BoundSessions;
use super::tag::{Key, Keys};
use crate::error::{BuildError, BuildErrorKind};
use crate::log::TARGET;
use crate::secret::Secret;

/// Each of them may cost a MAC for a request with a forged session id.
const MAX_PREVIOUS_KEYS: usize = 8;

/// Makes every MCP session usable by its owner alone. Clones are cheap and share the keys.
///
/// It belongs between [`AuthLayer`](crate::AuthLayer) and the MCP server. See [the module](super) for the rules and an
/// example.
///
/// # Security
///
/// Who knows the key can make any session id theirs.
#[derive(Clone)]
#[must_use = "it binds the sessions of the service that it is put around"]
pub struct SessionBinding {
    policy: Arc<Policy>,
}

impl SessionBinding {
    /// A binding with a random key, for a server of one process that keeps its sessions in memory.
    ///
    /// Its clones accept each other's session ids; another call, another process, and this one after a restart do not:
    /// there, every session is answered with 404, and clients open new ones.
    ///
    /// Should the operating system have no randomness, that is logged as an error, every session id is answered with
    /// 404, and every response that opens a session is replaced by 500.
    pub fn new() -> Self {
        let keys = Key::random().map(|key| Keys::new(key, Vec::new()));
        if keys.is_none() {
            tracing::error!(target: TARGET, "no randomness for a key: no session can be opened");
        }
        Self::with(keys.unwrap_or_default())
    }

    /// Starts a binding with keys of yours, for several instances, and for sessions that outlive the process.
    pub fn builder() -> SessionBindingBuilder {
        SessionBindingBuilder { key: None, previous_keys: Vec::new() }
    }

    fn with(keys: Keys) -> Self {
        Self { policy: Arc::new(Policy::new(keys)) }
    }
}

impl Default for SessionBinding {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for SessionBinding {
    type Service = BoundSessions<S>;

    fn layer(&self, inner: S) -> Self::Service {
        BoundSessions::new(inner, Arc::clone(&self.policy))
    }
}

impl fmt::Debug for SessionBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionBinding").finish_non_exhaustive()
    }
}

/// Sets up a [`SessionBinding`].
#[derive(Debug)]
#[must_use = "the binding is made by `build`"]
pub struct SessionBindingBuilder {
    key: Option<Secret<Vec<u8>>>,
    previous_keys: Vec<Secret<Vec<u8>>>,
}

impl SessionBindingBuilder {
    /// The key that session ids are bound with: at least 32 bytes, made at random, the same in all instances.
    ///
    /// Default: a random one, as [`SessionBinding::new`] has it.
    pub fn key(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.key = Some(Secret::new(key.into()));
        self
    }

    /// Accepts also session ids that were bound with another key: at least 32 bytes, at most 8 such keys.
    ///
    /// To change the key of a fleet without ending a session, roll out three times: the new key as previous key; then
    /// the new one as [`key`](Self::key) and the old one as previous key; at last, when the sessions of that time are
    /// over, without the old one. An id that is in use stays as it is.
    ///
    /// Default: none.
    pub fn add_previous_key(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.previous_keys.push(Secret::new(key.into()));
        self
    }

    /// Makes the binding.
    ///
    /// # Errors
    ///
    /// - a key has fewer than 32 bytes: [`WeakSecret`](BuildErrorKind::WeakSecret)
    /// - there are previous keys and no key, or there is no key and the operating system has no randomness for one:
    ///   [`Missing`](BuildErrorKind::Missing)
    /// - there are more than 8 previous keys: [`OutOfRange`](BuildErrorKind::OutOfRange)
    pub fn build(self) -> Result<SessionBinding, BuildError> {
        const PREVIOUS: &str = "add_previous_key";
        let missing = || BuildError::new("key", BuildErrorKind::Missing);
        let current = match &self.key {
            Some(key) => Key::new(key).map_err(|kind| BuildError::new("key", kind))?,
            None if self.previous_keys.is_empty() => Key::random().ok_or_else(missing)?,
            None => return Err(missing()),
        };
        if self.previous_keys.len() > MAX_PREVIOUS_KEYS {
            return Err(BuildError::new(PREVIOUS, BuildErrorKind::OutOfRange));
        }
        let previous = self.previous_keys.iter().map(Key::new).collect::<Result<_, _>>();
        let previous = previous.map_err(|kind| BuildError::new(PREVIOUS, kind))?;
        Ok(SessionBinding::with(Keys::new(current, previous)))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use http::{Request, Response};
    use tower_service::Service;

    use super::*;
    use crate::access_token::AccessToken;

    #[test]
    fn without_a_key_no_session_is_opened_and_none_is_known() {
        let opens = |_: Request<()>| {
            let mut response = Response::new(String::new());
            response.headers_mut().insert("mcp-session-id", "id-1".parse().unwrap());
            std::future::ready(Ok::<_, Infallible>(response))
        };
        let mut service = SessionBinding::with(Keys::default()).layer(tower::service_fn(opens));
        for (id, status) in [(None, 500), (Some("id-1"), 404)] {
            let mut request = Request::new(());
            request.extensions_mut().insert(AccessToken::verified().subject("alice").build());
            if let Some(id) = id {
                request.headers_mut().insert("mcp-session-id", id.parse().unwrap());
            }
            let response = pin!(service.call(request)).poll(&mut Context::from_waker(Waker::noop()));
            let Poll::Ready(Ok(response)) = response else { panic!("it waits") };
            assert_eq!(
                (response.status().as_u16(), response.headers().get("mcp-session-id")),
                (status, None)
            );
        }
    }
}
