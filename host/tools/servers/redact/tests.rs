use std::time::{Duration, Instant};

use base64::{Engine as _, engine::general_purpose};
use serde_json::{Value, json};

use super::*;

const SECRET: &str = "ghp_\"0123/456+789";

fn redactor() -> Redactor {
    Redactor::new([SECRET])
}

fn redacted(text: &str) -> String {
    redactor().text(text.to_owned())
}

fn redacted_json(json: &str) -> Value {
    let redacted = redactor().json(json.to_owned());
    serde_json::from_str(&redacted).unwrap_or_else(|error| panic!("{error}: {redacted}"))
}

#[test]
fn a_secret_is_removed_in_every_common_encoding() {
    assert_eq!(
        redacted(&format!("401 for {SECRET}!")),
        "401 for [redacted]!"
    );
    assert_eq!(
        redacted(r#"{"t":"ghp_\"0123/456+789"}"#),
        r#"{"t":"[redacted]"}"#
    );
    assert_eq!(redacted("?t=ghp_%220123%2F456%2B789&x"), "?t=[redacted]&x");
    assert_eq!(redacted("6768705f22303132332f3435362b373839"), MARKER);
    assert_eq!(redacted("6768705F22303132332F3435362B373839"), MARKER);
    assert_eq!(redacted(&SECRET.chars().rev().collect::<String>()), MARKER);
}

#[test]
fn no_manner_of_escaping_hides_a_secret() {
    let all = |write: fn(char) -> String| SECRET.chars().map(write).collect::<String>();
    for escaped in [
        all(|c| format!("\\u{:04x}", c as u32)),
        all(|c| format!("\\u{:04X}", c as u32)),
        all(|c| format!("\\u{{{:x}}}", c as u32)),
        all(|c| format!("\\x{:02x}", c as u32)),
        all(|c| format!("%{:02X}", c as u32)),
        all(|c| format!("%25{:02x}", c as u32)),
        all(|c| format!("&#{};", c as u32)),
        all(|c| format!("&#x{:x};", c as u32)),
        // As PHP, Python, browsers and templates write them.
        r#"ghp_\"0123\/456+789"#.to_owned(),
        r#"ghp_\\\"0123\\/456+789"#.to_owned(),
        r#"ghp_\\\\\\\"0123/456+789"#.to_owned(),
        "ghp_%220123/456%2B789".to_owned(),
        "ghp_&quot;0123/456+789".to_owned(),
        "ghp_&amp;quot;0123&#47;456+789".to_owned(),
        r#"ghp_\"0\u00312\u0033/456+789"#.to_owned(),
    ] {
        assert_eq!(redacted(&format!("a {escaped} b")), "a [redacted] b");
        let json = json!({ "a": format!("a {escaped} b") });
        assert_eq!(redacted_json(&json.to_string())["a"], "a [redacted] b");
    }
    // In JSON itself, as it came from the server.
    let raw = all(|c| format!("\\u{:04x}", c as u32));
    assert_eq!(redacted_json(&format!("[\"{raw}\"]")), json!([MARKER]));
    // Characters of several bytes, also in two halves.
    let wide = Redactor::new(["pässwörd🦀"]);
    let json =
        r#"["p\u00e4ssw\u00f6rd\ud83e\udd80", "pässwörd🦀", "p%C3%A4ssw%c3%b6rd%F0%9F%A6%80"]"#;
    assert_eq!(
        wide.json(json.to_owned()),
        r#"["[redacted]", "[redacted]", "[redacted]"]"#
    );
}

#[test]
fn base64_is_found_wherever_the_secret_starts() {
    // base64 of `SECRET`, of `x` + SECRET and of `xx` + SECRET.
    for encoded in [
        "Z2hwXyIwMTIzLzQ1Nis3ODk=",
        "eGdocF8iMDEyMy80NTYrNzg5",
        "eHhnaHBfIjAxMjMvNDU2Kzc4OQ==",
    ] {
        let left = redacted(encoded).replace(MARKER, "");
        assert!(left.len() <= 8, "{encoded} left {left}");
    }
    for before in 0..10 {
        let bytes = format!("{}{SECRET} and more", "\u{ff}".repeat(before));
        for engine in [general_purpose::STANDARD, general_purpose::URL_SAFE] {
            let whole = engine.encode(&bytes);
            let lines: String = whole
                .as_bytes()
                .chunks(20)
                .map(|line| String::from_utf8_lossy(line).into_owned() + "\r\n")
                .collect();
            for encoded in [&whole, &lines, &lines.replace("\r\n", "\\n")] {
                assert!(redacted(encoded).contains(MARKER), "{encoded}");
                let json = json!({ "data": encoded });
                let seen = redacted_json(&json.to_string());
                assert!(seen["data"].as_str().unwrap().contains(MARKER), "{json}");
            }
        }
    }
}

#[test]
fn a_secret_in_pieces_is_found_in_neighbouring_texts() {
    for cut in 1..SECRET.len() {
        let (one, two) = SECRET.split_at(cut);
        let block = |text: &str| json!({ "type": "text", "text": text });
        let json = json!({ "content": [block(&format!("a {one}")), block(&format!("{two} b"))] });
        assert_eq!(
            redacted_json(&json.to_string()),
            json!({ "content": [block("a [redacted]"), block("[redacted] b")] }),
            "{cut}"
        );
        let list = json!(["x", one, two, "y"]);
        assert_eq!(
            redacted_json(&list.to_string()),
            json!(["x", MARKER, MARKER, "y"])
        );
    }
    // Texts that only begin like it stay, and so do those apart.
    for json in [
        json!(["ghp_\"0123", "/456+78"]),
        json!({ "a": "ghp_\"0123", "b": "/456+789" }),
        json!(["ghp_\"0123/456+", "x", "789"]),
    ] {
        assert_eq!(redacted_json(&json.to_string()), json);
    }
}

#[test]
fn keys_are_texts_too() {
    let json = json!({ SECRET: 1, "b": { "c": [{ format!("x{SECRET}"): SECRET }] } });
    assert_eq!(
        redacted_json(&json.to_string()),
        json!({ MARKER: 1, "b": { "c": [{ "x[redacted]": MARKER }] } })
    );
}

#[test]
fn what_a_server_reads_a_secret_as_is_one_too() {
    // user:hunter2hunter2
    let redactor = Redactor::new([
        "Bearer abcdefghij",
        "Basic dXNlcjpodW50ZXIyaHVudGVyMg==",
        "p%40ssw0rd1",
    ]);
    let text =
        "abcdefghij hunter2hunter2 dXNlcjpodW50ZXIyaHVudGVyMg== p@ssw0rd1 p%40ssw0rd1 user:x";
    let seen = redactor.text(text.to_owned());
    assert_eq!(seen, format!("{}user:x", "[redacted] ".repeat(5)));
}

#[test]
fn short_secrets_are_left_alone() {
    let redactor = Redactor::new(["null", "", "12345"]);
    assert_eq!(redactor.text("null 12345".to_owned()), "null 12345");
}

#[test]
fn json_stays_json_when_a_number_was_the_secret() {
    let redactor = Redactor::new(["12345678"]);
    assert_eq!(
        redactor.json(r#"{"a":"12345678"}"#.to_owned()),
        r#"{"a":"[redacted]"}"#
    );
    assert_eq!(
        redactor.json(r#"{"a":12345678, "b": -0.12345678e1}"#.to_owned()),
        r#"{"a":"[redacted]", "b": "[redacted]"}"#
    );
    assert_eq!(
        redactor.json(r#"{"a":1234567, "b": 8}"#.to_owned()),
        r#"{"a":1234567, "b": 8}"#
    );
}

#[test]
fn what_holds_no_secret_stays_byte_by_byte() {
    for json in [
        r#"{"a": 1.10, "é": "\u00e9\/\n", "n": 12345678901234567890123}"#,
        r#" [ "ghp_", "100%25", "&amp;", "\ud83e" ] "#,
        r#""ghp_\"0123""#,
        "null",
        "",
        "{\"a\": \"unfinished",
    ] {
        assert_eq!(redactor().json(json.to_owned()), json);
        assert_eq!(redactor().text(json.to_owned()), json);
    }
}

#[test]
fn a_secret_across_the_border_of_what_is_read_at_once_is_found() {
    let escaped: String = SECRET
        .chars()
        .map(|c| format!("\\u{:04x}", c as u32))
        .collect();
    for before in [
        CHUNK - 200,
        CHUNK - 50,
        CHUNK - 1,
        CHUNK,
        CHUNK + 1,
        CHUNK + 300,
    ] {
        let text = format!("{}{escaped} end", "x".repeat(before));
        let seen = redacted(&text);
        assert_eq!(seen, format!("{}[redacted] end", "x".repeat(before)));
    }
}

/// Escapes without end cost time in proportion, and no more.
#[test]
fn texts_that_are_hard_to_read_are_read_in_time() {
    for text in [
        "\\".repeat(4 << 20),
        "\\u005c".repeat(600_000),
        "%25".repeat(1 << 20),
        "&amp;".repeat(700_000),
        "ghp_ ".repeat(700_000),
        format!("[{}\"\"]", "\"\",".repeat(1 << 20)),
        format!(
            "[{}0]",
            (0..300_000)
                .map(|n| format!("{{\"{n}\":\"ghp_\"}},"))
                .collect::<String>()
        ),
    ] {
        let began = Instant::now();
        redactor().json(text.clone());
        redactor().text(text);
        assert!(began.elapsed() < Duration::from_secs(20));
    }
}
