//! The sources of `tower-bearer`, with the locks and channels of a model checker in place of the real ones.
//!
//! 1. The modules are the files of the crate, from where they are. Two are replaced: `sync`, and `deadline`, since no
//!    model has a timer. So what is checked is what is released.
//! 2. With the feature `loom` every schedule is tried that needs no more than a few preemptions. loom knows no runtime, so
//!    a verification runs in its caller.
//! 3. With the feature `shuttle` schedules are random, tasks are spawned, and time limits run out when chance wants it.
//! 4. What neither checker knows (the pools of the cache, counters, digests, signatures) happens in one step, and
//!    [`sync::touch`] lets the checker choose when.
#![allow(dead_code, reason = "the middleware, which uses the rest, is part of no model")]
#![allow(
    clippy::large_enum_variant,
    clippy::result_large_err,
    reason = "the sources are checked where they belong, with locks of their real size"
)]

#[cfg(not(any(feature = "loom", feature = "shuttle")))]
compile_error!("choose a checker: the feature `loom` or `shuttle`");
#[cfg(all(feature = "loom", feature = "shuttle"))]
compile_error!("choose one checker: the feature `loom` or `shuttle`");

pub use self::sources::access_token::{self, AccessToken};
pub use self::sources::algorithm::{self, Algorithm};
pub use self::sources::bearer_token::{self, BearerToken};
pub use self::sources::cache::{self, CacheLayer};
pub use self::sources::error::{self, BuildError, Rejection, VerifyError};
pub use self::sources::scope::{self, ScopeSet};
pub use self::sources::verifier::{self, JwtVerifier, TokenVerifier};
pub use self::sources::{client, clock, jwks, secret};

use self::sources::{admitted, caught, discovery, endpoint, freshness, json, log, oid, rejection_body};

pub mod deadline;
pub mod sync;

#[path = "../../../src"]
mod sources {
    pub mod access_token;
    pub(crate) mod admitted;
    pub mod algorithm;
    pub mod bearer_token;
    pub mod cache;
    pub mod client;
    pub mod clock;
    pub mod error;
    pub mod jwks;
    pub mod scope;
    pub mod secret;
    pub mod verifier;

    pub(crate) mod caught;
    pub(crate) mod discovery;
    pub(crate) mod endpoint;
    pub(crate) mod freshness;
    pub(crate) mod json;
    pub(crate) mod log;
    pub(crate) mod oid;
    pub(crate) mod rejection_body;
}
