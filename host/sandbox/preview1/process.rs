//! Arguments, clocks, random numbers, and waiting.

use std::time::Duration;

use wasmtime_wasi::clocks::WasiClocksView;
use wasmtime_wasi::p2::bindings::clocks::{monotonic_clock, wall_clock};
use wasmtime_wasi::p2::bindings::random::random::Host as _;
use wasmtime_wasi::random::WasiRandomView;

use super::abi::{EVENT, Errno, Record, SUBSCRIPTION, nanoseconds};
use super::memory::Memory;
use super::{Done, Stop};
use crate::descriptors::Opened;
use crate::state::State;

/// Things that one call may wait for.
const MAX_SUBSCRIPTIONS: u32 = 1024;

/// Random bytes that are made at once.
const RANDOM_CHUNK: usize = 64 << 10;

const REALTIME: u32 = 0;
const MONOTONIC: u32 = 1;

pub(super) fn args_sizes_get(
    memory: &mut Memory<'_>,
    state: &mut State,
    count: u32,
    size: u32,
) -> Done {
    let bytes = state.arguments.iter().map(|argument| argument.len() + 1);
    let bytes: usize = bytes.sum();
    memory.write(count, &(state.arguments.len() as u32).to_le_bytes())?;
    memory.write(size, &(bytes as u32).to_le_bytes())
}

pub(super) fn args_get(
    memory: &mut Memory<'_>,
    state: &mut State,
    mut pointers: u32,
    mut bytes: u32,
) -> Done {
    for argument in &state.arguments {
        memory.write(pointers, &bytes.to_le_bytes())?;
        memory.write(bytes, argument.as_bytes())?;
        let end = bytes.checked_add(argument.len() as u32);
        let end = end.ok_or(Errno::FAULT)?;
        memory.write(end, &[0])?;
        bytes = end.checked_add(1).ok_or(Errno::FAULT)?;
        pointers = pointers.checked_add(4).ok_or(Errno::FAULT)?;
    }
    Ok(())
}

/// There are no variables.
pub(super) fn environ_sizes_get(
    memory: &mut Memory<'_>,
    _: &mut State,
    count: u32,
    size: u32,
) -> Done {
    memory.write(count, &[0; 4])?;
    memory.write(size, &[0; 4])
}

pub(super) fn environ_get(_: &mut Memory<'_>, _: &mut State, _: u32, _: u32) -> Done {
    Ok(())
}

fn now(state: &mut State, clock: u32) -> Done<u64> {
    let mut clocks = state.clocks();
    match clock {
        REALTIME => {
            let now = wall_clock::Host::now(&mut clocks)?;
            Ok(nanoseconds(&now))
        }
        MONOTONIC => Ok(monotonic_clock::Host::now(&mut clocks)?),
        _ => Err(Errno::NOTSUP.into()),
    }
}

pub(super) fn clock_time_get(
    memory: &mut Memory<'_>,
    state: &mut State,
    clock: u32,
    _precision: u64,
    out: u32,
) -> Done {
    let now = now(state, clock)?;
    memory.write(out, &now.to_le_bytes())
}

pub(super) fn clock_res_get(
    memory: &mut Memory<'_>,
    state: &mut State,
    clock: u32,
    out: u32,
) -> Done {
    now(state, clock)?;
    let resolution = monotonic_clock::Host::resolution(&mut state.clocks())?;
    memory.write(out, &resolution.max(1).to_le_bytes())
}

pub(super) fn random_get(
    memory: &mut Memory<'_>,
    state: &mut State,
    bytes: u32,
    length: u32,
) -> Done {
    for chunk in memory.bytes_mut(bytes, length)?.chunks_mut(RANDOM_CHUNK) {
        let random = state.random().get_random_bytes(chunk.len() as u64)?;
        chunk.copy_from_slice(&random);
    }
    Ok(())
}

pub(super) fn raise(_: &mut Memory<'_>, _: &mut State, _: u32) -> Done {
    Err(Errno::NOTSUP.into())
}

pub(super) fn sched_yield(_: &mut Memory<'_>, _: &mut State) -> Done {
    Ok(())
}

/// What a module waits for: the events, each with the time until it comes.
pub(super) struct Wait {
    events: Vec<(Duration, [u8; EVENT])>,
}

impl Wait {
    /// Until the first event comes.
    pub(super) fn how_long(&self) -> Duration {
        let times = self.events.iter().map(|(time, _)| *time);
        times.min().unwrap_or_default()
    }

    /// Writes all events that have come by then, and how many.
    pub(super) fn write(&self, memory: &mut Memory<'_>, mut at: u32, out: u32) -> Done {
        let waited = self.how_long();
        let mut count: u32 = 0;
        for (time, event) in &self.events {
            if *time <= waited {
                memory.write(at, event)?;
                at = at.checked_add(EVENT as u32).ok_or(Errno::FAULT)?;
                count += 1;
            }
        }
        memory.write(out, &count.to_le_bytes())
    }
}

/// What is to be waited for.
pub(super) fn poll_for(
    memory: &mut Memory<'_>,
    state: &mut State,
    given: u32,
    count: u32,
) -> Done<Wait> {
    if count == 0 || count > MAX_SUBSCRIPTIONS {
        return Err(Errno::INVAL.into());
    }
    let mut events = Vec::new();
    for index in 0..count {
        let at = given.checked_add(index * SUBSCRIPTION as u32);
        let at = at.ok_or(Errno::FAULT)?;
        memory.bytes(at, SUBSCRIPTION as u32)?;
        let tag = memory.bytes(at + 8, 1)?[0];
        let (time, error) = match tag {
            0 => match clock_in(memory, state, at) {
                Ok(time) => (time, 0),
                Err(Stop::Errno(errno)) => (Duration::ZERO, errno.0),
                Err(trap) => return Err(trap),
            },
            // Files and streams are always ready.
            1 | 2 => match state.descriptors.get(memory.number(at + 16)?) {
                Some(_) => (Duration::ZERO, 0),
                None => (Duration::ZERO, Errno::BADF.0),
            },
            _ => return Err(Errno::INVAL.into()),
        };
        let at_end = match tag {
            1 => matches!(
                state.descriptors.get(memory.number(at + 16)?),
                Some(Opened::Stdin)
            ),
            _ => false,
        };
        let event = Record::<EVENT>::new()
            .with(0, memory.long(at)?.to_le_bytes())
            .with(8, error.to_le_bytes())
            .with(10, [tag])
            .with(24, u16::from(at_end).to_le_bytes());
        events.push((time, event.0));
    }
    Ok(Wait { events })
}

/// The time until a clock has reached what a subscription says.
fn clock_in(memory: &Memory<'_>, state: &mut State, at: u32) -> Done<Duration> {
    let now = now(state, memory.number(at + 16)?)?;
    let timeout = memory.long(at + 24)?;
    let absolute = memory.bytes(at + 40, 1)?[0] & 1 == 1;
    let nanoseconds = match absolute {
        true => timeout.saturating_sub(now),
        false => timeout,
    };
    Ok(Duration::from_nanos(nanoseconds))
}
