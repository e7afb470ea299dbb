//! The instance of a service that was readied.

use std::mem;

/// Takes the instance that `poll_ready` readied, which is this one and none of its clones, and leaves a clone.
///
/// It is taken also for a request that is not served: dropped with it, it gives back the permit that it may hold.
pub(crate) fn take<S: Clone>(service: &mut S) -> S {
    let unready = service.clone();
    mem::replace(service, unready)
}
