//! Each way to falsify a record, and that it is found; and what happens to an
//! honest one, and is not.

use super::*;

/// A closed record with some calls.
fn closed() -> Place {
    let place = Place::new();
    let recorder = place.open();
    for tool in ["log", "status", "diff"] {
        call(&recorder, tool);
    }
    recorder.close();
    place
}

#[test]
fn a_record_as_it_was_written_is_whole() {
    let place = closed();
    let verified = place.verify();
    assert!(verified.is_whole(), "{verified:#?}");
    let chain = &verified.chains[0];
    assert_eq!((chain.records, chain.first, chain.last), (8, 1, 8));
    assert_eq!((chain.unclosed, chain.torn, chain.lost), (0, 0, 0));
    assert!(!chain.is_written && !chain.is_shortened);
    let holds = |hash: &str| verify(&place.folder(), None, Some(hash)).unwrap().holds;
    assert!(holds(&chain.hash));
    assert!(!holds(&"0".repeat(64)) && !holds("") && !holds(&chain.hash[..16]));
    // Also with what other processes add to it, and without the key.
    call(&place.open(), "log");
    assert_eq!(place.findings(), [""; 0]);
    assert_eq!(place.verify().chains[0].last, 12);
    assert!(verify(&place.folder(), None, None).unwrap().is_whole());
}

#[test]
fn a_changed_byte_is_found_in_its_line_whichever_it_is() {
    let place = closed();
    let file = place.file(FIRST);
    let whole = fs::read(&file).unwrap();
    for at in (0..whole.len()).step_by(7).chain([whole.len() - 3]) {
        let mut changed = whole.clone();
        if changed[at] == b'\n' {
            continue;
        }
        changed[at] = if changed[at] == b'x' { b'y' } else { b'x' };
        fs::write(&file, &changed).unwrap();
        let line = changed[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
        let findings = place.findings();
        let near = [line, line + 1].map(|line| format!("{FIRST}:{line}: "));
        let is_found = |found: &String| near.iter().any(|near| found.starts_with(near));
        assert!(
            findings.iter().any(is_found),
            "{at} in line {line}: {findings:#?}"
        );
    }
    fs::write(&file, &whole).unwrap();
    assert_eq!(place.findings(), [""; 0]);
}

#[test]
fn a_removed_a_repeated_and_a_moved_line_are_found() {
    let place = closed();
    let file = place.file(FIRST);
    let whole = lines(&file);

    let mut removed = whole.clone();
    removed.remove(3);
    write_lines(&file, &removed);
    assert_eq!(
        place.findings(),
        [format!("{FIRST}:4: record 4 is missing")]
    );

    let mut removed = whole.clone();
    removed.drain(2..5);
    write_lines(&file, &removed);
    assert_eq!(
        place.findings(),
        [format!("{FIRST}:3: records 3 to 5 are missing")]
    );

    let mut moved = whole.clone();
    moved.swap(3, 4);
    write_lines(&file, &moved);
    let findings = place.findings();
    assert!(
        findings[0].contains(":4: record 4 is missing"),
        "{findings:#?}"
    );
    assert!(
        findings[1].contains(":5: record 4 stands after record 5"),
        "{findings:#?}"
    );

    let mut repeated = whole.clone();
    repeated.insert(3, whole[2].clone());
    write_lines(&file, &repeated);
    let findings = place.findings();
    assert!(
        findings[0].contains(":4: record 3 stands after record 3"),
        "{findings:#?}"
    );

    let mut first = whole.clone();
    first.remove(0);
    write_lines(&file, &first);
    let missing = format!("{FIRST}:1: what stood before record 2 is missing");
    assert_eq!(place.findings(), [missing]);

    write_lines(&file, &whole);
    assert_eq!(place.findings(), [""; 0]);
}

#[test]
fn an_end_that_was_cut_off_is_found() {
    let place = closed();
    let file = place.file(FIRST);
    let whole = lines(&file);
    write_lines(&file, &whole[..6]);
    let missing = format!("{FIRST}:0: records 7 to 8 are missing at the end of the chain");
    assert_eq!(place.findings(), [missing]);
    // In the middle of a record, which could have been an accident, too.
    let text = fs::read(&file).unwrap();
    fs::write(&file, &text[..text.len() - 20]).unwrap();
    let verified = place.verify();
    assert_eq!(verified.chains[0].torn, 1);
    assert!(place.findings()[0].contains("records 6 to 8 are missing"));
    // Who goes on with it says so, and it stays found.
    call(&place.open(), "log");
    let findings = place.findings();
    let expected = "the last 3 records before this one are missing";
    assert!(findings[0].contains(expected), "{findings:#?}");
    assert_eq!(findings.len(), 1);
    assert_eq!(
        place.records().last().unwrap().seq,
        12,
        "no number is used twice"
    );
}

#[test]
fn a_chain_that_was_calculated_anew_lacks_the_key() {
    let place = closed();
    let file = place.file(FIRST);
    // Who forges has all but the key: whole lines of another chain, and a head.
    let other = closed();
    fs::copy(other.file(FIRST), &file).unwrap();
    fs::copy(other.file("chain-00.head"), place.file("chain-00.head")).unwrap();
    assert!(
        verify(&place.folder(), None, None).unwrap().is_whole(),
        "the chain alone is whole"
    );
    let findings = place.findings();
    assert!(
        findings
            .iter()
            .any(|found| found.contains("which is not here")),
        "{findings:#?}"
    );
    assert!(
        findings
            .iter()
            .any(|found| found.contains("the head of the chain")),
        "{findings:#?}"
    );
    // One that names our key is not signed with it.
    let lines = lines(&file);
    let ours = place.key().id().to_string();
    let forged = lines
        .iter()
        .map(|line| line.replace(&other.key().id().to_string(), &ours));
    write_lines(&file, &forged.collect::<Vec<_>>());
    let findings = place.findings();
    assert!(
        findings
            .iter()
            .any(|found| found.contains("record 1 was changed, or not written by us")),
        "{findings:#?}"
    );
}

/// A record of several files, as long as they are kept.
fn rotated(keep: u32) -> Place {
    let place = Place::new();
    let options = Options {
        max_size: 4 << 10,
        keep,
        ..place.options()
    };
    let recorder = Recorder::open(options).unwrap();
    for _ in 0..40 {
        call(&recorder, "log");
    }
    recorder.close();
    place
}

#[test]
fn the_chain_goes_on_from_file_to_file() {
    let place = rotated(1_000);
    assert!(place.files().len() > 4, "{:?}", place.files());
    let verified = place.verify();
    assert!(verified.is_whole(), "{verified:#?}");
    assert!(!verified.chains[0].is_shortened);
    assert_eq!(place.report().tools[0].finished, 40);
}

#[test]
fn files_that_make_room_are_named_and_others_are_missed() {
    let place = rotated(3);
    let files = place.files();
    assert_eq!(files.len(), 3);
    let verified = place.verify();
    assert!(verified.is_whole(), "{verified:#?}");
    assert!(verified.chains[0].is_shortened);
    assert!(verified.chains[0].first > 1);

    fs::remove_file(place.file(&files[0])).unwrap();
    let findings = place.findings();
    assert!(
        findings[0].contains("were removed, and no record says so"),
        "{findings:#?}"
    );
    assert_eq!(findings.len(), 1);
}

#[test]
fn a_file_that_was_removed_replaced_or_exchanged_is_found() {
    let place = rotated(1_000);
    let files = place.files();
    let (one, other) = (place.file(&files[1]), place.file(&files[2]));
    let contents = (fs::read(&one).unwrap(), fs::read(&other).unwrap());

    fs::remove_file(&one).unwrap();
    assert!(
        place.findings()[0].contains("are missing"),
        "{:#?}",
        place.findings()
    );

    fs::write(&one, &contents.1).unwrap();
    fs::write(&other, &contents.0).unwrap();
    assert!(!place.verify().is_whole());

    // An honest file of another place.
    let elsewhere = rotated(1_000);
    fs::write(&other, &contents.1).unwrap();
    fs::copy(elsewhere.file(&files[1]), &one).unwrap();
    assert!(!place.verify().is_whole());

    // A state of the same file that was honest once.
    let text = String::from_utf8(contents.0.clone()).unwrap();
    let earlier: Vec<_> = text.lines().take(3).map(str::to_owned).collect();
    write_lines(&one, &earlier);
    assert!(
        place.findings()[0].contains("are missing"),
        "{:#?}",
        place.findings()
    );

    fs::write(&one, &contents.0).unwrap();
    assert_eq!(place.findings(), [""; 0]);
}

#[test]
fn a_head_that_is_missing_or_forged_is_found() {
    let place = closed();
    let head = place.file("chain-00.head");
    let whole = fs::read(&head).unwrap();
    for forged in [Some(&b"{}"[..]), Some(&b""[..]), None] {
        match forged {
            Some(forged) => fs::write(&head, forged).unwrap(),
            None => fs::remove_file(&head).unwrap(),
        }
        let findings = place.findings();
        assert!(
            findings[0].starts_with("chain-00.head:0: the head"),
            "{findings:#?}"
        );
    }
    fs::write(&head, &whole).unwrap();
    assert_eq!(place.findings(), [""; 0]);
    fs::remove_file(&head).unwrap();
    // The next process makes a new one, and says so.
    place.open().close();
    let findings = place.findings();
    assert!(
        findings[0].contains("was removed or changed before this"),
        "{findings:#?}"
    );
}

#[test]
fn a_chain_is_missed_by_its_siblings() {
    const OTHER: [&str; 2] = ["chain-01.000001.jsonl", "chain-01.head"];
    let place = Place::new();
    let two_at_once = || {
        let recorders = [place.open(), place.open()];
        recorders.iter().for_each(|recorder| call(recorder, "log"));
    };
    let read = || OTHER.map(|name| fs::read(place.file(name)).unwrap());
    let put = |contents: &[Vec<u8>]| {
        for (name, content) in OTHER.iter().zip(contents) {
            fs::write(place.file(name), content).unwrap();
        }
    };
    two_at_once();
    let earlier = read();
    two_at_once();
    let later = read();
    assert_eq!(place.findings(), [""; 0]);
    put(&earlier);
    assert_eq!(place.findings(), [""; 0], "nobody has seen more of it yet");
    put(&later);
    place.open().close();
    assert_eq!(place.findings(), [""; 0]);

    // Put back to what it was, its head included.
    put(&earlier);
    let findings = place.findings();
    assert_eq!(findings.len(), 1, "{findings:#?}");
    let seen = "chain-01.000001.jsonl:0: record 8 is not the one that `chain-00.000001.jsonl` saw";
    assert!(findings[0].starts_with(seen), "{findings:#?}");
    // Gone as if it never was.
    for name in OTHER {
        fs::remove_file(place.file(name)).unwrap();
    }
    let findings = place.findings();
    assert!(
        findings[0].contains("chain 1 was there, and is gone"),
        "{findings:#?}"
    );
    put(&later);
    assert_eq!(place.findings(), [""; 0]);
}

#[test]
fn what_is_put_in_between_is_found() {
    let place = closed();
    let file = place.file(FIRST);
    let whole = lines(&file);
    for line in ["", "rubbish", "{}", &"x".repeat(300_000)] {
        let mut longer = whole.clone();
        longer.insert(4, line.to_owned());
        write_lines(&file, &longer);
        let findings = place.findings();
        assert!(findings[0].contains("are no record"), "{findings:#?}");
        assert_eq!(findings.len(), 1, "{findings:#?}");
        assert_eq!(place.records().len(), whole.len(), "the others are read");
    }
    write_lines(&file, &whole);
    assert_eq!(place.findings(), [""; 0]);
    // In front of what the next process writes it looks like a torn record, but
    // one of a process that had ended.
    let mut longer = whole.clone();
    longer.push("rubbish".to_owned());
    write_lines(&file, &longer);
    place.open().close();
    assert_eq!(place.verify().chains[0].torn, 1);
}
