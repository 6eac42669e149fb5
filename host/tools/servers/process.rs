//! A server process: started, watched, and ended with its children.
//!
//! Each server leads a process group of its own, so that Ctrl-C in a terminal
//! does not reach it and that ending it reaches its children. It sees an
//! allow-listed environment. Nothing here knows what is said over the streams.
//!
//! Invariants: no path out of here leaves a process behind. Dropping a
//! [`Process`] kills the group at once, and those who left it soon after; if we
//! are killed ourselves, the kernel ends the leader (Linux), and a watchdog the
//! rest.

use std::{
    collections::VecDeque,
    io,
    path::Path,
    process::{ExitStatus, Stdio as Pipe},
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rustix::process::{Pid, Signal};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::{Child, ChildStdin, ChildStdout, Command},
    runtime::Handle,
    sync::{oneshot, watch},
    task::AbortHandle,
};

use super::{Redactor, lock, spec::Stdio, stragglers, watchdog};

/// What a server may know of our environment: where programs, its own files
/// and temporary files are, and how to speak to its user. No credentials.
const INHERITED: &[&str] = &[
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TERM", "TMPDIR",
];
const INHERITED_PREFIXES: &[&str] = &["LC_", "XDG_"];

/// What is kept of standard error: enough for a long traceback.
const ERRORS_KEPT: usize = 64 << 10;

/// How long a server may take to end by itself once asked.
const GRACE: Duration = Duration::from_millis(1_500);

/// A running server process.
pub(super) struct Process {
    group: Arc<Group>,
    ended: watch::Receiver<Option<String>>,
    errors_reader: AbortHandle,
}

/// The streams of a new process.
pub(super) struct Streams {
    pub(super) stdin: ChildStdin,
    pub(super) stdout: ChildStdout,
}

impl Process {
    /// Starts a server. What it writes to standard error goes to `errors`.
    pub(super) async fn start(spec: &Stdio, errors: &Errors) -> io::Result<(Self, Streams)> {
        let mark = stragglers::new_mark();
        let spawned = spawn(command(spec, &mark)).await;
        let mut child = spawned
            .map_err(|error| io::Error::new(error.kind(), why_it_cannot_be_run(spec, &error)))?;
        let missing = || io::Error::other("a standard stream is missing");
        let streams = Streams {
            stdin: child.stdin.take().ok_or_else(missing)?,
            stdout: child.stdout.take().ok_or_else(missing)?,
        };
        let stderr = child.stderr.take().ok_or_else(missing)?;
        let group = Arc::new(Group::led_by(&child, mark)?);
        let errors_reader = tokio::spawn(errors.clone().fill(stderr)).abort_handle();
        let (ended_sender, ended) = watch::channel(None);
        tokio::spawn(reap(child, Arc::clone(&group), ended_sender));
        let process = Self {
            group,
            ended,
            errors_reader,
        };
        Ok((process, streams))
    }

    /// How the process ended, once it has.
    pub(super) fn ended(&self) -> watch::Receiver<Option<String>> {
        self.ended.clone()
    }

    /// How the process ended, if it did or is about to. The end of its streams
    /// is seen a moment before its own.
    pub(super) async fn ended_by_now(&self) -> Option<String> {
        const MOMENT: Duration = Duration::from_millis(200);
        let mut ended = self.ended.clone();
        let has_ended = ended.wait_for(Option::is_some);
        let how = tokio::time::timeout(MOMENT, has_ended).await.ok()?.ok()?;
        how.clone()
    }

    /// Asks the group to end, and kills it if it does not.
    pub(super) async fn stop(&self) {
        self.group.signal(Signal::TERM);
        let mut ended = self.ended.clone();
        let has_ended = ended.wait_for(Option::is_some);
        if tokio::time::timeout(GRACE, has_ended).await.is_err() {
            self.group.signal(Signal::KILL);
            let mut ended = self.ended.clone();
            let has_ended = ended.wait_for(Option::is_some);
            let _ = tokio::time::timeout(GRACE, has_ended).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.group.signal(Signal::KILL);
        self.errors_reader.abort();
    }
}

/// A process group. Its number is only used while its leader is unreaped, or
/// in the moment after, so that it cannot be somebody else's.
struct Group {
    id: Pid,
    /// By which those are found who left the group.
    mark: String,
    is_gone: AtomicBool,
}

impl Group {
    fn led_by(child: &Child, mark: String) -> io::Result<Self> {
        let id = child
            .id()
            .and_then(|id| Pid::from_raw(id.cast_signed()))
            .ok_or_else(|| io::Error::other("the process ended while it was started"))?;
        watchdog::watch(id, &mark);
        Ok(Self {
            id,
            mark,
            is_gone: AtomicBool::new(false),
        })
    }

    fn signal(&self, signal: Signal) {
        if !self.is_gone.load(Ordering::Acquire) {
            let _ = rustix::process::kill_process_group(self.id, signal);
        }
    }
}

impl Drop for Group {
    /// Reached with a live group only when the runtime was dropped under us.
    fn drop(&mut self) {
        if !self.is_gone.load(Ordering::Acquire) {
            self.signal(Signal::KILL);
            stragglers::kill(&self.mark);
        }
    }
}

async fn reap(mut child: Child, group: Arc<Group>, ended: watch::Sender<Option<String>>) {
    let status = child.wait().await;
    // What is left of the group lost its parent and its purpose.
    group.signal(Signal::KILL);
    group.is_gone.store(true, Ordering::Release);
    watchdog::forget(group.id);
    let mark = group.mark.clone();
    let _ = tokio::task::spawn_blocking(move || stragglers::kill(&mark)).await;
    ended.send_replace(Some(match status {
        Ok(status) => how_it_ended(status),
        Err(error) => format!("could not be watched: {error}"),
    }));
}

fn how_it_ended(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with status {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

fn command(spec: &Stdio, mark: &str) -> Command {
    let mut command = Command::new(&spec.command);
    command
        .args(&spec.args)
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_inherited)))
        .envs(spec.env.iter().map(|(name, value)| (name, value)))
        .env(stragglers::VARIABLE, mark)
        .stdin(Pipe::piped())
        .stdout(Pipe::piped())
        .stderr(Pipe::piped())
        .process_group(0)
        .kill_on_drop(true);
    if let Some(folder) = &spec.cwd {
        command.current_dir(folder);
    }
    #[cfg(target_os = "linux")]
    die_with_us(&mut command);
    command
}

/// What is wrong, for the operator. The system says of a folder, a program and
/// its interpreter only that something is not found.
fn why_it_cannot_be_run(spec: &Stdio, error: &io::Error) -> String {
    let command = &spec.command;
    if let Some(folder) = &spec.cwd
        && !folder.is_dir()
    {
        let what = if folder.exists() {
            "is not a folder"
        } else {
            "does not exist"
        };
        return format!(
            "its working directory `{}` {what} (`cwd`)",
            folder.display()
        );
    }
    let question = match spec.comes_with() {
        Some(product) => format!(" (is {product} installed?)"),
        None => String::new(),
    };
    match error.kind() {
        io::ErrorKind::NotFound if !command.contains('/') => {
            let own = spec.env.iter().rev().find(|(name, _)| name == "PATH");
            let path = match own {
                Some((_, path)) => path.clone(),
                None => std::env::var("PATH").unwrap_or_default(),
            };
            format!("`{command}` is not found{question}; PATH is `{path}`")
        }
        io::ErrorKind::NotFound if Path::new(command).exists() => format!(
            "`{command}` cannot be run: the interpreter that its first line names is not found"
        ),
        io::ErrorKind::NotFound => format!("`{command}` does not exist{question}"),
        io::ErrorKind::PermissionDenied => {
            format!("`{command}` cannot be run: it is not executable, or access is denied")
        }
        _ => format!("`{command}` cannot be run: {error}"),
    }
}

fn is_inherited(name: &str) -> bool {
    let is_prefixed = |prefix: &&str| name.starts_with(*prefix);
    INHERITED.contains(&name) || INHERITED_PREFIXES.iter().any(is_prefixed)
}

#[cfg(target_os = "linux")]
fn die_with_us(command: &mut Command) {
    let parent = rustix::process::getpid();
    let before_exec = move || {
        rustix::process::set_parent_process_death_signal(Some(Signal::TERM))?;
        close_at_exec();
        // We may have died before the kernel was told.
        if rustix::process::getppid() == Some(parent) {
            Ok(())
        } else {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    };
    // SAFETY: the closure runs between fork and exec, where only calls that
    // are safe in a signal handler are allowed. It makes three system calls and
    // builds an error that needs no memory.
    unsafe { command.pre_exec(before_exec) };
}

/// Nothing that we have open but the three streams is for a server. All of it
/// is opened to be closed there, but the engine opens one thing anew in each
/// child (`/proc/self/pagemap`), which loses that mark.
#[cfg(target_os = "linux")]
fn close_at_exec() {
    // SAFETY: the call takes three numbers and touches no memory. Where the
    // kernel does not know it, it does nothing.
    unsafe {
        libc::syscall(
            libc::SYS_close_range,
            3 as libc::c_uint,
            libc::c_uint::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        );
    }
}

/// Starts the process from a thread that lives as long as we do: the death
/// signal is sent when the *thread* ends that forked, and threads of a runtime
/// come and go.
async fn spawn(command: Command) -> io::Result<Child> {
    static STARTER: OnceLock<Option<std::sync::mpsc::Sender<Order>>> = OnceLock::new();
    struct Order {
        command: Command,
        runtime: Handle,
        done: oneshot::Sender<io::Result<Child>>,
    }
    let starter = STARTER.get_or_init(|| {
        let (orders, inbox) = std::sync::mpsc::channel::<Order>();
        let work = move || {
            for mut order in inbox {
                let _in_runtime = order.runtime.enter();
                // Panics in a runtime without what processes need. The thread
                // must live on.
                let spawn = std::panic::AssertUnwindSafe(|| order.command.spawn());
                let spawned = std::panic::catch_unwind(spawn).unwrap_or_else(|_| {
                    Err(io::Error::other("the runtime cannot watch over processes"))
                });
                // If nobody waits any more, the child is killed on drop.
                let _ = order.done.send(spawned);
            }
        };
        let thread = std::thread::Builder::new().name("server-starter".to_owned());
        thread.spawn(work).ok().map(|_| orders)
    });
    let no_thread = || io::Error::other("no thread to start processes from");
    let (done, result) = oneshot::channel();
    let order = Order {
        command,
        runtime: Handle::current(),
        done,
    };
    let starter = starter.as_ref().ok_or_else(no_thread)?;
    starter.send(order).map_err(|_| no_thread())?;
    result.await.map_err(|_| no_thread())?
}

/// The end of what a server wrote to its standard error. For the operator
/// only: it may hold anything.
#[derive(Clone)]
pub(super) struct Errors {
    kept: Arc<Mutex<VecDeque<u8>>>,
    redactor: Arc<Redactor>,
}

impl Errors {
    pub(super) fn new(redactor: Arc<Redactor>) -> Self {
        Self {
            kept: Arc::default(),
            redactor,
        }
    }

    async fn fill(self, mut stderr: impl AsyncRead + Unpin) {
        let mut buffer = vec![0; 8 << 10];
        while let Ok(count @ 1..) = stderr.read(&mut buffer).await {
            let mut kept = lock(&self.kept);
            kept.extend(&buffer[..count]);
            let surplus = kept.len().saturating_sub(ERRORS_KEPT);
            kept.drain(..surplus);
        }
    }

    /// Forgets what was written so far.
    pub(super) fn clear(&self) {
        lock(&self.kept).clear();
    }

    /// The last lines, without secrets and control characters; empty if there is
    /// nothing.
    pub(super) fn tail(&self) -> String {
        const LINES: usize = 12;
        const BYTES: usize = 4 << 10;
        let bytes: Vec<u8> = lock(&self.kept).iter().copied().collect();
        // Before it is cut, so that no half of a secret is left.
        let text = self.redactor.bytes(&bytes);
        let text = &text[text.ceil_char_boundary(text.len().saturating_sub(BYTES))..];
        let lines: Vec<_> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        let shown = &lines[lines.len().saturating_sub(LINES)..];
        let plain = |c: char| if c.is_control() && c != '\n' { ' ' } else { c };
        shown.join("\n").chars().map(plain).collect()
    }
}
