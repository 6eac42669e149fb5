//! What programs show beside what they print: content blocks.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Serialize, Serializer};

/// Something that a program emitted beside what it printed, serialised as a
/// content block of the Model Context Protocol, bytes in Base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ContentBlock {
    /// A text.
    Text {
        /// It.
        text: String,
    },
    /// An image: PNG, JPEG, GIF or WebP, by its first bytes.
    Image {
        /// The file.
        #[serde(serialize_with = "base64")]
        data: Vec<u8>,
        /// What it is.
        #[serde(rename = "mimeType")]
        mime_type: String,
    },
    /// A sound: WAV, MP3, Ogg or FLAC, by its first bytes.
    Audio {
        /// The file.
        #[serde(serialize_with = "base64")]
        data: Vec<u8>,
        /// What it is.
        #[serde(rename = "mimeType")]
        mime_type: String,
    },
    /// Anything else.
    Resource {
        /// The file.
        resource: EmbeddedResource,
    },
}

/// A file inside a [`ContentBlock`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EmbeddedResource {
    /// `sandbox:///` and the name that the program gave it. It tells resources
    /// apart and leads nowhere.
    pub uri: String,
    /// What it is, as the program says.
    pub mime_type: String,
    /// What is in it.
    #[serde(flatten)]
    pub contents: ResourceContents,
}

/// What is in an [`EmbeddedResource`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ResourceContents {
    /// Text.
    Text(String),
    /// Bytes.
    #[serde(serialize_with = "base64")]
    Blob(Vec<u8>),
}

impl ContentBlock {
    /// Its MIME type.
    pub fn mime_type(&self) -> &str {
        match self {
            Self::Text { .. } => "text/plain",
            Self::Image { mime_type, .. } | Self::Audio { mime_type, .. } => mime_type,
            Self::Resource { resource } => &resource.mime_type,
        }
    }

    /// The size of what is in it, in bytes: before Base64, without names.
    pub fn size(&self) -> usize {
        match self {
            Self::Text { text } => text.len(),
            Self::Image { data, .. } | Self::Audio { data, .. } => data.len(),
            Self::Resource { resource } => match &resource.contents {
                ResourceContents::Text(text) => text.len(),
                ResourceContents::Blob(data) => data.len(),
            },
        }
    }
}

fn base64<S: Serializer>(data: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&BASE64.encode(data))
}
