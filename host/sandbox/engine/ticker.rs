//! The clock that lets running guests notice deadlines and cancellation.
//!
//! One thread for each engine advances its epoch while anything runs, sleeps
//! otherwise, and ends with the last handle.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::Duration;

use wasmtime::Engine;

/// How late a guest that only computes may notice its deadline. Short enough
/// to share a core fairly, long enough to cost nothing.
const TICK: Duration = Duration::from_millis(5);

/// Who advances the epoch of an engine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ticks {
    /// A thread of the engine.
    #[default]
    Thread,
    /// Whoever made the engine, by `Engine::tick`: every few milliseconds while
    /// anything runs.
    Outside,
}

/// Advances an engine's epoch while guests run.
pub(crate) struct Ticker {
    ticks: Ticks,
    shared: Arc<Shared>,
    engine: Engine,
    thread: OnceLock<Thread>,
}

struct Shared {
    running: AtomicUsize,
}

/// Keeps the epoch advancing for as long as it lives.
pub(crate) struct Ticking {
    shared: Arc<Shared>,
}

impl Ticker {
    pub(crate) fn new(engine: &Engine, ticks: Ticks) -> Self {
        Self {
            ticks,
            shared: Arc::new(Shared {
                running: AtomicUsize::new(0),
            }),
            engine: engine.clone(),
            thread: OnceLock::new(),
        }
    }

    /// Ticks until the returned guard is dropped.
    pub(crate) fn start(&self) -> Ticking {
        let before = self.shared.running.fetch_add(1, Ordering::SeqCst);
        if self.ticks == Ticks::Thread {
            let thread = self.thread.get_or_init(|| self.spawn());
            if before == 0 {
                thread.unpark();
            }
        }
        Ticking {
            shared: Arc::clone(&self.shared),
        }
    }

    fn spawn(&self) -> Thread {
        let shared = Arc::downgrade(&self.shared);
        let engine = self.engine.weak();
        std::thread::Builder::new()
            .name("epoch".into())
            .stack_size(64 << 10)
            .spawn(move || {
                loop {
                    // The engine and the ticker may be gone at any time: hold
                    // neither while asleep.
                    let Some(running) = shared.upgrade().map(|s| s.running.load(Ordering::SeqCst))
                    else {
                        return;
                    };
                    if running == 0 {
                        std::thread::park();
                        continue;
                    }
                    std::thread::sleep(TICK);
                    let Some(engine) = engine.upgrade() else {
                        return;
                    };
                    engine.increment_epoch();
                }
            })
            .expect("the operating system can start one thread")
            .thread()
            .clone()
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        // A parked thread has to look once more to see that it is over. The
        // shared count is gone by then because this was its last owner, apart
        // from guards of runs that are being dropped as well.
        let shared = std::mem::replace(
            &mut self.shared,
            Arc::new(Shared {
                running: AtomicUsize::new(0),
            }),
        );
        drop(shared);
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}

impl Drop for Ticking {
    fn drop(&mut self) {
        self.shared.running.fetch_sub(1, Ordering::SeqCst);
    }
}
