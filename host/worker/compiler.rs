//! Compiles components of users, each in a process that is there for nothing else
//! ([`compile`](crate::compile)).
//!
//! The process gets no environment, the component, a file for its answer and a
//! pipe for last words. It is ended when its time is over, and when nobody waits
//! for it any more. Its answer is not believed: it is made unchangeable, measured
//! and looked at before anybody gets it.

use std::fs::File;
use std::io::{self, PipeReader, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use contract::error::Error;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open, waitid,
};
use sandbox::{
    Artifact, Compiler, Compiling, Job, NotCompiled, begins_like_code, memory_file, seal,
};
use tokio::sync::oneshot;

use crate::compile::{COMPILED, CompileLimits, INVALID, MAX_REASON, Order, TOO_LARGE};

/// Compiles in processes of their own.
#[derive(Debug, Clone)]
pub struct ProcessCompiler {
    program: PathBuf,
    limits: CompileLimits,
}

/// Functions for which it is worth to start more threads.
const MANY_FUNCTIONS: u64 = 300;

/// Threads at most. Each needs memory, and ever fewer of them have something to do.
const MAX_THREADS: usize = 8;

/// How often to look whether a process ended, where the system cannot tell.
const GLANCE: Duration = Duration::from_millis(5);

/// What is read of last words.
const MAX_LAST_WORDS: usize = 4 << 10;

impl ProcessCompiler {
    /// The program is `wasm-coordinator`, or one that calls
    /// [`compile::main`](crate::compile::main) when
    /// [it is asked](crate::compile::is_asked).
    pub fn new(program: impl Into<PathBuf>, limits: CompileLimits) -> Self {
        Self {
            program: program.into(),
            limits,
        }
    }
}

impl Compiler for ProcessCompiler {
    fn compile(&self, job: Job) -> Compiling<'_> {
        let compiler = self.clone();
        Box::pin(async move {
            let failed = |error: io::Error| failed(error);
            // Hangs up when this future is dropped.
            let (dropped, _held) = io::pipe().map_err(failed)?;
            let (sender, receiver) = oneshot::channel();
            // A thread that lives as long as the process: the process ends with the
            // thread that started it.
            std::thread::Builder::new()
                .name("compiler".into())
                .stack_size(256 << 10)
                .spawn(move || sender.send(compiler.run(&job, &dropped)))
                .map_err(failed)?;
            let ended = receiver.await;
            ended.unwrap_or_else(|_| Err(failed(io::Error::other("its thread panicked"))))
        })
    }
}

fn failed(error: io::Error) -> NotCompiled {
    NotCompiled::Failed(Error::host("compiling a component", error))
}

/// A process that compiles, and its streams.
struct Process {
    child: Child,
    output: File,
    errors: PipeReader,
}

/// How a process ended.
enum Ended {
    ByItself(ExitStatus),
    TimedOut,
    GivenUp,
}

impl ProcessCompiler {
    fn run(&self, job: &Job, dropped: &PipeReader) -> Result<Artifact, NotCompiled> {
        let mut process = self.start(job).map_err(failed)?;
        let ended = process.wait(self.limits.time, dropped).map_err(failed)?;
        let status = match ended {
            Ended::ByItself(status) => status,
            Ended::TimedOut => return Err(NotCompiled::Time(self.limits.time)),
            Ended::GivenUp => return Err(failed(io::Error::other("nobody waits for it"))),
        };
        self.judge(job, status, process)
    }

    fn start(&self, job: &Job) -> io::Result<Process> {
        let mut input = memory_file("component")?;
        input.write_all(&job.bytes)?;
        input.rewind()?;
        seal(&input)?;
        let output = memory_file("code")?;
        let (errors, last_words) = io::pipe()?;
        // Whoever fills it does not wait for us, and we do not wait for its end.
        fcntl_setfl(&last_words, OFlags::NONBLOCK)?;
        fcntl_setfl(&errors, OFlags::NONBLOCK)?;
        let order = Order {
            form: job.form,
            metering: job.metering,
            threads: threads(job),
            limits: self.limits,
            parent: std::process::id(),
        };
        let child = Command::new(&self.program)
            .args(order.arguments())
            .env_clear()
            .current_dir("/")
            .process_group(0)
            .stdin(input)
            .stdout(output.try_clone()?)
            .stderr(Stdio::from(OwnedFd::from(last_words)))
            .spawn()?;
        Ok(Process {
            child,
            output,
            errors,
        })
    }

    /// What comes of how a process ended, and of what it left.
    fn judge(
        &self,
        job: &Job,
        status: ExitStatus,
        process: Process,
    ) -> Result<Artifact, NotCompiled> {
        let limits = &self.limits;
        let Process {
            output, mut errors, ..
        } = process;
        // If another process can still write to it, there is no answer.
        let sealed = seal(&output);
        let size = output.metadata().map_err(failed)?.len();
        match status.code() {
            Some(COMPILED) => {
                if sealed.is_err() || !begins_like_code(job.form, &output).map_err(failed)? {
                    return Err(NotCompiled::WrongAnswer);
                }
                if size > limits.code {
                    return Err(NotCompiled::Size(limits.code));
                }
                // SAFETY: a process of ours says that it made this of the component,
                // nobody can change it, and the engine gives it to the caller alone
                // who brought the component.
                return Ok(unsafe { Artifact::of_file(job.form, output) });
            }
            Some(INVALID) if size > 0 && size <= MAX_REASON as u64 => {
                let mut reason = vec![0; size as usize];
                output.read_exact_at(&mut reason, 0).map_err(failed)?;
                let reason = String::from_utf8_lossy(&reason).into_owned();
                return Err(NotCompiled::Invalid(reason));
            }
            Some(TOO_LARGE) => return Err(NotCompiled::Size(limits.code)),
            _ => {}
        }
        let mut last_words = vec![0; MAX_LAST_WORDS];
        let length = errors.read(&mut last_words).unwrap_or(0);
        let last_words = String::from_utf8_lossy(&last_words[..length]);
        tracing::warn!(%status, %last_words, "the compiler crashed on a component");
        Err(match status.signal() {
            Some(libc::SIGXCPU) => NotCompiled::Time(limits.time),
            Some(libc::SIGXFSZ) => NotCompiled::Size(limits.code),
            // What the standard library says before it gives up.
            Some(libc::SIGABRT) if last_words.contains("memory allocation of ") => {
                NotCompiled::Memory(limits.memory)
            }
            Some(signal) => NotCompiled::Crashed(format!("was ended by signal {signal}")),
            None => NotCompiled::Crashed(format!(
                "ended with status {}",
                status.code().unwrap_or_default()
            )),
        })
    }
}

impl Process {
    /// Waits until the process ended, or ends it. Nothing of it is left then.
    fn wait(&mut self, time: Duration, dropped: &PipeReader) -> io::Result<Ended> {
        let end = Instant::now() + time;
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        // Before Linux 5.3 there is none.
        let pidfd = id.and_then(|id| pidfd_open(id, PidfdFlags::empty()).ok());
        let ended = loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break Ended::TimedOut;
            }
            let mut watched = vec![PollFd::new(dropped, PollFlags::IN)];
            watched.extend(pidfd.iter().map(|pidfd| PollFd::new(pidfd, PollFlags::IN)));
            let timeout = if pidfd.is_some() {
                left
            } else {
                GLANCE.min(left)
            };
            let timeout = Timespec::try_from(timeout).map_err(io::Error::other)?;
            match poll(&mut watched, Some(&timeout)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(self.end(error.into())),
            }
            if !watched[0].revents().is_empty() {
                break Ended::GivenUp;
            }
            let has_ended = match watched.get(1) {
                Some(process) => !process.revents().is_empty(),
                None => has_ended(id).map_err(|error| self.end(error))?,
            };
            if has_ended {
                break Ended::ByItself(ExitStatus::default());
            }
        };
        // Not reaped yet, its number is nobody else's. What it started ends with it.
        if let Some(group) = id {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let status = self.child.wait()?;
        Ok(match ended {
            Ended::ByItself(_) => Ended::ByItself(status),
            other => other,
        })
    }

    fn end(&mut self, why: io::Error) -> io::Error {
        let _ = self.child.kill();
        let _ = self.child.wait();
        why
    }
}

/// Looks, and leaves it to be reaped.
fn has_ended(id: Option<Pid>) -> io::Result<bool> {
    let Some(id) = id else { return Ok(true) };
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    Ok(waitid(WaitId::Pid(id), look)?.is_some())
}

/// How many threads are worth it.
fn threads(job: &Job) -> usize {
    if job.functions < MANY_FUNCTIONS {
        return 1;
    }
    std::thread::available_parallelism().map_or(1, |count| count.get().min(MAX_THREADS))
}
