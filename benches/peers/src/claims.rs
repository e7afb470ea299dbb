//! The claims of an access token as a user of the peers would write them down: all that RFC 9068 asks for is required.

use serde::Deserialize;

/// Stands for the whole: a peer that takes a type for its claims refuses what does not fit into it.
#[derive(Clone, Debug, Deserialize)]
#[expect(dead_code, reason = "nobody reads them here, but they have to be there")]
pub(crate) struct Claims {
    iss: String,
    aud: Audience,
    exp: u64,
    sub: String,
    client_id: String,
    iat: u64,
    jti: String,
    scope: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
#[expect(dead_code, reason = "nobody reads them here, but they have to be there")]
enum Audience {
    One(String),
    Many(Vec<String>),
}
