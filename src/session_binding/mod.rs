//! An MCP session belongs to the principal that opened it.
//!
//! A session id alone must not give access to a session ([MCP 2025-06-18, Session Hijacking]): whoever learns one, from
//! a log or a proxy, could otherwise go on with somebody else's session under a token of their own.
//! [`SessionBinding`] goes between [`AuthLayer`](crate::AuthLayer) and the MCP server:
//!
//! 1. A response that names a session in `Mcp-Session-Id: <id>` reaches the client as `<id>.<tag>`. The tag, 64
//!    hexadecimal digits, is a MAC of the owner and the id.
//! 2. The owner is the [principal](crate::AccessToken::principal) of the token: issuer and subject, or issuer and client
//!    where no user is involved. Another token of the same principal, such as a refreshed one, is as good. All requests
//!    that [`optional`](crate::middleware::AuthLayerBuilder::optional) lets through without a token have one owner
//!    together, which no token is.
//! 3. A request that names a session needs the tag of its owner, else it is answered with 404, as one whose session
//!    does not exist: the client then opens a new one. The same goes for an id that is there twice, empty, cut, forged
//!    or without a tag. The server sees `<id>`. A request that names none passes.
//! 4. A token without a principal owns nothing: where the server opens a session for it, the client gets 403 instead.
//!    The server keeps that session until its own time limit. Where it names two ids, or one that is not visible ASCII
//!    of at most 1 024 characters, the client gets 500, and the log an error.
//! 5. Where no [`AuthLayer`](crate::AuthLayer) is outside, everything is answered with 500, and at most once a minute
//!    the log says so.
//!
//! Nothing is remembered: there is nothing to fill up or to evict, instances that share a key accept each other's
//! sessions, and the tags of a server that stores its sessions outlive its restart. When a session ends is the server's
//! business, as is how many it opens. An id stays the same for as long as the session.
//!
//! MCP 2026-07-28 has no sessions; its requests and responses pass untouched.
//!
//! # Security
//!
//! Only the header is bound. What else stands for a session or a stream is not: session ids in a query (HTTP+SSE of
//! 2024-11-05), tasks, and event ids of a server that takes `Last-Event-ID` without a session. Where verifiers name no
//! issuer, their subjects share one name space: two people with the same subject are one owner.
//!
//! # Example
//!
//! ```
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_bearer::verifier::StaticTokens;
//! use tower_bearer::{AccessToken, AuthLayer, SessionBinding};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let token = |subject: &str| AccessToken::verified().subject(subject).build();
//! let tokens = [("a-long-token-of-alice", token("alice")), ("a-long-token-of-bob", token("bob"))];
//!
//! let server = ServiceBuilder::new()
//!     .layer(AuthLayer::new(StaticTokens::new(tokens)?))
//!     .layer(SessionBinding::new())
//!     .service_fn(async |_: http::Request<String>| {
//!         http::Response::builder().header("mcp-session-id", "1868a90c").body(String::new())
//!     });
//! let request = |token: &str| http::Request::builder().header("authorization", format!("Bearer {token}"));
//!
//! let response = server.clone().oneshot(request("a-long-token-of-alice").body(String::new())?).await?;
//! let session = &response.headers()["mcp-session-id"];
//! let again = request("a-long-token-of-alice").header("mcp-session-id", session).body(String::new())?;
//! assert_eq!(server.clone().oneshot(again).await?.status(), 200);
//! let stolen = request("a-long-token-of-bob").header("mcp-session-id", session).body(String::new())?;
//! assert_eq!(server.oneshot(stolen).await?.status(), 404);
//! # Ok(()) }
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(run()).unwrap();
//! ```
//!
//! [MCP 2025-06-18, Session Hijacking]: https://modelcontextprotocol.io/specification/2025-06-18/basic/security_best_practices#session-hijacking

pub use self::future::BoundSessionsFuture;
pub use self::layer::{SessionBinding, SessionBindingBuilder};
pub use self::service::BoundSessions;

mod future;
mod layer;
mod policy;
mod service;
mod tag;
