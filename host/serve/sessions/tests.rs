//! Whose sessions are, and when they end.

use super::*;
use crate::{Engine, EngineOptions, Isolation, Session, SessionOptions, Toolbox};

const ANNA: Caller = Caller([1; 32]);
const BERT: Caller = Caller([2; 32]);

fn slot() -> Arc<SessionSlot> {
    let engine = Engine::new(EngineOptions {
        isolation: Isolation::InProcess,
        ..EngineOptions::default()
    })
    .unwrap();
    let options = SessionOptions::default();
    SessionSlot::new(Session::new(&engine, Toolbox::default(), options))
}

fn sessions(bounds: SessionBounds) -> Sessions {
    Sessions::new(bounds, Recorder::off())
}

#[test]
fn a_handle_is_long_and_works_for_its_caller_only() {
    let sessions = sessions(SessionBounds::default());
    let opened = sessions.open(ANNA, slot()).unwrap();
    assert_eq!(opened.handle.len(), 43);
    assert!(Arc::ptr_eq(
        &sessions.find(ANNA, &opened.handle).unwrap(),
        &opened.slot
    ));
    let other = sessions.find(BERT, &opened.handle);
    assert_eq!(other.err(), Some(SessionError::Unknown));
    let other = sessions.close(BERT, &opened.handle);
    assert_eq!(other, Err(SessionError::Unknown));
    assert_eq!(sessions.close(ANNA, &opened.handle), Ok(()));
    let ended = sessions.find(ANNA, &opened.handle).err().unwrap();
    assert_eq!(ended, SessionError::Ended("it was closed".to_owned()));
    assert_eq!(
        sessions.close(BERT, &opened.handle),
        Err(SessionError::Unknown)
    );
}

#[test]
fn the_one_unused_for_longest_is_ended_and_busy_ones_stay() {
    let sessions = sessions(SessionBounds {
        max_open: 2,
        ..SessionBounds::default()
    });
    let first = sessions.open(ANNA, slot()).unwrap();
    let second = sessions.open(ANNA, slot()).unwrap().handle;
    let third = sessions.open(BERT, slot()).unwrap();
    // The first was busy, because `first` holds it.
    let why = sessions.find(ANNA, &second).err().unwrap().to_string();
    assert!(why.contains("unused for longest"), "{why}");
    assert!(sessions.find(ANNA, &first.handle).is_ok());
    let full = sessions.open(ANNA, slot()).err();
    assert_eq!(full, Some(SessionError::Full(2)));
    drop((first, third));
    let fourth = sessions.open(BERT, slot()).unwrap();
    assert_eq!(fourth.evicted, 1, "one's own sessions go first");
}

#[test]
fn a_caller_with_many_busy_sessions_ends_none_of_anothers() {
    let sessions = sessions(SessionBounds {
        max_open: 3,
        ..SessionBounds::default()
    });
    let bert = sessions.open(BERT, slot()).unwrap().handle;
    let busy = [(); 2].map(|()| sessions.open(ANNA, slot()).unwrap());
    assert!(sessions.open(ANNA, slot()).is_err());
    assert!(
        sessions.find(BERT, &bert).is_ok(),
        "it was not used, and stays"
    );
    drop(busy);
    assert_eq!(sessions.open(ANNA, slot()).unwrap().evicted, 1);
    // Whoever has fewer gets a place of whoever has more.
    assert_eq!(sessions.open(BERT, slot()).unwrap().evicted, 1);
    assert!(sessions.find(BERT, &bert).is_err(), "one's own go first");
}

#[test]
fn sessions_end_unused_or_old_but_never_while_busy() {
    let span = Duration::from_millis(20);
    for (idle, age) in [(span, 100 * span), (100 * span, span)] {
        let sessions = sessions(SessionBounds {
            idle,
            age,
            ..SessionBounds::default()
        });
        let opened = sessions.open(ANNA, slot()).unwrap();
        std::thread::sleep(2 * span);
        assert_eq!(sessions.totals().0, 1, "it is busy");
        let Opened { handle, slot, .. } = opened;
        drop(slot);
        assert_eq!(sessions.totals().0, 0);
        assert!(matches!(
            sessions.find(ANNA, &handle),
            Err(SessionError::Ended(_))
        ));
    }
}

#[tokio::test]
async fn a_session_that_nobody_asks_for_ends_all_the_same() {
    let sessions = sessions(SessionBounds {
        idle: Duration::from_millis(20),
        ..SessionBounds::default()
    });
    let slot = slot();
    let held = Arc::downgrade(&slot);
    drop(sessions.open(ANNA, slot).unwrap());
    let deadline = Instant::now() + Duration::from_secs(5);
    while held.strong_count() > 0 {
        assert!(Instant::now() < deadline, "its memory is given back");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[test]
fn what_sessions_hold_together_is_bounded() {
    let sessions = sessions(SessionBounds {
        memory: 1_000,
        ..SessionBounds::default()
    });
    let heavy = sessions.open(ANNA, slot()).unwrap();
    heavy.slot.workspace.write_file("a", &[0; 2_000]).unwrap();
    let handle = heavy.handle;
    drop(heavy.slot);
    assert_eq!(sessions.open(ANNA, slot()).unwrap().evicted, 1);
    assert!(sessions.find(ANNA, &handle).is_err());
}
