//! What a file is: its media type by its bytes and by its name, and the other
//! way round.
//!
//! This is the only such table. Whoever shows a file to somebody goes by its
//! bytes where it can; a name is only a promise.

/// Bytes of unknown kind.
pub const BYTES: &str = "application/octet-stream";

/// Plain text.
pub const TEXT: &str = "text/plain";

/// An image that is text: no bytes tell it apart, and it may hold scripts.
pub const SVG: &str = "image/svg+xml";

/// Extensions of names and what they promise. The first row of an extension and
/// the first row of a type are those that count.
const TABLE: &[(&str, &str)] = &[
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("svg", SVG),
    ("wav", "audio/wav"),
    ("mp3", "audio/mpeg"),
    ("ogg", "audio/ogg"),
    ("flac", "audio/flac"),
    ("txt", TEXT),
    ("md", "text/markdown"),
    ("csv", "text/csv"),
    ("html", "text/html"),
    ("htm", "text/html"),
    ("css", "text/css"),
    ("js", "text/javascript"),
    ("mjs", "text/javascript"),
    ("js", "application/javascript"),
    ("py", "text/x-python"),
    ("json", "application/json"),
    ("xml", "application/xml"),
    ("xml", "text/xml"),
    ("yaml", "application/yaml"),
    ("yml", "application/yaml"),
    ("yaml", "application/x-yaml"),
    ("yaml", "text/yaml"),
    ("toml", "application/toml"),
    ("pdf", "application/pdf"),
    ("zip", "application/zip"),
    ("gz", "application/gzip"),
];

/// The type of an image or a sound, by how it begins. Nothing else is told apart
/// by its bytes.
///
/// ```
/// use wasm_coordinator_contract::media_type::of_bytes;
/// assert_eq!(of_bytes(b"RIFF\0\0\0\0WAVEfmt "), Some("audio/wav"));
/// assert_eq!(of_bytes(b"RIFF\0\0\0\0WEBPVP8 "), Some("image/webp"));
/// assert_eq!(of_bytes(b"<html>"), None);
/// ```
pub fn of_bytes(bytes: &[u8]) -> Option<&'static str> {
    Some(match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => "image/png",
        [0xff, 0xd8, 0xff, ..] => "image/jpeg",
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => "image/gif",
        [b'I', b'D', b'3', 2..=4, ..] | [0xff, 0xfb | 0xf3 | 0xf2, ..] => "audio/mpeg",
        [b'O', b'g', b'g', b'S', 0, ..] => "audio/ogg",
        [b'f', b'L', b'a', b'C', 0 | 0x80, ..] => "audio/flac",
        _ => match (bytes.get(..4)?, bytes.get(8..12)?) {
            (b"RIFF", b"WEBP") => "image/webp",
            (b"RIFF", b"WAVE") => "audio/wav",
            _ => return None,
        },
    })
}

/// What the extension of a name promises.
pub fn of_name(name: &str) -> Option<&'static str> {
    let (_, extension) = name.rsplit_once('.')?;
    let mut rows = TABLE.iter();
    let row = rows.find(|(known, _)| known.eq_ignore_ascii_case(extension));
    row.map(|(_, media_type)| *media_type)
}

/// The type of a file: by its bytes, then by its name, then whether it is text.
pub fn of_file(name: Option<&str>, bytes: &[u8]) -> &'static str {
    let by_name = || name.and_then(of_name);
    of_bytes(bytes).or_else(by_name).unwrap_or_else(|| {
        if bytes.contains(&0) || std::str::from_utf8(bytes).is_err() {
            BYTES
        } else {
            TEXT
        }
    })
}

/// The extension that a file of a type is named with, as somebody wrote the type.
///
/// ```
/// use wasm_coordinator_contract::media_type::extension;
/// assert_eq!(extension("application/ld+json; charset=utf-8"), "json");
/// assert_eq!(extension("application/x-unknown"), "bin");
/// ```
pub fn extension(written: &str) -> &'static str {
    let media_type = parse(written).unwrap_or_default();
    match TABLE.iter().find(|(_, known)| *known == media_type) {
        Some((extension, _)) => extension,
        None if media_type.ends_with("+json") => "json",
        None if media_type.starts_with("text/") => "txt",
        None => "bin",
    }
}

/// Whether files of a type are text.
pub fn is_text(media_type: &str) -> bool {
    const OTHERS: [&str; 6] = [
        "application/json",
        "application/xml",
        "application/javascript",
        "application/yaml",
        "application/x-yaml",
        "application/toml",
    ];
    media_type.starts_with("text/")
        || media_type.ends_with("+json")
        || media_type.ends_with("+xml")
        || OTHERS.contains(&media_type)
}

/// A type as people write it: in lower case, without parameters, images and
/// sounds by their usual name. `None` if it is no media type.
pub fn parse(written: &str) -> Option<String> {
    let essence = written.split(';').next().unwrap_or_default().trim();
    let is_token = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&byte))
    };
    let (kind, rest) = essence.split_once('/')?;
    if !is_token(kind) || !is_token(rest) {
        return None;
    }
    let essence = essence.to_ascii_lowercase();
    Some(match essence.as_str() {
        "image/jpg" | "image/pjpeg" => "image/jpeg".to_owned(),
        "image/x-png" => "image/png".to_owned(),
        "audio/mp3" => "audio/mpeg".to_owned(),
        "audio/wave" | "audio/x-wav" | "audio/vnd.wave" => "audio/wav".to_owned(),
        "audio/x-flac" => "audio/flac".to_owned(),
        _ => essence,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_count_before_the_name_and_the_name_before_a_guess() {
        assert_eq!(of_file(Some("x.txt"), b"GIF89a"), "image/gif");
        assert_eq!(of_file(Some("x.CSV"), b"a,b"), "text/csv");
        assert_eq!(
            of_file(Some("archive.tar.gz"), b"\x1f\x8b\0"),
            "application/gzip"
        );
        assert_eq!(of_file(Some("Makefile"), b"all:"), TEXT);
        assert_eq!(of_file(None, b"caf\xe9"), BYTES);
        assert_eq!(of_file(None, b"a\0b"), BYTES);
    }

    #[test]
    fn a_type_is_named_by_an_extension_that_means_it() {
        for (extension_of_row, media_type) in TABLE {
            let name = format!("x.{}", extension(media_type));
            let promised = of_name(&name).expect("the extension is in the table");
            // Several types may share an extension: all of them are one format.
            assert_eq!(extension(promised), extension(media_type), "{media_type}");
            assert!(of_name(&format!("x.{extension_of_row}")).is_some());
        }
        assert_eq!(extension("IMAGE/JPG; q=1"), "jpg");
        assert_eq!(extension("text/x-unknown"), "txt");
        assert_eq!(extension("no type"), "bin");
    }

    #[test]
    fn what_is_no_type_is_none() {
        assert_eq!(
            parse(" Text/HTML ; charset=utf-8").as_deref(),
            Some("text/html")
        );
        for wrong in [
            "",
            "png",
            "image/",
            "/png",
            "image/png\nx: y",
            "a/b/c",
            "ä/b",
        ] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }
}
