//! What no variable can say.

use std::sync::Arc;

use crate::client::HttpClient;
use crate::clock::Clock;

/// The client and the clock, if they are named.
#[derive(Clone, Debug, Default)]
pub(super) struct Surroundings {
    pub(super) client: Option<Arc<dyn HttpClient>>,
    pub(super) clock: Option<Arc<dyn Clock>>,
}
