//! What a coordinator and a worker say to each other: the messages of
//! [`message`](crate::message) and what surrounds a run.
//!
//! One conversation: [`ToWorker::Open`], then for each program what changed in
//! the files, [`ToWorker::Run`] and the answers to what it asks; the worker sends
//! what the program asks and prints, what it changed in the files, and exactly
//! one [`FromWorker::Ended`].

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::advice::Advice;
use crate::bounded;
use crate::content::{ContentBlock, EmbeddedResource, ResourceContents};
use crate::limits::Limits;
use crate::message::{Server, ToCoordinator, ToSandbox};
use crate::outcome::RunOutcome;
use crate::program::{Form, Program};
use crate::quota::Quota;

/// What a coordinator tells a worker.
#[derive(Debug, Serialize, Deserialize)]
pub enum ToWorker {
    /// Begins a session: the first message, and the first one after
    /// [`ToWorker::Reset`].
    Open(Opening),
    /// Ends the session and forgets all of it, so that another one of the same
    /// caller can be opened.
    Reset,
    /// A part of a file that changed; belongs to the next [`ToWorker::Files`].
    Chunk(FileChunk),
    /// The files of the session, where they are not as the worker has them.
    Files(FileChanges),
    /// Runs a program. Answered by one [`FromWorker::Ended`].
    Run(Box<RunRequest>),
    /// Tells the program something.
    Answer(ToSandbox),
}

/// What a worker tells its coordinator.
#[derive(Debug, Serialize, Deserialize)]
pub enum FromWorker {
    /// The program asks.
    Ask(ToCoordinator),
    /// It printed.
    Printed(Stream, Bytes),
    /// It emitted a content block.
    Emitted(Emitted),
    /// A part of a file that changed; belongs to the next [`FromWorker::Files`].
    Chunk(FileChunk),
    /// The files of the session, where the program changed them.
    Files(FileChanges),
    /// The program ended.
    Ended(Box<RunOutcome>),
}

/// What a session begins with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Opening {
    /// [`VERSION`](crate::frame::VERSION) of the coordinator.
    pub version: u32,
    /// The servers whose tools programs may import.
    pub servers: Vec<Server>,
    /// What its files may be.
    pub quota: Quota,
    /// Whether programs read the standard input that comes with this message.
    pub has_stdin: bool,
    /// The component whose machine code comes with this message: the only one that
    /// this worker runs.
    pub component: Option<CompiledComponent>,
}

/// What is known of machine code beside itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompiledComponent {
    /// Whether it is of a component or a module.
    pub form: Form,
    /// How many core instances it may have.
    pub max_instances: u32,
}

/// A program to run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunRequest {
    /// The program.
    pub program: Program,
    /// What is said about it before.
    pub advice: Advice,
    /// What it may consume.
    pub limits: Limits,
    /// Whether somebody looks at the output as it comes.
    pub is_watched: bool,
}

/// One of the two streams of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stream {
    /// What the program prints.
    Stdout,
    /// What it prints to `stderr`.
    Stderr,
}

/// Every file and directory of a session in memory, each directory before what
/// is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileChanges {
    /// Those that have a name.
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_ENTRIES>")]
    pub entries: Vec<FileEntry>,
    /// A number above that of every node so far.
    pub next: u64,
}

/// Files and directories that one message can name.
const MAX_ENTRIES: usize = 1 << 19;

/// One file or directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its number.
    pub node: u64,
    /// The number of the directory that lists it.
    pub parent: u64,
    /// Its name there.
    pub name: String,
    /// When it was last read, when its content and when anything about it
    /// changed: seconds and nanoseconds since 1970.
    pub times: [(u64, u32); 3],
    /// What is in it.
    pub body: FileBody,
}

/// What is in a file or directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileBody {
    /// A directory.
    Directory,
    /// The content that the receiver has under this number.
    Same,
    /// A file of this size, with the chunks that are no holes: their places,
    /// and whether each was sent; else the receiver has it.
    File {
        /// In bytes.
        size: u64,
        /// In order.
        #[serde(deserialize_with = "bounded::list::<_, _, MAX_ENTRIES>")]
        chunks: Vec<(u64, bool)>,
    },
}

/// A part of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileChunk {
    /// The number of the file.
    pub node: u64,
    /// Which chunk of it.
    pub index: u64,
    /// What is in it.
    pub bytes: Bytes,
}

/// A [`ContentBlock`] as plain data: that one is written as clients read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Emitted {
    /// A text.
    Text(String),
    /// An image and its type.
    Image(Bytes, String),
    /// A sound and its type.
    Audio(Bytes, String),
    /// A resource with text: its name, its type, the text.
    TextResource(String, String, String),
    /// A resource with bytes: its name, its type, the bytes.
    BlobResource(String, String, Bytes),
}

impl From<ContentBlock> for Emitted {
    fn from(block: ContentBlock) -> Self {
        match block {
            ContentBlock::Text { text } => Self::Text(text),
            ContentBlock::Image { data, mime_type } => Self::Image(data.into(), mime_type),
            ContentBlock::Audio { data, mime_type } => Self::Audio(data.into(), mime_type),
            ContentBlock::Resource { resource } => {
                let EmbeddedResource {
                    uri,
                    mime_type,
                    contents,
                } = resource;
                match contents {
                    ResourceContents::Text(text) => Self::TextResource(uri, mime_type, text),
                    ResourceContents::Blob(data) => Self::BlobResource(uri, mime_type, data.into()),
                }
            }
        }
    }
}

impl From<Emitted> for ContentBlock {
    fn from(emitted: Emitted) -> Self {
        let resource = |uri, mime_type, contents| Self::Resource {
            resource: EmbeddedResource {
                uri,
                mime_type,
                contents,
            },
        };
        match emitted {
            Emitted::Text(text) => Self::Text { text },
            Emitted::Image(data, mime_type) => Self::Image {
                data: data.into(),
                mime_type,
            },
            Emitted::Audio(data, mime_type) => Self::Audio {
                data: data.into(),
                mime_type,
            },
            Emitted::TextResource(uri, mime_type, text) => {
                resource(uri, mime_type, ResourceContents::Text(text))
            }
            Emitted::BlobResource(uri, mime_type, data) => {
                resource(uri, mime_type, ResourceContents::Blob(data.into()))
            }
        }
    }
}
