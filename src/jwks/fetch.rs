//! Fetches the keys of an issuer.

use std::time::{Duration, SystemTime};

use http::Uri;

use super::key_set::{JwkSet, Kind};
use crate::discovery::Issuer;
use crate::error::VerifyError;
use crate::freshness;

/// Keys as they were fetched, and for how long the issuer says that they are fresh.
#[derive(Debug)]
pub(crate) struct FetchedKeys {
    pub(crate) set: JwkSet,
    pub(crate) max_age: Option<Duration>,
}

/// Fetches the keys from their address.
pub(crate) async fn fetch(issuer: &Issuer, uri: &Uri, now: SystemTime) -> Result<FetchedKeys, VerifyError> {
    let (headers, body) = issuer.get(uri, now).await?;
    let set = JwkSet::parse(&body, Kind::Public)
        .map_err(|_| VerifyError::unavailable("the answer is not a JWK set with a usable key"))?;
    Ok(FetchedKeys { set, max_age: freshness::max_age(&headers) })
}
