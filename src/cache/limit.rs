//! How many verifications a cache has under way at once, and how many wait for their turn.
//!
//! While nobody can tell about tokens, the last eighth of the places is handed out one at a time: the next one when the
//! last has ended, or has been under way for some time. A provider that hangs would otherwise hold all places until
//! their time limit, which is the same for all that were taken at once, and nobody would find out meanwhile that it has
//! come back.

use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::deadline::within;

/// The places of one cache.
pub(super) struct Limit {
    places: Arc<Semaphore>,
    reserve: Arc<Semaphore>,
    // The last verification told nothing.
    is_in_trouble: AtomicBool,
    // The right to take the next place of the reserve in times of trouble.
    gate: Arc<Semaphore>,
    interval: Duration,
    background: Arc<Semaphore>,
    // Of those whose token nobody knows yet one at a time is at the head of the queue: the others go first.
    stranger: Semaphore,
    queue: AtomicUsize,
    longest_queue: usize,
    longest_wait: Duration,
}

/// A place. Dropped, it is free again.
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
    _background: Option<OwnedSemaphorePermit>,
    // Of the reserve: says that it has ended.
    _under_way: Option<oneshot::Sender<()>>,
}

impl Place {
    fn new(permit: OwnedSemaphorePermit) -> Self {
        Self { _permit: permit, _background: None, _under_way: None }
    }
}

/// Somebody in the queue.
struct Turn<'a>(&'a AtomicUsize);

impl Limit {
    /// `timeout` is how long a verification may hold its place.
    pub(super) fn new(
        places: usize,
        longest_queue: usize,
        longest_wait: Duration,
        timeout: Duration,
    ) -> Self {
        let reserved = places / 8;
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Self {
            places: semaphore(places - reserved),
            reserve: semaphore(reserved),
            is_in_trouble: AtomicBool::new(false),
            gate: semaphore(1),
            interval: timeout / 8,
            background: semaphore((places / 2).max(1)),
            stranger: Semaphore::new(1),
            queue: AtomicUsize::new(0),
            longest_queue,
            longest_wait,
        }
    }

    /// A free place for work in the background, which never has more than half of them.
    pub(super) fn background_place(&self) -> Option<Place> {
        let background = Arc::clone(&self.background).try_acquire_owned().ok()?;
        Some(Place { _background: Some(background), ..self.free_place()? })
    }

    fn free_place(&self) -> Option<Place> {
        let free = |places: &Arc<Semaphore>| Arc::clone(places).try_acquire_owned().ok().map(Place::new);
        let reserve = || if self.is_in_trouble() { None } else { free(&self.reserve) };
        free(&self.places).or_else(reserve)
    }

    /// Notes whether a verification told something.
    pub(super) fn note(&self, told: bool) {
        if self.is_in_trouble() == told {
            self.is_in_trouble.store(!told, Ordering::Release);
        }
    }

    fn is_in_trouble(&self) -> bool {
        self.is_in_trouble.load(Ordering::Acquire)
    }

    /// Waits for a place. None: too many wait already, or it took too long.
    ///
    /// Whoever brings a token that was good a while ago goes before all strangers, however many there are.
    pub(super) async fn place(&self, is_known: bool) -> Option<Place> {
        if let Some(place) = self.free_place() {
            return Some(place);
        }
        let turn = self.queue_up()?;
        let place = async {
            let _head = if is_known { None } else { self.stranger.acquire().await.ok() };
            either(self.waited_place(), self.reserved_place()).await
        };
        let place = within(self.longest_wait, place).await;
        drop(turn);
        place
    }

    async fn waited_place(&self) -> Place {
        match Arc::clone(&self.places).acquire_owned().await {
            Ok(permit) => Place::new(permit),
            Err(_) => pending().await,
        }
    }

    async fn reserved_place(&self) -> Place {
        let gate = Arc::clone(&self.gate).acquire_owned().await;
        let permit = Arc::clone(&self.reserve).acquire_owned().await;
        let (Ok(runtime), Ok(gate), Ok(permit)) = (Handle::try_current(), gate, permit) else {
            return pending().await;
        };
        if !self.is_in_trouble() {
            return Place::new(permit);
        }
        let (under_way, ended) = oneshot::channel();
        let interval = self.interval;
        runtime.spawn(async move {
            let _ = within(interval, ended).await;
            drop(gate);
        });
        Place { _under_way: Some(under_way), ..Place::new(permit) }
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

/// The first of two that is ready.
async fn either<T>(first: impl Future<Output = T>, second: impl Future<Output = T>) -> T {
    let (mut first, mut second) = (pin!(first), pin!(second));
    poll_fn(|context| match first.as_mut().poll(context) {
        Poll::Pending => second.as_mut().poll(context),
        ready @ Poll::Ready(_) => ready,
    })
    .await
}
