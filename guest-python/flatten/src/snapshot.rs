//! The memory that a module starts with: its data segments.
//!
//! Two things are done to it. Objects of the Python heap that the guest has
//! listed become immortal (`wasm_coordinator/immortal.py` says why), and the
//! segments are cut anew, so that zeros are not in the file.

use anyhow::{Context, Result, ensure};
use wasm_encoder::{ConstExpr, DataSection};
use wasmparser::{DataKind, Operator, Parser, Payload};

/// What the guest writes before the address of its list, which has four bytes
/// and is little-endian, like everything in memory.
const MARK: &[u8] = b"wasm-coordinator immortal objects:";

/// Where a `list` of CPython has its length and the address of its items:
/// after the reference count and the type.
const LIST_LENGTH: usize = 8;
const LIST_ITEMS: usize = 12;

/// CPython's `_Py_IMMORTAL_INITIAL_REFCNT` where pointers have four bytes
/// (`Include/refcount.h`, 3.14).
const IMMORTAL: u32 = 5 << 28;

/// `_Py_IMMORTAL_MINIMUM_REFCNT`: what has more is immortal already.
const IMMORTAL_MINIMUM: u32 = 1 << 30;

/// The largest count that an object of an honest snapshot can have.
const MAX_REFERENCES: u32 = 1 << 24;

/// Zeros that are worth a segment of their own.
const GAP: usize = 64;

/// The contents of the memory at the start.
pub fn read(module: &[u8]) -> Result<Vec<u8>> {
    let mut memory = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        let Payload::DataSection(section) = payload? else {
            continue;
        };
        for segment in section {
            let segment = segment?;
            let DataKind::Active { offset_expr, .. } = segment.kind else {
                continue;
            };
            let Operator::I32Const { value } = offset_expr.get_operators_reader().read()? else {
                anyhow::bail!("a data segment at an offset that is no constant");
            };
            let start = value.cast_unsigned() as usize;
            let end = start + segment.data.len();
            if memory.len() < end {
                memory.resize(end, 0);
            }
            memory[start..end].copy_from_slice(segment.data);
        }
    }
    Ok(memory)
}

/// Makes the listed objects immortal and empties the list. Returns how many
/// there were.
pub fn immortalise(memory: &mut [u8]) -> Result<usize> {
    let mark = memory
        .windows(MARK.len())
        .position(|window| window == MARK)
        .context("the snapshot has no list of objects")?;
    let list = word(memory, mark + MARK.len())? as usize;
    let length = word(memory, list + LIST_LENGTH)? as usize;
    let items = word(memory, list + LIST_ITEMS)? as usize;
    let end = items + 4 * length;
    for item in (items..end).step_by(4) {
        let object = word(memory, item)? as usize;
        let references = word(memory, object)?;
        // The list holds one, so that zero means that this is no list.
        ensure!(references > 0, "there is no object at {object:#x}");
        if references < IMMORTAL_MINIMUM {
            ensure!(
                references < MAX_REFERENCES,
                "{references} references to the object at {object:#x}"
            );
            memory[object..object + 4].copy_from_slice(&IMMORTAL.to_le_bytes());
        }
    }
    memory[items..end].fill(0);
    memory[list + LIST_LENGTH..list + LIST_LENGTH + 4].fill(0);
    memory[mark..mark + MARK.len() + 4].fill(0);
    ensure!(
        !memory.windows(MARK.len()).any(|window| window == MARK),
        "the snapshot has a second note"
    );
    Ok(length)
}

fn word(memory: &[u8], at: usize) -> Result<u32> {
    let bytes = memory
        .get(at..at + 4)
        .context("an address outside the memory")?;
    Ok(u32::from_le_bytes(bytes.try_into()?))
}

/// The segments of a memory.
pub fn segments(memory: &[u8]) -> Result<DataSection> {
    let mut section = DataSection::new();
    let mut at = 0;
    while let Some(start) = memory[at..].iter().position(|byte| *byte != 0) {
        let start = at + start;
        let mut end = start;
        while let Some(next) = memory[end..].iter().position(|byte| *byte == 0) {
            end += next;
            let zeros = memory[end..]
                .iter()
                .position(|byte| *byte != 0)
                .unwrap_or(usize::MAX);
            if zeros >= GAP {
                break;
            }
            end += zeros;
        }
        if memory[end..].first().is_none_or(|byte| *byte != 0) {
            end = memory.len();
        }
        let offset = ConstExpr::i32_const(u32::try_from(start)?.cast_signed());
        section.active(0, &offset, memory[start..end].iter().copied());
        at = end;
    }
    Ok(section)
}
