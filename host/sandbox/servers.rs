//! `/servers` as programs see it: what the coordinator says about each server,
//! kept for the session and asked for anew when it may have changed.
//!
//! Nothing is asked before a program looks into a server's folder. Then the
//! coordinator is asked once for all files of that server, and later only
//! whether they are still the same. The folder `resources` in it is a part of
//! its own: nothing is read from a server because somebody looks at its tools.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use stubs::tree;

use crate::files::{Entry, Error, Generated, Kind, Source};
use contract::message::{CallError, Server, StubFile, Stubs};

/// The folder in a server's folder that is a part of its own.
const RESOURCES: &str = "resources";

/// How long an answer is taken for the present one. A server may change its
/// tools at any time; who walks through a tree looks at thousands of files.
const FRESH: Duration = Duration::from_millis(100);

/// The tree and what is known about its parts.
#[derive(Clone)]
pub(crate) struct ServerTree {
    generated: Arc<Generated>,
    known: Arc<Known>,
}

struct Known {
    servers: Arc<[Server]>,
    /// The files beside the servers' folders.
    root: Vec<StubFile>,
    parts: Mutex<HashMap<String, Part>>,
}

/// The folder of one server.
struct Part {
    version: Option<u64>,
    files: Arc<[StubFile]>,
    asked: Option<Instant>,
}

impl ServerTree {
    pub(crate) fn new(servers: Arc<[Server]>) -> Self {
        let known = Arc::new(Known {
            root: stubs_root(&servers),
            servers,
            parts: Mutex::default(),
        });
        Self {
            generated: Generated::new(Content(Arc::clone(&known))),
            known,
        }
    }

    /// The servers, whether they run or not.
    pub(crate) fn servers(&self) -> &[Server] {
        &self.known.servers
    }

    /// The volume to be mounted.
    pub(crate) fn volume(&self) -> Arc<Generated> {
        Arc::clone(&self.generated)
    }

    /// Whether the coordinator has to be asked about a part before somebody
    /// looks into it, and which version is known.
    pub(crate) fn stale(&self, part: &str) -> Option<Option<u64>> {
        if !self
            .known
            .servers
            .iter()
            .any(|server| server.identifier == server_of(part))
        {
            return None;
        }
        match self.known.parts().get(part) {
            Some(part) if part.asked.is_some_and(|asked| asked.elapsed() < FRESH) => None,
            Some(part) => Some(part.version),
            None => Some(None),
        }
    }

    /// Takes the coordinator's answer.
    pub(crate) fn update(&self, part: &str, answer: Result<Stubs, CallError>) {
        let asked = Some(Instant::now());
        let new = match answer {
            Ok(Stubs::Same) => {
                if let Some(part) = self.known.parts().get_mut(part) {
                    part.asked = asked;
                }
                return;
            }
            Ok(Stubs::Files { version, files }) => Part {
                version: Some(version),
                files,
                asked,
            },
            // Not a version: the next look asks again.
            Err(error) => Part {
                version: None,
                files: Arc::new([StubFile {
                    path: "README.md".into(),
                    text: tree::unavailable_readme(server_of(part), &error.message).into(),
                }]),
                asked,
            },
        };
        if let Some(known) = self.known.parts().get_mut(part)
            && known.files == new.files
        {
            (known.version, known.asked) = (new.version, asked);
            return;
        }
        self.known.parts().insert(part.to_owned(), new);
        self.generated.forget(part);
    }

    /// A tool was called, which may have changed any list of tools.
    pub(crate) fn expire(&self) {
        for part in self.known.parts().values_mut() {
            part.asked = None;
        }
    }
}

impl Known {
    fn parts(&self) -> MutexGuard<'_, HashMap<String, Part>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn files(&self, part: &str) -> Result<Arc<[StubFile]>, Error> {
        // Not asked for: the program changes something, which is refused
        // whatever there is.
        let parts = self.parts();
        parts
            .get(part)
            .map(|part| Arc::clone(&part.files))
            .ok_or(Error::ReadOnly)
    }
}

/// What the generated tree asks.
struct Content(Arc<Known>);

impl Source for Content {
    fn list(&self, path: &str) -> Result<Vec<Entry>, Error> {
        let entry = |name: &str, kind| Entry {
            name: name.into(),
            kind,
        };
        if path.is_empty() {
            let servers = self.0.servers.iter();
            let folders = servers.map(|server| entry(&server.identifier, Kind::Directory));
            let files = self.0.root.iter();
            let files = files.map(|file| entry(&file.path, Kind::File));
            return Ok(files.chain(folders).collect());
        }
        let part = self.part(path);
        let folder = match path[part.len()..].trim_start_matches('/') {
            "" => String::new(),
            folder => format!("{folder}/"),
        };
        let files = self.0.files(part)?;
        let mut seen = HashSet::new();
        let names = files
            .iter()
            .filter_map(|file| file.path.strip_prefix(&folder));
        let entries = names.map(|rest| match rest.split_once('/') {
            Some((name, _)) => entry(name, Kind::Directory),
            None => entry(rest, Kind::File),
        });
        Ok(entries
            .filter(|entry| seen.insert(entry.name.clone()))
            .collect())
    }

    fn read(&self, path: &str) -> Result<Bytes, Error> {
        let part;
        let (files, name) = match path.split_once('/') {
            Some(_) => {
                let place = self.part(path);
                part = self.0.files(place)?;
                (&*part, path[place.len()..].trim_start_matches('/'))
            }
            None => (&*self.0.root, path),
        };
        let file = files.iter().find(|file| file.path == name);
        Ok(file.ok_or(Error::NoEntry)?.text.clone())
    }

    fn part<'p>(&self, path: &'p str) -> &'p str {
        let server = server_of(path);
        let inside = path[server.len()..].strip_prefix('/').unwrap_or_default();
        match inside.split('/').next() {
            Some(RESOURCES) => &path[..server.len() + 1 + RESOURCES.len()],
            _ => server,
        }
    }
}

/// The identifier at the start of a path.
fn server_of(path: &str) -> &str {
    path.split('/').next().unwrap_or(path)
}

/// The files of `/servers` itself, beside the folders of these servers.
pub fn stubs_root(servers: &[Server]) -> Vec<StubFile> {
    let names = servers.iter().map(|server| server.identifier.as_str());
    tree::root_files(names)
        .into_iter()
        .map(|file| StubFile {
            path: file.path,
            text: file.text.into(),
        })
        .collect()
}
