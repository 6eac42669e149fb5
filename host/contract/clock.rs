//! How long a run or a call may take, without the time in which a person is
//! asked on its behalf: how long somebody thinks is not for a program to pay.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

/// How long one clock can stand still in all. A server that asks again and
/// again must not keep a program for ever.
const MAX_STOPPED: Duration = Duration::from_secs(15 * 60);

/// The clock of one run or call.
#[derive(Debug)]
pub struct Clock {
    inner: Mutex<Inner>,
    /// The clock was stopped, or goes on.
    changed: Notify,
}

#[derive(Debug)]
struct Inner {
    end: Instant,
    /// How many ask just now.
    asking: usize,
    /// Since when somebody asks.
    since: Instant,
    /// How long the clock can still be stopped.
    spare: Duration,
}

/// The clock stands still while this lives.
#[derive(Debug)]
pub struct Stopped(Arc<Clock>);

impl Clock {
    /// Runs from now on.
    pub fn new(time: Duration) -> Arc<Self> {
        let now = Instant::now();
        Arc::new(Self {
            inner: Mutex::new(Inner {
                end: now + time,
                asking: 0,
                since: now,
                spare: MAX_STOPPED,
            }),
            changed: Notify::new(),
        })
    }

    /// Stops the clock, which may be stopped already.
    pub fn stop(self: &Arc<Self>) -> Stopped {
        let mut inner = self.lock();
        if inner.asking == 0 {
            inner.since = Instant::now();
        }
        inner.asking += 1;
        drop(inner);
        self.changed.notify_waiters();
        Stopped(Arc::clone(self))
    }

    /// What the future gives, unless the time is over before.
    pub async fn limit<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            result = future => Some(result),
            () = self.runs_out() => None,
        }
    }

    /// Whether the time is over.
    pub fn has_run_out(&self) -> bool {
        Instant::now() >= self.lock().end()
    }

    /// Ends when the time is over.
    async fn runs_out(&self) {
        loop {
            let changed = self.changed.notified();
            let end = self.lock().end();
            if tokio::time::timeout_at(end.into(), changed).await.is_err() {
                return;
            }
        }
    }

    /// Nothing is half done while it is locked.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// When the time is over, if nothing happens until then.
    fn end(&self) -> Instant {
        match self.asking {
            0 => self.end,
            _ => self.end + self.spare,
        }
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let mut inner = self.0.lock();
        inner.asking -= 1;
        if inner.asking == 0 {
            let stopped = inner.since.elapsed().min(inner.spare);
            inner.end += stopped;
            inner.spare -= stopped;
        }
        drop(inner);
        self.0.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_time_in_which_somebody_is_asked_does_not_count() {
        let span = Duration::from_millis(60);
        let clock = Clock::new(span);
        let began = Instant::now();
        let asking = {
            let clock = Arc::clone(&clock);
            async move {
                let (first, second) = (clock.stop(), clock.stop());
                tokio::time::sleep(span).await;
                drop(first);
                tokio::time::sleep(2 * span).await;
                drop(second);
                std::future::pending::<()>().await;
            }
        };
        assert_eq!(clock.limit(asking).await, None);
        assert!(began.elapsed() >= 4 * span - Duration::from_millis(5));
    }

    #[tokio::test]
    async fn what_is_done_in_time_is_not_cut() {
        let clock = Clock::new(Duration::from_millis(5));
        assert_eq!(clock.limit(async { 7 }).await, Some(7));
        let endless = clock.limit(std::future::pending::<()>());
        assert_eq!(endless.await, None);
        assert!(clock.has_run_out());
    }
}
