//! What the benches measure: large and small, as a libc does it. Prints the
//! nanoseconds that it took, without what starting the component took.

use crate::report::{expect, line};
use crate::wasi::clocks::monotonic_clock::now;
use crate::wasi::filesystem::types::Descriptor;
use crate::{BOTH, CREATE, NO_LINKS, OpenFlags, PLAIN, READ};

const SIZE: usize = 64 << 20;

/// What a libc writes and reads at once for `write(fd, buffer, 1 MiB)`: the
/// stream says how much it takes.
const CHUNK: usize = 1 << 20;

const FILES: usize = 1000;

pub(crate) fn run(scenario: &str, base: &Descriptor) {
    let started = now();
    match scenario {
        "write" => write(base),
        "read" => read(base),
        _ => small(base),
    }
    line(&(now() - started).to_string());
}

fn write(base: &Descriptor) {
    let how = CREATE | OpenFlags::TRUNCATE;
    let file = base.open_at(NO_LINKS, "big", how, BOTH).expect("made");
    let stream = file.write_via_stream(0).expect("open");
    let chunk = vec![1; CHUNK];
    let mut written = 0;
    while written < SIZE {
        let room = stream.check_write().expect("room") as usize;
        if room == 0 {
            stream.subscribe().block();
            continue;
        }
        let part = room.min(CHUNK);
        stream.write(&chunk[..part]).expect("written");
        written += part;
    }
    stream.blocking_flush().expect("flushed");
}

fn read(base: &Descriptor) {
    let file = base.open_at(NO_LINKS, "big", PLAIN, READ).expect("there");
    let stream = file.read_via_stream(0).expect("open");
    let mut read = 0;
    while let Ok(bytes) = stream.blocking_read(CHUNK as u64) {
        read += bytes.len();
    }
    expect("all of it", &read, &SIZE);
}

fn small(base: &Descriptor) {
    let name = |number: usize| format!("f{number}");
    for number in 0..FILES {
        let file = base
            .open_at(NO_LINKS, &name(number), CREATE, BOTH)
            .expect("made");
        let stream = file.write_via_stream(0).expect("open");
        stream.blocking_write_and_flush(b"hello").expect("written");
    }
    for number in 0..FILES {
        let file = base
            .open_at(NO_LINKS, &name(number), PLAIN, READ)
            .expect("there");
        let stream = file.read_via_stream(0).expect("open");
        let bytes = stream.blocking_read(4096).expect("read");
        expect("content", &bytes.len(), &5);
    }
    for number in 0..FILES {
        base.unlink_file_at(&name(number)).expect("removed");
    }
}
