//! What programs emit: content blocks, told apart by their bytes.
//!
//! A program says what a block is, and is not believed where a client would
//! show it: images and sounds are known by their first bytes. What is neither
//! is a resource, under an address that leads nowhere.

use crate::bindings::output::{Block, Data, Host};
use crate::state::State;
use contract::content::{ContentBlock, EmbeddedResource, ResourceContents};
use contract::media_type::{self, BYTES, SVG};
use contract::text::quoted;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Bytes of a name or a type. Both are kept, and shown in one line.
const MAX_NAME: usize = 1_000;

/// What is escaped in an address: everything that could mean something in one.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

impl Host for State {
    fn emit(&mut self, block: Block) -> wasmtime::Result<Result<(), String>> {
        let console = &self.shared.console;
        let block = match block {
            Block::Text(text) => ContentBlock::Text { text },
            Block::Data(data) => match of_data(data, console.emitted() + 1) {
                Ok(block) => block,
                Err(refusal) => return Ok(Err(refusal)),
            },
        };
        console.emit(block).map_err(wasmtime::Error::new)?;
        Ok(Ok(()))
    }
}

/// The block that these bytes are; `number` is its place among all.
fn of_data(data: Data, number: usize) -> Result<ContentBlock, String> {
    let Data {
        content: bytes,
        mime_type,
        name,
    } = data;
    let declared = mime_type.as_deref().map(declared_type).transpose()?;
    let uri = match name.as_deref() {
        Some(name) => address(name)?,
        None => format!("sandbox:///emitted/{number}"),
    };
    let mime_type =
        declared.unwrap_or_else(|| media_type::of_file(name.as_deref(), &bytes).to_owned());
    if mime_type != SVG && (mime_type.starts_with("image/") || mime_type.starts_with("audio/")) {
        let found = media_type::of_bytes(&bytes);
        if found != Some(&*mime_type) {
            return Err(not_what_it_says(&mime_type, found));
        }
        let data = bytes;
        return Ok(if mime_type.starts_with("image/") {
            ContentBlock::Image { data, mime_type }
        } else {
            ContentBlock::Audio { data, mime_type }
        });
    }
    let contents = if media_type::is_text(&mime_type) {
        match String::from_utf8(bytes) {
            Ok(text) => ResourceContents::Text(text),
            Err(_) if mime_type == SVG => {
                return Err(format!("the bytes are not `{SVG}`, which is text in UTF-8"));
            }
            Err(error) => ResourceContents::Blob(error.into_bytes()),
        }
    } else {
        ResourceContents::Blob(bytes)
    };
    Ok(ContentBlock::Resource {
        resource: EmbeddedResource {
            uri,
            mime_type,
            contents,
        },
    })
}

fn not_what_it_says(declared: &str, found: Option<&str>) -> String {
    match found {
        Some(found) => format!(
            "the bytes are not `{declared}` but `{found}`: leave the type out, or give the right one"
        ),
        None => format!(
            "the bytes are not `{declared}`, nor anything else that can be shown: images are PNG, \
             JPEG, GIF and WebP, sounds are WAV, MP3, Ogg and FLAC; `{BYTES}` passes any file on"
        ),
    }
}

/// The type that a program gives a block.
fn declared_type(written: &str) -> Result<String, String> {
    let parsed = media_type::parse(written).filter(|_| written.len() <= MAX_NAME);
    parsed.ok_or_else(|| {
        let shown = quoted(written);
        format!("{shown} is no MIME type: those look like `image/png`")
    })
}

/// A name as an address. Steps upwards are left out.
fn address(name: &str) -> Result<String, String> {
    if name.len() > MAX_NAME {
        return Err(format!(
            "the name has {} bytes; at most {MAX_NAME} are taken",
            name.len()
        ));
    }
    let mut uri = String::from("sandbox://");
    for part in name.split('/') {
        if matches!(part, "" | "." | "..") {
            continue;
        }
        uri.push('/');
        uri.extend(utf8_percent_encode(part, ESCAPED));
    }
    if uri.ends_with("//") {
        return Err("the name is empty".to_owned());
    }
    Ok(uri)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n...";

    fn block(bytes: &[u8], mime_type: Option<&str>, name: Option<&str>) -> Result<Value, String> {
        let data = Data {
            content: bytes.to_owned(),
            mime_type: mime_type.map(Into::into),
            name: name.map(Into::into),
        };
        of_data(data, 3).map(|block| serde_json::to_value(block).expect("it is JSON"))
    }

    #[test]
    fn images_and_sounds_are_known_by_their_bytes() {
        for (bytes, mime_type) in [
            (PNG, "image/png"),
            (b"\xff\xd8\xff\xe0....", "image/jpeg"),
            (b"GIF89a....", "image/gif"),
            (b"RIFF....WEBPVP8 ", "image/webp"),
            (b"RIFF....WAVEfmt ", "audio/wav"),
            (b"ID3\x04....", "audio/mpeg"),
            (b"OggS\0...", "audio/ogg"),
            (b"fLaC\0...", "audio/flac"),
        ] {
            let kind = mime_type.split('/').next().unwrap();
            for declared in [None, Some(mime_type)] {
                let block = block(bytes, declared, Some("x.txt")).unwrap();
                assert_eq!(block["type"], kind);
                assert_eq!(block["mimeType"], mime_type);
            }
        }
    }

    #[test]
    fn what_is_declared_must_be_so() {
        let refusal = block(b"GIF89a", Some("image/png"), None).unwrap_err();
        assert_eq!(
            refusal,
            "the bytes are not `image/png` but `image/gif`: leave the type out, or give the right one"
        );
        for (bytes, declared, name) in [
            (&b"<html>"[..], Some("image/png"), None),
            (b"", Some("image/png"), None),
            (b"\x89PNG", Some("image/png"), None),
            (b"BM......", Some("image/bmp"), None),
            (b"MZ......", Some("audio/wav"), None),
            (b"<html>", None, Some("chart.png")),
            (b"RIFF....AVI ", Some("image/webp"), None),
        ] {
            let refusal = block(bytes, declared, name).unwrap_err();
            assert!(refusal.contains("nor anything else"), "{refusal}");
        }
        let refusal = block(b"\xff\xfe", Some("image/svg+xml"), None).unwrap_err();
        assert!(refusal.contains("text in UTF-8"), "{refusal}");
    }

    #[test]
    fn types_are_understood_as_people_write_them() {
        let jpeg = b"\xff\xd8\xff\xe0....";
        let block_of = |declared| block(jpeg, Some(declared), None);
        assert_eq!(block_of("image/jpg").unwrap()["mimeType"], "image/jpeg");
        assert_eq!(block_of(" IMAGE/JPEG ; q=1").unwrap()["type"], "image");
        for wrong in [
            "",
            "png",
            "image/",
            "/png",
            "image/png\nx: y",
            "a/b/c",
            "ä/b",
        ] {
            let refusal = block_of(wrong).unwrap_err();
            assert!(refusal.contains("is no MIME type"), "{refusal}");
            assert!(!refusal.contains('\n'), "{refusal}");
        }
    }

    #[test]
    fn everything_else_is_a_resource() {
        assert_eq!(
            block(b"<svg/>", None, Some("/workspace/a b.svg")).unwrap(),
            json!({ "type": "resource", "resource": {
                "uri": "sandbox:///workspace/a%20b.svg", "mimeType": "image/svg+xml", "text": "<svg/>",
            } })
        );
        assert_eq!(
            block(b"\0\x01", None, None).unwrap(),
            json!({ "type": "resource", "resource": {
                "uri": "sandbox:///emitted/3", "mimeType": "application/octet-stream", "blob": "AAE=",
            } })
        );
        let text = block(b"ID3 is a format", None, Some("notes")).unwrap();
        assert_eq!(text["resource"]["mimeType"], "text/plain");
        // Asked for: a file to be passed on, not to be shown.
        let file = block(PNG, Some("application/octet-stream"), None).unwrap();
        assert_eq!(file["type"], "resource");
        // Not UTF-8, so not text.
        let latin = block(b"caf\xe9", Some("text/plain"), None).unwrap();
        assert_eq!(latin["resource"]["blob"], "Y2Fm6Q==");
    }

    #[test]
    fn names_lead_nowhere() {
        let uri = |name| {
            let block = block(b"", None, Some(name));
            block.map(|block| block["resource"]["uri"].as_str().unwrap().to_owned())
        };
        assert_eq!(uri("../../etc/passwd").unwrap(), "sandbox:///etc/passwd");
        assert_eq!(
            uri("//evil.example/x?a#b%00").unwrap(),
            "sandbox:///evil.example/x%3Fa%23b%2500"
        );
        assert_eq!(uri("a\nb\u{202e}").unwrap(), "sandbox:///a%0Ab%E2%80%AE");
        assert_eq!(uri("..").unwrap_err(), "the name is empty");
        let long = "x".repeat(MAX_NAME + 1);
        assert!(uri(&long).unwrap_err().contains("1001 bytes"));
    }
}
