//! Whose session it is: the decision, on the way in and on the way out.

use std::sync::Arc;

use bytes::Bytes;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};

use super::tag::{Keys, Owner, is_id};
use crate::access_token::AccessToken;
use crate::admitted::Protection;
use crate::answer::{self, Form};
use crate::error::{Rejection, RejectionKind};
use crate::log::TARGET;
use crate::once_a_minute::OnceAMinute;
use crate::passed::{self, PassedWithoutToken};
use crate::response_body::ResponseBody;
use crate::small_answer;

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
/// The answer to every id that is not the caller's. It does not say whether there is such a session.
const NOT_FOUND: &str = r#"{"error":"session_not_found"}"#;

/// Everything that a binding decides by.
pub(super) struct Policy {
    keys: Keys,
    unbound: OnceAMinute,
}

/// The leave of a request to go on, and what its response is bound by.
pub(super) struct Admission {
    caller: Caller,
    form: Form,
    // None: the request names no session.
    presented: Option<Presented>,
}

enum Caller {
    Anonymous(Arc<Protection>),
    Token(AccessToken),
}

/// A session id as the client knows it, and as the inner service does.
struct Presented {
    sealed: HeaderValue,
    id: HeaderValue,
}

/// Why a request, or its response, is not served.
enum Fault {
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
        Self { keys, unbound: OnceAMinute::new() }
    }

    /// Gives the inner service the id that it knows, if the session is the caller's.
    pub(super) fn admit<B>(&self, request: &mut Request<B>) -> Result<Admission, Box<Response<Bytes>>> {
        let Some(caller) = Caller::of(request.extensions()) else {
            passed::missing_layer();
            return Err(Box::new(answer::fail(Form::default())));
        };
        let form = Form::of(&caller.protection(), request.method(), request.headers());
        let mut admission = Admission { caller, form, presented: None };
        let sealed = match only(request.headers()) {
            Ok(None) => return Ok(admission),
            Ok(Some(sealed)) => sealed.clone(),
            Err(Repeated) => return Err(Box::new(self.reject(&Fault::NotFound, &admission))),
        };
        let opened = admission.caller.owner().and_then(|owner| self.keys.open(owner, &sealed));
        let Some(mut id) = opened else { return Err(Box::new(self.reject(&Fault::NotFound, &admission))) };
        id.set_sensitive(sealed.is_sensitive());
        request.headers_mut().insert(SESSION, id.clone());
        admission.presented = Some(Presented { sealed, id });
        Ok(admission)
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
            Err(fault) => return self.reject(&fault, admission).map(ResponseBody::rejection),
        }
        response.map(ResponseBody::inner)
    }

    fn seal(&self, admission: &Admission, headers: &HeaderMap) -> Result<Option<HeaderValue>, Fault> {
        let id = match only(headers) {
            Ok(None) => return Ok(None),
            Ok(Some(id)) if is_id(id.as_bytes()) => id,
            Ok(Some(_)) | Err(Repeated) => {
                return Err(Fault::Unbound(
                    "it is not one value of visible ASCII of at most 1024 characters",
                ));
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

    fn reject(&self, fault: &Fault, admission: &Admission) -> Response<Bytes> {
        self.log(fault);
        match fault {
            Fault::NoPrincipal => {
                let (kind, protection) = (RejectionKind::InsufficientClaims, admission.caller.protection());
                let challenge = answer::challenge(kind, &protection, &protection.scopes).to_header_value();
                answer::reject(&protection, Rejection::new(kind), challenge, admission.form)
            }
            Fault::NotFound => {
                answer::write(small_answer::json(StatusCode::NOT_FOUND, NOT_FOUND), admission.form)
            }
            Fault::Unbound(_) => answer::fail(admission.form),
        }
    }

    fn log(&self, fault: &Fault) {
        match fault {
            Fault::NoPrincipal => rejected("session_without_principal"),
            Fault::NotFound => rejected("session_not_found"),
            Fault::Unbound(why) if self.unbound.is_due() => {
                tracing::error!(target: TARGET, why, "the session id of a response cannot be bound");
            }
            Fault::Unbound(_) => {}
        }
    }
}

impl Caller {
    /// Who sent the request. None if no layer looked.
    fn of(extensions: &Extensions) -> Option<Self> {
        let token = extensions.get().cloned().map(Self::Token);
        token.or_else(|| {
            let mark: &PassedWithoutToken = extensions.get()?;
            Some(Self::Anonymous(Arc::clone(&mark.protection)))
        })
    }

    /// The settings of the layer that looked.
    fn protection(&self) -> Arc<Protection> {
        match self {
            Self::Anonymous(protection) => Arc::clone(protection),
            Self::Token(token) => {
                token.admitted().map(|admitted| Arc::clone(&admitted.protection)).unwrap_or_default()
            }
        }
    }

    /// As whom the caller owns sessions. None if it must not own any.
    fn owner(&self) -> Option<Owner<'_>> {
        match self {
            Self::Anonymous(_) => Some(Owner::Anonymous),
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
