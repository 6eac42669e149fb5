//! The coordinator of a trial: it starts the launcher, has what is worth
//! attacking, and sees how the trial ended.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use contract::isolation::Layer;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};
use tempfile::TempDir;
use worker::confine::Profile;

use crate::launcher::{self, Descriptors, Orders};
use crate::scene::{CANARY, CANARY_TEXT, EXECUTED, Scene, Victim, keep_secret};
use crate::threats::Sign;

/// Whatever the folders on the way to it allow.
pub const THIS_PROGRAM: &str = "/proc/self/exe";

/// How long a worker is given to end when its coordinator is gone, and the
/// longest that a trial takes.
const SURVIVAL: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(20);

/// In which circumstances something is tried.
#[derive(Debug, Clone)]
pub struct Setting {
    pub profile: Profile,
    pub skip: Vec<Layer>,
    pub system: System,
}

impl Setting {
    /// All layers, on this system.
    pub fn whole(profile: Profile) -> Self {
        Self {
            profile,
            skip: Vec::new(),
            system: System::This,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// The one on which the tests run.
    This,
    /// As in a container on an older kernel: neither namespaces nor Landlock.
    OldContainer,
}

/// How a trial ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Worked(String),
    Refused(String),
    /// The kernel ended the worker.
    Killed(i32),
    /// The worker ended with a status, and said nothing.
    Exited(i32),
}

impl Outcome {
    pub fn worked(&self) -> bool {
        matches!(self, Self::Worked(_))
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Worked(gained) if gained.is_empty() => write!(f, "worked"),
            Self::Worked(gained) => write!(f, "worked: {gained}"),
            Self::Refused(reason) => write!(f, "refused: {reason}"),
            Self::Killed(libc::SIGSYS) => write!(f, "killed by seccomp"),
            Self::Killed(signal) => write!(f, "killed by signal {signal}"),
            Self::Exited(status) => write!(f, "exited with {status}"),
        }
    }
}

/// What happens to the worker during a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    Nothing,
    /// It is stopped for a while.
    Stopped,
    /// Its launcher is killed before it begins.
    LauncherGone,
}

/// The coordinator's things: what workers must not reach.
pub struct Coordinator {
    folder: TempDir,
    scene: Scene,
    terminal: OwnedFd,
    packets: UnixDatagram,
    _listeners: (TcpListener, UnixListener, UnixListener),
    leaked: File,
    shared_memory: i32,
}

impl Coordinator {
    /// What there is to attack.
    pub fn scene(&self) -> &Scene {
        &self.scene
    }

    /// `set_user_id` is a program of another user that root has made, if it did.
    pub fn new(set_user_id: Option<PathBuf>) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("isolation").tempdir()?;
        let path = folder.path();
        everybody(path.to_owned(), 0o777)?;
        for name in ["secret", "shared", "removable"] {
            fs::write(path.join(name), CANARY_TEXT)?;
            everybody(path.join(name), 0o666)?;
        }
        fs::create_dir(path.join("workspace"))?;
        everybody(path.join("workspace"), 0o777)?;
        std::os::unix::fs::symlink("../secret", path.join("workspace/planted-link"))?;
        let tcp = TcpListener::bind(("127.0.0.1", 0))?;
        let by_path = UnixListener::bind(path.join("socket"))?;
        everybody(path.join("socket"), 0o666)?;
        let name = format!("isolation-{}", std::process::id());
        let by_name = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
        let packets = SocketAddr::from_abstract_name(format!("{name}-packets"))?;
        let packets = UnixDatagram::bind_addr(&packets)?;
        packets.set_nonblocking(true)?;
        let leaked = File::open(path.join("secret"))?;
        let (key, shared_memory) = shared_memory()?;
        let queue = queue(&name)?;
        keep_secret(CANARY);
        // SAFETY: ignores a signal, and lets files of crashes be written.
        unsafe {
            libc::signal(libc::SIGUSR1, libc::SIG_IGN);
            let all = libc::rlimit {
                rlim_cur: libc::RLIM_INFINITY,
                rlim_max: libc::RLIM_INFINITY,
            };
            libc::setrlimit(libc::RLIMIT_CORE, &all);
        }
        let own = Victim::with_own_addresses(std::process::id() as libc::pid_t);
        let scene = Scene {
            host: path.to_owned(),
            port: tcp.local_addr()?.port(),
            abstract_name: name,
            shared_memory: key,
            queue,
            set_user_id,
            leaked: leaked.as_raw_fd(),
            directory: -1,
            coordinator: own,
            launcher: own,
            sibling: own,
            sibling_random: 0,
            environment: (0, 0),
        };
        Ok(Self {
            folder,
            scene,
            terminal: terminal()?,
            packets,
            _listeners: (tcp, by_path, by_name),
            leaked,
            shared_memory,
        })
    }

    /// Puts everything back that an attempt may have changed.
    fn restore(&self) -> io::Result<()> {
        let path = self.folder.path();
        let _ = fs::remove_file(path.join("link"));
        let _ = fs::remove_file(path.join("written"));
        // A queue that is full would stop whoever sends.
        while self.packets.recv(&mut [0; 8]).is_ok() {}
        fs::write(path.join("removable"), CANARY_TEXT)?;
        everybody(path.join("removable"), 0o666)
    }

    /// Tries something in a confined worker.
    pub fn try_in_worker(
        &self,
        setting: &Setting,
        trial: &str,
        sign: Sign,
        event: Event,
    ) -> io::Result<Outcome> {
        self.restore()?;
        let directory = File::open(self.folder.path().join("workspace"))?;
        let (mut control, control_end) = UnixStream::pair()?;
        let (mut session, session_end) = UnixStream::pair()?;
        let (mut sibling, sibling_end) = UnixStream::pair()?;
        let (lifeline_end, lifeline) = io::pipe()?;
        let (sibling_lifeline_end, _sibling_lifeline) = io::pipe()?;
        let mut scene = self.scene.clone();
        scene.directory = directory.as_raw_fd();
        let descriptors = Descriptors {
            control: control_end.as_raw_fd(),
            session: session_end.as_raw_fd(),
            lifeline: lifeline_end.as_raw_fd(),
            sibling: sibling_end.as_raw_fd(),
            sibling_lifeline: sibling_lifeline_end.as_raw_fd(),
            directory: directory.as_raw_fd(),
        };
        let orders = Orders {
            profile: setting.profile,
            skip: setting.skip.clone(),
            trial: trial.to_owned(),
            descriptors,
            scene: scene.to_arguments(),
        };
        let handed_over = [
            control_end.as_raw_fd(),
            session_end.as_raw_fd(),
            lifeline_end.as_raw_fd(),
            sibling_end.as_raw_fd(),
            sibling_lifeline_end.as_raw_fd(),
            directory.as_raw_fd(),
            self.leaked.as_raw_fd(),
        ];
        let mut launcher = self.start(setting, &orders, handed_over)?;
        drop((control_end, session_end, sibling_end));
        drop((lifeline_end, sibling_lifeline_end));
        for socket in [&control, &session, &sibling] {
            socket.set_read_timeout(Some(PATIENCE))?;
        }

        let mut random = [0; 8];
        sibling.read_exact(&mut random)?;
        let ready = launcher::line(&mut control)?;
        let pid: libc::pid_t = ready
            .strip_prefix("ready ")
            .and_then(|pid| pid.parse().ok())
            .ok_or_else(|| io::Error::other(format!("the launcher says `{ready}`")))?;
        if event == Event::LauncherGone {
            launcher.kill()?;
            launcher.wait()?;
        }
        // It begins, and knows what the sibling has drawn.
        session.write_all(&random)?;
        if event == Event::Stopped {
            stop_for_a_while(pid);
        }
        if sign == Sign::Survival {
            // The coordinator is gone, as far as the worker can see.
            std::thread::sleep(Duration::from_millis(20));
            drop(lifeline);
            control.set_read_timeout(Some(SURVIVAL))?;
        }
        let ended = match event {
            // Nobody else sees how it ended.
            Event::LauncherGone => "ended 0".to_owned(),
            _ => match launcher::line(&mut control) {
                Ok(line) => line,
                Err(_) if sign == Sign::Survival => {
                    drop(control);
                    launcher.wait()?;
                    return Ok(Outcome::Worked("still there".to_owned()));
                }
                Err(error) => return Err(error),
            },
        };
        let status = ended
            .strip_prefix("ended ")
            .and_then(|status| status.parse().ok())
            .ok_or_else(|| io::Error::other(format!("the launcher says `{ended}`")))?;
        // What it said is there if it ended; others may have the socket too.
        session.set_nonblocking(event != Event::LauncherGone)?;
        let mut said = vec![0; 64 << 10];
        let length = session.read(&mut said).unwrap_or(0);
        let said = String::from_utf8_lossy(&said[..length]);
        let outcome = match said.split_once(' ') {
            Some(("worked", gained)) => Outcome::Worked(gained.to_owned()),
            Some(("refused", reason)) => Outcome::Refused(reason.to_owned()),
            _ => from_status(status, sign),
        };
        drop(control);
        launcher.wait()?;
        Ok(outcome)
    }

    fn start(
        &self,
        setting: &Setting,
        orders: &Orders,
        handed_over: [i32; 7],
    ) -> io::Result<Child> {
        let mut command = Command::new(THIS_PROGRAM);
        command
            .arg("launcher")
            .args(orders.to_arguments())
            .env_clear()
            .env("SECRET_OF_A_SERVER", CANARY_TEXT)
            // Where the file of a crash would be.
            .current_dir(self.folder.path())
            .stdin(Stdio::from(self.terminal.try_clone()?));
        let filters = (setting.system == System::OldContainer).then(old_container);
        // SAFETY: system calls only, with numbers and filters that are there.
        unsafe {
            command.pre_exec(move || {
                for number in handed_over {
                    libc::fcntl(number, libc::F_SETFD, 0);
                }
                // The terminal is the launcher's.
                libc::setsid();
                libc::ioctl(0, libc::TIOCSCTTY, 0);
                for filter in filters.iter().flatten() {
                    seccompiler::apply_filter(filter).map_err(io::Error::other)?;
                }
                Ok(())
            });
        }
        command.spawn()
    }
}

impl Drop for Coordinator {
    fn drop(&mut self) {
        // SAFETY: numbers, and a text that ends with 0.
        unsafe {
            libc::shmctl(self.shared_memory, libc::IPC_RMID, std::ptr::null_mut());
            let name = std::ffi::CString::new(self.scene.queue.as_str()).unwrap_or_default();
            libc::syscall(libc::SYS_mq_unlink, name.as_ptr());
        }
    }
}

/// Refuses what such a container refuses, and does not know what it does not know.
fn old_container() -> [BpfProgram; 2] {
    let answer = |rules: Rules, error: i32| {
        let action = SeccompAction::Errno(error as u32);
        let here = std::env::consts::ARCH.try_into().expect("it is known");
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, action, here);
        filter.and_then(BpfProgram::try_from).expect("a filter")
    };
    let namespace = libc::CLONE_NEWPID as u64;
    let is_asked = SeccompCmpOp::MaskedEq(namespace);
    let is_asked = SeccompCondition::new(0, SeccompCmpArgLen::Qword, is_asked, namespace);
    let is_asked = is_asked.and_then(|asked| SeccompRule::new(vec![asked]));
    let refused = [
        (libc::SYS_unshare, Vec::new()),
        (libc::SYS_clone, vec![is_asked.expect("a rule")]),
    ];
    let unknown = [
        (libc::SYS_close_range, Vec::new()),
        (libc::SYS_landlock_create_ruleset, Vec::new()),
    ];
    [
        answer(Rules::from(refused), libc::EPERM),
        answer(Rules::from(unknown), libc::ENOSYS),
    ]
}

type Rules = BTreeMap<libc::c_long, Vec<SeccompRule>>;

fn from_status(status: i32, sign: Sign) -> Outcome {
    if libc::WIFEXITED(status) {
        return match libc::WEXITSTATUS(status) {
            EXECUTED => Outcome::Worked("a program ran".to_owned()),
            status => Outcome::Exited(status),
        };
    }
    if sign == Sign::CoreDump && libc::WCOREDUMP(status) {
        return Outcome::Worked("a core dump".to_owned());
    }
    Outcome::Killed(libc::WTERMSIG(status))
}

fn stop_for_a_while(pid: libc::pid_t) {
    std::thread::sleep(Duration::from_millis(30));
    // SAFETY: takes numbers only; the worker has not been waited for.
    unsafe { libc::kill(pid, libc::SIGSTOP) };
    let stopped = Instant::now();
    while stopped.elapsed() < Duration::from_millis(30) {
        std::thread::sleep(Duration::from_millis(5));
    }
    // SAFETY: as above.
    unsafe { libc::kill(pid, libc::SIGCONT) };
}

pub fn everybody(path: PathBuf, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))
}

/// The key and the number of shared memory with the secret.
fn shared_memory() -> io::Result<(i32, i32)> {
    let key = 0x15_0000 | (std::process::id() as i32 & 0xffff);
    // SAFETY: memory of that size is made, attached and written.
    unsafe {
        let number = libc::shmget(key, 8, libc::IPC_CREAT | 0o666);
        let attached = libc::shmat(number, std::ptr::null(), 0);
        if number == -1 || attached as isize == -1 {
            return Err(io::Error::last_os_error());
        }
        attached.cast::<u64>().write(CANARY);
        libc::shmdt(attached);
        Ok((key, number))
    }
}

fn queue(name: &str) -> io::Result<String> {
    let text = std::ffi::CString::new(name).expect("a text without 0");
    let flags = libc::O_CREAT | libc::O_RDWR | libc::O_CLOEXEC;
    // SAFETY: a text that ends with 0; the attributes are the system's. Whoever
    // runs the tests has a mask that keeps others out.
    unsafe {
        let mask = libc::umask(0);
        let nothing = std::ptr::null::<u8>();
        let queue = libc::syscall(libc::SYS_mq_open, text.as_ptr(), flags, 0o666, nothing);
        libc::umask(mask);
        if queue == -1 {
            return Err(io::Error::last_os_error());
        }
        drop(OwnedFd::from_raw_fd(queue as i32));
    }
    Ok(name.to_owned())
}

/// The side of a terminal at which programs are. The other side stays open.
fn terminal() -> io::Result<OwnedFd> {
    let (mut outer, mut inner) = (-1, -1);
    let nothing = std::ptr::null_mut();
    // SAFETY: writes two numbers.
    let made = unsafe {
        libc::openpty(
            &mut outer,
            &mut inner,
            nothing,
            std::ptr::null(),
            std::ptr::null(),
        )
    };
    if made == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just made. The terminal is gone with its outer side.
    unsafe {
        libc::fcntl(outer, libc::F_SETFD, libc::FD_CLOEXEC);
        libc::fcntl(inner, libc::F_SETFD, libc::FD_CLOEXEC);
        Ok(OwnedFd::from_raw_fd(inner))
    }
}
