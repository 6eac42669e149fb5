//! Chains that other processes saw: one that is cut off or removed, its head
//! with it, is missed by its siblings.

use std::io;

use serde_json::Value;

use super::{ChainState, Finding, MAX_FINDINGS};
use crate::directory::Names;
use crate::line::Line;
use crate::read::{Lines, Text};

/// A record of another chain that was there.
pub(super) struct Sighting {
    chain: u32,
    seq: u64,
    /// The start of its hash.
    hash: String,
    /// Where that is said.
    by: Finding,
}

impl Sighting {
    /// What a process saw when it began.
    pub(super) fn all(record: &Line, by: &Finding) -> Vec<Self> {
        let others = record.fields.get("others").and_then(Value::as_array);
        let others = others.into_iter().flatten().filter_map(|other| {
            Some(Self {
                chain: other.get("chain")?.as_u64()?.try_into().ok()?,
                seq: other.get("seq")?.as_u64()?,
                hash: other.get("hash")?.as_str()?.to_owned(),
                by: by.clone(),
            })
        });
        others.collect()
    }

    /// Whether the record is still there.
    pub(super) fn check(&self, chains: &mut [(Names, ChainState)]) -> io::Result<()> {
        let Some((names, state)) = chains
            .iter_mut()
            .find(|(names, _)| names.chain() == self.chain)
        else {
            let what = format!("chain {} was there, and is gone", self.chain);
            let by = chains.iter_mut().find(|(names, _)| {
                self.by
                    .file
                    .starts_with(&format!("chain-{:02}.", names.chain()))
            });
            if let Some((_, state)) = by {
                push(
                    state,
                    Finding {
                        what,
                        ..self.by.clone()
                    },
                );
            }
            return Ok(());
        };
        let is_there = if self.seq == 0 || self.seq < state.first {
            // It made room.
            true
        } else if self.seq > state.last {
            false
        } else {
            hash_of(names, self.seq)?.is_some_and(|hash| hash.starts_with(&self.hash))
        };
        if !is_there {
            let by = &self.by;
            let what = format!(
                "record {} is not the one that `{}` saw in its line {}",
                self.seq, by.file, by.line
            );
            let last = names.numbers()?.last().copied().unwrap_or(1);
            let file = names.file_name(last);
            push(
                state,
                Finding {
                    file,
                    line: 0,
                    what,
                },
            );
        }
        Ok(())
    }
}

fn push(state: &mut ChainState, finding: Finding) {
    if state.findings.len() < MAX_FINDINGS {
        state.findings.push(finding);
    }
}

/// The hash of a record, if it is there.
fn hash_of(names: &Names, seq: u64) -> io::Result<Option<String>> {
    for number in names.numbers()? {
        let mut lines = Lines::open(&names.file(number), 0)?;
        while let Some(text) = lines.next()? {
            if let Text::Line(line) = text
                && let Some(record) = Line::read(line)
                && record.seq == seq
            {
                return Ok(Some(record.hash.to_string()));
            }
        }
    }
    Ok(None)
}
