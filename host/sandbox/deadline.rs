//! When a run has to be over, and the times that do not count.
//!
//! While all of a program waits and a person is asked on its behalf, the clock
//! stands still: how long somebody thinks is not for the program to pay. Shared
//! by the guest's epoch callback, the outer timer and the link.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// How long the clock of one run can stand still in all. A server that asks
/// again and again must not keep a run for ever.
const MOST_STOPPED: Duration = Duration::from_secs(15 * 60);

/// The end of one run.
#[derive(Clone)]
pub(super) struct Deadline(Arc<Shared>);

struct Shared {
    inner: Mutex<Inner>,
    /// The clock was stopped, or goes on.
    changed: Notify,
}

struct Inner {
    at: Instant,
    stopped_at: Option<Instant>,
    /// How long the clock can still be stopped.
    spare: Duration,
}

impl Inner {
    /// When the time is over, if nothing happens until then.
    fn end(&self) -> Instant {
        match self.stopped_at {
            Some(_) => self.at + self.spare,
            None => self.at,
        }
    }

    fn go_on(&mut self) {
        if let Some(stopped_at) = self.stopped_at.take() {
            let stopped = stopped_at.elapsed().min(self.spare);
            self.at += stopped;
            self.spare -= stopped;
        }
    }
}

/// The clock stands still while this lives.
pub(super) struct Stopped(Deadline);

impl Deadline {
    /// In this time from now.
    pub(super) fn after(time: Duration) -> Self {
        Self(Arc::new(Shared {
            inner: Mutex::new(Inner {
                at: Instant::now() + time,
                stopped_at: None,
                spare: MOST_STOPPED,
            }),
            changed: Notify::new(),
        }))
    }

    /// Whether the time is over.
    pub(super) fn has_passed(&self) -> bool {
        Instant::now() >= self.lock().end()
    }

    /// Ends when the time is over.
    pub(super) async fn pass(&self) {
        loop {
            let changed = self.0.changed.notified();
            let end = self.lock().end();
            if tokio::time::timeout_at(end.into(), changed).await.is_err() && self.has_passed() {
                return;
            }
        }
    }

    /// Stops the clock. One at a time may do so.
    pub(super) fn stop(&self) -> Stopped {
        self.lock().stopped_at.get_or_insert_with(Instant::now);
        self.0.changed.notify_waiters();
        Stopped(self.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        self.0.lock().go_on();
        self.0.0.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn stopped_time_does_not_count() {
        let span = Duration::from_millis(60);
        let deadline = Deadline::after(span);
        let began = Instant::now();
        let waiting = {
            let deadline = deadline.clone();
            tokio::spawn(async move {
                deadline.pass().await;
                began.elapsed()
            })
        };
        let stopped = deadline.stop();
        tokio::time::sleep(3 * span).await;
        assert!(!deadline.has_passed());
        drop(stopped);
        assert!(!deadline.has_passed());
        assert!(waiting.await.unwrap() >= 4 * span - Duration::from_millis(5));
        assert!(deadline.has_passed());
    }
}
