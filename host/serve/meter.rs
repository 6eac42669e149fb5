//! The token meter: what a run put into the model's context, and what the same
//! work would have put there by direct calls.
//!
//! Direct calls cost the definitions of the servers that were used, the
//! arguments a model would have written, and every result. A run costs its code
//! and what came back. Results are counted on a thread of their own while the
//! program runs, so that counting is not waited for where it can be helped.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use serde::Serialize;
use tokio::sync::Notify;

use super::tokens;
use ::tools::Toolbox;
use contract::text::cut;

/// Bytes of one text that are counted; a longer one is taken to go on as it
/// began.
const MAX_COUNTED: usize = 1 << 20;

/// Bytes that may wait to be counted, of all runs. Beyond, only a beginning of
/// each text is.
const MAX_WAITING: usize = 32 << 20;
const BEGINNING: usize = 16 << 10;

/// How long the end of a run waits for the count.
const COUNT_TIMEOUT: Duration = Duration::from_millis(500);

/// What work cost, in tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Cost {
    /// What the model got.
    pub(super) returned: u64,
    /// The code it wrote.
    pub(super) code: u64,
    /// Definitions, arguments and results by direct calls.
    pub(super) direct: u64,
    /// The difference; negative where direct calls would have cost less.
    pub(super) saved: i64,
}

impl Cost {
    pub(super) fn new(returned: u64, code: u64, direct: u64) -> Self {
        let spent = i64::try_from(returned + code).unwrap_or(i64::MAX);
        let direct_signed = i64::try_from(direct).unwrap_or(i64::MAX);
        Self {
            returned,
            code,
            direct,
            saved: direct_signed - spent,
        }
    }

    fn add(&mut self, other: Self) {
        self.returned += other.returned;
        self.code += other.code;
        self.direct += other.direct;
        self.saved += other.saved;
    }
}

/// What several runs cost together. The definitions of a server are in a
/// context once, however often it is used.
#[derive(Debug, Default)]
pub(super) struct Totals {
    cost: Cost,
    /// The servers whose definitions are in it, with what these cost.
    servers: HashMap<String, u64>,
}

impl Totals {
    /// Adds a run and gives the sum.
    pub(super) fn add(&mut self, run: &Counted, returned: u64, code: u64) -> Cost {
        let mut direct = run.calls;
        for (server, tokens) in &run.definitions {
            if self.servers.insert(server.clone(), *tokens).is_none() {
                direct += tokens;
            }
        }
        self.cost.add(Cost::new(returned, code, direct));
        self.cost
    }

    pub(super) fn cost(&self) -> Cost {
        self.cost
    }
}

/// What direct calls would have cost.
#[derive(Debug, Clone, Default)]
pub(super) struct Counted {
    /// Arguments and results.
    pub(super) calls: u64,
    /// By server.
    pub(super) definitions: Vec<(String, u64)>,
    /// Some of it is an estimate: a text was too long or a count too late.
    pub(super) is_estimate: bool,
}

impl Counted {
    pub(super) fn direct(&self) -> u64 {
        let definitions: u64 = self.definitions.iter().map(|(_, tokens)| tokens).sum();
        self.calls + definitions
    }
}

/// Counts texts on a thread of its own, and definitions once.
pub(super) struct Counter {
    texts: OnceLock<mpsc::Sender<Job>>,
    waiting: Arc<AtomicUsize>,
    /// By server: the version of its definitions, and their tokens.
    definitions: Mutex<HashMap<String, (u64, u64)>>,
}

struct Job {
    text: String,
    /// Of the whole, where `text` is its beginning.
    bytes: usize,
    tally: Arc<Tally>,
}

/// The calls of one run.
#[derive(Default)]
pub(super) struct Tally {
    tokens: AtomicU64,
    is_estimate: AtomicBool,
    waiting: AtomicUsize,
    waiting_bytes: AtomicUsize,
    counted: Notify,
}

impl Counter {
    pub(super) fn new() -> Self {
        Self {
            texts: OnceLock::new(),
            waiting: Arc::default(),
            definitions: Mutex::default(),
        }
    }

    /// Adds a text to a tally.
    pub(super) fn count(&self, tally: &Arc<Tally>, text: &str) {
        let is_full = self.waiting.load(Ordering::Relaxed) > MAX_WAITING;
        let kept = if is_full { BEGINNING } else { MAX_COUNTED };
        let bytes = text.len();
        let text = cut(text, kept);
        tally.waiting.fetch_add(1, Ordering::Relaxed);
        tally.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.waiting.fetch_add(text.len(), Ordering::Relaxed);
        let job = Job {
            bytes,
            text: text.to_owned(),
            tally: Arc::clone(tally),
        };
        // The thread ends only with the process.
        let _ = self.thread().send(job);
    }

    fn thread(&self) -> &mpsc::Sender<Job> {
        self.texts.get_or_init(|| {
            let (sender, jobs) = mpsc::channel::<Job>();
            let waiting = Arc::clone(&self.waiting);
            let work = move || {
                for job in jobs {
                    waiting.fetch_sub(job.text.len(), Ordering::Relaxed);
                    job.run();
                }
            };
            let thread = std::thread::Builder::new().name("tokens".into());
            thread.spawn(work).expect("a thread can be started");
            sender
        })
    }

    /// Everything that direct calls to these servers would have cost.
    pub(super) async fn settle(
        &self,
        tally: &Tally,
        servers: Vec<String>,
        toolbox: &Toolbox,
    ) -> Counted {
        let mut definitions = Vec::new();
        for server in servers {
            let tokens = self.definitions_of(&server, toolbox).await;
            definitions.push((server, tokens));
        }
        let (calls, is_estimate) = tally.total().await;
        Counted {
            calls,
            definitions,
            is_estimate,
        }
    }

    /// The tokens of a server's tool definitions, as a client would show them
    /// to its model.
    pub(super) async fn definitions_of(&self, server: &str, toolbox: &Toolbox) -> u64 {
        let Some(version) = toolbox.known_version(server) else {
            return 0;
        };
        if let Some((known, tokens)) = self.lock().get(server)
            && *known == version
        {
            return *tokens;
        }
        let text = toolbox.known_definitions(server).unwrap_or_default();
        let counted = tokio::task::spawn_blocking(move || tokens::count(&text) as u64);
        let tokens = counted.await.unwrap_or_default();
        self.lock().insert(server.to_owned(), (version, tokens));
        tokens
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (u64, u64)>> {
        self.definitions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Job {
    fn run(self) {
        let mut tokens = tokens::count(&self.text) as u64;
        if self.text.len() < self.bytes {
            let (bytes, counted) = (self.bytes as u64, self.text.len() as u64);
            tokens = tokens * bytes / counted.max(1);
            self.tally.is_estimate.store(true, Ordering::Relaxed);
        }
        self.tally.tokens.fetch_add(tokens, Ordering::Relaxed);
        self.tally
            .waiting_bytes
            .fetch_sub(self.bytes, Ordering::Relaxed);
        if self.tally.waiting.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.tally.counted.notify_waiters();
        }
    }
}

impl Tally {
    /// The tokens, and whether they are an estimate. Does not wait for long.
    async fn total(&self) -> (u64, bool) {
        let all = async {
            loop {
                let counted = self.counted.notified();
                if self.waiting.load(Ordering::Acquire) == 0 {
                    return;
                }
                counted.await;
            }
        };
        let is_late = tokio::time::timeout(COUNT_TIMEOUT, all).await.is_err();
        // What was not counted: four bytes are about one token.
        let rest = if is_late {
            self.waiting_bytes.load(Ordering::Relaxed) as u64 / 4
        } else {
            0
        };
        let is_estimate = is_late || self.is_estimate.load(Ordering::Relaxed);
        (self.tokens.load(Ordering::Relaxed) + rest, is_estimate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_run_is_measured_against_definitions_arguments_and_results() {
        let counter = Counter::new();
        let tally = Arc::new(Tally::default());
        let text = "one two three ".repeat(1_000);
        counter.count(&tally, &text);
        counter.count(&tally, "{}");
        let counted = counter
            .settle(&tally, Vec::new(), &Toolbox::default())
            .await;
        let expected = tokens::count(&text) + tokens::count("{}");
        assert_eq!(counted.calls, expected as u64);
        assert!(!counted.is_estimate);
        let long = "one two three ".repeat(200_000);
        let tally = Arc::new(Tally::default());
        counter.count(&tally, &long);
        let (estimate, is_estimate) = tally.total().await;
        let exact = tokens::count(&long) as f64;
        assert!((estimate as f64 / exact - 1.0).abs() < 0.01 || is_estimate);
        assert!(is_estimate, "it is longer than what is counted");
    }

    #[test]
    fn definitions_count_once_in_a_total_and_savings_can_be_negative() {
        let run = Counted {
            calls: 100,
            definitions: vec![("git".to_owned(), 1_000)],
            is_estimate: false,
        };
        assert_eq!(run.direct(), 1_100);
        let mut totals = Totals::default();
        assert_eq!(totals.add(&run, 10, 20).saved, 1_070);
        assert_eq!(totals.add(&run, 10, 20).saved, 1_140);
        let idle = Cost::new(30, 10, 0);
        assert_eq!(idle.saved, -40);
    }
}
