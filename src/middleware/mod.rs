//! The law: what happens to a request, in this order.
//!
//! 1. An [`AccessToken`](crate::AccessToken) that is already in the extensions is removed. A request for the
//!    [metadata](crate::metadata) of the [`resource`](AuthLayerBuilder::resource) is answered, whoever sends it. A CORS
//!    preflight (`OPTIONS` with `Origin` and `Access-Control-Request-Method`) passes.
//! 2. There is exactly one `Authorization: Bearer` credential, else 401 without a code (none, or another scheme) or
//!    400 `invalid_request` (a second line, a list, trailing data, no token, more than 16 KiB). A token with
//!    characters that no token has is a bad token. Query, body and cookies are never read.
//! 3. The verifier accepts it, else 401 `invalid_token`; if nobody can tell, 503 with `Retry-After` and no challenge.
//! 4. It is not past its expiry plus the leeway of the verifier that vouched for it, else 401.
//! 5. It has every required scope, by itself or by the [hierarchy](AuthLayerBuilder::scope_hierarchy), else 403
//!    `insufficient_scope`, naming all of them.
//! 6. The `AccessToken` goes into the extensions, the `Authorization` value goes back marked sensitive (or is removed,
//!    by a setter), and the inner service is called: the instance that was ready, never a clone of it.
//!
//! With [`grpc`](AuthLayerBuilder::grpc) a gRPC call gets the same decision as an answer in gRPC.
//!
//! The decision is made when the request arrives, before its body is polled; a stream that outlives its token goes on.
//! In HTTP/1 a rejection that leaves a body unread says so by `Connection: close`, since the server will close it.
//!
//! What only some routes or operations demand is checked inside, by the layers of [`require`](crate::require) or by the
//! handler itself with [`require_scopes`](crate::AccessToken::require_scopes). A layer that limits concurrency belongs
//! outside of this one where it has to bound verifications too: inside, its permit is held while a verifier is asked.
//!
//! ```
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_bearer::{AccessToken, AuthLayer, BearerToken, TokenVerifier, VerifyError};
//!
//! struct Anyone;
//!
//! impl TokenVerifier for Anyone {
//!     async fn verify(&self, _: &BearerToken) -> Result<AccessToken, VerifyError> {
//!         Ok(AccessToken::verified().subject("somebody").build())
//!     }
//! }
//!
//! # async fn run() {
//! let service = ServiceBuilder::new()
//!     .layer(AuthLayer::new(Anyone))
//!     .service_fn(async |request: http::Request<String>| {
//!         let token: &AccessToken = request.extensions().get().expect("the layer put it there");
//!         Ok::<_, std::convert::Infallible>(http::Response::new(token.subject().unwrap_or("?").to_owned()))
//!     });
//! let response = service.oneshot(http::Request::new(String::new())).await.unwrap();
//! assert_eq!(response.status(), 401);
//! assert_eq!(response.headers()["www-authenticate"], "Bearer realm=\"api\"");
//! # }
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(run());
//! ```

pub use self::builder::AuthLayerBuilder;
pub use self::future::ResponseFuture;
pub use self::layer::AuthLayer;
pub use self::service::Auth;
pub use crate::rejection_body::RejectionBody;
pub use crate::response_body::ResponseBody;

mod builder;
mod decision_log;
mod future;
mod layer;
mod policy;
mod service;
mod watch;
