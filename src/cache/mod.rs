//! Remembers the verdicts of any verifier, so that each token is verified once and not once for each request.
//!
//! 1. A token is looked up by its digest. A verdict is given from memory if it is not past its time to live (by the
//!    monotonic clock), the token is not past its expiry (by the wall clock, without leeway), and no key has been
//!    withdrawn since. Scopes and expiry are judged by the layer on every request besides.
//! 2. Else one verification is under way for the token at most, and everybody who asks meanwhile waits for its end. It
//!    is a task of its own: whoever goes away takes nothing with it. It may wait for a place among the upstream calls,
//!    and take so long and no longer; a panic in it is an answer too, and nobody can tell. Verifiers that answer
//!    without waiting are asked without all this.
//! 3. What is good is remembered until the time to live ends. What is definitely bad is remembered for seconds, in a
//!    place of its own, so that strangers with made-up tokens evict nothing. That nobody can tell is told to those who
//!    wait, and never remembered; neither is that a token is another verifier's, or not valid yet.
//! 4. An entry that is hit near its end is verified again in the background, while it goes on serving.
//! 5. Whatever is invalidated is gone when the method returns, what was under way included.
//!
//! ```
//! # use tower_bearer::{AccessToken, BearerToken, TokenVerifier, VerifyError};
//! # struct Introspection;
//! # impl TokenVerifier for Introspection {
//! #     async fn verify(&self, _: &BearerToken) -> Result<AccessToken, VerifyError> {
//! #         Ok(AccessToken::verified().subject("alice").build())
//! #     }
//! # }
//! use std::time::Duration;
//! use tower_bearer::{AuthLayer, CacheLayer};
//!
//! let layer = CacheLayer::builder().time_to_live(Duration::from_secs(60)).build()?;
//! let verifier = Introspection.cached(layer);
//! let cache = verifier.handle();
//! let auth = AuthLayer::new(verifier);
//! # let _ = auth;
//!
//! // In a webhook of the provider:
//! cache.invalidate(&BearerToken::new("gho_revoked").unwrap());
//! assert_eq!(cache.stats().entries(), 0);
//! # Ok::<(), tower_bearer::BuildError>(())
//! ```
//!
//! # Logs and metrics
//!
//! Each of these is a `tracing` event at trace level (fields `cache` and `event`), a counter of [`CacheStats`], and
//! with the feature `metrics` a counter `tower_bearer_cache_<event>_total` with the label `cache`: `hit`, `miss`,
//! `joined`, `rejected_from_memory`, `refreshed`, `refresh_failed`, `served_stale`, `turned_away`, `evicted`,
//! `invalidated`. The gauge `tower_bearer_cache_in_flight` says how many calls of the verifier are under way.
//!
//! # What it keeps
//!
//! Tokens are known by a digest that is keyed with a secret of each cache in each process: no token is kept, and no
//! digest is of use elsewhere. Claims are kept, as long as their entry is. One that is past its time goes when its
//! token is verified again, when it has to make room, or with the first verification of any token a minute or more
//! after the last such clean-up: a cache that hears nothing new keeps what it has.
//!
//! Around a chain, one cache does; around each of its members, a token that the first of them passes on is shown to it
//! each time, since that it is not mine is not remembered. A cache around a verifier that has caches inside adds their
//! times to live to its own, and invalidates nothing in them.

pub use self::cached::Cached;
pub use self::handle::CacheHandle;
pub use self::layer::{CacheLayer, CacheLayerBuilder};
pub use self::stats::CacheStats;

mod bounds;
mod cached;
mod core;
mod counters;
mod digest;
mod entry;
mod flights;
mod handle;
mod layer;
mod limit;
mod memory;
mod pool;
mod revocations;
mod stats;
