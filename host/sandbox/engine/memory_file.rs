//! Files in memory, without a name, that can be made unchangeable.

use std::fs::File;
use std::io;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::Errno;

/// A new file in memory. It is counted as memory of whoever writes it.
///
/// # Errors
///
/// Those of the system.
pub fn memory_file(name: &str) -> io::Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let made = match memfd_create(name, flags | MemfdFlags::NOEXEC_SEAL) {
        // Before Linux 6.3.
        Err(Errno::INVAL) => memfd_create(name, flags),
        made => made,
    };
    Ok(made?.into())
}

/// Makes a file in memory unchangeable, whoever has it open.
///
/// # Errors
///
/// When a process can still write to it: it has the file mapped.
pub fn seal(file: &File) -> io::Result<()> {
    let all = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    Ok(fcntl_add_seals(file, all)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn what_is_sealed_cannot_be_changed() {
        let mut file = memory_file("test").unwrap();
        file.write_all(b"a").unwrap();
        seal(&file).unwrap();
        assert!(file.write_all(b"b").is_err());
        assert!(file.set_len(0).is_err());
        let again = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
        let again = File::options().write(true).open(again);
        assert!(again.and_then(|mut again| again.write_all(b"b")).is_err());
    }
}
