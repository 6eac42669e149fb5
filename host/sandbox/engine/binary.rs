//! What is read off a WebAssembly binary before it is compiled: its form, its
//! size, and the name under which its compiled code is kept.
//!
//! Only the form is a check. What is malformed ends a walk early, and the engine
//! refuses it when it validates the binary.

use contract::program::Form;

/// What bytes are that are no WebAssembly binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotBinary {
    /// Machine code of some system. What engines have compiled is of this kind.
    NativeCode,
    /// WebAssembly as text.
    Text,
    /// Anything else.
    Other,
}

/// What these bytes are, by the first of them and before anything else looks:
/// machine code would be trusted entirely by whoever loads it, and text is a format
/// that nobody asked for.
pub(crate) fn form_of(bytes: &[u8]) -> Result<Form, NotBinary> {
    match bytes {
        [0, b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => Ok(Form::Component),
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => Ok(Form::Module),
        // ELF, which is what wasmtime writes on every system; Mach-O in both byte
        // orders, and for several processors; PE.
        [0x7f, b'E', b'L', b'F', ..]
        | [0xfe, 0xed, 0xfa, 0xce | 0xcf, ..]
        | [0xce | 0xcf, 0xfa, 0xed, 0xfe, ..]
        | [0xca, 0xfe, 0xba, 0xbe, ..]
        | [b'M', b'Z', ..] => Err(NotBinary::NativeCode),
        _ => match bytes.trim_ascii_start() {
            [b'(', b'm' | b'c' | b';' | b' ', ..] | [b';', b';', ..] => Err(NotBinary::Text),
            _ => Err(NotBinary::Other),
        },
    }
}

/// A section of a component with a core module in it, and one with a component
/// (component binary format).
const CORE_MODULE: u8 = 1;
const COMPONENT: u8 = 4;

/// The section of a core module with its functions (WebAssembly binary format).
const CODE: u8 = 10;

/// Its sections whose items each instance has: imports, functions, tables, memories,
/// globals, elements, data, tags.
const OF_INSTANCES: [u8; 8] = [2, 3, 4, 5, 6, 9, 11, 13];

/// Bytes that one such item takes in the engine, at most: what is called through a
/// table is a record of four words, and its import another one. A global is one value.
const ITEM: u64 = 64;
const GLOBALS: u8 = 6;
const GLOBAL: u64 = 16;

/// Bytes of the magic number and the version.
const HEADER: usize = 8;

/// How much there is to compile.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct CodeSize {
    /// How many functions the core modules define.
    pub(super) functions: u64,
    /// The bytes of the largest of them.
    pub(super) largest: u64,
    /// The squares of their bytes, together.
    pub(super) weight: u64,
}

impl CodeSize {
    fn add(&mut self, module: &[u8]) {
        for (_, code) in sections(module).filter(|(id, _)| *id == CODE) {
            self.functions += number(code).map_or(0, |(count, _)| count);
            for body in items(code) {
                let size = body.len() as u64;
                self.largest = self.largest.max(size);
                self.weight = self.weight.saturating_add(size.saturating_mul(size));
            }
        }
    }
}

/// How much there is to compile in a module, or in a component and all components
/// in it.
pub(super) fn code_size(binary: &[u8], form: Form) -> CodeSize {
    let mut size = CodeSize::default();
    if form == Form::Module {
        size.add(binary);
        return size;
    }
    for module in modules(binary) {
        size.add(module);
    }
    size
}

/// The bytes that an instance of the largest core module takes beside its memories
/// and tables.
pub(crate) fn instance_size(binary: &[u8], form: Form) -> u64 {
    let of_module = |module| {
        let sections = sections(module).filter(|(id, _)| OF_INSTANCES.contains(id));
        let sizes = sections.map(|(id, content)| {
            let count = number(content).map_or(0, |(count, _)| count);
            count * if id == GLOBALS { GLOBAL } else { ITEM }
        });
        sizes.sum::<u64>()
    };
    if form == Form::Module {
        return of_module(binary);
    }
    modules(binary).map(of_module).max().unwrap_or(0)
}

/// The core modules of a component, and of all components in it.
fn modules(component: &[u8]) -> impl Iterator<Item = &[u8]> {
    // Components are nested as a stranger likes: no recursion.
    let mut components = vec![component];
    let mut modules = Vec::new();
    while let Some(component) = components.pop() {
        for (id, content) in sections(component) {
            match id {
                // Without sections there is nothing to remember it for.
                COMPONENT if content.len() > HEADER => components.push(content),
                CORE_MODULE => modules.push(content),
                _ => {}
            }
        }
    }
    modules.into_iter()
}

/// The items of a section that each begin with their length.
fn items(section: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = number(section).map_or(&[][..], |(_count, items)| items);
    std::iter::from_fn(move || {
        let (content, tail) = item(rest)?;
        rest = tail;
        Some(content)
    })
}

/// What begins with its length, and what follows it.
fn item(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, tail) = number(bytes)?;
    tail.split_at_checked(usize::try_from(length).ok()?)
}

/// The sections of a module or component: their ids and contents.
fn sections(binary: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = binary.get(HEADER..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (id, tail) = rest.split_first()?;
        let (content, tail) = item(tail)?;
        rest = tail;
        Some((*id, content))
    })
}

/// An unsigned LEB128 number of up to 32 bits, and what follows it.
fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (place, byte) in bytes.iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[place + 1..]));
        }
    }
    None
}

/// Names compiled code by everything it depends on: the component, and the
/// version, settings and processor it was compiled for.
pub(super) fn entry_name(engine: &wasmtime::Engine, digest: &str) -> String {
    use std::hash::Hash;
    let mut hasher = Digest(blake3::Hasher::new());
    digest.hash(&mut hasher);
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.0.finalize().to_hex()[..32].to_owned()
}

/// Hashes into a digest that is the same in every process, unlike the standard
/// library's hashers.
struct Digest(blake3::Hasher);

impl std::hash::Hasher for Digest {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let bytes = *self.0.finalize().as_bytes();
        u64::from_le_bytes(bytes[..8].try_into().expect("a digest has 32 bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::{Metering, config};
    use super::*;

    #[test]
    fn forms_are_told_by_their_first_bytes() {
        let binary = |text: &str| wat::parse_str(text).unwrap();
        assert_eq!(form_of(&binary("(component)")), Ok(Form::Component));
        assert_eq!(form_of(&binary("(module)")), Ok(Form::Module));
        for native in [&b"\x7fELF\x02\x01"[..], b"\xcf\xfa\xed\xfe\x07", b"MZ\x90"] {
            assert_eq!(form_of(native), Err(NotBinary::NativeCode));
        }
        for text in ["(component)", "\n  (module)", ";; a comment", "(; one ;)"] {
            assert_eq!(form_of(text.as_bytes()), Err(NotBinary::Text));
        }
        // Cut, of a version that does not exist, or half of each form.
        for other in [
            &b""[..],
            b"\0asm",
            b"\0asm\x0d\0\0\0",
            b"\0asm\x01\0\x01\0",
            b"\0asm\x02\0\0\0",
            b" \0asm\x01\0\0\0",
            b"#!/bin/sh",
        ] {
            assert_eq!(form_of(other), Err(NotBinary::Other), "{other:?}");
        }
    }

    #[test]
    fn an_instance_is_as_large_as_what_it_has() {
        let globals = "(global i32 (i32.const 0))".repeat(1000);
        let module = wat::parse_str(format!("(module {globals})")).unwrap();
        assert_eq!(instance_size(&module, Form::Module), 1000 * GLOBAL);
        let nested = format!("(component (component (core module {globals}) (core module)))");
        let component = wat::parse_str(nested).unwrap();
        assert_eq!(instance_size(&component, Form::Component), 1000 * GLOBAL);
        assert_eq!(instance_size(b"", Form::Component), 0);
    }

    #[test]
    fn functions_are_counted_and_measured_in_all_modules() {
        let text = "(component (core module (func) (func nop nop nop)) (core module (func))
            (component (component (core module (func nop)))))";
        let size = code_size(&wat::parse_str(text).unwrap(), Form::Component);
        // A count of locals, three instructions, and the end.
        assert_eq!((size.functions, size.largest), (4, 5));
        assert_eq!(size.weight, 2 * 2 + 5 * 5 + 2 * 2 + 3 * 3);
        let module = wat::parse_str("(module (func) (func nop))").unwrap();
        assert_eq!(code_size(&module, Form::Module).functions, 2);
        let nothing = CodeSize::default();
        assert_eq!(code_size(b"", Form::Component), nothing);
        let cut = b"\0asm\x0d\0\x01\0\x01\xff\xff\xff\xff\xff";
        assert_eq!(code_size(cut, Form::Component), nothing);
    }

    #[test]
    fn compiled_code_is_named_by_what_it_depends_on() {
        let plain = wasmtime::Engine::new(&config(Metering::Off, None)).unwrap();
        let metered = wasmtime::Engine::new(&config(Metering::Fuel, None)).unwrap();
        assert_eq!(entry_name(&plain, "a"), entry_name(&plain, "a"));
        assert_ne!(entry_name(&plain, "a"), entry_name(&plain, "b"));
        assert_ne!(entry_name(&plain, "a"), entry_name(&metered, "a"));
    }
}
