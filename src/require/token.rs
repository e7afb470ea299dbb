//! What a handler demands of its token.

use http::request::Parts;

use crate::access_token::AccessToken;
use crate::admitted::Protection;
use crate::answer;
use crate::error::{Rejection, RejectionKind};
use crate::passed::PassedWithoutToken;
use crate::scope::ScopeSet;

impl AccessToken {
    /// The token of the request whose head this is: for handlers that do not get the request itself, such as the tools
    /// of an MCP server.
    ///
    /// # Errors
    ///
    /// - the request came without a token, or no layer is around the service:
    ///   [`MissingToken`](RejectionKind::MissingToken)
    pub fn from_parts(parts: &Parts) -> Result<&Self, Rejection> {
        parts.extensions.get().ok_or_else(|| {
            let kind = RejectionKind::MissingToken;
            let Some(mark) = parts.extensions.get::<PassedWithoutToken>() else {
                return Rejection::new(kind);
            };
            let challenge = answer::challenge(kind, &mark.protection, &mark.protection.scopes);
            Rejection::new(kind).with_challenge(challenge.to_header_value())
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
    /// If they are not all there, the handler has to stop with the rejection. If the layer knows its
    /// [`resource`](crate::middleware::AuthLayerBuilder::resource), it then answers 403 `insufficient_scope` in place of
    /// the handler, which makes clients ask for more; the challenge names all scopes that were demanded in vain and
    /// those that the layer requires. It can do so as long as the head of the answer has not left:
    ///
    /// - The handler is awaited for the head, which is the rule: always.
    /// - An answer of MCP is a stream of events, which may begin before its handler runs: the layer keeps the head back
    ///   until scopes were demanded or the handler has let go of the token, for 100 milliseconds at most. A tool should
    ///   demand its scopes first.
    /// - After that the client gets what the handler makes of the rejection: of MCP an error.
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
            admitted.report((!is_enough).then_some(&scopes));
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
        let standard = Protection::default();
        let protection = self.admitted().map_or(&standard, |admitted| &admitted.protection);
        let kind = RejectionKind::InsufficientScope;
        let challenge = answer::challenge(kind, protection, &protection.scopes_with(scopes));
        Rejection::new(kind).with_challenge(challenge.to_header_value())
    }
}
