//! What a handler demands of its token.

use http::request::Parts;

use crate::access_token::AccessToken;
use crate::admitted::Protection;
use crate::answer;
use crate::error::{Rejection, RejectionKind};
use crate::passed::{self, PassedWithoutToken};
use crate::scope::ScopeSet;

impl AccessToken {
    /// The token of the request whose head this is: for handlers that do not get the request itself, such as the tools
    /// of an MCP server.
    ///
    /// Whoever came without a token can only be answered 401 before the handler runs: an MCP client that should log in
    /// needs a layer that is not [`optional`](crate::middleware::AuthLayerBuilder::optional).
    ///
    /// # Errors
    ///
    /// - the request came without a token, or no layer is around the service:
    ///   [`MissingToken`](RejectionKind::MissingToken)
    pub fn from_parts(parts: &Parts) -> Result<&Self, Rejection> {
        parts.extensions.get().ok_or_else(|| {
            let kind = RejectionKind::MissingToken;
            if let Some(mark) = parts.extensions.get::<PassedWithoutToken>() {
                return answer::of_a_handler(kind, &mark.protection, &ScopeSet::default());
            }
            passed::missing_layer();
            Rejection::new(kind)
        })
    }

    /// Whether the token has all of these scopes, as the
    /// [hierarchy](crate::middleware::AuthLayerBuilder::scope_hierarchy) of its layer sees it. What is not a scope,
    /// nobody has.
    #[must_use]
    pub fn has_scopes<T: AsRef<str>>(&self, scopes: impl IntoIterator<Item = T>) -> bool {
        scopes.into_iter().all(|scope| self.has_scope(scope.as_ref()))
    }

    /// Demands the scopes of an operation, in the handler that performs it: for the tools of an MCP server, and
    /// wherever the operation is not known before the body has been read.
    ///
    /// ```
    /// # use http::request::Parts;
    /// # use tower_bearer::AccessToken;
    /// // A tool of rmcp, whose argument is `Extension(parts): Extension<Parts>`. Where its errors are `ErrorData`:
    /// // `.map_err(|rejection| ErrorData::invalid_request(rejection.to_string(), None))?`
    /// async fn delete(parts: Parts) -> Result<String, String> {
    ///     AccessToken::from_parts(&parts)?.require_scopes(["files:delete"])?;
    ///     Ok("deleted".to_owned())
    /// }
    /// ```
    ///
    /// If they are not all there, the handler has to stop with the rejection. If the layer knows its
    /// [`resource`](crate::middleware::AuthLayerBuilder::resource), or speaks
    /// [`grpc`](crate::middleware::AuthLayerBuilder::grpc), it then answers 403 `insufficient_scope` in place of the
    /// handler, whatever that says, which makes clients ask for more. The challenge names all scopes that the layer,
    /// the layers of the route and the handler have demanded. The layer can do so as long as the head of the answer has
    /// not left:
    ///
    /// - The handler is awaited for the head, which is the rule: always.
    /// - An answer of MCP is a stream of events, which may begin before its handler runs: the layer keeps the head back
    ///   until scopes were demanded or the handler has let go of the token, for one second at most. A tool should demand
    ///   its scopes first. (Without a timer of tokio nothing is kept back.)
    /// - After that the client gets what the handler makes of the rejection: of MCP an error.
    ///
    /// In a layer without either, a handler answers by itself: the rejection is a response of axum, and its
    /// [`challenge`](Rejection::challenge) goes into any other; demand all scopes of an operation in one call then.
    ///
    /// [`has_scopes`](Self::has_scopes) asks without consequences. Write the scopes of an operation yourself: what is
    /// read from a request would end in a challenge. Of scopes of more than 1 900 bytes the challenge names the first.
    ///
    /// # Errors
    ///
    /// - a scope is missing: [`InsufficientScope`](RejectionKind::InsufficientScope)
    pub fn require_scopes<T: AsRef<str>>(
        &self,
        scopes: impl IntoIterator<Item = T>,
    ) -> Result<(), Rejection> {
        let mut is_enough = true;
        let scopes = ScopeSet::from_iter(scopes.into_iter().inspect(|scope| {
            is_enough &= self.has_scope(scope.as_ref());
        }));
        if let Some(admitted) = self.admitted() {
            admitted.report(&scopes, is_enough);
        }
        if is_enough { Ok(()) } else { Err(self.lacking(&scopes)) }
    }

    fn has_scope(&self, scope: &str) -> bool {
        match self.admitted() {
            Some(admitted) => admitted.protection.hierarchy.grants(self.scopes(), scope),
            None => self.scopes().contains(scope),
        }
    }

    fn lacking(&self, scopes: &ScopeSet) -> Rejection {
        let kind = RejectionKind::InsufficientScope;
        match self.admitted() {
            Some(admitted) => {
                let protection = &admitted.protection;
                let wanted = admitted.wanted_with(&protection.named(scopes));
                answer::of_a_handler(kind, protection, &wanted)
            }
            None => answer::of_a_handler(kind, &Protection::default(), scopes),
        }
    }
}
