//! A launcher whose workers say what the text of their program says, byte by byte:
//! what a worker can do that was taken over.
//!
//! It is started in the place of the launcher of a coordinator, by the target
//! `worker`, and confines nothing: what it says is ours.

use std::io::{self, PipeReader, Read, Write};
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use contract::frame::{Decoder, MAX_TO_WORKER};
use contract::program::Code;
use contract::worker::{RunRequest, ToWorker};
use worker::control::{End, FromLauncher, MAX_MESSAGE, ToLauncher};
use worker::datagram::{receive, send};

fn main() -> io::Result<()> {
    // SAFETY: whoever starts a launcher gives it the socket as descriptor 0, and
    // nobody else here uses it.
    let control = Arc::new(unsafe { OwnedFd::from_raw_fd(0) });
    let mut buffer = vec![0; MAX_MESSAGE];
    while let Some((message, descriptors)) = receive(control.as_fd(), &mut buffer)? {
        match message {
            ToLauncher::Start(_) => send(control.as_fd(), &FromLauncher::Ready(Vec::new()), &[])?,
            ToLauncher::Fork { id, .. } => {
                let mut descriptors = descriptors.into_iter();
                let Some(socket) = descriptors.next() else {
                    continue;
                };
                let control = Arc::clone(&control);
                std::thread::spawn(move || {
                    let mut socket = UnixStream::from(socket);
                    let lifeline = descriptors.next().map(PipeReader::from);
                    let _ = worker(&mut socket, lifeline);
                    // Before its socket is closed, so that nobody has to wait.
                    let ended = FromLauncher::Ended(id, End::Exited(0));
                    let _ = send(control.as_fd(), &ended, &[]);
                    drop(socket);
                });
            }
        }
    }
    Ok(())
}

/// Is a worker until nothing is left to say.
fn worker(socket: &mut UnixStream, lifeline: Option<PipeReader>) -> io::Result<()> {
    let mut decoder = Decoder::new(MAX_TO_WORKER);
    loop {
        let Some(request) = next_run(socket, &mut decoder)? else {
            return Ok(());
        };
        let Code::Source { text, .. } = request.program.code() else {
            return Ok(());
        };
        let said = bytes_of(text);
        let Some((&how, said)) = said.split_first() else {
            return Ok(());
        };
        for piece in said.chunks(1 + usize::from(how >> 2) * 100) {
            socket.write_all(piece)?;
        }
        if how & 2 != 0 {
            // It stays, and reads nothing, until its coordinator gives it up.
            let mut lifeline = lifeline.ok_or(io::ErrorKind::NotFound)?;
            return lifeline.read_to_end(&mut Vec::new()).map(drop);
        }
        // Another program may come, or it is gone with the first.
        if how & 1 == 0 {
            return Ok(());
        }
    }
}

fn next_run(socket: &mut UnixStream, decoder: &mut Decoder) -> io::Result<Option<Box<RunRequest>>> {
    loop {
        match decoder.message().map_err(io::Error::other)? {
            Some(ToWorker::Run(request)) => return Ok(Some(request)),
            Some(_) => {}
            None => match socket.read(decoder.room())? {
                0 => return Ok(None),
                length => decoder.filled(length),
            },
        }
    }
}

/// Two hexadecimal digits for each byte.
fn bytes_of(text: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or(0) as u8;
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| pair.iter().fold(0, |sum, &byte| sum << 4 | digit(byte)))
        .collect()
}
