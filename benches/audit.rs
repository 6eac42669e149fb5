//! What the audit record costs a call of a tool: what is written before it is
//! sent and after it ended, without the call itself.
//!
//! `off` is a recorder that records nothing, as everybody has who did not ask for
//! a record. The others write to a temporary folder, and a thread brings that to
//! the disk each second, as in use.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::{Value, json};
use wasm_coordinator_audit::{Ending, Options, Origin, Recorder, shape};

/// All that is done for a call.
fn call(recorder: &Recorder, origin: Origin, arguments: &Value, answer: &str) {
    let call = recorder.call(origin);
    call.target("", "github.list_issues");
    call.target("github", "list_issues");
    if call.is_on() {
        call.arguments(shape::describe(arguments), None);
    }
    call.sending().expect("nothing is required");
    call.ended(Ending::Finished, "", Some(answer));
    black_box(call);
}

fn calls(criterion: &mut Criterion) {
    let place = tempfile::tempdir().expect("a temporary folder can be made");
    let options = Options::new(place.path().join("audit"), place.path().join("audit.key"));
    let on = Recorder::open(options).expect("it is a new folder");
    let origin = Origin {
        run: Some(7),
        session: on.session("a handle"),
        caller: None,
    };
    let arguments = json!({ "owner": "a", "repo": "b", "labels": ["x", "y"], "limit": 20 });
    let issues = |count: usize| {
        let issue = |n| json!({ "id": n, "title": "a title of some words", "open": true });
        json!({ "items": (0..count).map(issue).collect::<Vec<_>>() }).to_string()
    };
    let mut group = criterion.benchmark_group("audit of a call");
    for (name, recorder, items) in [
        ("off, answer of 1 KB", &Recorder::off(), 20),
        ("on, answer of 60 bytes", &on, 1),
        ("on, answer of 1 KB", &on, 20),
        ("on, answer of 50 KB", &on, 900),
        ("on, answer of 1 MB, not looked at", &on, 18_000),
    ] {
        let answer = issues(items);
        group.bench_function(name, |bencher| {
            bencher.iter(|| call(recorder, origin, &arguments, &answer));
        });
    }
    group.finish();
}

criterion_group!(benches, calls);
criterion_main!(benches);
