//! Namespaces of the launcher, which its workers share: a user without
//! privileges outside, no network, no shared memory of others.

use std::{fs, io};

use contract::isolation::{Layer, LayerReport};

use super::{Entered, checked, enter};

/// Enters them one by one: where one is missing, the others count all the same.
pub(super) fn enter_all(skip: &[Layer]) -> [LayerReport; 3] {
    // The first, because it is what allows the others to who is not root.
    let user = enter(Layer::UserNamespace, skip, enter_user);
    let also = |layer, flag| {
        enter(layer, skip, || {
            unshare(flag).map(|()| None).map_err(|error| {
                let refused = matches!(error.raw_os_error(), Some(libc::EPERM));
                if refused && !user.holds() {
                    "needs a user namespace, or root".to_owned()
                } else {
                    format!("the system refuses it: {error}")
                }
            })
        })
    };
    let network = also(Layer::NetworkNamespace, libc::CLONE_NEWNET);
    let ipc = also(Layer::IpcNamespace, libc::CLONE_NEWIPC);
    [user, network, ipc]
}

fn unshare(flag: libc::c_int) -> io::Result<()> {
    // SAFETY: takes a number only; none of these namespaces changes memory.
    unsafe { checked(libc::unshare(flag)) }?;
    Ok(())
}

fn enter_user() -> Entered {
    // SAFETY: take nothing and cannot fail.
    let (user, group) = unsafe { (libc::geteuid(), libc::getegid()) };
    unshare(libc::CLONE_NEWUSER).map_err(|error| why_no_user_namespace(&error))?;
    // The same numbers inside as outside, so that the files of a workspace have
    // the same owner. A group is mapped only by who gave up changing groups.
    let maps = fs::write("/proc/self/setgroups", "deny")
        .and_then(|()| fs::write("/proc/self/uid_map", format!("{user} {user} 1")))
        .and_then(|()| fs::write("/proc/self/gid_map", format!("{group} {group} 1")));
    maps.map_err(|error| why_no_user_namespace(&error))?;
    // In namespaces of users nested in this one there would be privileges again,
    // and a great deal of the kernel that only they reach.
    let ends = fs::write("/proc/sys/user/max_user_namespaces", "0").is_ok();
    let who = match user {
        0 => "root outside too, without its privileges",
        _ => "no privileges",
    };
    let nested = if ends { ", none nested" } else { "" };
    Ok(Some(format!("{who}{nested}")))
}

/// The usual reasons, as who can change them knows them.
fn why_no_user_namespace(error: &io::Error) -> String {
    let is = |name: &str, value: &str| {
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        fs::read_to_string(path).is_ok_and(|found| found.trim() == value)
    };
    for (name, value) in [
        ("kernel.unprivileged_userns_clone", "0"),
        ("kernel.apparmor_restrict_unprivileged_userns", "1"),
        ("user.max_user_namespaces", "0"),
    ] {
        if is(name, value) {
            return format!("the system refuses it: `{name}` is {value}");
        }
    }
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => {
            "not permitted: usually the seccomp profile of a container, or a changed root"
                .to_owned()
        }
        Some(libc::ENOSPC | libc::EUSERS) => {
            "there are too many already: `user.max_user_namespaces`".to_owned()
        }
        Some(libc::EINVAL) => "this kernel is built without them".to_owned(),
        _ => format!("the system refuses it: {error}"),
    }
}
