//! How many verifications a cache has under way at once, and how many wait for their turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::deadline::within;

/// The places of one cache.
pub(super) struct Limit {
    places: Arc<Semaphore>,
    background: Arc<Semaphore>,
    queue: AtomicUsize,
    longest_queue: usize,
    longest_wait: Duration,
}

/// A place. Dropped, it is free again.
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
    _background: Option<OwnedSemaphorePermit>,
}

impl Place {
    fn new(permit: OwnedSemaphorePermit) -> Self {
        Self { _permit: permit, _background: None }
    }
}

/// Somebody in the queue.
struct Turn<'a>(&'a AtomicUsize);

impl Limit {
    pub(super) fn new(places: usize, longest_queue: usize, longest_wait: Duration) -> Self {
        let background = Arc::new(Semaphore::new((places / 2).max(1)));
        let places = Arc::new(Semaphore::new(places));
        Self { places, background, queue: AtomicUsize::new(0), longest_queue, longest_wait }
    }

    /// A free place for work in the background, which never has more than half of them.
    pub(super) fn background_place(&self) -> Option<Place> {
        let background = Arc::clone(&self.background).try_acquire_owned().ok()?;
        Some(Place { _background: Some(background), ..self.free_place()? })
    }

    fn free_place(&self) -> Option<Place> {
        Arc::clone(&self.places).try_acquire_owned().ok().map(Place::new)
    }

    /// Waits for a place. None: too many wait already, or it took too long.
    pub(super) async fn place(&self) -> Option<Place> {
        if let Some(place) = self.free_place() {
            return Some(place);
        }
        let turn = self.queue_up()?;
        let permit = within(self.longest_wait, Arc::clone(&self.places).acquire_owned()).await;
        drop(turn);
        permit.and_then(Result::ok).map(Place::new)
    }

    fn queue_up(&self) -> Option<Turn<'_>> {
        let turn = Turn(&self.queue);
        let before = self.queue.fetch_add(1, Ordering::AcqRel);
        (before < self.longest_queue).then_some(turn)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
