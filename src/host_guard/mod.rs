//! Which hosts a request may be for, and which pages may send it: against DNS rebinding.
//!
//! A server on the loopback interface is open to every page in a browser of the same machine: the page lets the name
//! of its own host point to `127.0.0.1`, and its requests arrive here, for that host
//! ([MCP 2025-06-18, Security Warning]). [`HostGuard`] goes outside of everything else, also of
//! [`AuthLayer`](crate::AuthLayer):
//!
//! 1. There is one host: the authority of the URI (HTTP/2, absolute form) or the only `Host` line. Where there are both
//!    they agree.
//! 2. It is on the list of hosts: the same name whatever the case, or the same address, and the same port where the list
//!    names one. A `Host` without a port is at that of its scheme.
//! 3. There is no `Origin`, or one, and it is on the list of origins: the same scheme, host and port.
//!
//! Else the answer is 403 without a challenge, since no credential would help: no verifier is asked, and no CORS layer
//! inside adds a header. The first in a minute is a warning in the log, with the value; others are at debug level.
//!
//! Nothing is guessed: user information, a final dot, an empty port, an address in another form than four decimal
//! numbers or IPv6 in brackets, two lines, a list are all refused. `Forwarded` and `X-Forwarded-Host` are not read;
//! behind a proxy, list the host that the proxy sends.
//!
//! rmcp's `StreamableHttpService` has a list of hosts of its own, of loopback names only, and answers 403 to all others:
//! a public server sets `StreamableHttpServerConfig::with_allowed_hosts` too.
//!
//! # Example
//!
//! ```
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_bearer::HostGuard;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let server = ServiceBuilder::new()
//!     .layer(HostGuard::loopback())
//!     // here: `CorsLayer`, `AuthLayer`, `SessionBinding`
//!     .service_fn(async |_: http::Request<String>| Ok::<_, http::Error>(http::Response::new(String::new())));
//!
//! let rebound = http::Request::builder().header("host", "evil.example:8000").body(String::new())?;
//! assert_eq!(server.clone().oneshot(rebound).await?.status(), 403);
//! let local = http::Request::builder().header("host", "localhost:8000").body(String::new())?;
//! assert_eq!(server.oneshot(local).await?.status(), 200);
//!
//! let public = HostGuard::builder()
//!     .hosts(["mcp.example.com"])
//!     .origins(["https://app.example.com"])
//!     .build()?;
//! # let _ = public;
//! # Ok(()) }
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(run()).unwrap();
//! ```
//!
#![doc = include_str!("../../docs/browsers.md")]
//!
//! [MCP 2025-06-18, Security Warning]: https://modelcontextprotocol.io/specification/2025-06-18/basic/transports#security-warning

pub use self::layer::{HostGuard, HostGuardBuilder};
pub use self::service::GuardedHost;
pub use crate::answer_future::AnswerFuture;

mod authority;
mod layer;
mod policy;
mod service;
