//! What a launcher and its workers give up before anything of a stranger runs.
//!
//! In this order, all of it in processes with one thread:
//!
//! 1. [`inherited`], first thing in the launcher: its environment, and the
//!    descriptors that came with it.
//! 2. The engine and the guests are loaded.
//! 3. [`launcher`]: what every worker inherits is given up here, once, so that
//!    it costs the workers nothing.
//! 4. [`Launcher::fork`], for each worker.
//! 5. [`Unconfined::confine`], first thing in the worker: the rest.
//!
//! A layer that the system does not offer is reported as missing, in words for
//! the operator, and the others are entered all the same. Who insists on one
//! looks at the reports.
//!
//! Direct system calls stand where no library fits: rustix has most of them
//! behind features, which would change how the engine is built, and the standard
//! library has no `fork`.

mod compiler;
mod descriptors;
mod environment;
mod fork;
mod landlock;
mod lifeline;
mod memory;
mod namespaces;
mod pagemap;
mod privileges;
mod resource_limits;
mod seccomp;

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

use contract::isolation::{Layer, LayerReport, LayerState};
use serde::{Deserialize, Serialize};

pub use self::compiler::{compiler, compiler_has_its_threads};
pub use self::fork::Forked;
pub use self::lifeline::{ABORTED, ORPHANED};
pub use self::resource_limits::set_memory;

use self::descriptors::Null;
use self::pagemap::Pagemap;
use self::seccomp::Filters;

/// What the workers of a launcher are for, which decides what is left to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Profile {
    /// Our guests, with files in memory: no path, and no new executable memory.
    Guests,
    /// Our guests, with a workspace in a directory that is handed over.
    Disk,
    /// Components of users, whose compiled code is mapped.
    Component,
}

/// What came with the process is gone. Made by [`inherited`].
#[derive(Debug)]
pub struct Inherited {
    layers: Vec<LayerReport>,
    null: Option<Null>,
}

/// Closes the descriptors that came with the process, except `keep`, and wipes
/// its environment, in its memory too. The standard streams that are not kept
/// lead nowhere.
///
/// Called by the launcher before it opens or loads anything: what is opened later
/// stays open. `skip` is for tests, which show what a layer is good for.
pub fn inherited(keep: &[BorrowedFd<'_>], skip: &[Layer]) -> Inherited {
    let null = Null::open();
    let mut layers = Vec::new();
    layers.push(enter(Layer::Environment, skip, environment::wipe));
    layers.push(enter(Layer::Descriptors, skip, || {
        let mut kept: Vec<RawFd> = keep.iter().map(AsRawFd::as_raw_fd).collect();
        kept.extend(null.iter().map(AsRawFd::as_raw_fd));
        descriptors::keep_only(kept, null.as_ref(), descriptors::open_beyond_streams)
    }));
    Inherited { layers, null }
}

/// A confined launcher. Made by [`launcher`].
#[derive(Debug)]
pub struct Launcher {
    profile: Profile,
    skip: Vec<Layer>,
    layers: Vec<LayerReport>,
    null: Option<Null>,
    /// What the engine has open, and its workers need.
    engine: Vec<RawFd>,
    pagemap: Option<Pagemap>,
    /// Bytes of memory that can be written already, as far as it is known.
    writable: Option<u64>,
    pid_namespace: bool,
    /// What the launcher has entered, and workers with it.
    filters: Option<Filters>,
}

/// Confines the launcher: called once, before the first worker, by the only
/// thread, when everything is loaded.
///
/// `own` are descriptors of the launcher that no worker gets. What else is open
/// is the engine's, and stays open in the workers.
///
/// After it the launcher can fork workers, wait for them, and end them with
/// `pidfd_send_signal` and SIGKILL; read, write, poll and close what it has;
/// receive and send descriptors; take memory; sleep. Another system call ends it,
/// and so does a second thread. With [`Profile::Disk`] it is not yet kept from
/// opening files, since only its workers know which directory is theirs.
///
/// # Errors
///
/// If this process has more than one thread, since a fork copies locks that the
/// others hold; or if the kernel has no descriptors for processes (Linux 5.3).
pub fn launcher(
    profile: Profile,
    inherited: Inherited,
    own: &[BorrowedFd<'_>],
    skip: &[Layer],
) -> io::Result<Launcher> {
    fork::check()?;
    // Made here, so that a worker has only to seed it.
    let _ = rand::rng();
    let Inherited { mut layers, null } = inherited;
    let pagemap = Pagemap::find()?;
    let mut apart: Vec<RawFd> = own.iter().map(AsRawFd::as_raw_fd).collect();
    apart.extend(null.iter().map(AsRawFd::as_raw_fd));
    apart.extend(pagemap.iter().map(Pagemap::directory));
    let engine = descriptors::open_beyond_streams()?
        .into_iter()
        .filter(|open| !apart.contains(open))
        .collect();
    let writable = memory::writable();

    layers.push(enter(
        Layer::NoNewPrivileges,
        skip,
        privileges::no_new_privileges,
    ));
    layers.push(enter(
        Layer::ResourceLimits,
        skip,
        resource_limits::launcher,
    ));
    layers.extend(namespaces::enter_all(skip));
    let pid_namespace = enter(Layer::PidNamespace, skip, fork::try_pid_namespace);
    let has_pid_namespace = pid_namespace.holds();
    layers.push(pid_namespace);
    layers.push(enter(Layer::NoCoreDump, skip, memory::no_dump));
    if !skip.contains(&Layer::NoNewPrivileges) {
        privileges::keep_for_forks(has_pid_namespace)?;
    }
    layers.push(enter(Layer::Landlock, skip, || {
        landlock::launcher(profile, pagemap.as_ref())
    }));
    let mut filters = None;
    layers.push(enter(Layer::Seccomp, skip, || {
        let new = Filters::new(profile, pagemap.as_ref(), has_pid_namespace)?;
        new.enter_launcher()?;
        filters = Some(new);
        Ok(None)
    }));
    layers.sort_by_key(|report| report.layer);
    Ok(Launcher {
        profile,
        skip: skip.to_vec(),
        layers,
        null,
        engine,
        pagemap,
        writable,
        pid_namespace: has_pid_namespace,
        filters,
    })
}

impl Launcher {
    /// The layers around the launcher, and the namespace that its workers will
    /// have.
    pub fn layers(&self) -> &[LayerReport] {
        &self.layers
    }
}

/// What a worker is left with.
#[derive(Debug)]
pub struct Grants<'a> {
    /// Its way to the coordinator.
    pub session: BorrowedFd<'a>,
    /// The end to read of a pipe that nobody writes to, and whose other end is
    /// the coordinator's alone: the worker ends when that is closed, however
    /// busy it is. A pipe of its own for each worker.
    pub lifeline: Option<OwnedFd>,
    /// The directory of a workspace: with [`Profile::Disk`] the only one there is.
    pub directory: Option<BorrowedFd<'a>>,
    /// Bytes that a file may have. By default none with [`Profile::Guests`], the
    /// largest image of a memory with [`Profile::Component`], and any number with
    /// [`Profile::Disk`].
    pub file_size: Option<u64>,
}

/// A worker that was just forked, and has still to give up what the launcher
/// needed.
#[derive(Debug)]
#[must_use = "a worker is confined before it reads anything"]
pub struct Unconfined<'a> {
    launcher: &'a Launcher,
}

impl Unconfined<'_> {
    /// Confines the worker: called just after the fork, before anything of a
    /// stranger is read. Everything that is open is closed, except the grants and
    /// what the engine needs.
    ///
    /// The reports are of all layers around the worker, in their order.
    pub fn confine(self, grants: Grants<'_>) -> Vec<LayerReport> {
        let Self { launcher } = self;
        let Grants {
            session,
            lifeline,
            directory,
            file_size,
        } = grants;
        let skip = launcher.skip.as_slice();
        let profile = launcher.profile;

        if let Some(pagemap) = &launcher.pagemap {
            pagemap.renew(launcher.null.as_ref());
        }
        lifeline::catch_aborts();
        let mut kept: Vec<RawFd> = launcher.engine.clone();
        kept.push(session.as_raw_fd());
        kept.extend(lifeline.iter().map(AsRawFd::as_raw_fd));
        kept.extend(directory.iter().map(AsRawFd::as_raw_fd));

        let mut own = vec![LayerReport {
            layer: Layer::Process,
            state: LayerState::On(None),
        }];
        own.push(enter(Layer::DeathWithParent, skip, || {
            lifeline::hold(lifeline)
        }));
        own.push(enter(Layer::Descriptors, skip, || {
            descriptors::keep_only(kept, launcher.null.as_ref(), descriptors::open_by_trying)
        }));
        own.push(enter(Layer::ResourceLimits, skip, || {
            resource_limits::worker(profile, launcher.writable.is_some(), file_size)
        }));
        own.push(enter(Layer::Landlock, skip, || {
            landlock::worker(profile, directory)
        }));
        if !skip.contains(&Layer::NoNewPrivileges) {
            privileges::drop_all();
        }
        own.push(enter(Layer::NoCoreDump, skip, memory::no_dump));
        if let Some(filters) = &launcher.filters {
            own.push(enter(Layer::Seccomp, skip, || filters.enter_worker()));
        }

        let inherited = launcher.layers.iter().filter(|report| {
            let is_own = |own: &LayerReport| own.layer == report.layer;
            !own.iter().any(is_own)
        });
        let mut layers: Vec<LayerReport> = inherited.cloned().collect();
        layers.append(&mut own);
        layers.sort_by_key(|report| report.layer);
        layers
    }
}

/// What a layer is on this machine, if there is more to say; or why it is
/// missing.
type Entered = Result<Option<String>, String>;

/// Enters a layer, unless a test left it out.
fn enter(layer: Layer, skip: &[Layer], entering: impl FnOnce() -> Entered) -> LayerReport {
    let entered = if skip.contains(&layer) {
        Err("left out by a test".to_owned())
    } else {
        entering()
    };
    let state = match entered {
        Ok(extent) => LayerState::On(extent),
        Err(reason) => LayerState::Off(reason),
    };
    LayerReport { layer, state }
}

/// The result of a system call that reports failure as -1.
fn checked<N: Into<i64> + Copy>(returned: N) -> io::Result<N> {
    if returned.into() == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(returned)
    }
}
