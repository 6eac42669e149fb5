//! The one who writes: events in, lines out, under one lock; and a thread that
//! brings them to the disk.
//!
//! The lock is held for the time of one call of the system, never while anybody
//! waits for the disk.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::anomalies::{Anomalies, Anomaly, Finding};
use crate::chain::{Chain, Chores, Found};
use crate::clock::Clock;
use crate::event::{Event, cause, name};
use crate::folds::{self, Folded, Folds};
use crate::key::{Key, Tag};
use crate::options::{Arguments, Options};
use crate::recorder::{Counts, NotRecorded};

/// Records reach the disk within this time.
const TO_DISK: Duration = Duration::from_secs(1);

/// That records are lost is said in the log once in this time.
const SAY_LOST: Duration = Duration::from_secs(60);

/// Calls of a killed process that get a record each.
const MAX_UNKNOWN: usize = 1_000;

pub(crate) struct Writer {
    pub(crate) key: Key,
    clock: Clock,
    pub(crate) arguments: Arguments,
    required: bool,
    state: Mutex<State>,
    /// The thread has something to do.
    work: Condvar,
    pub(crate) runs: AtomicU64,
    pub(crate) calls: AtomicU64,
    written: AtomicU64,
    lost: AtomicU64,
    unknown: AtomicU64,
    anomalies: [AtomicU64; Anomaly::ALL.len()],
}

struct State {
    chain: Chain,
    anomalies: Anomalies,
    folds: Folds,
    /// Records since the last one that said how many were lost.
    lost: u64,
    why_lost: String,
    /// When that was said in the log.
    said_lost: Option<Duration>,
    /// Something is not on the disk yet.
    is_dirty: bool,
    is_closed: bool,
}

impl Writer {
    /// Has a chain to write to, and says first in which state it was found.
    pub(crate) fn new(
        key: Key,
        chain: Chain,
        found: &Found,
        options: &Options,
    ) -> io::Result<Self> {
        let writer = Self {
            key,
            clock: options.clock.clone(),
            arguments: options.arguments,
            required: options.required,
            state: Mutex::new(State {
                chain,
                anomalies: Anomalies::default(),
                folds: Folds::default(),
                lost: 0,
                why_lost: String::new(),
                said_lost: None,
                is_dirty: false,
                is_closed: false,
            }),
            work: Condvar::new(),
            runs: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            written: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            unknown: AtomicU64::new(0),
            anomalies: Default::default(),
        };
        writer.begin(options, found)?;
        Ok(writer)
    }

    pub(crate) fn counts(&self) -> Counts {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts {
            written: count(&self.written),
            lost: count(&self.lost),
            unknown: count(&self.unknown),
            anomalies: self.anomalies.each_ref().map(count),
        }
    }

    fn begin(&self, options: &Options, found: &Found) -> io::Result<()> {
        let configuration = options
            .configuration
            .as_ref()
            .map(|path| path.to_string_lossy());
        let arguments = match options.arguments {
            Arguments::Shapes => "shapes",
            Arguments::Full => "full",
        };
        let now = self.clock.now();
        let mut state = self.state();
        state.chain.begin(now)?;
        state.chain.append(
            now,
            &Event::Opened {
                program: name(&options.program),
                version: env!("CARGO_PKG_VERSION"),
                pid: std::process::id(),
                configuration: configuration.as_deref().map(cause),
                arguments,
                key: self.key.id(),
                unclosed: found.unclosed,
                torn: found.torn,
                missing: found.missing,
                headless: found.headless,
                others: &found.others,
            },
        )?;
        self.written.store(state.chain.written(), Ordering::Relaxed);
        let unknown = found.open.len() as u64;
        self.unknown.fetch_add(unknown, Ordering::Relaxed);
        for call in found.open.iter().take(MAX_UNKNOWN) {
            let event = Event::CallUnknown {
                of: call.seq,
                server: &call.server,
                tool: &call.tool,
            };
            self.write(&mut state, &event);
        }
        // Nobody waits for the disk when a program starts.
        state.is_dirty = true;
        drop(state);
        if unknown > 0 {
            let message = "an earlier process ended before it knew what became of calls of tools";
            tracing::warn!(calls = unknown, "{message}");
        }
        if found.missing > 0 || found.headless {
            let missing = found.missing;
            tracing::error!(
                missing,
                "the audit record was tampered with, or the disk lost a part of it"
            );
        }
        Ok(())
    }

    pub(crate) fn required(&self, event: &Event<'_>) -> Result<(), NotRecorded> {
        if self.record(event) || !self.required {
            Ok(())
        } else {
            Err(NotRecorded)
        }
    }

    /// Records something, and what is unusual with it. False if that failed.
    pub(crate) fn record(&self, event: &Event<'_>) -> bool {
        let mut state = self.state();
        let is_written = self.write(&mut state, event);
        let now = self.clock.now().monotonic;
        let found = state.anomalies.look(now, event);
        for finding in &found {
            self.write(&mut state, &finding.event());
        }
        self.wake(state);
        found.iter().for_each(|finding| self.tell(finding));
        is_written
    }

    pub(crate) fn fold(&self, folded: Folded) {
        let now = self.clock.now().monotonic;
        let mut state = self.state();
        let due = state.folds.due(now, false);
        let passes = state.folds.passes(now, folded);
        for (folded, times) in due {
            self.write(&mut state, &folded.event(times));
        }
        // What is not written is still looked at.
        let event = folded.event(1);
        if passes {
            self.write(&mut state, &event);
        }
        let found = state.anomalies.look(now, &event);
        for finding in &found {
            self.write(&mut state, &finding.event());
        }
        self.wake(state);
        found.iter().for_each(|finding| self.tell(finding));
    }

    /// Writes one record, after one that says what was lost before.
    fn write(&self, state: &mut State, event: &Event<'_>) -> bool {
        let now = self.clock.now();
        let mut done = Ok(());
        if state.lost > 0 {
            let event = Event::Lost {
                records: state.lost,
                torn: state.chain.torn(),
                error: cause(&state.why_lost),
            };
            done = state.chain.append(now, &event);
            if done.is_ok() {
                state.lost = 0;
            }
        }
        let done = done.and_then(|()| state.chain.append(now, event));
        self.written.store(state.chain.written(), Ordering::Relaxed);
        state.is_dirty = true;
        match done {
            Ok(()) => true,
            Err(error) => {
                state.lost += 1;
                let lost = self.lost.fetch_add(1, Ordering::Relaxed) + 1;
                state.why_lost = error.to_string();
                let is_due = state
                    .said_lost
                    .is_none_or(|said| now.monotonic.saturating_sub(said) >= SAY_LOST);
                if is_due {
                    state.said_lost = Some(now.monotonic);
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(error, lost, "the audit record cannot be written");
                }
                false
            }
        }
    }

    fn tell(&self, finding: &Finding) {
        let index = Anomaly::ALL
            .iter()
            .position(|kind| *kind == finding.anomaly);
        if let Some(count) = index.and_then(|index| self.anomalies.get(index)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let shown = |tag: Option<Tag>| tag.map_or("-".to_owned(), |tag| tag.to_string());
        tracing::warn!(
            anomaly = finding.anomaly.name(),
            session = shown(finding.origin.session),
            caller = shown(finding.origin.caller),
            server = finding.server,
            tool = finding.tool,
            count = finding.count,
            place = finding.place,
            "something unusual is in the audit record"
        );
    }

    pub(crate) fn end(&self) {
        let now = self.clock.now().monotonic;
        let mut state = self.state();
        for (folded, times) in state.folds.due(now, true) {
            self.write(&mut state, &folded.event(times));
        }
        let event = Event::Closed {
            records: self.written.load(Ordering::Relaxed) + 1,
            lost: self.lost.load(Ordering::Relaxed),
        };
        self.write(&mut state, &event);
        state.is_closed = true;
        self.wake(state);
    }

    /// Lets go of the lock, and wakes the thread if it has something to do.
    fn wake(&self, state: MutexGuard<'_, State>) {
        drop(state);
        // Costs nothing as long as nobody waits.
        self.work.notify_one();
    }

    /// What the thread does until the end.
    pub(crate) fn bring_to_disk(&self) {
        loop {
            let mut state = self.state();
            while !state.is_dirty && !state.is_closed {
                let wait = if state.folds.are_held() {
                    folds::SPAN
                } else {
                    Duration::MAX
                };
                state = self.wait(state, wait, |state| !state.is_dirty && !state.is_closed);
                self.write_due(&mut state);
            }
            state = self.wait(state, TO_DISK, |state| !state.is_closed);
            self.write_due(&mut state);
            state.is_dirty = false;
            let is_last = state.is_closed;
            let chores = state.chain.chores();
            drop(state);
            self.finish(&chores);
            if is_last {
                return;
            }
        }
    }

    fn wait<'s>(
        &self,
        state: MutexGuard<'s, State>,
        time: Duration,
        goes_on: impl FnMut(&mut State) -> bool,
    ) -> MutexGuard<'s, State> {
        let waited = self.work.wait_timeout_while(state, time, goes_on);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn write_due(&self, state: &mut State) {
        let now = self.clock.now().monotonic;
        for (folded, times) in state.folds.due(now, false) {
            self.write(state, &folded.event(times));
        }
    }

    fn finish(&self, chores: &Chores) {
        if let Err(error) = chores.run() {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "the audit record is not on the disk");
        }
        if !chores.is_in_place() {
            let now = self.clock.now();
            let mut state = self.state();
            tracing::error!("the file of the audit record was removed or replaced");
            if let Err(error) = state.chain.replace_file(now) {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "the audit record cannot go on in a new file");
            }
            self.written.store(state.chain.written(), Ordering::Relaxed);
            state.is_dirty = true;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing is half done while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Finding {
    fn event(&self) -> Event<'_> {
        Event::Anomaly {
            anomaly: self.anomaly.name(),
            origin: self.origin,
            server: &self.server,
            tool: &self.tool,
            count: self.count,
            place: &self.place,
        }
    }
}
