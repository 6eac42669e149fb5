//! What a worker was told and has room for: a worker of ours asks one question at a
//! time and takes only results that it has read. One that reads nothing could
//! otherwise have its coordinator hold everything that it asks for.

use std::collections::VecDeque;

use contract::message::{MIN_COUNTED, ToCoordinator, ToSandbox};

/// How far the answers to one run are. Places are numbers of bytes in the stream to
/// the worker.
#[derive(Debug, Default)]
pub(super) struct Delivery {
    /// Where each result ends that is counted, and its bytes.
    under_way: VecDeque<(u64, u64)>,
    /// Bytes of results that were sent, and were not taken yet.
    takeable: u64,
    question: Open,
}

/// The question that was asked last.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Open {
    #[default]
    None,
    /// It has no answer yet.
    Asked,
    /// Its answer ends there.
    AnsweredAt(u64),
}

impl Delivery {
    /// An answer was added to what is to be sent, which ends there now.
    pub(super) fn added(&mut self, answer: Answered, end: u64) {
        match answer {
            Answered::Result(bytes) => self.under_way.push_back((end, bytes)),
            Answered::Question => self.question = Open::AnsweredAt(end),
            Answered::Other => {}
        }
    }

    /// Whether a worker of ours can say this, to which so many bytes were sent.
    pub(super) fn hear(&mut self, request: &ToCoordinator, sent: u64) -> Result<(), &'static str> {
        while let Some((_, bytes)) = self.under_way.pop_front_if(|(end, _)| *end <= sent) {
            self.takeable = self.takeable.saturating_add(bytes);
        }
        match request {
            ToCoordinator::Taken { bytes } => match self.takeable.checked_sub(*bytes) {
                Some(rest) => self.takeable = rest,
                None => return Err("that it took more results than it was sent"),
            },
            ToCoordinator::Ask(_) => match self.question {
                Open::AnsweredAt(end) if end > sent => {
                    return Err("a question before it has read the answer to another");
                }
                Open::Asked => return Err("a question before another one is answered"),
                Open::None | Open::AnsweredAt(_) => self.question = Open::Asked,
            },
            ToCoordinator::Call { .. } | ToCoordinator::Cancel { .. } => {}
        }
        Ok(())
    }
}

/// What an answer is to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answered {
    /// A call whose result counts until the program takes it, and its bytes.
    Result(u64),
    /// A question.
    Question,
    /// Anything else.
    Other,
}

impl From<&ToSandbox> for Answered {
    fn from(answer: &ToSandbox) -> Self {
        match answer {
            ToSandbox::Completed(completion) => match &completion.result {
                Ok(json) if json.len() >= MIN_COUNTED => Self::Result(json.len() as u64),
                _ => Self::Other,
            },
            ToSandbox::Described(_)
            | ToSandbox::Found(_)
            | ToSandbox::Stubs(_)
            | ToSandbox::Imported(_) => Self::Question,
            ToSandbox::Asking | ToSandbox::Answered => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use contract::message::Question;

    use super::*;

    fn ask() -> ToCoordinator {
        ToCoordinator::Ask(Question::Stubs {
            server: String::new(),
            known: None,
        })
    }

    fn taken(bytes: u64) -> ToCoordinator {
        ToCoordinator::Taken { bytes }
    }

    #[test]
    fn results_are_taken_after_they_were_sent() {
        let mut delivery = Delivery::default();
        delivery.added(Answered::Result(70_000), 70_010);
        delivery.added(Answered::Result(80_000), 150_020);
        assert!(delivery.hear(&taken(1), 70_009).is_err());
        assert!(delivery.hear(&taken(70_000), 70_010).is_ok());
        assert!(delivery.hear(&taken(80_000), 150_019).is_err());
        assert!(delivery.hear(&taken(80_000), 150_020).is_ok());
        assert!(delivery.hear(&taken(1), u64::MAX).is_err());
    }

    #[test]
    fn questions_are_asked_one_after_the_other() {
        let mut delivery = Delivery::default();
        assert!(delivery.hear(&ask(), 0).is_ok());
        assert!(delivery.hear(&ask(), 0).is_err());
        delivery.added(Answered::Question, 100);
        assert!(delivery.hear(&ask(), 99).is_err());
        assert!(delivery.hear(&ask(), 100).is_ok());
    }
}
