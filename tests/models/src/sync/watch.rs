//! The part of tokio's `watch` that the sources use, out of parts that loom knows.

use std::fmt;
use std::future::poll_fn;
use std::ops::Deref;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use loom::sync::{Mutex, MutexGuard};

struct Channel<T> {
    value: T,
    version: u64,
    receivers: usize,
    // The sender is gone.
    is_closed: bool,
    // Those who wait for a value, and those who wait until nobody does.
    waiting: Vec<Waker>,
    closing: Vec<Waker>,
}

type Shared<T> = Arc<Mutex<Channel<T>>>;

pub(crate) struct Sender<T>(Shared<T>);

pub(crate) struct Receiver<T> {
    shared: Shared<T>,
    seen: u64,
}

/// A look at the value, which does not change meanwhile.
pub(crate) struct Ref<'a, T>(MutexGuard<'a, Channel<T>>);

/// The sender is gone.
#[derive(Debug)]
pub(crate) struct RecvError;

pub(crate) fn channel<T>(value: T) -> (Sender<T>, Receiver<T>) {
    let sender = Sender::new(value);
    let receiver = sender.subscribe();
    (sender, receiver)
}

impl<T> Sender<T> {
    pub(crate) fn new(value: T) -> Self {
        let channel = Channel {
            value,
            version: 0,
            receivers: 0,
            is_closed: false,
            waiting: Vec::new(),
            closing: Vec::new(),
        };
        Self(Arc::new(Mutex::new(channel)))
    }

    pub(crate) fn send_replace(&self, value: T) -> T {
        let mut channel = lock(&self.0);
        let old = std::mem::replace(&mut channel.value, value);
        channel.version += 1;
        let waiting = std::mem::take(&mut channel.waiting);
        drop(channel);
        waiting.into_iter().for_each(Waker::wake);
        old
    }

    pub(crate) fn subscribe(&self) -> Receiver<T> {
        let mut channel = lock(&self.0);
        channel.receivers += 1;
        Receiver { shared: Arc::clone(&self.0), seen: channel.version }
    }

    pub(crate) fn receiver_count(&self) -> usize {
        lock(&self.0).receivers
    }

    pub(crate) async fn closed(&self) {
        poll_fn(|context| {
            let mut channel = lock(&self.0);
            if channel.receivers == 0 {
                return Poll::Ready(());
            }
            register(&mut channel.closing, context);
            Poll::Pending
        })
        .await;
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut channel = lock(&self.0);
        channel.is_closed = true;
        let waiting = std::mem::take(&mut channel.waiting);
        drop(channel);
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl<T> Receiver<T> {
    pub(crate) async fn wait_for(
        &mut self,
        mut is_wanted: impl FnMut(&T) -> bool,
    ) -> Result<Ref<'_, T>, RecvError> {
        let (shared, seen) = (&self.shared, &mut self.seen);
        poll_fn(|context| {
            let mut channel = lock(shared);
            *seen = channel.version;
            if is_wanted(&channel.value) {
                return Poll::Ready(Ok(Ref(channel)));
            }
            if channel.is_closed {
                return Poll::Ready(Err(RecvError));
            }
            register(&mut channel.waiting, context);
            Poll::Pending
        })
        .await
    }

    pub(crate) fn has_changed(&self) -> Result<bool, RecvError> {
        let channel = lock(&self.shared);
        if channel.is_closed { Err(RecvError) } else { Ok(channel.version != self.seen) }
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        lock(&self.shared).receivers += 1;
        Self { shared: Arc::clone(&self.shared), seen: self.seen }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut channel = lock(&self.shared);
        channel.receivers -= 1;
        let nobody = channel.receivers == 0;
        let closing = if nobody { std::mem::take(&mut channel.closing) } else { Vec::new() };
        drop(channel);
        closing.into_iter().for_each(Waker::wake);
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}

impl<T> Deref for Ref<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

fn lock<T>(shared: &Mutex<Channel<T>>) -> MutexGuard<'_, Channel<T>> {
    shared.lock().expect("nobody panics while holding it")
}

fn register(wakers: &mut Vec<Waker>, context: &Context<'_>) {
    if !wakers.iter().any(|waker| waker.will_wake(context.waker())) {
        wakers.push(context.waker().clone());
    }
}
