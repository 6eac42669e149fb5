//! Functions that refuse, in place of host functions that no guest gets.
//!
//! The C library brings sockets along. A component that imports
//! `wasi:sockets` needs a host that provides them, even if it would never use
//! them; so the imports are replaced by functions that answer with the error
//! code `access-denied`. Only what can be called without holding a socket has
//! to answer: a method of a socket that nobody can have is a trap.

use anyhow::{Result, bail};
use wasm_encoder::{
    CodeSection, EntityType, ExportKind, ExportSection, Function, FunctionSection, ImportSection,
    Instruction, MemArg, MemArgTarget, MemoryType, Module, TypeSection, ValType,
};
use wasmparser::{FuncType, Parser, Payload, TypeRef};

/// `access-denied` in `wasi:sockets/network.error-code`.
const ACCESS_DENIED: i32 = 1;

/// Whether calls of this interface are refused.
pub fn refused(interface: &str) -> bool {
    interface.starts_with("wasi:sockets/")
}

/// A module that exports each of these functions under the name
/// `INTERFACE#FUNCTION`, and imports the memory as `memory` `memory`.
pub fn module(functions: &[(String, FuncType)]) -> Module {
    let mut types = TypeSection::new();
    let mut signatures = FunctionSection::new();
    let mut exports = ExportSection::new();
    let mut code = CodeSection::new();
    for (index, (name, ty)) in functions.iter().enumerate() {
        let index = u32::try_from(index).expect("a few dozen functions");
        let values = |values: &[wasmparser::ValType]| -> Vec<ValType> {
            values
                .iter()
                .map(|value| match value {
                    wasmparser::ValType::I64 => ValType::I64,
                    wasmparser::ValType::F32 => ValType::F32,
                    wasmparser::ValType::F64 => ValType::F64,
                    _ => ValType::I32,
                })
                .collect()
        };
        types
            .ty()
            .function(values(ty.params()), values(ty.results()));
        signatures.function(index);
        exports.export(name, ExportKind::Func, index);
        code.function(&body(name, ty));
    }
    let mut imports = ImportSection::new();
    imports.import(
        "memory",
        "memory",
        EntityType::Memory(MemoryType {
            minimum: 0,
            maximum: None,
            memory64: false,
            shared: false,
            page_size_log2: None,
        }),
    );
    let mut module = Module::new();
    module
        .section(&types)
        .section(&imports)
        .section(&signatures)
        .section(&exports)
        .section(&code);
    module
}

fn body(name: &str, ty: &FuncType) -> Function {
    let mut body = Function::new([]);
    let function = name.split_once('#').map_or(name, |(_, function)| function);
    if function == "instance-network" {
        // A handle, only ever handed back to the functions below.
        body.instruction(&Instruction::I32Const(0));
    } else if function.starts_with("[resource-drop]") {
    } else if matches!(
        function,
        "create-tcp-socket" | "create-udp-socket" | "resolve-addresses"
    ) {
        // `result<handle, error-code>` behind the last parameter: which of
        // the two, and the payload at the handle's alignment.
        let result = u32::try_from(ty.params().len() - 1).expect("few parameters");
        let at = |offset| MemArg {
            offset,
            align: 0,
            target: MemArgTarget::Memory(0),
            ordering: None,
        };
        body.instruction(&Instruction::LocalGet(result))
            .instruction(&Instruction::I32Const(1))
            .instruction(&Instruction::I32Store8(at(0)))
            .instruction(&Instruction::LocalGet(result))
            .instruction(&Instruction::I32Const(ACCESS_DENIED))
            .instruction(&Instruction::I32Store8(at(4)));
    } else {
        body.instruction(&Instruction::Unreachable);
    }
    body.instruction(&Instruction::End);
    body
}

/// The type of each function that a core module imports.
pub fn import_types(module: &[u8]) -> Result<Vec<(String, String, FuncType)>> {
    let mut types = Vec::new();
    let mut found = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::TypeSection(section) => {
                for ty in section.into_iter_err_on_gc_types() {
                    types.push(ty?);
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import?;
                    if let TypeRef::Func(ty) = import.ty {
                        let Some(ty) = types.get(ty as usize) else {
                            bail!("`{}` has a type that does not exist", import.name);
                        };
                        found.push((import.module.into(), import.name.into(), ty.clone()));
                    }
                }
            }
            _ => {}
        }
    }
    Ok(found)
}
