//! One message a line, over the standard streams.

use std::{
    io::{BufRead, Write, stdin, stdout},
    os::fd::{FromRawFd, OwnedFd},
    process::exit,
    sync::Arc,
    time::Duration,
};

use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::protocol::{Out, Piece, Server, read_message, written};

/// Malformed lines of every kind that is seen in the wild, and some that is not.
const MALFORMED: &[&[u8]] = &[
    b"Welcome to the server!\n",
    b"\n",
    b"null\n",
    b"[]\n",
    b"7\n",
    b"{\"unfinished\": \n",
    b"\xff\xfe\x00\x01 not text\n",
    b"\x1b[31mcolours\x1b[0m\r\n",
    b"{\"jsonrpc\": \"2.0\"}\n",
];

fn encoded(line: &str, encoding: Option<&str>) -> Vec<u8> {
    match encoding {
        Some("utf-16") => line.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        Some("utf-16be") => line.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        Some("utf-8-bom") => format!("\u{feff}{line}").into_bytes(),
        _ => line.as_bytes().to_vec(),
    }
}

/// Serves until stdin ends.
pub(crate) async fn serve(server: Arc<Server>) {
    let (out, pieces) = Out::new();
    let encoding = server.faults.value("encoding").map(str::to_owned);
    std::thread::spawn(move || write(pieces, encoding.as_deref()));
    if server.faults.has("malformed") {
        for line in MALFORMED {
            out.send(Piece::Raw(line.to_vec())).await;
        }
    }
    for id in 1..=server.faults.number("early-answers").unwrap_or(0) {
        let result = json!({ "content": [{ "type": "text", "text": "too early" }] });
        out.message(json!({ "jsonrpc": "2.0", "id": id, "result": result }))
            .await;
    }

    let (sender, mut messages) = mpsc::channel(64);
    let stop_after = server.faults.number("no-read");
    let delay = Duration::from_millis(server.faults.number("read-delay").unwrap_or(0));
    std::thread::spawn(move || read(&sender, stop_after, delay));
    if let Some(every) = server.faults.number("list-flood") {
        let out = out.clone();
        tokio::spawn(async move {
            loop {
                let method = "notifications/tools/list_changed";
                out.message(json!({ "jsonrpc": "2.0", "method": method }))
                    .await;
                tokio::time::sleep(Duration::from_millis(every)).await;
            }
        });
    }
    while let Some(message) = messages.recv().await {
        server.receive(message, out.clone());
    }
    if server.faults.has("stubborn") {
        std::future::pending::<()>().await;
    }
    exit(0);
}

fn read(messages: &mpsc::Sender<Value>, stop_after: Option<u64>, delay: Duration) {
    let mut input = stdin().lock();
    let mut line = Vec::new();
    let mut count = 0;
    while stop_after != Some(count) {
        line.clear();
        std::thread::sleep(delay);
        match input.read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        count += 1;
        match read_message(&line) {
            Ok(message) => {
                if messages.blocking_send(message).is_err() {
                    return;
                }
            }
            Err(error) => eprintln!("fixture-server: a line is not JSON: {error}"),
        }
    }
    loop {
        std::thread::park();
    }
}

fn write(mut pieces: mpsc::Receiver<Piece>, encoding: Option<&str>) {
    while let Some(piece) = pieces.blocking_recv() {
        let bytes = match piece {
            Piece::Message(message) => encoded(&(written(&message) + "\n"), encoding),
            Piece::Raw(bytes) => bytes,
            Piece::Close => {
                // SAFETY: nothing uses descriptor 1 afterwards: this thread is
                // the only one that writes to stdout, and it ends here.
                drop(unsafe { OwnedFd::from_raw_fd(1) });
                return;
            }
        };
        let mut output = stdout().lock();
        if output
            .write_all(&bytes)
            .and_then(|()| output.flush())
            .is_err()
        {
            return;
        }
    }
}
