//! The launcher and its workers, as they confine themselves; and the trial in the
//! place of what a worker does.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use contract::isolation::{Layer, LayerReport, LayerState};
use worker::confine::{self, Forked, Grants, Launcher, Profile, Unconfined};

use crate::scene::{CANARY, Scene, Victim, keep_secret};
use crate::{allowed, layers, threats};

/// Bytes that a worker may write beyond what the launcher could.
pub const MEMORY: u64 = 512 << 20;

/// What the coordinator tells a launcher of a trial.
pub struct Orders {
    pub profile: Profile,
    pub skip: Vec<Layer>,
    pub trial: String,
    pub descriptors: Descriptors,
    pub scene: Vec<String>,
}

/// Descriptors by their numbers.
#[derive(Debug, Clone, Copy)]
pub struct Descriptors {
    pub control: RawFd,
    pub session: RawFd,
    pub lifeline: RawFd,
    pub sibling: RawFd,
    pub sibling_lifeline: RawFd,
    pub directory: RawFd,
}

impl Descriptors {
    fn all(self) -> [RawFd; 6] {
        [
            self.control,
            self.session,
            self.lifeline,
            self.sibling,
            self.sibling_lifeline,
            self.directory,
        ]
    }
}

impl Orders {
    pub fn to_arguments(&self) -> Vec<String> {
        let numbers = self.descriptors.all().map(|number| number.to_string());
        let mut arguments = vec![
            layers::profile_name(self.profile).to_owned(),
            layers::to_text(&self.skip),
            self.trial.clone(),
            numbers.join(","),
        ];
        arguments.extend(self.scene.iter().cloned());
        arguments
    }

    fn from_arguments(arguments: &[String]) -> Self {
        let [profile, skip, trial, numbers, scene @ ..] = arguments else {
            panic!("a launcher is started by the tests")
        };
        let numbers: Vec<RawFd> = numbers
            .split(',')
            .map(|number| number.parse().expect("a number"))
            .collect();
        let [
            control,
            session,
            lifeline,
            sibling,
            sibling_lifeline,
            directory,
        ] = numbers[..]
        else {
            panic!("a launcher has six descriptors")
        };
        Self {
            profile: layers::profile(profile),
            skip: layers::from_text(skip),
            trial: trial.clone(),
            descriptors: Descriptors {
                control,
                session,
                lifeline,
                sibling,
                sibling_lifeline,
                directory,
            },
            scene: scene.to_vec(),
        }
    }
}

/// Runs as the launcher of one trial.
pub fn run(arguments: &[String]) -> ExitCode {
    let environment = environment();
    let orders = Orders::from_arguments(arguments);
    let descriptors = orders.descriptors;
    // SAFETY: the coordinator has left these open for this process.
    let kept = descriptors
        .all()
        .map(|number| unsafe { BorrowedFd::borrow_raw(number) });
    let inherited = confine::inherited(&kept, &orders.skip);
    // As the coordinator does.
    // SAFETY: ignores a signal.
    unsafe { libc::signal(libc::SIGUSR1, libc::SIG_IGN) };

    // As an engine does that has run something.
    let _: u64 = rand::random();
    allowed::load(&orders.trial);
    let launcher = confine::launcher(orders.profile, inherited, &kept, &orders.skip);
    let launcher = launcher.expect("one thread");
    let mut scene = Scene::from_arguments(&orders.scene, environment);
    // SAFETY: nobody else here has this descriptor.
    let mut control = unsafe { UnixStream::from_raw_fd(descriptors.control) };

    let (sibling, sibling_process) = match launcher.fork(MEMORY).expect("a sibling") {
        Forked::Worker(unconfined) => wait_as_sibling(unconfined, descriptors),
        Forked::Launcher { pid, pidfd } => (pid, pidfd),
    };
    scene.sibling = Victim::with_own_addresses(sibling);
    let is_in_process = orders.skip.contains(&Layer::Process);
    if is_in_process {
        // One process for all sessions, and so one memory.
        keep_secret(CANARY);
    }
    let (pid, process) = match launcher.fork(MEMORY).expect("a worker") {
        Forked::Worker(unconfined) => try_as_worker(unconfined, &orders, &scene),
        Forked::Launcher { pid, pidfd } => (pid, pidfd),
    };
    keep_secret(CANARY);
    // Both ends of a session in one process would hide that the other is gone.
    // SAFETY: the workers have their own; nobody uses these here.
    unsafe {
        libc::close(descriptors.session);
        libc::close(descriptors.sibling);
    }
    let _ = writeln!(control, "ready {pid}");
    wait_for_end(&launcher, &mut control, pid, &process);
    kill(&process);
    kill(&sibling_process);
    ExitCode::SUCCESS
}

/// Says how the worker ended, or ends it when the coordinator is gone.
fn wait_for_end(_: &Launcher, control: &mut UnixStream, pid: i32, process: &OwnedFd) {
    let polled = |descriptor: BorrowedFd<'_>| libc::pollfd {
        fd: descriptor.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    let mut both = [polled(process.as_fd()), polled(control.as_fd())];
    // SAFETY: two structs, and a status.
    unsafe {
        libc::poll(both.as_mut_ptr(), 2, -1);
        if both[0].revents != 0 {
            let mut status = 0;
            libc::waitpid(pid, &mut status, 0);
            let _ = writeln!(control, "ended {status}");
            let _ = control.read(&mut [0]);
        }
    }
}

fn kill(process: &OwnedFd) {
    let none = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: takes numbers only.
    unsafe {
        let signal = libc::SIGKILL;
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            process.as_raw_fd(),
            signal,
            none,
            0,
        );
    }
}

fn confine(
    unconfined: Unconfined<'_>,
    session: RawFd,
    lifeline: RawFd,
    directory: RawFd,
) -> Vec<LayerReport> {
    // SAFETY: this process has them from the launcher, and no other owner.
    unsafe {
        unconfined.confine(Grants {
            session: BorrowedFd::borrow_raw(session),
            lifeline: Some(OwnedFd::from_raw_fd(lifeline)),
            directory: Some(BorrowedFd::borrow_raw(directory)),
            file_size: None,
        })
    }
}

/// A worker of somebody else, with a secret, which ends with its session.
fn wait_as_sibling(unconfined: Unconfined<'_>, descriptors: Descriptors) -> ! {
    let Descriptors {
        sibling,
        sibling_lifeline,
        directory,
        ..
    } = descriptors;
    confine(unconfined, sibling, sibling_lifeline, directory);
    keep_secret(CANARY);
    // SAFETY: nobody else here has this descriptor; then the process ends.
    unsafe {
        let mut session = UnixStream::from_raw_fd(sibling);
        let _ = session.write_all(&rand::random::<u64>().to_ne_bytes());
        let _ = session.read(&mut [0]);
        libc::_exit(0)
    }
}

fn try_as_worker(unconfined: Unconfined<'_>, orders: &Orders, scene: &Scene) -> ! {
    let Descriptors {
        session,
        lifeline,
        directory,
        ..
    } = orders.descriptors;
    let reports = confine(unconfined, session, lifeline, directory);
    // SAFETY: nobody else here has this descriptor.
    let mut session = unsafe { UnixStream::from_raw_fd(session) };
    let mut random = [0; 8];
    let _ = session.read_exact(&mut random);
    let mut scene = scene.clone();
    scene.sibling_random = u64::from_ne_bytes(random);
    let tried = match orders.trial.strip_prefix("allowed:") {
        Some("report") => Ok(text(&reports)),
        Some(name) => (allowed::named(name).attempt)(&scene),
        None => (threats::named(&orders.trial).attempt)(&scene),
    };
    let line = match tried {
        Ok(gained) => format!("worked {gained}"),
        Err(error) => format!("refused {error}"),
    };
    let _ = session.write_all(line.as_bytes());
    // SAFETY: ends this process; nothing of the launcher's is to run here.
    unsafe { libc::_exit(0) }
}

fn text(reports: &[LayerReport]) -> String {
    let lines = reports.iter().map(|LayerReport { layer, state }| {
        let name = layers::name(*layer);
        match state {
            LayerState::On(None) => format!("{name}: on"),
            LayerState::On(Some(extent)) => format!("{name}: on ({extent})"),
            LayerState::Off(reason) => format!("{name}: off ({reason})"),
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Where the kernel put the environment of this process.
fn environment() -> (usize, usize) {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("/proc");
    let (_, rest) = stat.rsplit_once(')').expect("a name in parentheses");
    let mut fields = rest.split_whitespace().skip(50 - 3);
    let mut next = || fields.next().expect("a field").parse().expect("a number");
    (next(), next())
}

/// What a launcher says, line by line.
pub fn line(control: &mut UnixStream) -> io::Result<String> {
    let mut line = String::new();
    let mut byte = [0];
    while control.read(&mut byte)? == 1 && byte[0] != b'\n' {
        line.push(char::from(byte[0]));
    }
    Ok(line)
}
