//! The numbers and layouts of WASI preview 1, as its text has them.

use wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime;

use crate::files::types::{DescriptorStat, DescriptorType, ErrorCode};

/// Why a function did not do what it was asked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Errno(pub(super) u16);

impl Errno {
    pub(super) const BADF: Self = Self(8);
    pub(super) const FAULT: Self = Self(21);
    pub(super) const FBIG: Self = Self(22);
    pub(super) const ILSEQ: Self = Self(25);
    pub(super) const INVAL: Self = Self(28);
    pub(super) const NAMETOOLONG: Self = Self(37);
    pub(super) const NOTDIR: Self = Self(54);
    pub(super) const NOTSUP: Self = Self(58);
    pub(super) const SPIPE: Self = Self(70);
}

impl From<ErrorCode> for Errno {
    fn from(code: ErrorCode) -> Self {
        Self(match code {
            ErrorCode::Access => 2,
            ErrorCode::WouldBlock => 6,
            ErrorCode::Already => 7,
            ErrorCode::BadDescriptor => 8,
            ErrorCode::Busy => 10,
            ErrorCode::Deadlock => 16,
            ErrorCode::Quota => 19,
            ErrorCode::Exist => 20,
            ErrorCode::FileTooLarge => 22,
            ErrorCode::IllegalByteSequence => 25,
            ErrorCode::InProgress => 26,
            ErrorCode::Interrupted => 27,
            ErrorCode::Invalid => 28,
            ErrorCode::Io => 29,
            ErrorCode::IsDirectory => 31,
            ErrorCode::Loop => 32,
            ErrorCode::TooManyLinks => 34,
            ErrorCode::MessageSize => 35,
            ErrorCode::NameTooLong => 37,
            ErrorCode::NoDevice => 43,
            ErrorCode::NoEntry => 44,
            ErrorCode::NoLock => 46,
            ErrorCode::InsufficientMemory => 48,
            ErrorCode::InsufficientSpace => 51,
            ErrorCode::NotDirectory => 54,
            ErrorCode::NotEmpty => 55,
            ErrorCode::NotRecoverable => 56,
            ErrorCode::Unsupported => 58,
            ErrorCode::NoTty => 59,
            ErrorCode::NoSuchDevice => 60,
            ErrorCode::Overflow => 61,
            ErrorCode::NotPermitted => 63,
            ErrorCode::Pipe => 64,
            ErrorCode::ReadOnly => 69,
            ErrorCode::InvalidSeek => 70,
            ErrorCode::TextFileBusy => 74,
            ErrorCode::CrossDevice => 75,
        })
    }
}

pub(super) const FILETYPE_UNKNOWN: u8 = 0;
pub(super) const FILETYPE_DIRECTORY: u8 = 3;
pub(super) const FILETYPE_REGULAR: u8 = 4;

pub(super) fn filetype(kind: DescriptorType) -> u8 {
    match kind {
        DescriptorType::Directory => FILETYPE_DIRECTORY,
        DescriptorType::RegularFile => FILETYPE_REGULAR,
        _ => FILETYPE_UNKNOWN,
    }
}

/// Flags of `path_open`.
pub(super) const CREATE: u32 = 1;
pub(super) const DIRECTORY: u32 = 2;
pub(super) const EXCLUSIVE: u32 = 4;
pub(super) const TRUNCATE: u32 = 8;

/// Flags of an open file: those that can be changed later.
pub(super) const APPEND: u16 = 1;
pub(super) const NONBLOCK: u16 = 4;

pub(super) const RIGHT_READ: u64 = 1 << 1;
pub(super) const RIGHT_WRITE: u64 = 1 << 6;
const RIGHT_READDIR: u64 = 1 << 14;

/// Everything that can be done with a file but to read and to write it.
pub(super) const FILE_RIGHTS: u64 =
    1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 7 | 1 << 8 | 1 << 21 | 1 << 22 | 1 << 23 | 1 << 27;

/// Everything that can be done with a directory.
pub(super) const DIRECTORY_RIGHTS: u64 =
    0b11_1111 << 9 | RIGHT_READDIR | 0b111_1111_1111 << 15 | 1 << 26;

/// Standard streams are written and polled, and have no position: so every libc
/// knows a stream from a file.
pub(super) const STREAM_RIGHTS: u64 = RIGHT_READ | RIGHT_WRITE | 1 << 21 | 1 << 27;

/// The sizes of records in memory.
pub(super) const FDSTAT: usize = 24;
pub(super) const FILESTAT: usize = 64;
pub(super) const DIRENT: usize = 24;
pub(super) const SUBSCRIPTION: usize = 48;
pub(super) const EVENT: usize = 32;

/// A record of numbers at their places.
pub(super) struct Record<const SIZE: usize>(pub(super) [u8; SIZE]);

impl<const SIZE: usize> Record<SIZE> {
    pub(super) fn new() -> Self {
        Self([0; SIZE])
    }

    pub(super) fn with<const LENGTH: usize>(mut self, at: usize, bytes: [u8; LENGTH]) -> Self {
        self.0[at..at + LENGTH].copy_from_slice(&bytes);
        self
    }
}

pub(super) fn fdstat(kind: u8, flags: u16, rights: u64, inheriting: u64) -> [u8; FDSTAT] {
    Record::new()
        .with(0, [kind])
        .with(2, flags.to_le_bytes())
        .with(8, rights.to_le_bytes())
        .with(16, inheriting.to_le_bytes())
        .0
}

/// A time as preview 1 has it, in nanoseconds.
pub(super) fn nanoseconds(time: &Datetime) -> u64 {
    let seconds = time.seconds.saturating_mul(1_000_000_000);
    seconds.saturating_add(time.nanoseconds.into())
}

pub(super) fn filestat(stat: &DescriptorStat, inode: u64) -> [u8; FILESTAT] {
    let times = [
        stat.data_access_timestamp,
        stat.data_modification_timestamp,
        stat.status_change_timestamp,
    ];
    let [accessed, modified, changed] =
        times.map(|time| time.as_ref().map_or(0, nanoseconds).to_le_bytes());
    Record::new()
        .with(8, inode.to_le_bytes())
        .with(16, [filetype(stat.type_)])
        .with(24, stat.link_count.to_le_bytes())
        .with(32, stat.size.to_le_bytes())
        .with(40, accessed)
        .with(48, modified)
        .with(56, changed)
        .0
}
