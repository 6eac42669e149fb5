//! The calls of a run in few lines: how often each tool was called, and how
//! that ended. No call is left out of the sums.

use std::collections::BTreeMap;

use serde::Serialize;

use contract::call_record::{CallRecord, CallStatus};

/// Kinds of calls that are listed; the others are summed up.
const MAX_CALLS: usize = 30;

/// Calls of one tool that ended alike.
#[derive(Serialize)]
pub(in crate::serve) struct Calls {
    pub(in crate::serve) tool: String,
    pub(in crate::serve) status: CallStatus,
    pub(in crate::serve) count: usize,
    milliseconds: f64,
}

/// Calls by tool and outcome, in the order of the first of each.
pub(in crate::serve) fn summed(calls: &[CallRecord]) -> Vec<Calls> {
    let mut indices: BTreeMap<(&str, &str, u8), usize> = BTreeMap::new();
    let mut summed: Vec<Calls> = Vec::new();
    for call in calls {
        let key = (call.server.as_str(), call.tool.as_str(), call.status as u8);
        let index = *indices.entry(key).or_insert_with(|| {
            summed.push(Calls {
                tool: if call.server.is_empty() {
                    call.tool.clone()
                } else {
                    format!("{}.{}", call.server, call.tool)
                },
                status: call.status,
                count: 0,
                milliseconds: 0.0,
            });
            summed.len() - 1
        });
        summed[index].count += 1;
        summed[index].milliseconds += call.milliseconds;
    }
    // What may have gone wrong is never among those summed up.
    summed.sort_by_key(|calls| match calls.status {
        CallStatus::Unknown => 0,
        CallStatus::Failed => 1,
        CallStatus::Finished => 2,
    });
    if summed.len() > MAX_CALLS {
        let rest = summed.split_off(MAX_CALLS);
        for status in [
            CallStatus::Unknown,
            CallStatus::Failed,
            CallStatus::Finished,
        ] {
            let alike = rest.iter().filter(|calls| calls.status == status);
            let (count, milliseconds) = alike.fold((0, 0.0), |(count, milliseconds), calls| {
                (count + calls.count, milliseconds + calls.milliseconds)
            });
            if count > 0 {
                summed.push(Calls {
                    tool: "(other tools)".to_owned(),
                    status,
                    count,
                    milliseconds,
                });
            }
        }
    }
    for calls in &mut summed {
        calls.milliseconds = (calls.milliseconds * 1e3).round() / 1e3;
    }
    summed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(tool: &str, status: CallStatus) -> CallRecord {
        CallRecord {
            server: "s".to_owned(),
            tool: tool.to_owned(),
            status,
            milliseconds: 1.0,
        }
    }

    #[test]
    fn every_call_is_accounted_for_and_unknown_outcomes_come_first() {
        let mut calls = vec![record("a", CallStatus::Finished); 500];
        calls.extend((0..100).map(|n| record(&format!("t{n}"), CallStatus::Finished)));
        calls.push(record("a", CallStatus::Unknown));
        let summed = summed(&calls);
        assert_eq!(summed[0].status, CallStatus::Unknown);
        assert_eq!((summed[1].tool.as_str(), summed[1].count), ("s.a", 500));
        let total: usize = summed.iter().map(|calls| calls.count).sum();
        assert_eq!(total, 601);
        assert!(summed.len() <= MAX_CALLS + 3);
    }
}
