//! Recursion that CPython cannot see.
//!
//! CPython 3.14 bounds recursion in C by how much of its own stack is used, the
//! one in linear memory. Compiled to WebAssembly, a function whose variables
//! all fit into locals uses none of it, and recursion through such functions
//! ends in a trap of the host's stack. Freeing what is nested deeply is that: a
//! `dict` in a `dict`, a hundred thousand times. CPython has a way to free it
//! without recursion, and takes it when its stack is nearly used up.
//!
//! So the function in the middle of every such recursion takes some room on the
//! stack that CPython watches.

use anyhow::{Context, Result, ensure};
use wasm_encoder::{CodeSection, Function, FunctionSection, Instruction, Module, RawSection};
use wasmparser::{ExternalKind, Parser, Payload, TypeRef};

/// The function that frees an object, and with it those that it holds.
pub const FREES: &str = "_Py_Dealloc";

/// The global that has the address of the stack.
const STACK_POINTER: &str = "__stack_pointer";

/// Room for each level: 8,000 levels in CPython's megabyte, which are some
/// megabytes on the host's stack. A multiple of 16, as the ABI wants it.
const ROOM: i32 = 128;

/// Whether a module has the function itself.
pub fn frees(module: &[u8]) -> Result<bool> {
    let found = Found::read(module)?;
    Ok(found
        .function
        .is_some_and(|function| function >= found.imported))
}

/// The module with a function of one parameter and no result that takes room on
/// the stack while it runs. Every call of it, from anywhere, does that.
pub fn with_room(module: &[u8]) -> Result<Vec<u8>> {
    let found = Found::read(module)?;
    let function = found.function.context("the function is not there")?;
    let pointer = found.pointer.context("the module has no stack")?;
    let target = (function - found.imported) as usize;
    // Behind all others, so that no index changes.
    let moved = found.imported + u32::try_from(found.types.len())?;

    let mut rewritten = Module::new();
    let mut code = CodeSection::new();
    let mut original = None;
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload?;
        match &payload {
            Payload::FunctionSection(_) => {
                let mut functions = FunctionSection::new();
                for ty in found.types.iter().chain([&found.types[target]]) {
                    functions.function(*ty);
                }
                rewritten.section(&functions);
            }
            Payload::CodeSectionEntry(body) => {
                let at = code.len() as usize;
                if at == target {
                    original = Some(body.as_bytes());
                    code.function(&in_room(pointer, moved));
                } else {
                    code.raw(body.as_bytes());
                }
                if code.len() as usize == found.types.len() {
                    code.raw(original.context("the function has no body")?);
                    rewritten.section(&code);
                }
            }
            Payload::CodeSectionStart { .. } => {}
            _ => {
                if let Some((id, range)) = payload.as_section() {
                    let range = usize::try_from(range.start)?..usize::try_from(range.end)?;
                    rewritten.section(&RawSection {
                        id,
                        data: &module[range],
                    });
                }
            }
        }
    }
    Ok(rewritten.finish())
}

/// Calls a function with some of the stack taken.
fn in_room(pointer: u32, function: u32) -> Function {
    let mut body = Function::new([]);
    body.instruction(&Instruction::GlobalGet(pointer))
        .instruction(&Instruction::I32Const(ROOM))
        .instruction(&Instruction::I32Sub)
        .instruction(&Instruction::GlobalSet(pointer))
        .instruction(&Instruction::LocalGet(0))
        .instruction(&Instruction::Call(function))
        .instruction(&Instruction::GlobalGet(pointer))
        .instruction(&Instruction::I32Const(ROOM))
        .instruction(&Instruction::I32Add)
        .instruction(&Instruction::GlobalSet(pointer))
        .instruction(&Instruction::End);
    body
}

/// What has to be known of a module.
#[derive(Default)]
struct Found {
    /// How many functions are imported.
    imported: u32,
    /// The types of the others.
    types: Vec<u32>,
    /// The function that frees.
    function: Option<u32>,
    /// The global of the stack.
    pointer: Option<u32>,
}

impl Found {
    fn read(module: &[u8]) -> Result<Self> {
        let mut found = Self::default();
        let mut globals = 0;
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import?;
                        match import.ty {
                            TypeRef::Func(_) => found.imported += 1,
                            TypeRef::Global(_) => {
                                if import.name == STACK_POINTER {
                                    found.pointer = Some(globals);
                                }
                                globals += 1;
                            }
                            _ => {}
                        }
                    }
                }
                Payload::FunctionSection(section) => {
                    found.types = section.into_iter().collect::<Result<_, _>>()?;
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export?;
                        if export.name == FREES {
                            ensure!(export.kind == ExternalKind::Func, "no function");
                            found.function = Some(export.index);
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(found)
    }
}
