//! Whose session it is: the decision, on the way in and on the way out.

use bytes::Bytes;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};

use super::tag::{Keys, Owner, is_id};
use crate::access_token::AccessToken;
use crate::answer;
use crate::challenge::Challenge;
use crate::error::{Rejection, RejectionKind};
use crate::log::TARGET;
use crate::once_a_minute::OnceAMinute;
use crate::passed::PassedWithoutToken;
use crate::response_body::ResponseBody;
use crate::small_answer;

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
/// The answer to every id that is not the caller's. It does not say whether there is such a session.
const NOT_FOUND: &str = r#"{"error":"session_not_found"}"#;

/// Everything that a binding decides by.
pub(super) struct Policy {
    keys: Keys,
    missing_layer: OnceAMinute,
    unbound: OnceAMinute,
}

/// The leave of a request to go on, and what its response is bound by.
pub(super) struct Admission {
    caller: Caller,
    method: Method,
    // None: the request names no session.
    presented: Option<Presented>,
}

enum Caller {
    Anonymous,
    Token(AccessToken),
}

/// A session id as the client knows it, and as the inner service does.
struct Presented {
    sealed: HeaderValue,
    id: HeaderValue,
}

/// Why a request, or its response, is not served.
pub(super) enum Fault {
    /// Nobody looked at the token.
    NoLayer,
    /// The token stands for nobody who could own a session.
    NoPrincipal,
    /// The session is not the caller's.
    NotFound,
    /// The response names a session that cannot be bound, and this is why.
    Unbound(&'static str),
}

/// A field that stands there twice.
struct Repeated;

impl Policy {
    pub(super) fn new(keys: Keys) -> Self {
        Self { keys, missing_layer: OnceAMinute::new(), unbound: OnceAMinute::new() }
    }

    /// Gives the inner service the id that it knows, if the session is the caller's.
    pub(super) fn admit<B>(&self, request: &mut Request<B>) -> Result<Admission, Fault> {
        let method = request.method().clone();
        let caller = Caller::of(request.extensions()).ok_or(Fault::NoLayer)?;
        let sealed = match only(request.headers()) {
            Ok(None) => return Ok(Admission { caller, method, presented: None }),
            Ok(Some(sealed)) => sealed.clone(),
            Err(Repeated) => return Err(Fault::NotFound),
        };
        let opened = caller.owner().and_then(|owner| self.keys.open(owner, &sealed));
        let mut id = opened.ok_or(Fault::NotFound)?;
        id.set_sensitive(sealed.is_sensitive());
        request.headers_mut().insert(SESSION, id.clone());
        Ok(Admission { caller, method, presented: Some(Presented { sealed, id }) })
    }

    /// Makes the session that a response names the caller's.
    pub(super) fn bind<R>(
        &self,
        admission: &Admission,
        mut response: Response<R>,
    ) -> Response<ResponseBody<R>> {
        match self.seal(admission, response.headers()) {
            Ok(None) => {}
            Ok(Some(sealed)) => {
                response.headers_mut().insert(SESSION, sealed);
            }
            Err(fault) => return self.reject(&fault, &admission.method).map(ResponseBody::rejection),
        }
        response.map(ResponseBody::inner)
    }

    fn seal(&self, admission: &Admission, headers: &HeaderMap) -> Result<Option<HeaderValue>, Fault> {
        let id = match only(headers) {
            Ok(None) => return Ok(None),
            Ok(Some(id)) if is_id(id.as_bytes()) => id,
            Ok(Some(_)) | Err(Repeated) => {
                return Err(Fault::Unbound("it is not one value of visible ASCII"));
            }
        };
        // To the letter what the client sent, also where its tag is by an earlier key.
        if let Some(presented) = admission.presented.as_ref().filter(|presented| presented.id == *id) {
            return Ok(Some(presented.sealed.clone()));
        }
        let owner = admission.caller.owner().ok_or(Fault::NoPrincipal)?;
        let mut sealed = self.keys.seal(owner, id).ok_or(Fault::Unbound("there is no key"))?;
        sealed.set_sensitive(id.is_sensitive());
        Ok(Some(sealed))
    }

    pub(super) fn reject(&self, fault: &Fault, method: &Method) -> Response<Bytes> {
        self.log(fault);
        let mut response = match fault {
            Fault::NoLayer | Fault::Unbound(_) => answer::internal_error(),
            Fault::NoPrincipal => {
                let kind = RejectionKind::InsufficientClaims;
                answer::respond(Rejection::new(kind), answer::challenge(kind, Challenge::bearer()), None)
            }
            Fault::NotFound => small_answer::json(StatusCode::NOT_FOUND, NOT_FOUND),
        };
        if method == Method::HEAD {
            // RFC 9110 §9.3.2: the header of the answer to GET, and no content.
            *response.body_mut() = Bytes::new();
        }
        response
    }

    fn log(&self, fault: &Fault) {
        match fault {
            Fault::NoLayer if self.missing_layer.is_due() => tracing::error!(
                target: TARGET,
                "sessions are to be bound to principals, but no `AuthLayer` is outside of the `SessionBinding`",
            ),
            Fault::Unbound(why) if self.unbound.is_due() => {
                tracing::error!(target: TARGET, why, "the session id of a response cannot be bound");
            }
            Fault::NoLayer | Fault::Unbound(_) => {}
            Fault::NoPrincipal => rejected("session_without_principal"),
            Fault::NotFound => rejected("session_not_found"),
        }
    }
}

impl Caller {
    /// Who sent the request. None if no layer looked.
    fn of(extensions: &Extensions) -> Option<Self> {
        let token = extensions.get().cloned().map(Self::Token);
        token.or_else(|| extensions.get::<PassedWithoutToken>().map(|_| Self::Anonymous))
    }

    /// As whom the caller owns sessions. None if it must not own any.
    fn owner(&self) -> Option<Owner<'_>> {
        match self {
            Self::Anonymous => Some(Owner::Anonymous),
            Self::Token(token) => token.principal().map(Owner::Principal),
        }
    }
}

fn only(headers: &HeaderMap) -> Result<Option<&HeaderValue>, Repeated> {
    let mut values = headers.get_all(SESSION).iter();
    let first = values.next();
    if values.next().is_some() { Err(Repeated) } else { Ok(first) }
}

fn rejected(reason: &'static str) {
    tracing::debug!(target: TARGET, outcome = "rejected", reason);
}
