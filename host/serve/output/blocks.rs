//! Content of programs as blocks of the protocol.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rmcp::model::{ContentBlock, ResourceContents};

use contract::media_type;

/// What is escaped in a path of a URI: all but what never has to be.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'.')
    .remove(b'-')
    .remove(b'_')
    .remove(b'~');

/// What a program emitted. It was checked when it was.
pub(in crate::serve) fn emitted(block: &contract::content::ContentBlock) -> Option<ContentBlock> {
    serde_json::from_value(serde_json::to_value(block).ok()?).ok()
}

/// An image or a sound as one, by its bytes; a name is only a promise.
pub(in crate::serve) fn media(bytes: &[u8]) -> Option<ContentBlock> {
    let kind = media_type::of_bytes(bytes)?;
    Some(if kind.starts_with("image/") {
        ContentBlock::image(base64(bytes), kind)
    } else {
        ContentBlock::audio(base64(bytes), kind)
    })
}

/// A file of a workspace.
pub(in crate::serve) fn file(path: &str, bytes: &[u8]) -> ContentBlock {
    if let Some(media) = media(bytes) {
        return media;
    }
    let uri = format!("workspace:///{}", utf8_percent_encode(path, PATH));
    let promised = media_type::of_file(Some(path), bytes);
    let is_false = ["image/", "audio/"]
        .iter()
        .any(|kind| promised.starts_with(kind))
        && promised != media_type::SVG;
    let kind = if is_false {
        media_type::of_file(None, bytes)
    } else {
        promised
    };
    let contents = match std::str::from_utf8(bytes) {
        Ok(text) => ResourceContents::text(text, uri),
        Err(_) => ResourceContents::blob(base64(bytes), uri),
    };
    ContentBlock::resource(contents.with_mime_type(kind))
}

/// Bytes of an image or a sound; of other blocks none.
pub(in crate::serve) fn media_bytes(block: &ContentBlock) -> usize {
    let data = match block {
        ContentBlock::Image(image) => &image.data,
        ContentBlock::Audio(audio) => &audio.data,
        _ => return 0,
    };
    let padding = data.bytes().rev().take_while(|byte| *byte == b'=').count();
    data.len() / 4 * 3 - padding
}

fn base64(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

pub(in crate::serve) fn from_base64(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_or_a_sound_is_given_as_one_and_a_name_is_not_believed() {
        let block = |name: &str, bytes: &[u8]| serde_json::to_value(file(name, bytes)).unwrap();
        for (name, bytes, kind, media_type) in [
            ("a", &b"\x89PNG\r\n\x1a\n\0"[..], "image", "image/png"),
            ("a", b"RIFF\0\0\0\0WEBPVP8 ", "image", "image/webp"),
            ("a.png", b"RIFF\0\0\0\0WAVEfmt \xff", "audio", "audio/wav"),
        ] {
            let block = block(name, bytes);
            assert_eq!(
                (&block["type"], &block["mimeType"]),
                (&kind.into(), &media_type.into())
            );
        }
        for (name, bytes, media_type) in [
            ("a", &b"GIF8 is text"[..], "text/plain"),
            ("a.png", b"is text", "text/plain"),
            ("a.svg", b"<svg/>", "image/svg+xml"),
            ("a.csv", b"a,b", "text/csv"),
            ("a.bin", b"\xff\0", "application/octet-stream"),
        ] {
            let block = block(name, bytes);
            assert_eq!(block["type"], "resource");
            assert_eq!(block["resource"]["mimeType"], media_type, "{name}");
        }
    }

    #[test]
    fn the_uri_of_a_file_is_one_whatever_its_name() {
        let block = serde_json::to_value(file("a b/ä%~-_.txt", b"x")).unwrap();
        assert_eq!(
            block["resource"]["uri"],
            "workspace:///a%20b/%C3%A4%25~-_.txt"
        );
    }
}
