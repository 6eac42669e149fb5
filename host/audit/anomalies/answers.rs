//! How tools answer: one that answered alike for long and begins to answer
//! otherwise may have been replaced, or carries something for whoever reads it.

use std::hash::{BuildHasher as _, RandomState};

use super::bounded::Bounded;
use super::{Anomaly, Finding};
use crate::event::{Answer, Origin};
use crate::shape::{Kinds, Shape};

/// Tools whose answers are remembered.
const MAX_TOOLS: usize = 256;

/// Places in the answers of one tool that are remembered. A tool with more has
/// no shape, like one whose keys are data.
const MAX_PLACES: usize = 128;

/// Answers without anything new, after which something new is unusual.
const ALIKE: u32 = 20;

pub(super) struct Answers {
    tools: Bounded<u64, Known>,
    hasher: RandomState,
}

/// What a tool answered so far.
#[derive(Default)]
struct Known {
    places: Vec<(u64, Kinds)>,
    /// Answers since something new was in one.
    alike: u32,
    has_no_shape: bool,
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            tools: Bounded::new(MAX_TOOLS),
            hasher: RandomState::new(),
        }
    }
}

impl Answers {
    pub(super) fn answered(
        &mut self,
        origin: Origin,
        server: &str,
        tool: &str,
        answer: &Answer<'_>,
    ) -> Option<Finding> {
        let subject = self.hasher.hash_one((server, tool));
        let known = self.tools.entry(subject);
        let new = known.learn(&answer.shape)?;
        Some(Finding {
            server: server.to_owned(),
            tool: tool.to_owned(),
            place: Shape::place(answer.text, new),
            ..Finding::new(Anomaly::AnswerShape, subject, origin)
        })
    }
}

impl Known {
    /// Learns the shape of an answer. Gives the first place that is new, if that
    /// is unusual. Only what is there counts: what is absent from one answer is
    /// often just empty.
    fn learn(&mut self, shape: &Shape) -> Option<u64> {
        let mut new = None;
        for (place, kinds) in &shape.places {
            let known = self.places.iter().position(|(known, _)| known == place);
            let is_new = match known {
                Some(index) => self.places[index].1.learn(*kinds),
                None if self.places.len() == MAX_PLACES => {
                    self.has_no_shape = true;
                    false
                }
                None => {
                    self.places.push((*place, *kinds));
                    true
                }
            };
            if is_new {
                new.get_or_insert(*place);
            }
        }
        let was_alike = self.alike >= ALIKE && !self.has_no_shape;
        self.alike = if new.is_some() {
            0
        } else {
            self.alike.saturating_add(1)
        };
        new.filter(|_| was_alike)
    }
}
