//! From what a program emitted to files: `--output-dir`.
//!
//! A program chooses the bytes and nothing about the names: they are ours, by
//! number and by what the bytes are.

use std::io;
use std::path::Path;

use contract::content::ResourceContents;
use contract::media_type;
use serde::Serialize;
use wasm_coordinator::ContentBlock;

use super::failure::{Failure, reason};
use super::outputs::{below, open_root};
use super::whole_file;

/// Files of one name and number that may be there already.
const MAX_TAKEN: usize = 10_000;

/// One block that was saved.
#[derive(Debug, Serialize)]
pub(crate) struct Saved {
    /// Where it is now.
    pub(crate) file: String,
    pub(crate) mime_type: String,
    pub(crate) bytes: usize,
}

/// Writes each block that is no text into a file of its own, and adds it to
/// `saved`. Existing files are passed over, or replaced if the operator says so.
///
/// # Errors
///
/// What is not in `saved` then is not on the disk.
pub(crate) fn save(
    content: &[ContentBlock],
    directory: &Path,
    overwrite: bool,
    saved: &mut Vec<Saved>,
) -> Result<(), Failure> {
    let blocks: Vec<_> = content.iter().filter_map(bytes).collect();
    if blocks.is_empty() {
        return Ok(());
    }
    let root = open_root(directory)?;
    let mut number = 0;
    for (block, bytes) in blocks {
        let extension = media_type::extension(block.mime_type());
        let written = loop {
            number += 1;
            let name = format!("emitted-{number}.{extension}");
            let written = if overwrite {
                whole_file::replace(&root, &name, bytes)
            } else {
                whole_file::create(&root, &name, bytes)
            };
            match written {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    if number > MAX_TAKEN {
                        break Err((name, error));
                    }
                }
                Err(error) => break Err((name, error)),
                Ok(()) => break Ok(name),
            }
        };
        let name = written.map_err(|(name, error)| {
            let file = below(directory, &name);
            let why = reason(&error);
            let error = io::Error::other(format!("`{}` cannot be written: {why}", file.display()));
            Failure::host(error)
        })?;
        saved.push(Saved {
            file: below(directory, &name).display().to_string(),
            mime_type: block.mime_type().to_owned(),
            bytes: bytes.len(),
        });
    }
    Ok(())
}

/// A block with what goes into its file; nothing of texts, which were shown.
fn bytes(block: &ContentBlock) -> Option<(&ContentBlock, &[u8])> {
    let bytes = match block {
        ContentBlock::Image { data, .. } | ContentBlock::Audio { data, .. } => data.as_slice(),
        ContentBlock::Resource { resource } => match &resource.contents {
            ResourceContents::Text(text) => text.as_bytes(),
            ResourceContents::Blob(data) => data,
        },
        _ => return None,
    };
    Some((block, bytes))
}
