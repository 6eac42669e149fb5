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

/// The type of an image, by how it begins.
pub(in crate::serve) fn image(bytes: &[u8]) -> Option<&'static str> {
    media_type::of_bytes(bytes).filter(|kind| kind.starts_with("image/"))
}

/// What a program emitted. It was checked when it was.
pub(in crate::serve) fn emitted(block: &contract::content::ContentBlock) -> Option<ContentBlock> {
    serde_json::from_value(serde_json::to_value(block).ok()?).ok()
}

/// A file of a workspace.
pub(in crate::serve) fn file(path: &str, bytes: &[u8]) -> ContentBlock {
    let uri = format!("workspace:///{}", utf8_percent_encode(path, PATH));
    if let Some(kind) = image(bytes) {
        return ContentBlock::image(base64(bytes), kind);
    }
    ContentBlock::resource(match std::str::from_utf8(bytes) {
        Ok(text) => ResourceContents::text(text, uri),
        Err(_) => ResourceContents::blob(base64(bytes), uri),
    })
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
    fn only_an_image_is_given_as_one() {
        let kind = |bytes: &[u8]| serde_json::to_value(file("a", bytes)).unwrap()["type"].clone();
        assert_eq!(kind(b"\x89PNG\r\n\x1a\n\0"), "image");
        assert_eq!(kind(b"RIFF\0\0\0\0WEBPVP8 "), "image");
        assert_eq!(kind(b"RIFF\0\0\0\0WAVEfmt \xff"), "resource");
        assert_eq!(kind(b"GIF8 is text"), "resource");
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
