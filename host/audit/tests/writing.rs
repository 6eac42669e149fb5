//! Who writes, and what becomes of it when something goes wrong.

use std::os::unix::fs::{MetadataExt as _, symlink};
use std::time::Instant;

use contract::caller::Caller;
use contract::program::Program;
use contract::report::Report as RunReport;
use contract::report::Status;

use super::*;
use crate::NotRecorded;

#[test]
fn nothing_is_recorded_where_nothing_is_wanted() {
    let recorder = Recorder::off();
    let run = recorder
        .run(Origin::default(), &Program::python("1"))
        .unwrap();
    assert_eq!(run.origin(), Origin::default());
    let call = recorder.call(run.origin());
    assert!(!call.is_on() && call.is_done());
    call.sending().unwrap();
    assert_eq!(recorder.session("handle"), None);
    assert_eq!(recorder.counts(), crate::Counts::default());
    recorder.close();
}

#[test]
fn a_run_and_its_calls_are_told_as_they_happen() {
    let place = Place::new();
    let recorder = place.open();
    let origin = Origin {
        session: recorder.session("the handle"),
        caller: recorder.caller(Caller([7; 32])),
        run: None,
    };
    recorder.session_opened(origin);
    let run = recorder.run(origin, &Program::python("x = 1")).unwrap();
    call_of(&recorder, run.origin(), Ending::Finished);
    let denied = recorder.call(run.origin());
    denied.target("git", "push");
    denied.denied("policy", Some("*.push"));
    let asked = recorder.call(run.origin());
    asked.target("git", "reset");
    asked.consent("refused", "it may destroy something");
    asked.denied("policy", None);
    run.ended(&RunReport::not_run(
        Status::Denied,
        "ToolDenied",
        "no",
        None,
    ));
    drop(recorder.run(origin, &Program::javascript("1")).unwrap());
    recorder.session_ended(origin, "closed");
    recorder.close();
    let kinds = [
        "log.opened",
        "session.opened",
        "run.started",
        "call.sent",
        "call.ended",
        "call.denied",
        "consent",
        "call.denied",
        "run.ended",
        "run.started",
        "run.ended",
        "session.ended",
        "log.closed",
    ];
    assert_eq!(place.kinds(), kinds);
    let records = place.records();
    for record in &records[1..12] {
        assert_eq!(record.text("session"), origin.session.unwrap().to_string());
        assert_eq!(record.text("caller"), origin.caller.unwrap().to_string());
    }
    let runs: Vec<_> = records.iter().map(|record| record.number("run")).collect();
    assert_eq!(runs, [0, 0, 1, 1, 1, 1, 1, 1, 1, 2, 2, 0, 0]);
    assert_eq!(
        (records[8].text("status"), records[8].text("error")),
        ("denied", "ToolDenied")
    );
    assert_eq!(records[10].text("status"), "stopped");
    let by: Vec<_> = [5, 7].map(|at: usize| records[at].text("by")).into();
    assert_eq!(by, ["policy", "consent"]);
    let report = place.report();
    assert_eq!(report.tools.len(), 3);
    assert_eq!((report.runs["denied"], report.runs["stopped"]), (1, 1));
    // Neither a handle nor a caller is in the files.
    for name in place.files() {
        let text = fs::read_to_string(place.file(&name)).unwrap();
        assert!(
            !text.contains("the handle") && !text.contains("07070707"),
            "{text}"
        );
    }
}

fn call_of(recorder: &Recorder, origin: Origin, ending: Ending) {
    let call = recorder.call(origin);
    call.target("git", "log");
    call.sending().unwrap();
    call.sending().unwrap();
    call.ended(ending, "", None);
    call.ended(ending, "", None);
}

#[test]
fn records_are_in_the_file_before_anybody_waits_for_the_disk() {
    let place = Place::new();
    let recorder = place.open();
    let call = recorder.call(Origin::default());
    call.target("git", "push");
    call.sending().unwrap();
    let text = fs::read_to_string(place.file(FIRST)).unwrap();
    assert!(text.ends_with('\n') && text.contains("call.sent"), "{text}");
    call.ended(Ending::Finished, "", Some("[]"));
    let text = fs::read_to_string(place.file(FIRST)).unwrap();
    assert!(text.contains("call.ended"), "{text}");
    // The head follows within a second.
    let head = || fs::read_to_string(place.file("chain-00.head")).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while !head().contains(r#""seq":3,"#) {
        assert!(Instant::now() < deadline, "{}", head());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_call_that_a_killed_process_had_sent_is_unknown_and_told_by_the_next() {
    let place = Place::new();
    let recorder = place.open();
    call(&recorder, "log");
    let sent = recorder.call(Origin::default());
    sent.target("mail", "send");
    sent.sending().unwrap();
    let queued = recorder.call(Origin::default());
    queued.target("mail", "queued");
    let place = killed(recorder, &place);
    let report = place.report();
    let unknown: Vec<_> = report
        .unknown
        .iter()
        .map(|call| (call.seq, &*call.tool))
        .collect();
    assert_eq!(unknown, [(4, "send")], "what was never sent is not unknown");
    assert_eq!(place.verify().chains[0].unclosed, 1);
    assert_eq!(place.findings(), [""; 0], "being killed is no crime");

    let next = place.open();
    assert_eq!(next.counts().unknown, 1);
    call(&next, "log");
    drop(next);
    let record = place
        .records()
        .into_iter()
        .find(|record| record.kind() == "call.unknown");
    let record = record.unwrap();
    assert_eq!((record.number("of"), record.text("tool")), (4, "send"));
    let report = place.report();
    assert_eq!(
        (report.unknown.len(), report.unclosed),
        (1, 1),
        "it is counted once"
    );
    let send = report
        .tools
        .iter()
        .find(|tool| tool.tool == "send")
        .unwrap();
    assert_eq!((send.unknown, send.finished), (1, 0));
    // Not again by the one after it.
    place.open().close();
    assert_eq!(place.report().unknown.len(), 1);
    assert_eq!(place.findings(), [""; 0]);
    std::mem::forget((sent, queued));
}

#[test]
fn a_call_in_flight_is_not_unknown_yet() {
    let place = Place::new();
    let recorder = place.open();
    let sent = recorder.call(Origin::default());
    sent.target("mail", "send");
    sent.sending().unwrap();
    let report = place.report();
    assert_eq!((report.in_flight, report.unknown.len()), (1, 0));
    sent.ended(Ending::Unknown, "timed_out", None);
    let report = place.report();
    assert_eq!((report.in_flight, report.unknown.len()), (0, 1));
}

#[test]
fn a_torn_record_is_counted_and_the_next_process_goes_on_behind_it() {
    let place = Place::new();
    let recorder = place.open();
    call(&recorder, "log");
    let place = killed(recorder, &place);
    let file = place.file(FIRST);
    let mut text = fs::read(&file).unwrap();
    text.extend_from_slice(br#"{"v":1,"seq":4,"ki"#);
    fs::write(&file, &text).unwrap();
    let chain = &place.verify().chains[0];
    assert_eq!((chain.torn, chain.records, chain.findings.len()), (1, 3, 0));
    assert_eq!(place.records().len(), 3);

    let next = place.open();
    call(&next, "status");
    next.close();
    let verified = place.verify();
    assert!(verified.is_whole(), "{verified:#?}");
    assert_eq!(verified.chains[0].torn, 1);
    assert_eq!(place.report().unreadable, 1);
    let opened = &place.records()[3];
    assert_eq!((opened.seq, opened.number("torn")), (4, 18));
}

#[test]
fn two_processes_have_a_chain_each_and_the_next_one_goes_on_with_the_first() {
    let place = Place::new();
    let (one, two) = (place.open(), place.open());
    call(&one, "log");
    call(&two, "status");
    call(&one, "log");
    assert_eq!(
        place.files(),
        ["chain-00.000001.jsonl", "chain-01.000001.jsonl"]
    );
    drop((one, two));
    for _ in 0..5 {
        call(&place.open(), "diff");
    }
    assert_eq!(
        place.files().len(),
        2,
        "one after the other, they need no more"
    );
    let verified = place.verify();
    assert!(verified.is_whole(), "{verified:#?}");
    let report = place.report();
    let finished: Vec<_> = report
        .tools
        .iter()
        .map(|tool| (&*tool.tool, tool.finished))
        .collect();
    assert_eq!(finished, [("diff", 5), ("log", 2), ("status", 1)]);
}

#[test]
fn whoever_replaces_the_head_does_not_get_a_second_writer_into_a_chain() {
    let place = Place::new();
    let one = place.open();
    let head = place.file("chain-00.head");
    fs::copy(&head, place.file("copy")).unwrap();
    fs::rename(place.file("copy"), &head).unwrap();
    let two = place.open();
    call(&one, "log");
    call(&two, "log");
    assert_eq!(
        place.files(),
        ["chain-00.000001.jsonl", "chain-01.000001.jsonl"]
    );
}

#[test]
fn many_threads_write_one_chain() {
    let place = Place::new();
    let options = Options {
        max_size: 16 << 10,
        keep: 1_000,
        ..place.options()
    };
    let recorder = Recorder::open(options).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..50).for_each(|_| call(&recorder, "log")));
        }
    });
    recorder.close();
    let verified = place.verify();
    assert!(verified.is_whole(), "{verified:#?}");
    assert_eq!(place.report().tools[0].finished, 400);
    assert!(place.files().len() > 4);
    assert_eq!(recorder.counts().written, verified.chains[0].records);
}

/// Lets the file of a chain take no more, as a full disk does.
fn fill(place: &Place) {
    // Nothing can be written to this device.
    let file = place.file(FIRST);
    fs::remove_file(&file).unwrap();
    symlink("/dev/full", &file).unwrap();
}

#[test]
fn a_new_process_writes_through_no_link() {
    let place = Place::new();
    place.open().close();
    fill(&place);
    let refused = Recorder::open(place.options()).unwrap_err().to_string();
    assert!(refused.contains("cannot be written"), "{refused}");
    assert!(refused.contains(FIRST), "the file is named: {refused}");
}

#[test]
fn numbers_that_nobody_comes_to_do_no_harm() {
    let place = Place::new();
    place.open().close();
    // A file far ahead, and a last record that claims to be the last there is.
    let far = place.file("chain-00.999999999999.jsonl");
    let line = lines(&place.file(FIRST)).pop().unwrap();
    let largest = line.replacen("\"seq\":2", "\"seq\":9007199254740992", 1);
    fs::write(&far, format!("{largest}\n")).unwrap();
    let options = Options {
        max_size: 1,
        ..place.options()
    };
    let recorder = Recorder::open(options).unwrap();
    for _ in 0..3 {
        call(&recorder, "log");
    }
    recorder.close();
    assert!(!place.verify().is_whole());
    let _ = (place.report(), place.records());
    for line in ["18446744073709551615", "9007199254740993", "-1", "1.5"] {
        let strange = largest.replacen("9007199254740992", line, 1);
        fs::write(&far, format!("{strange}\n")).unwrap();
        assert!(!place.verify().is_whole());
    }
}

/// The limit on the size of files of this process, put back when dropped. The
/// tests of this program run in one process, and write less than it.
struct FileLimit(rustix::process::Rlimit);

impl FileLimit {
    fn set(bytes: u64) -> Self {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let before = getrlimit(Resource::Fsize);
        let limit = Rlimit {
            current: Some(bytes),
            ..before
        };
        setrlimit(Resource::Fsize, limit).unwrap();
        Self(before)
    }
}

impl Drop for FileLimit {
    fn drop(&mut self) {
        let _ = rustix::process::setrlimit(rustix::process::Resource::Fsize, self.0);
    }
}

#[test]
fn a_folder_or_key_that_cannot_be_used_is_said_with_what_helps() {
    let place = Place::new();
    fs::create_dir(place.folder()).unwrap();
    fs::set_permissions(place.folder(), fs::Permissions::from_mode(0o777)).unwrap();
    let error = Recorder::open(place.options()).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("others can write to the folder"),
        "{error}"
    );
    assert!(error.advice().unwrap().contains("chmod"));
    fs::set_permissions(place.folder(), fs::Permissions::from_mode(0o700)).unwrap();
    place.open().close();
    let key = place.0.path().join("audit.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let error = Recorder::open(place.options()).unwrap_err();
    assert!(
        error.to_string().contains("can be read by others"),
        "{error}"
    );
    for name in place.files() {
        assert_eq!(
            fs::metadata(place.file(&name)).unwrap().mode() & 0o777,
            0o600
        );
    }
}

#[test]
fn a_file_that_disappears_is_replaced_and_missed() {
    let place = Place::new();
    let recorder = place.open();
    call(&recorder, "log");
    fs::remove_file(place.file(FIRST)).unwrap();
    call(&recorder, "status");
    let second = place.file("chain-00.000002.jsonl");
    let deadline = Instant::now() + Duration::from_secs(20);
    while !second.exists() {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(20));
    }
    call(&recorder, "diff");
    recorder.close();
    assert_eq!(place.report().tools[0].tool, "diff");
    let findings = place.findings();
    assert!(
        findings[0].contains("was") || findings[0].contains("removed"),
        "{findings:#?}"
    );
}

#[test]
fn the_clock_on_the_wall_decides_nothing() {
    const DAY: Duration = Duration::from_secs(86_400);
    let place = Place::new();
    let hands = Hands::new();
    let options = Options {
        clock: hands.clock(),
        ..place.options()
    };
    let recorder = Recorder::open(options).unwrap();
    let denied = || {
        let call = recorder.call(Origin::default());
        call.target("git", "push");
        call.denied("policy", None);
    };
    // Ten in ten seconds, while the clock jumps.
    type Jump = fn(&mut Moment);
    let jumps: [Jump; 10] = [
        |_| {},
        |now| now.wall += DAY,
        |now| now.wall -= 2 * DAY,
        |now| now.wall += 3_650 * DAY,
        |now| now.wall -= 7_300 * DAY,
        |now| now.wall = UNIX_EPOCH,
        |now| now.wall = UNIX_EPOCH - 3_650 * DAY,
        |now| now.wall = UNIX_EPOCH + 1_000_000 * DAY,
        |now| now.wall += DAY,
        |now| now.wall -= DAY,
    ];
    for jump in jumps {
        hands.set(|now| {
            now.monotonic += Duration::from_secs(1);
            jump(now);
        });
        denied();
    }
    // A minute later by the clock that does not jump, and not by the other one.
    hands.set(|now| now.wall -= 100 * DAY);
    denied();
    hands.set(|now| now.monotonic += Duration::from_secs(59));
    denied();
    hands.set(|now| now.monotonic += Duration::from_secs(2));
    denied();
    recorder.close();
    let anomalies = place
        .kinds()
        .iter()
        .filter(|kind| *kind == "anomaly")
        .count();
    assert_eq!(anomalies, 2);
    let verified = place.verify();
    assert!(verified.is_whole(), "{verified:#?}");
    assert!(verified.chains[0].clock_jumps >= 4, "{verified:#?}");
    let seqs: Vec<_> = place.records().iter().map(|record| record.seq).collect();
    assert!(seqs.is_sorted(), "the order is that of the numbers");
    let us: Vec<_> = place
        .records()
        .iter()
        .map(|record| record.number("us"))
        .collect();
    assert!(us.is_sorted());
}

#[test]
fn a_flood_from_strangers_takes_little_room() {
    let place = Place::new();
    let hands = Hands::new();
    let options = Options {
        clock: hands.clock(),
        ..place.options()
    };
    let recorder = Recorder::open(options).unwrap();
    for n in 0..1_000 {
        recorder.access_refused("token");
        let origin = Origin {
            session: recorder.session(&format!("guess {n}")),
            ..Origin::default()
        };
        recorder.session_refused(origin, false);
    }
    recorder.close();
    let report = place.report();
    assert_eq!(
        (report.refused["token"], report.sessions["refused"]),
        (1_000, 1_000)
    );
    assert_eq!(report.anomalies["session_probing"], 1);
    assert!(place.records().len() < 30, "{}", place.records().len());
}

#[test]
fn arguments_are_kept_only_where_they_are_wanted() {
    for (arguments, is_kept) in [
        (crate::Arguments::Shapes, false),
        (crate::Arguments::Full, true),
    ] {
        let place = Place::new();
        let options = Options {
            arguments,
            ..place.options()
        };
        let recorder = Recorder::open(options).unwrap();
        let call = recorder.call(Origin::default());
        assert_eq!(call.keeps_arguments(), is_kept);
        call.target("s", "t");
        let text = call.keeps_arguments().then(|| "x".repeat(100_000));
        call.arguments("{a: text 100000}".to_owned(), text);
        call.sending().unwrap();
        drop(call);
        recorder.close();
        let records = place.records();
        let kept = records[1].text("text");
        assert_eq!(kept.starts_with("xxx"), is_kept);
        assert!(
            kept.len() < 17_000 && kept.ends_with("bytes more)") == is_kept,
            "{}",
            kept.len()
        );
    }
}

mod full_disk {
    //! Alone in a process of its own, because the limit on files is that of a
    //! process: the test starts itself again.

    use super::*;

    const CHILD: &str = "WASM_COORDINATOR_AUDIT_TEST_FOLDER";

    #[test]
    fn what_does_not_fit_is_counted_and_said_and_the_record_goes_on() {
        if std::env::var_os(CHILD).is_some() {
            return in_child();
        }
        let place = Place::new();
        let this = std::env::current_exe().unwrap();
        let name = "what_does_not_fit_is_counted_and_said_and_the_record_goes_on";
        let output = std::process::Command::new("sh")
            // Too large files are errors then, and no deaths.
            .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
            .arg(this)
            .arg(format!("tests::writing::full_disk::{name}"))
            .args(["--exact", "--nocapture"])
            .env(CHILD, place.0.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}\n{errors}");
        assert!(said.contains("all of it was tried"), "{said}");
        let verified = place.verify();
        assert!(verified.is_whole(), "{verified:#?}");
        let chain = &verified.chains[0];
        assert!(chain.lost > 2, "{chain:#?}");
        let lost: Vec<_> = place
            .records()
            .into_iter()
            .filter(|record| record.kind() == "log.lost")
            .collect();
        assert_eq!(lost.len(), 1, "one record for all that were lost in a row");
        assert_eq!(lost[0].number("records"), chain.lost);
        assert!(
            lost[0].text("error").contains("no storage space"),
            "{lost:?}"
        );
        assert_eq!(place.report().lost, chain.lost);
    }

    fn in_child() {
        let place = std::path::PathBuf::from(std::env::var_os(CHILD).unwrap());
        for required in [false, true] {
            let options = Options {
                required,
                ..Options::new(place.join("audit"), place.join("audit.key"))
            };
            let recorder = Recorder::open(options).unwrap();
            let before = recorder.counts();
            {
                let file = place.join("audit").join(FIRST);
                let size = fs::metadata(file).unwrap().len();
                // In the middle of the next record.
                let _limit = FileLimit::set(size + 100);
                let refused = recorder.call(Origin::default());
                refused.target("mail", "send");
                let expected = if required { Err(NotRecorded) } else { Ok(()) };
                assert_eq!(refused.sending(), expected);
                let run = recorder.run(Origin::default(), &Program::python("1"));
                assert_eq!(run.is_err(), required);
                let lost = recorder.counts().lost;
                assert!(lost >= 2, "{lost}");
                drop((refused, run));
            }
            assert_eq!(recorder.counts().written, before.written);
            if required {
                // Only the first round is looked at afterwards.
                println!("all of it was tried");
                std::process::exit(0);
            }
            call(&recorder, "log");
            recorder.close();
        }
    }
}
