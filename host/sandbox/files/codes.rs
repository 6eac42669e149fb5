//! Between our types and those of the WIT.

use super::account::MAX_DESCRIPTORS;
use super::bindings::wasi::filesystem::types::{
    DescriptorStat, DescriptorType, ErrorCode, MetadataHashValue, NewTimestamp,
};
use super::error::Error;
use super::mount::Location;
use super::volume::{Kind, NewTime, Node, Status, Timestamp};
use contract::limits::FileLimit;
use wasmtime::component::ResourceTableError;
use wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime;

/// What ends a call without a result.
pub(crate) enum Failure {
    /// The guest hears of it.
    Refused(Error),
    /// The guest broke the rules of the component model and is stopped.
    Trap(wasmtime::Error),
}

pub(crate) type Answer<T> = Result<T, Failure>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<ResourceTableError> for Failure {
    fn from(error: ResourceTableError) -> Self {
        match error {
            // A smaller bound than ours on everything that a guest can hold.
            ResourceTableError::Full => {
                Self::Refused(FileLimit::Descriptors(MAX_DESCRIPTORS).into())
            }
            error => Self::Trap(error.into()),
        }
    }
}

/// Every libc takes this hash for the inode number (`st_ino`), and programs
/// take that for identity: SQLite, for one, believes that its file was
/// replaced when the number changes. So the hash covers what the file is and
/// nothing that changes when it is written. The mixing is one-to-one, thus no
/// two files have the same.
pub(super) fn identity(
    Location {
        volume,
        node: Node(node),
    }: Location,
) -> MetadataHashValue {
    let lower = mix(node ^ ((volume as u64 + 1) << 48));
    MetadataHashValue {
        lower,
        upper: mix(lower),
    }
}

/// The finaliser of SplitMix64.
fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

pub(super) fn new_time(time: NewTimestamp) -> Result<NewTime, Error> {
    match time {
        NewTimestamp::NoChange => Ok(NewTime::Keep),
        NewTimestamp::Now => Ok(NewTime::Now),
        NewTimestamp::Timestamp(Datetime {
            seconds,
            nanoseconds,
        }) => {
            if nanoseconds >= 1_000_000_000 {
                return Err(Error::Invalid);
            }
            Ok(NewTime::Set(Timestamp {
                seconds,
                nanoseconds,
            }))
        }
    }
}

impl From<Kind> for DescriptorType {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::File => Self::RegularFile,
            Kind::Directory => Self::Directory,
        }
    }
}

impl From<Status> for DescriptorStat {
    fn from(status: Status) -> Self {
        let datetime = |time: Timestamp| {
            Some(Datetime {
                seconds: time.seconds,
                nanoseconds: time.nanoseconds,
            })
        };
        Self {
            type_: status.kind.into(),
            link_count: status.links,
            size: status.size,
            data_access_timestamp: datetime(status.accessed),
            data_modification_timestamp: datetime(status.modified),
            status_change_timestamp: datetime(status.changed),
        }
    }
}

impl From<Error> for ErrorCode {
    fn from(error: Error) -> Self {
        match error {
            Error::NoEntry => Self::NoEntry,
            Error::NotDirectory => Self::NotDirectory,
            Error::IsDirectory => Self::IsDirectory,
            Error::Exist => Self::Exist,
            Error::NotEmpty => Self::NotEmpty,
            Error::Invalid => Self::Invalid,
            Error::NotUtf8 => Self::IllegalByteSequence,
            Error::NameTooLong => Self::NameTooLong,
            Error::ReadOnly => Self::ReadOnly,
            Error::NotPermitted => Self::NotPermitted,
            Error::Unsupported => Self::Unsupported,
            Error::CrossDevice => Self::CrossDevice,
            Error::Busy => Self::Busy,
            Error::BadDescriptor => Self::BadDescriptor,
            Error::Planted(_) | Error::InUse | Error::Access => Self::Access,
            Error::DiskFull => Self::InsufficientSpace,
            Error::Io => Self::Io,
            Error::HostFileSize | Error::Limit(FileLimit::FileSize(_)) => Self::FileTooLarge,
            Error::Limit(FileLimit::Bytes(_) | FileLimit::Inodes(_)) => Self::InsufficientSpace,
            Error::Limit(FileLimit::Depth(_)) => Self::NameTooLong,
            // WASI has no code for too many open files.
            Error::Limit(FileLimit::Descriptors(_)) => Self::InsufficientMemory,
        }
    }
}
