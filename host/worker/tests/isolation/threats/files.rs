//! Files of the host, and what was left open.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{FromRawFd, RawFd};
use std::path::Path;

use super::{Threat, c_string, checked, done, gained, threat};
use crate::scene::CANARY_TEXT;
use worker::confine::Profile;

pub const THREATS: &[Threat] = &[
    threat("read_a_host_file", |scene| {
        holds_canary(&fs::read(scene.host.join("secret"))?)
    }),
    threat("list_a_host_folder", |scene| {
        gained(fs::read_dir(&scene.host)?.count() > 0, "names")
    }),
    // No layer knows of it but the list of system calls, and a workspace in a
    // directory needs this one.
    threat("learn_that_a_host_file_exists", |scene| {
        fs::metadata(scene.host.join("secret")).map(|_| String::new())
    })
    .granted_to(&[Profile::Disk]),
    threat("write_a_host_file", |scene| {
        fs::write(scene.host.join("written"), "by a worker").map(|()| String::new())
    }),
    threat("change_a_host_file", |scene| {
        let secret = OpenOptions::new()
            .append(true)
            .open(scene.host.join("shared"));
        secret?.write_all(b"more").map(|()| String::new())
    }),
    threat("remove_a_host_file", |scene| {
        fs::remove_file(scene.host.join("removable")).map(|()| String::new())
    }),
    threat("link_to_a_host_file", |scene| {
        let link = scene.host.join("link");
        std::os::unix::fs::symlink("secret", link).map(|()| String::new())
    }),
    threat("leave_the_workspace_by_dots", |scene| {
        holds_canary(&read_at(scene.directory, "../secret")?)
    }),
    threat("leave_the_workspace_by_a_link", |scene| {
        holds_canary(&read_at(scene.directory, "planted-link")?)
    }),
    threat("read_a_descriptor_that_was_left_open", |scene| {
        let mut bytes = [0; 64];
        // SAFETY: as many bytes as there are.
        let read = unsafe { libc::pread(scene.leaked, bytes.as_mut_ptr().cast(), bytes.len(), 0) };
        holds_canary(&bytes[..checked(read as i64)? as usize])
    }),
    threat("read_the_environment_in_memory", |scene| {
        let (start, end) = scene.environment;
        let start = std::ptr::with_exposed_provenance::<u8>(start);
        // SAFETY: the kernel said that the environment was there, and nothing
        // unmaps a stack.
        let bytes = unsafe { std::slice::from_raw_parts(start, end - scene.environment.0) };
        holds_canary(bytes)
    }),
    threat("read_the_own_environment_in_proc", |_| {
        holds_canary(&fs::read("/proc/self/environ")?)
    }),
    threat("read_the_environment_of_the_coordinator", |scene| {
        let path = format!("/proc/{}/environ", scene.coordinator.pid);
        gained(!fs::read(path)?.is_empty(), "variables")
    }),
    threat("open_a_device", |_| {
        let mut bytes = [0; 8];
        File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        Ok(String::new())
    }),
    threat("open_a_file_by_handle", |scene| {
        // Of the folder that everybody may write in; only root may open one.
        #[repr(C)]
        struct Handle {
            head: [u32; 2],
            bytes: [u8; 128],
        }
        let mut handle = Handle {
            head: [128, 0],
            bytes: [0; 128],
        };
        let path = c_string(scene.host.join("secret"));
        let mut mount = 0;
        // SAFETY: a path that ends with 0, and a handle with room for what it
        // says.
        unsafe {
            checked(libc::syscall(
                libc::SYS_name_to_handle_at,
                libc::AT_FDCWD,
                path.as_ptr(),
                &mut handle,
                &mut mount,
                0,
            ))?;
            done(libc::syscall(
                libc::SYS_open_by_handle_at,
                scene.directory,
                &mut handle,
                libc::O_RDONLY,
            ))
        }
    })
    .for_root(),
    threat("watch_a_host_folder", |scene| {
        let path = c_string(&scene.host);
        // SAFETY: a path that ends with 0, and numbers.
        unsafe {
            let watch = checked(libc::inotify_init1(0))? as RawFd;
            done(libc::inotify_add_watch(watch, path.as_ptr(), libc::IN_OPEN))
        }
    }),
    threat("change_the_root", |scene| {
        let path = c_string(&scene.host);
        // SAFETY: a path that ends with 0.
        done(unsafe { libc::chroot(path.as_ptr()) })
    })
    .for_root(),
    threat("mount_a_file_system", |scene| {
        let (target, kind) = (c_string(&scene.host), c"tmpfs");
        // SAFETY: texts that end with 0.
        unsafe {
            // Not over what others see, should it work.
            let nothing = std::ptr::null();
            let private = libc::MS_REC | libc::MS_PRIVATE;
            checked(libc::unshare(libc::CLONE_NEWNS))?;
            checked(libc::mount(
                kind.as_ptr(),
                c"/".as_ptr(),
                nothing,
                private,
                nothing.cast(),
            ))?;
            done(libc::mount(
                kind.as_ptr(),
                target.as_ptr(),
                kind.as_ptr(),
                0,
                std::ptr::null(),
            ))
        }
    })
    .for_root(),
];

fn read_at(directory: RawFd, path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let path = c_string(path.as_ref());
    // SAFETY: a path that ends with 0, and numbers.
    let opened = unsafe { libc::openat(directory, path.as_ptr(), libc::O_RDONLY) };
    // SAFETY: just opened.
    let mut file = unsafe { File::from_raw_fd(checked(opened)? as RawFd) };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn holds_canary(bytes: &[u8]) -> io::Result<String> {
    let canary = CANARY_TEXT.as_bytes();
    gained(
        bytes.windows(canary.len()).any(|window| window == canary),
        "the canary",
    )
}
