//! Content of programs as blocks of the protocol.

use rmcp::model::{ContentBlock, ResourceContents};

/// Types that clients show as images.
const IMAGES: [(&str, &[u8]); 4] = [
    ("image/png", b"\x89PNG\r\n\x1a\n"),
    ("image/jpeg", b"\xff\xd8\xff"),
    ("image/gif", b"GIF8"),
    ("image/webp", b"RIFF"),
];

/// The type of an image, by how it begins.
pub(super) fn image(bytes: &[u8]) -> Option<&'static str> {
    let known = IMAGES.iter().find(|(_, magic)| bytes.starts_with(magic));
    known.map(|(kind, _)| *kind)
}

/// What a program emitted. It was checked when it was.
pub(super) fn emitted(block: &crate::report::ContentBlock) -> Option<ContentBlock> {
    serde_json::from_value(serde_json::to_value(block).ok()?).ok()
}

/// A file of a workspace.
pub(super) fn file(path: &str, bytes: &[u8]) -> ContentBlock {
    let uri = format!("workspace:///{}", escaped(path));
    if let Some(kind) = image(bytes) {
        return ContentBlock::image(base64(bytes), kind);
    }
    ContentBlock::resource(match std::str::from_utf8(bytes) {
        Ok(text) => ResourceContents::text(text, uri),
        Err(_) => ResourceContents::blob(base64(bytes), uri),
    })
}

/// A path as part of a URI.
fn escaped(path: &str) -> String {
    let mut escaped = String::new();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => {
                escaped.push(char::from(byte));
            }
            other => escaped.push_str(&format!("%{other:02X}")),
        }
    }
    escaped
}

pub(super) fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

pub(super) fn from_base64(text: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).ok()
}
