//! Files of the host's mounts, through WASI.
//!
//! The C library looks for opened folders in a constructor, and that ran
//! before the snapshot. So they are registered here, when the first file is
//! asked for.

use std::cell::Cell;
use std::ffi::c_char;
use std::path::Path;

thread_local! {
    static READY: Cell<bool> = const { Cell::new(false) };
}

/// The first descriptor that can be a folder; 0 to 2 are the standard streams.
const FIRST: u32 = 3;

/// The folders a host may mount, at most.
const MOUNTS: u32 = 16;

/// Makes the host's folders known to the C library. Cheap when they are.
pub(crate) fn ready() {
    if READY.replace(true) {
        return;
    }
    for descriptor in FIRST..FIRST + MOUNTS {
        let mut prestat = [0u32; 2];
        // SAFETY: the buffer has the size of the structure that is written:
        // a tag and, for a folder, the length of its name.
        if unsafe { fd_prestat_get(descriptor, prestat.as_mut_ptr()) } != 0 {
            return;
        }
        let mut name = vec![0u8; prestat[1] as usize + 1];
        // SAFETY: the name has room for the length, and a zero byte behind it.
        unsafe {
            if fd_prestat_dir_name(descriptor, name.as_mut_ptr(), prestat[1] as usize) == 0 {
                __wasilibc_register_preopened_fd(descriptor as i32, name.as_ptr().cast());
            }
        }
    }
}

/// Whether there is such a file.
pub(crate) fn exists(path: &str) -> bool {
    ready();
    Path::new(path).is_file()
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn fd_prestat_get(descriptor: u32, prestat: *mut u32) -> u16;
    fn fd_prestat_dir_name(descriptor: u32, name: *mut u8, length: usize) -> u16;
}

unsafe extern "C" {
    fn __wasilibc_register_preopened_fd(descriptor: i32, prefix: *const c_char) -> i32;
}
