//! What is around a worker that is worth attacking, as the attack knows it.

use std::collections::BTreeMap;
use std::os::fd::RawFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

/// What an attack on memory looks for. Each process has its own value here, at
/// an address that a fork does not change.
pub static SECRET: AtomicU64 = AtomicU64::new(0);

/// The value of [`SECRET`] in processes that are attacked.
pub const CANARY: u64 = 0x5ec2_e7ca_11a2_1e55;

/// What a file of the host holds, the environment, and a descriptor that was
/// left open.
pub const CANARY_TEXT: &str = "canary-of-the-host-7f3a";

/// The status of a program that an attack started.
pub const EXECUTED: i32 = 77;

/// A process to attack, and where its secret is.
#[derive(Debug, Clone, Copy)]
pub struct Victim {
    pub pid: libc::pid_t,
    pub secret: usize,
}

impl Victim {
    /// This process, or one that has the same addresses.
    pub fn with_own_addresses(pid: libc::pid_t) -> Self {
        let secret = std::ptr::from_ref(&SECRET).expose_provenance();
        Self { pid, secret }
    }
}

/// The scene of an attack.
#[derive(Debug, Clone)]
pub struct Scene {
    /// A folder in which everybody may write, with a file `secret`.
    pub host: PathBuf,
    /// A listener on the loopback address.
    pub port: u16,
    /// A socket's name that is no path.
    pub abstract_name: String,
    /// Shared memory, and a queue of messages, by their keys and names.
    pub shared_memory: i32,
    pub queue: String,
    /// A program that would run as another user, if somebody could make one.
    pub set_user_id: Option<PathBuf>,
    /// Left open by whoever started the launcher.
    pub leaked: RawFd,
    /// The directory of a workspace.
    pub directory: RawFd,
    pub coordinator: Victim,
    pub launcher: Victim,
    /// Another worker of the launcher.
    pub sibling: Victim,
    /// The first random number of the other worker.
    pub sibling_random: u64,
    /// Where the environment was when the launcher started.
    pub environment: (usize, usize),
}

impl Scene {
    /// As arguments of the launcher. What only the launcher knows is not there.
    pub fn to_arguments(&self) -> Vec<String> {
        let program = self.set_user_id.as_ref();
        let program = program.map_or(String::new(), |path| path.display().to_string());
        vec![
            format!("host={}", self.host.display()),
            format!("port={}", self.port),
            format!("abstract_name={}", self.abstract_name),
            format!("shared_memory={}", self.shared_memory),
            format!("queue={}", self.queue),
            format!("set_user_id={program}"),
            format!("leaked={}", self.leaked),
            format!("directory={}", self.directory),
            format!("coordinator={}", self.coordinator.pid),
            format!("secret={}", self.coordinator.secret),
        ]
    }

    pub fn from_arguments(arguments: &[String], environment: (usize, usize)) -> Self {
        let values: BTreeMap<&str, &str> = arguments
            .iter()
            .filter_map(|argument| argument.split_once('='))
            .collect();
        let number = |key: &str| values[key].parse::<i64>().expect("a number");
        let own = Victim::with_own_addresses(std::process::id() as libc::pid_t);
        Self {
            host: values["host"].into(),
            port: number("port") as u16,
            abstract_name: values["abstract_name"].to_owned(),
            shared_memory: number("shared_memory") as i32,
            queue: values["queue"].to_owned(),
            set_user_id: Some(values["set_user_id"])
                .filter(|path| !path.is_empty())
                .map(PathBuf::from),
            leaked: number("leaked") as RawFd,
            directory: number("directory") as RawFd,
            coordinator: Victim {
                pid: number("coordinator") as libc::pid_t,
                secret: number("secret") as usize,
            },
            launcher: own,
            sibling: own,
            sibling_random: 0,
            environment,
        }
    }
}

/// Whether these bytes are the secret of a victim.
pub fn is_secret(bytes: [u8; 8]) -> bool {
    u64::from_ne_bytes(bytes) == CANARY
}

pub fn keep_secret(value: u64) {
    SECRET.store(value, Ordering::SeqCst);
}
