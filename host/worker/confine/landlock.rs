//! Landlock: no path that was not handed over, no signal to others, no socket of
//! others.
//!
//! Descriptors that are open already are not concerned. A domain can be narrowed
//! by what runs in it, and never widened, so a launcher gives up what none of its
//! workers needs, and a worker the rest. Each worker has a domain of its own: two
//! of them can neither trace each other nor send each other signals, while the
//! launcher, whose domain is around theirs, ends them.

use std::os::fd::BorrowedFd;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, LandlockStatus, PathBeneath, PathFd,
    RestrictionStatus, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError,
    Scope, make_bitflags,
};

use super::pagemap::Pagemap;
use super::{Entered, Profile};

/// The newest rights that this was written for. Which of them a kernel knows is
/// found out when they are asked for.
const NEWEST: ABI = ABI::V10;

/// The first version that knows processes apart from paths.
const WITH_SCOPES: ABI = ABI::V6;

/// What a worker does in the directory of its workspace.
const WORKSPACE: BitFlags<AccessFs> = make_bitflags!(AccessFs::{
    ReadFile | ReadDir | WriteFile | Truncate | Refer
        | MakeReg | MakeDir | RemoveFile | RemoveDir
});

pub(super) fn launcher(profile: Profile, pagemap: Option<&Pagemap>) -> Entered {
    let paths = AccessFs::from_all(NEWEST);
    let restricted = || -> Result<_, RulesetError> {
        match profile {
            Profile::Guests | Profile::Component => {
                let domain = ruleset(paths, Scope::AbstractUnixSocket.into())?;
                // A worker looks for its own pages there before it closes it.
                match pagemap {
                    Some(pagemap) => {
                        domain.add_rule(PathBeneath::new(pagemap.proc(), AccessFs::ReadFile))?
                    }
                    None => domain,
                }
            }
            // Which directory it will be is known to each worker. To move a file
            // to another directory is a right that a domain denies unless it
            // names it.
            Profile::Disk => {
                let denied = (paths & !WORKSPACE) | AccessFs::Refer;
                let domain = ruleset(denied, Scope::AbstractUnixSocket.into())?;
                match PathFd::new("/") {
                    Ok(root) => domain.add_rule(PathBeneath::new(root, AccessFs::Refer))?,
                    Err(_) => domain,
                }
            }
        }
        .no_new_privs(false)
        .restrict_self()
    };
    told(restricted())
}

pub(super) fn worker(profile: Profile, directory: Option<BorrowedFd<'_>>) -> Entered {
    let restricted = || -> Result<_, RulesetError> {
        let scopes = Scope::from_all(NEWEST);
        let domain = ruleset(AccessFs::from_all(NEWEST), scopes)?;
        match directory.filter(|_| profile == Profile::Disk) {
            Some(directory) => domain.add_rule(PathBeneath::new(directory, WORKSPACE))?,
            None => domain,
        }
        .no_new_privs(false)
        .restrict_self()
    };
    told(restricted())
}

/// Denies this, and the network. [`super::privileges`] says that no privileges
/// are gained.
fn ruleset(
    paths: BitFlags<AccessFs>,
    scopes: BitFlags<Scope>,
) -> Result<RulesetCreated, RulesetError> {
    Ruleset::default()
        .handle_access(paths)?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(scopes)?
        .create()
}

fn told(restricted: Result<RestrictionStatus, RulesetError>) -> Entered {
    let status = restricted.map_err(|error| format!("the system refuses it: {error}"))?;
    match status.landlock {
        LandlockStatus::NotImplemented => {
            Err("this kernel is built without it (Linux 5.13 has it)".to_owned())
        }
        LandlockStatus::NotEnabled => Err(
            "the kernel was started without it: `lsm=landlock,…` on its command line".to_owned(),
        ),
        LandlockStatus::Available { effective_abi, .. } if effective_abi < WITH_SCOPES => {
            Ok(Some(format!(
                "version {effective_abi}: paths, not yet signals and sockets of other processes"
            )))
        }
        LandlockStatus::Available { effective_abi, .. } => {
            Ok(Some(format!("version {effective_abi}")))
        }
    }
}
