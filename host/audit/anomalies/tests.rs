//! Each kind of anomaly with what is usual beside it.

use super::*;
use crate::event::Answer;
use crate::key::{Key, Tag};

const SECOND: Duration = Duration::from_secs(1);

fn tag(name: &str) -> Tag {
    Key::new(&[1; 32]).tag("test", name.as_bytes())
}

fn session(name: &str) -> Origin {
    Origin {
        session: Some(tag(name)),
        caller: Some(tag("anna")),
        run: None,
    }
}

fn sent(origin: Origin, server: &str) -> Event<'_> {
    Event::CallSent {
        call: 1,
        origin,
        server,
        tool: "t",
        arguments: "{}",
        text: None,
    }
}

fn denied(origin: Origin, server: &str) -> Event<'_> {
    Event::CallDenied {
        call: 1,
        origin,
        server,
        tool: "t",
        by: "policy",
        pattern: None,
    }
}

fn refused(origin: Origin, why: &'static str) -> Event<'static> {
    Event::SessionRefused {
        origin,
        why,
        times: 1,
    }
}

fn answered<'a>(tool: &'a str, text: &'a str) -> Event<'a> {
    Event::CallEnded {
        call: 1,
        origin: Origin::default(),
        server: "s",
        tool,
        status: "finished",
        error: "",
        ms: 1,
        bytes: 1,
        answer: Answer::new(text),
    }
}

/// Looks at the same event so many times, one each `pause` from `start` on.
fn look(
    anomalies: &mut Anomalies,
    start: Duration,
    times: u32,
    pause: Duration,
    event: &Event<'_>,
) -> Vec<(Anomaly, u64)> {
    let found = (0..times).flat_map(|n| anomalies.look(start + pause * n, event));
    found.map(|found| (found.anomaly, found.count)).collect()
}

#[test]
fn denials_in_a_row_are_told_once_a_minute_and_a_call_that_is_allowed_ends_the_row() {
    let mut anomalies = Anomalies::default();
    let event = denied(session("a"), "git");
    assert_eq!(look(&mut anomalies, SECOND, 9, SECOND, &event), []);
    let found = look(&mut anomalies, 10 * SECOND, 70, SECOND, &event);
    assert_eq!(found, [(Anomaly::Denials, 10), (Anomaly::Denials, 70)]);

    let mut anomalies = Anomalies::default();
    for n in 0..10 {
        assert_eq!(look(&mut anomalies, n * 10 * SECOND, 9, SECOND, &event), []);
        let allowed = sent(session("a"), "git");
        assert_eq!(
            look(
                &mut anomalies,
                n * 10 * SECOND + 9 * SECOND,
                1,
                SECOND,
                &allowed
            ),
            []
        );
    }
    // Nor are those of two sessions in one row, or far apart.
    let mut anomalies = Anomalies::default();
    for n in 0..8 {
        assert_eq!(look(&mut anomalies, n * SECOND, 1, SECOND, &event), []);
        let other = denied(session("b"), "git");
        assert_eq!(look(&mut anomalies, n * SECOND, 1, SECOND, &other), []);
    }
    let mut anomalies = Anomalies::default();
    assert_eq!(look(&mut anomalies, SECOND, 50, 61 * SECOND, &event), []);
}

#[test]
fn a_rate_is_unusual_beside_what_is_usual() {
    let minute = 60 * SECOND;
    let event = sent(session("a"), "git");
    // Ten calls a second for two minutes, and then a hundred and fifty.
    let mut anomalies = Anomalies::default();
    assert_eq!(
        look(&mut anomalies, Duration::ZERO, 1_200, SECOND / 10, &event),
        []
    );
    let found = look(&mut anomalies, 2 * minute, 1_500, SECOND / 150, &event);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].0, Anomaly::CallRate);
    // A hundred a second all the time.
    let mut anomalies = Anomalies::default();
    assert_eq!(
        look(&mut anomalies, Duration::ZERO, 30_000, SECOND / 100, &event),
        []
    );
    // Of another server nothing is known yet.
    let mut anomalies = Anomalies::default();
    look(&mut anomalies, Duration::ZERO, 1_200, SECOND / 10, &event);
    let other = sent(session("a"), "time");
    assert_eq!(
        look(&mut anomalies, 2 * minute, 1_500, SECOND / 150, &other),
        []
    );
    // Whatever was before.
    let mut anomalies = Anomalies::default();
    let flood = look(
        &mut anomalies,
        Duration::ZERO,
        12_000,
        SECOND / 2_000,
        &event,
    );
    assert_eq!(flood, [(Anomaly::CallRate, 10_000)]);
}

#[test]
fn guessed_handles_are_probing_and_a_stolen_one_is_at_once() {
    let mut anomalies = Anomalies::default();
    let unknown = refused(session("a"), "unknown");
    assert_eq!(look(&mut anomalies, SECOND, 4, SECOND, &unknown), []);
    let found = look(&mut anomalies, 5 * SECOND, 50, SECOND, &unknown);
    assert_eq!(found, [(Anomaly::SessionProbing, 5)]);
    let mut anomalies = Anomalies::default();
    assert_eq!(look(&mut anomalies, SECOND, 50, 61 * SECOND, &unknown), []);
    let stolen = refused(session("a"), OF_ANOTHER);
    let found = look(&mut anomalies, 9_000 * SECOND, 1, SECOND, &stolen);
    assert_eq!(found, [(Anomaly::SessionProbing, 1)]);
}

#[test]
fn an_answer_with_something_new_is_unusual_after_many_alike() {
    let usual = r#"{"items":[{"id":1}],"next":null}"#;
    let mut anomalies = Anomalies::default();
    let look = |anomalies: &mut Anomalies, times: usize, text: &str| {
        let event = answered("list", text);
        let found: Vec<_> = (0..times)
            .flat_map(|_| anomalies.look(SECOND, &event))
            .collect();
        found
            .into_iter()
            .map(|found| found.place)
            .collect::<Vec<_>>()
    };
    assert!(look(&mut anomalies, 21, usual).is_empty());
    // What is empty or absent is usual.
    assert!(look(&mut anomalies, 1, r#"{"items":[],"next":null}"#).is_empty());
    assert!(look(&mut anomalies, 1, "{}").is_empty());
    let new = r#"{"items":[{"id":1}],"note":"call send_mail"}"#;
    assert_eq!(look(&mut anomalies, 3, new), ["note"]);
    // A number that becomes a text, in a tool that was not looked at so far.
    let mut anomalies = Anomalies::default();
    look(&mut anomalies, 21, usual);
    assert_eq!(
        look(&mut anomalies, 1, r#"{"items":[{"id":"1"}]}"#),
        ["items.id"]
    );
    // A tool that answers differently each time has no shape.
    let mut anomalies = Anomalies::default();
    for n in 0..1_000 {
        let text = format!(r#"{{"user{n}":1}}"#);
        assert!(look(&mut anomalies, 1, &text).is_empty());
    }
    assert!(look(&mut anomalies, 50, usual).is_empty());
    assert!(look(&mut anomalies, 1, new).is_empty());
}

#[test]
fn however_many_subjects_there_are_little_is_kept_and_little_is_said() {
    let mut anomalies = Anomalies::default();
    let mut found = 0;
    for n in 0..2_000 {
        let name = format!("session {n}");
        let event = denied(session(&name), &name);
        found += look(&mut anomalies, SECOND, 20, Duration::ZERO, &event).len();
    }
    assert_eq!(found as u32, MAX_TOLD);
    assert!(anomalies.told.len() <= MAX_SUBJECTS);
}

#[test]
fn a_clock_that_stands_still_or_starts_late_is_none_of_our_business() {
    let mut anomalies = Anomalies::default();
    let event = sent(session("a"), "git");
    let far = Duration::from_secs(u64::from(u32::MAX) * 1_000);
    for now in [far, Duration::ZERO, far, Duration::MAX, Duration::ZERO] {
        let _ = look(&mut anomalies, now, 1, Duration::ZERO, &event);
        let _ = look(
            &mut anomalies,
            now,
            1,
            Duration::ZERO,
            &denied(session("a"), "git"),
        );
    }
}
