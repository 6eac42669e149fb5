//! Sessions by handle: variables and files that outlive one call.
//!
//! A handle is 256 random bits and works only for the caller that opened it;
//! for anybody else it does not exist. Only its digest is kept. Sessions end
//! when they are closed, unused or old, or when a newer one needs their place;
//! whoever comes back with the handle is told which.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicU64},
    time::{Duration, Instant},
};

use tokio::runtime::Handle;

use super::http::Caller;
use crate::{files::Workspace, session::Session};

/// Ended sessions whose end is remembered.
const MOST_REMEMBERED: usize = 1_000;

/// How many sessions there may be, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionBounds {
    /// Open at once. 64 by default.
    pub most: usize,
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
            most: 64,
            memory: 2 << 30,
            idle: Duration::from_secs(30 * 60),
            age: Duration::from_secs(12 * 60 * 60),
        }
    }
}

/// What all calls with one handle share.
pub(super) struct Cell {
    /// Locked while a program runs: one after the other.
    pub(super) session: tokio::sync::Mutex<Session>,
    /// Its files, also while a program runs.
    pub(super) workspace: Workspace,
    /// Tools that the user allowed for all of the session.
    pub(super) allowed: Arc<Mutex<HashSet<(String, String)>>>,
    /// What it saved so far.
    pub(super) totals: Mutex<crate::serve::meter::Totals>,
    /// Outputs kept so far.
    pub(super) kept: AtomicU64,
    /// Bytes of its interpreters after the last run.
    pub(super) memory: AtomicU64,
}

impl Cell {
    pub(super) fn new(session: Session) -> Arc<Self> {
        Arc::new(Self {
            workspace: session.workspace().clone(),
            session: tokio::sync::Mutex::new(session),
            allowed: Arc::default(),
            totals: Mutex::default(),
            kept: AtomicU64::new(0),
            memory: AtomicU64::new(0),
        })
    }

    fn saved(&self) -> i64 {
        let totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        totals.cost().saved
    }

    fn weight(&self) -> u64 {
        let memory = self.memory.load(std::sync::atomic::Ordering::Relaxed);
        memory + self.workspace.usage().bytes
    }
}

type Key = [u8; 32];

/// The open sessions of all callers.
#[derive(Clone)]
pub(super) struct Sessions {
    bounds: SessionBounds,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    open: HashMap<Key, Entry>,
    /// The latest last.
    ended: VecDeque<(Key, Caller, End)>,
}

struct Entry {
    /// How the handle begins: enough to tell one's sessions apart.
    name: String,
    caller: Caller,
    cell: Arc<Cell>,
    opened: Instant,
    used: Instant,
}

impl Entry {
    /// Nobody runs a program in it or waits to.
    fn is_idle(&self) -> bool {
        Arc::strong_count(&self.cell) == 1
    }
}

/// Why a session is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Closed,
    Idle(Duration),
    Old(Duration),
    GaveWay,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("it was closed"),
            Self::Idle(span) => write!(f, "it was not used for {}", minutes(*span)),
            Self::Old(span) => write!(f, "it was older than {}", minutes(*span)),
            Self::GaveWay => {
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
    pub(super) cell: Arc<Cell>,
    /// How many of the caller's sessions gave way.
    pub(super) gave_way: usize,
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
    pub(super) fn new(bounds: SessionBounds) -> Self {
        Self {
            bounds,
            inner: Arc::default(),
        }
    }

    /// Opens a session. Where there is no place, the idle one that was unused
    /// for longest gives way, those of the same caller first.
    pub(super) fn open(&self, caller: Caller, cell: Arc<Cell>) -> Result<Opened, SessionError> {
        let handle = random_handle();
        let gave_way = {
            let mut inner = self.settled();
            let gave_way = self.make_place(&mut inner, caller)?;
            let now = Instant::now();
            let entry = Entry {
                name: handle[..6].to_owned(),
                caller,
                cell: Arc::clone(&cell),
                opened: now,
                used: now,
            };
            inner.open.insert(key(&handle), entry);
            gave_way
        };
        self.watch(key(&handle));
        Ok(Opened {
            handle,
            cell,
            gave_way,
        })
    }

    /// The session of a handle. It does not end as long as the result lives.
    pub(super) fn find(&self, caller: Caller, handle: &str) -> Result<Arc<Cell>, SessionError> {
        let key = key(handle);
        let mut inner = self.settled();
        if let Some(entry) = inner.open.get_mut(&key)
            && entry.caller == caller
        {
            entry.used = Instant::now();
            return Ok(Arc::clone(&entry.cell));
        }
        Err(inner.why_gone(&key, caller))
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
            _ => Err(inner.why_gone(&key, caller)),
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
                let usage = entry.cell.workspace.usage();
                Listed {
                    name: entry.name.clone(),
                    age: now - entry.opened,
                    unused: now - entry.used,
                    is_busy: !entry.is_idle(),
                    files: usage.inodes,
                    bytes: entry.cell.weight(),
                    saved: entry.cell.saved(),
                }
            })
            .collect();
        listed.sort_by_key(|listed| listed.unused);
        listed
    }

    /// How many are open, and the bytes they hold.
    pub(super) fn totals(&self) -> (usize, u64) {
        let inner = self.settled();
        let weight = inner.open.values().map(|entry| entry.cell.weight()).sum();
        (inner.open.len(), weight)
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

    fn make_place(&self, inner: &mut Inner, caller: Caller) -> Result<usize, SessionError> {
        let mut gave_way = 0;
        loop {
            let weight: u64 = inner.open.values().map(|entry| entry.cell.weight()).sum();
            if inner.open.len() < self.bounds.most && weight < self.bounds.memory {
                return Ok(gave_way);
            }
            let idle = inner.open.iter().filter(|(_, entry)| entry.is_idle());
            let oldest = idle.min_by_key(|(_, entry)| (entry.caller != caller, entry.used));
            let Some((&key, entry)) = oldest else {
                return Err(SessionError::Full(inner.open.len()));
            };
            gave_way += usize::from(entry.caller == caller);
            inner.end(key, End::GaveWay);
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
        // Ending a sandbox takes a while, and the lock is held here.
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || drop(entry))),
            Err(_) => drop(entry),
        }
        if self.ended.len() == MOST_REMEMBERED {
            self.ended.pop_front();
        }
        self.ended.push_back((key, caller, end));
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

/// 256 bits in the alphabet of URLs, 43 characters: fewer tokens than digits.
pub(super) fn random_handle() -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the system has random numbers");
    let mut handle = String::with_capacity(43);
    let (mut bits, mut held) = (0, 0_u32);
    for byte in bytes {
        held = held << 8 | u32::from(byte);
        bits += 8;
        while bits >= 6 {
            bits -= 6;
            handle.push(char::from(ALPHABET[(held >> bits & 63) as usize]));
        }
    }
    handle.push(char::from(ALPHABET[(held << (6 - bits) & 63) as usize]));
    handle
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Engine, EngineOptions, SessionOptions, Toolbox};

    const ANNA: Caller = Caller([1; 32]);
    const BERT: Caller = Caller([2; 32]);

    fn cell() -> Arc<Cell> {
        let engine = Engine::new(EngineOptions::default()).unwrap();
        let options = SessionOptions::default();
        Cell::new(Session::new(&engine, Toolbox::default(), options))
    }

    fn sessions(bounds: SessionBounds) -> Sessions {
        Sessions::new(bounds)
    }

    #[test]
    fn a_handle_is_long_and_works_for_its_caller_only() {
        let sessions = sessions(SessionBounds::default());
        let opened = sessions.open(ANNA, cell()).unwrap();
        assert_eq!(opened.handle.len(), 43);
        assert!(Arc::ptr_eq(
            &sessions.find(ANNA, &opened.handle).unwrap(),
            &opened.cell
        ));
        let other = sessions.find(BERT, &opened.handle);
        assert_eq!(other.err(), Some(SessionError::Unknown));
        let other = sessions.close(BERT, &opened.handle);
        assert_eq!(other, Err(SessionError::Unknown));
        assert_eq!(sessions.close(ANNA, &opened.handle), Ok(()));
        let ended = sessions.find(ANNA, &opened.handle).err().unwrap();
        assert_eq!(ended, SessionError::Ended("it was closed".to_owned()));
        assert_eq!(
            sessions.close(BERT, &opened.handle),
            Err(SessionError::Unknown)
        );
    }

    #[test]
    fn the_one_unused_for_longest_gives_way_and_busy_ones_stay() {
        let sessions = sessions(SessionBounds {
            most: 2,
            ..SessionBounds::default()
        });
        let first = sessions.open(ANNA, cell()).unwrap();
        let second = sessions.open(ANNA, cell()).unwrap().handle;
        let third = sessions.open(BERT, cell()).unwrap();
        // The first was busy, because `first` holds it.
        let why = sessions.find(ANNA, &second).err().unwrap().to_string();
        assert!(why.contains("unused for longest"), "{why}");
        assert!(sessions.find(ANNA, &first.handle).is_ok());
        let full = sessions.open(ANNA, cell()).err();
        assert_eq!(full, Some(SessionError::Full(2)));
        drop((first, third));
        let fourth = sessions.open(BERT, cell()).unwrap();
        assert_eq!(fourth.gave_way, 1, "one's own sessions go first");
    }

    #[test]
    fn sessions_end_unused_or_old_but_never_while_busy() {
        let span = Duration::from_millis(20);
        for (idle, age) in [(span, 100 * span), (100 * span, span)] {
            let sessions = sessions(SessionBounds {
                idle,
                age,
                ..SessionBounds::default()
            });
            let opened = sessions.open(ANNA, cell()).unwrap();
            std::thread::sleep(2 * span);
            assert_eq!(sessions.totals().0, 1, "it is busy");
            let Opened { handle, cell, .. } = opened;
            drop(cell);
            assert_eq!(sessions.totals().0, 0);
            assert!(matches!(
                sessions.find(ANNA, &handle),
                Err(SessionError::Ended(_))
            ));
        }
    }

    #[tokio::test]
    async fn a_session_that_nobody_asks_for_ends_all_the_same() {
        let sessions = sessions(SessionBounds {
            idle: Duration::from_millis(20),
            ..SessionBounds::default()
        });
        let cell = cell();
        let held = Arc::downgrade(&cell);
        drop(sessions.open(ANNA, cell).unwrap());
        let deadline = Instant::now() + Duration::from_secs(5);
        while held.strong_count() > 0 {
            assert!(Instant::now() < deadline, "its memory is given back");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    #[test]
    fn what_sessions_hold_together_is_bounded() {
        let sessions = sessions(SessionBounds {
            memory: 1_000,
            ..SessionBounds::default()
        });
        let heavy = sessions.open(ANNA, cell()).unwrap();
        heavy.cell.workspace.write_file("a", &[0; 2_000]).unwrap();
        let handle = heavy.handle;
        drop(heavy.cell);
        assert_eq!(sessions.open(ANNA, cell()).unwrap().gave_way, 1);
        assert!(sessions.find(ANNA, &handle).is_err());
    }
}
