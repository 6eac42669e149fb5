//! The tools of a server as they were listed in an earlier run, kept in a
//! folder, so that a search need not wait for servers that start slowly.
//!
//! A file is named by a digest of how the server is reached, and holds what the
//! server said of its tools, without the secrets of the configuration. It is
//! read like the answer of a server, within the same bounds: whoever writes to
//! the folder can lie as much as a server can, and no more. Calls never rely on
//! it: they see what the server says then.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock},
    time::{Duration, SystemTime},
};

use rustix::fs::OFlags;
use serde_json::{Value, json};

use super::{
    Redactor, ServerLimits,
    listing::{Definition, Listing, Next, Pages},
    lock,
    spec::{ServerSpec, Transport},
};

/// Bytes of one file. Most servers have less than a tenth of that.
const MAX_FILE: u64 = 4 << 20;

/// Files in the folder; those that were written longest ago make room.
const MAX_FILES: usize = 256;

/// What was kept longer ago is believed only when the server is late.
const FRESH: Duration = Duration::from_secs(24 * 60 * 60);

/// Changes when files are to be forgotten.
const VERSION: &str = "1";

/// What is kept of one server.
pub(super) struct KeptListing {
    /// `None` for functions of this process.
    name: Option<String>,
    folder: OnceLock<PathBuf>,
    redactor: Arc<Redactor>,
    limits: ServerLimits,
    read: OnceLock<Option<Kept>>,
    /// What was written last.
    written: Mutex<Option<Arc<Listing>>>,
}

/// A listing of an earlier run.
#[derive(Clone)]
pub(crate) struct Kept {
    pub(crate) listing: Arc<Listing>,
    /// Whether it was written lately.
    pub(crate) is_fresh: bool,
}

impl KeptListing {
    pub(super) fn new(spec: &ServerSpec, limits: ServerLimits, redactor: Arc<Redactor>) -> Self {
        Self {
            name: name(spec),
            folder: OnceLock::new(),
            redactor,
            limits,
            read: OnceLock::new(),
            written: Mutex::new(None),
        }
    }

    /// From now on listings are kept there.
    pub(super) fn set_folder(&self, folder: &Path) {
        let _ = self.folder.set(folder.to_owned());
    }

    /// What was kept by an earlier run. Read once.
    pub(super) fn get(&self) -> Option<Kept> {
        let read = || {
            let path = self.folder.get()?.join(self.name.as_ref()?);
            let (text, is_fresh) = read_file(&path)?;
            let listing = Arc::new(listing(&text, self.limits, &self.redactor)?);
            Some(Kept { listing, is_fresh })
        };
        self.read.get_or_init(read).clone()
    }

    /// Keeps a listing for later runs, in the background.
    pub(super) fn put(&self, listing: &Arc<Listing>) {
        let (Some(folder), Some(name)) = (self.folder.get(), &self.name) else {
            return;
        };
        let mut written = lock(&self.written);
        if written
            .as_ref()
            .is_some_and(|last| Arc::ptr_eq(last, listing))
        {
            return;
        }
        *written = Some(Arc::clone(listing));
        drop(written);
        let text = self.redactor.json(text(listing));
        let (folder, name) = (folder.clone(), name.clone());
        tokio::task::spawn_blocking(move || {
            if let Err(error) = write_file(&folder, &name, text.as_bytes()) {
                tracing::debug!(%error, "definitions of tools are not kept");
            }
        });
    }
}

/// The name of the file: a digest of all that decides which tools a server
/// has. Secrets do not go into it, so that nobody can try them out on it.
fn name(spec: &ServerSpec) -> Option<String> {
    let mut hasher = blake3::Hasher::new();
    let mut hash = |text: &str| {
        let mut text = text.to_owned();
        for secret in spec.secrets.iter().filter(|secret| !secret.is_empty()) {
            text = text.replace(secret.as_str(), "\0");
        }
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    hash(VERSION);
    hash(spec.transport.kind());
    match &spec.transport {
        Transport::Local(_) | Transport::Unusable(_) => return None,
        Transport::Stdio(stdio) => {
            hash(&stdio.command);
            let folder = stdio.cwd.clone().or_else(|| std::env::current_dir().ok());
            hash(&folder.unwrap_or_default().to_string_lossy());
            stdio.args.iter().for_each(|argument| hash(argument));
            hash("");
            for (name, value) in &stdio.env {
                hash(name);
                hash(value);
            }
        }
        Transport::Http(http) => {
            hash(&http.url);
            for (name, value) in &http.headers {
                hash(name);
                hash(value);
            }
        }
    }
    Some(format!("{}.json", hasher.finalize().to_hex()))
}

/// A listing as a server would send it.
fn text(listing: &Listing) -> String {
    let tool = |tool: &Definition| {
        let mut fields = json!({
            "name": tool.name,
            "title": tool.title,
            "description": tool.description,
            "inputSchema": *tool.input_schema,
            "annotations": { "destructiveHint": tool.is_destructive },
        });
        if let Some(schema) = &tool.output_schema {
            fields["outputSchema"] = Value::clone(schema);
        }
        fields
    };
    let tools: Vec<_> = listing.tools.iter().map(tool).collect();
    json!({ "tools": tools }).to_string()
}

fn listing(text: &str, limits: ServerLimits, redactor: &Redactor) -> Option<Listing> {
    match Pages::new(limits, redactor).add(text) {
        Ok(Next::Done(listing)) => Some(listing),
        Ok(Next::Page(..)) | Err(_) => None,
    }
}

/// A folder that is ours alone.
fn check_folder(folder: &Path) -> io::Result<()> {
    let meta = fs::symlink_metadata(folder)?;
    let is_ours = meta.uid() == rustix::process::geteuid().as_raw();
    if meta.is_dir() && is_ours && meta.mode() & 0o077 == 0 {
        return Ok(());
    }
    let message = "the folder must belong to this user alone, with mode 0700";
    Err(io::Error::new(io::ErrorKind::PermissionDenied, message))
}

fn read_file(path: &Path) -> Option<(String, bool)> {
    check_folder(path.parent()?).ok()?;
    // No link, and nothing that makes a reader wait.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits() as i32)
        .open(path)
        .ok()?;
    let meta = file.metadata().ok()?;
    if !meta.is_file() || meta.len() > MAX_FILE {
        return None;
    }
    let mut text = String::new();
    io::Read::by_ref(&mut file)
        .take(MAX_FILE)
        .read_to_string(&mut text)
        .ok()?;
    let age = SystemTime::now().duration_since(meta.modified().ok()?);
    Some((text, age.is_ok_and(|age| age < FRESH)))
}

/// Writes beside the file and renames, so that a reader sees all or nothing.
fn write_file(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    if bytes.len() as u64 > MAX_FILE {
        return Err(io::Error::other("there are too many of them"));
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    check_folder(folder)?;
    let beside = folder.join(format!(".{name}.{}", std::process::id()));
    let written = write_new(&beside, bytes).and_then(|()| fs::rename(&beside, folder.join(name)));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written?;
    make_room(folder)
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let _ = fs::remove_file(path);
    let mut file: File = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)
}

fn make_room(folder: &Path) -> io::Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let time = entry.metadata().and_then(|meta| meta.modified());
        files.push((time.unwrap_or(SystemTime::UNIX_EPOCH), entry.path()));
    }
    files.sort_unstable();
    for (_, path) in files.iter().take(files.len().saturating_sub(MAX_FILES)) {
        fs::remove_file(path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::spec::{Http, Stdio};
    use super::*;

    fn spec(args: &[&str], secrets: &[&str]) -> ServerSpec {
        let stdio = Stdio {
            command: "server".to_owned(),
            args: args.iter().map(|text| (*text).to_owned()).collect(),
            ..Stdio::default()
        };
        ServerSpec {
            secrets: secrets.iter().map(|text| (*text).to_owned()).collect(),
            ..ServerSpec::new("s", Transport::Stdio(stdio))
        }
    }

    fn kept(folder: &Path, spec: &ServerSpec) -> KeptListing {
        let redactor = Redactor::new(spec.secrets.iter().map(String::as_str));
        let kept = KeptListing::new(spec, ServerLimits::default(), Arc::new(redactor));
        kept.set_folder(folder);
        kept
    }

    fn tools(names: &[&str], description: &str) -> Arc<Listing> {
        let tools: Vec<_> = names
            .iter()
            .map(|name| json!({ "name": name, "description": description }))
            .collect();
        let text = json!({ "tools": tools }).to_string();
        Arc::new(listing(&text, ServerLimits::default(), &Redactor::default()).unwrap())
    }

    /// Writes as `put` does, at once.
    fn put(folder: &Path, spec: &ServerSpec, listing: &Listing) {
        let kept = kept(folder, spec);
        let text = kept.redactor.json(text(listing));
        write_file(folder, kept.name.as_ref().unwrap(), text.as_bytes()).unwrap();
    }

    fn names(folder: &Path, spec: &ServerSpec) -> Option<Vec<String>> {
        let kept = kept(folder, spec).get()?;
        let tools = kept.listing.tools.iter();
        Some(tools.map(|tool| tool.name.clone()).collect())
    }

    #[test]
    fn a_later_run_has_what_an_earlier_one_listed() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("definitions");
        let spec = spec(&["--all"], &[]);
        assert_eq!(names(&folder, &spec), None);
        put(&folder, &spec, &tools(&["a", "b"], "x"));
        assert_eq!(names(&folder, &spec).unwrap(), ["a", "b"]);
        assert!(kept(&folder, &spec).get().unwrap().is_fresh);
        assert_eq!(names(&folder, &super::tests::spec(&["--some"], &[])), None);
        let meta = fs::metadata(&folder).unwrap();
        assert_eq!(meta.mode() & 0o777, 0o700);
    }

    #[test]
    fn no_secret_is_written_or_can_be_tried_out() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("definitions");
        let first = spec(&["--token=hunter2hunter2"], &["hunter2hunter2"]);
        put(&folder, &first, &tools(&["a"], "call with hunter2hunter2"));
        let file = fs::read_dir(&folder).unwrap().next().unwrap().unwrap();
        let text = fs::read_to_string(file.path()).unwrap();
        assert!(
            !text.contains("hunter2") && text.contains("[redacted]"),
            "{text}"
        );
        let second = spec(&["--token=another-secret"], &["another-secret"]);
        assert_eq!(name(&first), name(&second));
        let http = |value: &str| {
            let headers = vec![("authorization".to_owned(), value.to_owned())];
            let url = "http://localhost/mcp".to_owned();
            let mut spec = ServerSpec::new("s", Transport::Http(Http { url, headers }));
            spec.secrets = vec![value.to_owned()];
            name(&spec)
        };
        assert_eq!(http("Bearer 1"), http("Bearer 2"));
    }

    #[test]
    fn what_others_could_have_written_or_is_nonsense_is_not_read() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("definitions");
        let spec = spec(&[], &[]);
        put(&folder, &spec, &tools(&["a"], "x"));
        let file = folder.join(name(&spec).unwrap());
        let open = fs::Permissions::from_mode(0o770);
        fs::set_permissions(&folder, open).unwrap();
        assert_eq!(names(&folder, &spec), None);
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
        assert!(names(&folder, &spec).is_some());
        for nonsense in [
            "",
            "[]",
            "{\"tools\": 7}",
            "{\"tools\": [{\"name\": \"a\"}], \"nextCursor\": \"x\"}",
        ] {
            fs::write(&file, nonsense).unwrap();
            assert_eq!(names(&folder, &spec), None, "{nonsense}");
        }
        fs::write(&file, " ".repeat(MAX_FILE as usize + 1)).unwrap();
        assert_eq!(names(&folder, &spec), None);
        fs::remove_file(&file).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &file).unwrap();
        assert_eq!(names(&folder, &spec), None);
    }

    #[test]
    fn the_folder_does_not_grow_for_ever() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("definitions");
        for number in 0..MAX_FILES + 20 {
            put(
                &folder,
                &spec(&[&number.to_string()], &[]),
                &tools(&["a"], "x"),
            );
        }
        assert_eq!(fs::read_dir(&folder).unwrap().count(), MAX_FILES);
    }
}
