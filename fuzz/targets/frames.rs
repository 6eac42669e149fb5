//! Messages between processes: what each side reads of the other.
//!
//! Messages come whole however the bytes are cut; room is made for what came and
//! not for what is said to come; a message that was read is the same after it was
//! written and read again.

use std::fmt::Debug;

use contract::content::{ContentBlock, EmbeddedResource, ResourceContents};
use contract::frame::{Decoder, MAX_FROM_WORKER, MAX_TO_WORKER, Malformed, encode};
use contract::hint::Hint;
use contract::limits::{Limit, Limits};
use contract::message::{
    AnswerForm, CallError, CallErrorKind, Completion, Detail, ImportedPackage, Question,
    ServerError, StubFile, Stubs, ToCoordinator, ToSandbox,
};
use contract::outcome::{
    Exception, Failure, Outcome, Position, Refusal, RunError, RunOutcome, Value,
};
use contract::program::{Language, Program};
use contract::worker::{
    FileBody, FileChanges, FileChunk, FileEntry, FromWorker, Opening, RunRequest, Stream, ToWorker,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use worker::control::{End, FromLauncher};

use crate::runner::Target;

/// See the module.
pub const TARGET: Target = Target {
    name: "frames",
    run,
    seeds,
    words: &["servers", "/workspace", "\u{0}", "é"],
    longest: 64 << 10,
    // The smallest element of a list takes a byte here; the frame is held several
    // times, and lists grow to twice what they need.
    memory: |length| (4 << 20) + 1000 * length,
};

/// Bytes that one read asks for, and what may be beyond them.
const ROOM: usize = 4 * (64 << 10);

fn run(input: &[u8]) {
    let [who, piece, bytes @ ..] = input else {
        return;
    };
    let piece = 1 + usize::from(*piece).pow(2);
    // Most lengths that chance makes are wrong at once.
    let framed;
    let bytes = if who & 4 == 0 {
        framed = [&(bytes.len() as u32).to_le_bytes(), bytes].concat();
        &framed
    } else {
        bytes
    };
    match who & 3 {
        0 => stream::<ToWorker>(bytes, piece, MAX_TO_WORKER),
        3 => datagram(&bytes[4.min(bytes.len())..]),
        _ => stream::<FromWorker>(bytes, piece, MAX_FROM_WORKER),
    }
}

/// What a stream of bytes says.
struct Said<T> {
    messages: Vec<T>,
    end: Option<Malformed>,
}

fn read<T: DeserializeOwned>(bytes: &[u8], piece: usize, max: usize) -> Said<T> {
    let mut decoder = Decoder::new(max);
    let mut messages = Vec::new();
    let mut there = 0;
    for mut piece in bytes.chunks(piece) {
        while !piece.is_empty() {
            let room = decoder.room();
            assert!(
                !room.is_empty() && room.len() <= 2 * there + ROOM,
                "room for {} bytes after {there}",
                room.len()
            );
            let length = room.len().min(piece.len());
            room[..length].copy_from_slice(&piece[..length]);
            decoder.filled(length);
            there += length;
            piece = &piece[length..];
            loop {
                match decoder.message() {
                    Ok(Some(message)) => messages.push(message),
                    Ok(None) => break,
                    Err(malformed) => {
                        let end = Some(malformed);
                        return Said { messages, end };
                    }
                }
            }
        }
    }
    Said {
        messages,
        end: None,
    }
}

fn stream<T: Serialize + DeserializeOwned + Debug>(bytes: &[u8], piece: usize, max: usize) {
    let whole = read::<T>(bytes, bytes.len().max(1), max);
    let cut = read::<T>(bytes, piece, max);
    assert_eq!(whole.end, cut.end, "cut every {piece} bytes");
    let [whole, cut] = [whole, cut].map(|said| {
        let mut again = Vec::new();
        for message in &said.messages {
            encode(message, max, &mut again).expect("what was read can be written");
        }
        (said.messages, again)
    });
    assert_eq!(whole.1, cut.1, "cut every {piece} bytes");
    let again = read::<T>(&whole.1, piece, max);
    assert_eq!(again.end, None, "what was written can be read");
    assert_eq!(format!("{:?}", again.messages), format!("{:?}", whole.0));
}

fn datagram(bytes: &[u8]) {
    let Ok(message) = postcard::from_bytes::<FromLauncher>(bytes) else {
        return;
    };
    let again = postcard::to_extend(&message, Vec::new()).expect("what was read can be written");
    let again: FromLauncher = postcard::from_bytes(&again).expect("and read");
    assert_eq!(format!("{again:?}"), format!("{message:?}"));
}

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    let mut add = |who: u8, bytes: &[u8]| seeds.push([&[who, 3], bytes].concat());
    let mut all = Vec::new();
    for message in from_worker() {
        let start = all.len();
        encode(&message, MAX_FROM_WORKER, &mut all).expect("it is a message");
        add(1, &all[start + 4..]);
    }
    add(5, &all);
    all.clear();
    for message in to_worker() {
        let start = all.len();
        encode(&message, MAX_TO_WORKER, &mut all).expect("it is a message");
        add(0, &all[start + 4..]);
    }
    add(4, &all);
    for message in [
        FromLauncher::Ready(Vec::new()),
        FromLauncher::Failed("why".to_owned()),
        FromLauncher::NotForked(7, "why".to_owned()),
        FromLauncher::Ended(7, End::Killed(9)),
    ] {
        add(
            3,
            &postcard::to_extend(&message, Vec::new()).expect("it is a message"),
        );
    }
    seeds
}

/// What a worker says in the course of a run, and a little more.
pub(super) fn from_worker() -> Vec<FromWorker> {
    let ask = |question| FromWorker::Ask(ToCoordinator::Ask(question));
    let entry = |node, parent, name: &str, body| FileEntry {
        node,
        parent,
        name: name.to_owned(),
        times: [(1_700_000_000, 5); 3],
        body,
    };
    let file = |size, chunks| FileBody::File { size, chunks };
    let bytes = vec![7; 64];
    let resource = EmbeddedResource {
        uri: "sandbox:///a".to_owned(),
        mime_type: "text/csv".to_owned(),
        contents: ResourceContents::Text("a,b".to_owned()),
    };
    vec![
        FromWorker::Ask(ToCoordinator::Call {
            id: 1,
            tool: "shop.echo".to_owned(),
            arguments: r#"{"text": "a"}"#.to_owned(),
            form: AnswerForm::Whole,
        }),
        FromWorker::Ask(ToCoordinator::Cancel { id: 1 }),
        FromWorker::Ask(ToCoordinator::Taken { bytes: 70_000 }),
        ask(Question::Describe {
            server: "shop".to_owned(),
            language: Language::Python,
        }),
        ask(Question::Search {
            query: "an echo".to_owned(),
            detail: Detail::Full,
            server: Some("shop".to_owned()),
            limit: 5,
        }),
        ask(Question::Stubs {
            server: "shop".to_owned(),
            known: None,
        }),
        ask(Question::Resources {
            server: "shop".to_owned(),
            known: Some(3),
        }),
        ask(Question::Import {
            packages: vec![ImportedPackage {
                name: "shop".to_owned(),
                functions: vec!["echo".to_owned()],
            }],
        }),
        FromWorker::Printed(Stream::Stdout, "printed\n".into()),
        FromWorker::Printed(Stream::Stderr, vec![0xff, 0xc3].into()),
        FromWorker::Emitted(ContentBlock::Text { text: "t".into() }.into()),
        FromWorker::Emitted(ContentBlock::Resource { resource }.into()),
        FromWorker::Chunk(FileChunk {
            node: 4,
            index: 0,
            bytes: bytes.into(),
        }),
        FromWorker::Files(FileChanges {
            entries: vec![
                entry(2, 1, "workspace", FileBody::Directory),
                entry(3, 1, "tmp", FileBody::Directory),
                entry(4, 2, "a.txt", file(64, vec![(0, true)])),
                entry(5, 2, "folder", FileBody::Directory),
                entry(6, 5, "hole", file(70_000, Vec::new())),
            ],
            next: 7,
        }),
    ]
    .into_iter()
    .chain(ends().map(|end| FromWorker::Ended(Box::new(end))))
    .collect()
}

/// How runs end.
fn ends() -> impl Iterator<Item = RunOutcome> {
    let exception = Exception {
        kind: "ValueError".to_owned(),
        message: "no".to_owned(),
        traceback: "Traceback".to_owned(),
        position: Some(Position {
            file: "script.py".to_owned(),
            line: 1,
            column: 2,
        }),
    };
    let refused = Failure::Refused {
        refusal: Refusal::Denied,
        hint: Some(Box::new(Hint::All(vec![Hint::AllowTools(vec![
            "shop.echo".to_owned(),
        ])]))),
        exception: exception.clone(),
    };
    let results = [
        Ok(Value::Json(r#"{"a": [1, 2.5, null]}"#.to_owned())),
        Ok(Value::Text("<object>".to_owned())),
        Ok(Value::Nothing),
        Err(Failure::Raised(exception.clone())),
        Err(Failure::Exited(3)),
        Err(refused),
        Err(Failure::OutOfMemory(exception)),
        Err(Failure::NotRun(Vec::new())),
    ];
    let ended = results.into_iter().map(|result| {
        let warnings = vec!["a warning".to_owned()];
        Ok(Outcome { result, warnings })
    });
    let not_ended = [
        RunError::Limit(Limit::Output(1000)),
        RunError::Crashed("a trap\nin two lines".to_owned()),
    ];
    ended.chain(not_ended.map(Err)).map(|end| RunOutcome {
        end,
        fuel: Some(5),
        memory_peak: 1 << 20,
        ..RunOutcome::failed(RunError::Crashed(String::new()))
    })
}

fn to_worker() -> Vec<ToWorker> {
    let completed = |result| ToWorker::Answer(ToSandbox::Completed(Completion { id: 1, result }));
    let error = CallError {
        kind: CallErrorKind::UnknownTool(vec!["echo".to_owned()]),
        server: "shop".to_owned(),
        tool: "eco".to_owned(),
        message: "there is no such tool".to_owned(),
        said: Some(Box::new(ServerError {
            code: Some(-1),
            data: Some("{}".to_owned()),
        })),
        hint: Some(Box::new(Hint::ListServers)),
    };
    let files = Stubs::Files {
        version: 1,
        files: vec![StubFile {
            path: "echo.py".to_owned(),
            text: "def echo(): ...".into(),
        }]
        .into(),
    };
    vec![
        ToWorker::Open(Opening {
            version: contract::frame::VERSION,
            servers: Vec::new(),
            quota: Default::default(),
            has_stdin: false,
            component: None,
        }),
        ToWorker::Run(Box::new(RunRequest {
            program: Program::python("print(1)").arguments(["a"]),
            advice: Default::default(),
            limits: Limits::default(),
            is_watched: true,
        })),
        completed(Ok("[1]".to_owned())),
        completed(Err(error.clone())),
        ToWorker::Answer(ToSandbox::Asking),
        ToWorker::Answer(ToSandbox::Found(Err(error))),
        ToWorker::Answer(ToSandbox::Stubs(Ok(files))),
        ToWorker::Reset,
    ]
}
