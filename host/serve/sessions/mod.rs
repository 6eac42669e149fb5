//! Sessions by handle: variables and files that outlive one call.
//!
//! A handle is 256 random bits and works only for the caller that opened it;
//! for anybody else it does not exist. Only its digest is kept. Sessions end
//! when they are closed, unused or old, or when a newer one needs the room;
//! whoever comes back with the handle is told which.

pub(super) mod handle;
mod slot;

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use audit::{Origin, Recorder};
use tokio::runtime::Handle;

use super::Caller;
pub(super) use slot::SessionSlot;

/// Ended sessions whose end is remembered.
const MAX_REMEMBERED: usize = 1_000;

/// How many sessions there may be, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionBounds {
    /// Open at once. 64 by default.
    pub max_open: usize,
    /// Bytes that all of them together may hold: memories of interpreters and
    /// files. 2 GiB by default. Looked at when a session is opened or used.
    pub memory: u64,
    /// Unused for so long, a session ends. 30 minutes by default.
    pub idle: Duration,
    /// So old, a session ends. 12 hours by default.
    pub age: Duration,
}

impl Default for SessionBounds {
    fn default() -> Self {
        Self {
            max_open: 64,
            memory: 2 << 30,
            idle: Duration::from_secs(30 * 60),
            age: Duration::from_secs(12 * 60 * 60),
        }
    }
}

type Key = [u8; 32];

/// The open sessions of all callers.
#[derive(Clone)]
pub(super) struct Sessions {
    bounds: SessionBounds,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    recorder: Recorder,
    open: HashMap<Key, Entry>,
    /// The latest last.
    ended: VecDeque<(Key, Caller, End)>,
}

struct Entry {
    /// How the handle begins: enough to tell one's sessions apart.
    name: String,
    caller: Caller,
    /// The session in the audit record.
    origin: Origin,
    slot: Arc<SessionSlot>,
    opened: Instant,
    used: Instant,
}

impl Entry {
    /// Nobody runs a program in it or waits to.
    fn is_idle(&self) -> bool {
        Arc::strong_count(&self.slot) == 1
    }
}

/// Why a session is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Closed,
    Idle(Duration),
    Old(Duration),
    Evicted,
}

impl End {
    /// For the audit record.
    fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Idle(_) => "idle",
            Self::Old(_) => "old",
            Self::Evicted => "evicted",
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("it was closed"),
            Self::Idle(span) => write!(f, "it was not used for {}", minutes(*span)),
            Self::Old(span) => write!(f, "it was older than {}", minutes(*span)),
            Self::Evicted => {
                f.write_str("it was the one unused for longest when a new session needed its place")
            }
        }
    }
}

fn minutes(span: Duration) -> String {
    match span.as_secs() {
        seconds if seconds >= 120 => format!("{} minutes", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}

/// A session that cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum SessionError {
    #[error(
        "there is no session with this handle; open one with the tool `sessions`, or leave `session` out for a fresh sandbox"
    )]
    Unknown,
    #[error(
        "the session has ended: {0}; its variables and files are gone. Open another one with the tool `sessions`"
    )]
    Ended(String),
    #[error("all {0} sessions are busy; try again when one of them is done, or close one")]
    Full(usize),
}

/// A session that was opened.
pub(super) struct Opened {
    pub(super) handle: String,
    pub(super) slot: Arc<SessionSlot>,
    /// How many of the caller's sessions were ended for it.
    pub(super) evicted: usize,
}

/// A session as its caller sees it in a list.
pub(super) struct Listed {
    /// How the handle begins.
    pub(super) name: String,
    pub(super) age: Duration,
    pub(super) unused: Duration,
    pub(super) is_busy: bool,
    pub(super) files: u64,
    pub(super) bytes: u64,
    /// Tokens that direct calls would have cost more.
    pub(super) saved: i64,
}

impl Sessions {
    pub(super) fn new(bounds: SessionBounds, recorder: Recorder) -> Self {
        Self {
            bounds,
            inner: Arc::new(Mutex::new(Inner {
                recorder,
                open: HashMap::new(),
                ended: VecDeque::new(),
            })),
        }
    }

    /// Opens a session. Where there is no room, the idle one that was unused
    /// for longest is ended, those of the same caller first. Another caller's is
    /// ended only if that caller has more than this one.
    pub(super) fn open(
        &self,
        caller: Caller,
        slot: Arc<SessionSlot>,
    ) -> Result<Opened, SessionError> {
        let handle = handle::random();
        let evicted = {
            let mut inner = self.settled();
            let evicted = self.make_room(&mut inner, caller)?;
            let now = Instant::now();
            let origin = inner.origin(caller, &handle);
            inner.recorder.session_opened(origin);
            let entry = Entry {
                name: handle[..6].to_owned(),
                caller,
                origin,
                slot: Arc::clone(&slot),
                opened: now,
                used: now,
            };
            inner.open.insert(key(&handle), entry);
            evicted
        };
        self.watch(key(&handle));
        Ok(Opened {
            handle,
            slot,
            evicted,
        })
    }

    /// The session of a handle. It does not end as long as the result lives.
    pub(super) fn find(
        &self,
        caller: Caller,
        handle: &str,
    ) -> Result<Arc<SessionSlot>, SessionError> {
        let key = key(handle);
        let mut inner = self.settled();
        if let Some(entry) = inner.open.get_mut(&key)
            && entry.caller == caller
        {
            entry.used = Instant::now();
            return Ok(Arc::clone(&entry.slot));
        }
        Err(inner.refused(&key, caller, handle))
    }

    /// Notes that a session was used until now.
    pub(super) fn touch(&self, handle: &str) {
        if let Some(entry) = self.lock().open.get_mut(&key(handle)) {
            entry.used = Instant::now();
        }
    }

    /// Ends a session. A program that runs in it goes on to its end.
    pub(super) fn close(&self, caller: Caller, handle: &str) -> Result<(), SessionError> {
        let key = key(handle);
        let mut inner = self.settled();
        match inner.open.get(&key) {
            Some(entry) if entry.caller == caller => {
                inner.end(key, End::Closed);
                Ok(())
            }
            _ => Err(inner.refused(&key, caller, handle)),
        }
    }

    /// The caller's sessions, the one used last first.
    pub(super) fn list(&self, caller: Caller) -> Vec<Listed> {
        let inner = self.settled();
        let now = Instant::now();
        let mut listed: Vec<Listed> = inner
            .open
            .values()
            .filter(|entry| entry.caller == caller)
            .map(|entry| {
                let usage = entry.slot.workspace.usage();
                Listed {
                    name: entry.name.clone(),
                    age: now - entry.opened,
                    unused: now - entry.used,
                    is_busy: !entry.is_idle(),
                    files: usage.inodes,
                    bytes: entry.slot.bytes(),
                    saved: entry.slot.saved(),
                }
            })
            .collect();
        listed.sort_by_key(|listed| listed.unused);
        listed
    }

    /// How many are open, and the bytes they hold.
    pub(super) fn totals(&self) -> (usize, u64) {
        let inner = self.settled();
        let held = inner.open.values().map(|entry| entry.slot.bytes()).sum();
        (inner.open.len(), held)
    }

    /// Ends a session in time, also if nobody ever asks for one again.
    fn watch(&self, key: Key) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let (inner, bounds) = (Arc::downgrade(&self.inner), self.bounds);
        runtime.spawn(async move {
            loop {
                tokio::time::sleep(bounds.idle.min(bounds.age)).await;
                let Some(inner) = inner.upgrade() else {
                    return;
                };
                let sessions = Self { bounds, inner };
                if !sessions.settled().open.contains_key(&key) {
                    return;
                }
            }
        });
    }

    fn make_room(&self, inner: &mut Inner, caller: Caller) -> Result<usize, SessionError> {
        let mut evicted = 0;
        loop {
            let held: u64 = inner.open.values().map(|entry| entry.slot.bytes()).sum();
            if inner.open.len() < self.bounds.max_open && held < self.bounds.memory {
                return Ok(evicted);
            }
            let mut of_callers: HashMap<Caller, (usize, u64)> = HashMap::new();
            for entry in inner.open.values() {
                let (sessions, bytes) = of_callers.entry(entry.caller).or_default();
                *sessions += 1;
                *bytes += entry.slot.bytes();
            }
            let of = |caller: Caller| of_callers.get(&caller).copied().unwrap_or_default();
            let (sessions, bytes) = of(caller);
            let is_crowded = inner.open.len() >= self.bounds.max_open;
            let has_more = |other: Caller| match is_crowded {
                true => of(other).0 > sessions,
                false => of(other).1 > bytes,
            };
            let idle = inner.open.iter().filter(|(_, entry)| {
                entry.is_idle() && (entry.caller == caller || has_more(entry.caller))
            });
            let oldest = idle.min_by_key(|(_, entry)| (entry.caller != caller, entry.used));
            let Some((&key, entry)) = oldest else {
                return Err(SessionError::Full(inner.open.len()));
            };
            evicted += usize::from(entry.caller == caller);
            inner.end(key, End::Evicted);
        }
    }

    /// The sessions, after those ended whose time is over.
    fn settled(&self) -> MutexGuard<'_, Inner> {
        let mut inner = self.lock();
        let SessionBounds { idle, age, .. } = self.bounds;
        let now = Instant::now();
        let over: Vec<(Key, End)> = inner
            .open
            .iter()
            .filter(|(_, entry)| entry.is_idle())
            .filter_map(|(key, entry)| {
                let end = match entry {
                    entry if now - entry.opened >= age => End::Old(age),
                    entry if now - entry.used >= idle => End::Idle(idle),
                    _ => return None,
                };
                Some((*key, end))
            })
            .collect();
        for (key, end) in over {
            inner.end(key, end);
        }
        inner
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn end(&mut self, key: Key, end: End) {
        let Some(entry) = self.open.remove(&key) else {
            return;
        };
        let caller = entry.caller;
        self.recorder.session_ended(entry.origin, end.name());
        // Ending a sandbox takes a while, and the lock is held here.
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || drop(entry))),
            Err(_) => drop(entry),
        }
        if self.ended.len() == MAX_REMEMBERED {
            self.ended.pop_front();
        }
        self.ended.push_back((key, caller, end));
    }

    fn origin(&self, caller: Caller, handle: &str) -> Origin {
        Origin {
            run: None,
            session: self.recorder.session(handle),
            caller: self.recorder.caller(caller),
        }
    }

    /// Why a caller cannot have the session of a handle. The audit record knows
    /// more than the caller, and takes as long for a handle of nobody.
    fn refused(&self, key: &Key, caller: Caller, handle: &str) -> SessionError {
        let why = self.why_gone(key, caller);
        if why == SessionError::Unknown {
            let is_known = |known: &(Key, Caller, End)| known.0 == *key;
            let of_another = self.open.contains_key(key) || self.ended.iter().any(is_known);
            let origin = self.origin(caller, handle);
            self.recorder.session_refused(origin, of_another);
        }
        why
    }

    fn why_gone(&self, key: &Key, caller: Caller) -> SessionError {
        let known = self
            .ended
            .iter()
            .find(|(ended, of, _)| ended == key && *of == caller);
        match known {
            Some((_, _, end)) => SessionError::Ended(end.to_string()),
            None => SessionError::Unknown,
        }
    }
}

fn key(handle: &str) -> Key {
    *blake3::hash(handle.as_bytes()).as_bytes()
}

#[cfg(test)]
mod tests;
