//! What is read off a guest before it is compiled: its size, and the name under
//! which its compiled code is kept.

/// How many functions the core modules of a component define: the sum over
/// their code sections (section 10 of each module, which is section 1 of the
/// component; WebAssembly binary format).
pub(super) fn functions(component: &[u8]) -> u64 {
    sections(component)
        .filter(|(id, _)| *id == 1)
        .flat_map(|(_, module)| sections(module))
        .filter(|(id, _)| *id == 10)
        .filter_map(|(_, code)| Some(number(code)?.0))
        .sum()
}

/// The sections of a module or component: their ids and contents.
fn sections(binary: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    /// The magic number and the version.
    const HEADER: usize = 8;
    let mut rest = binary.get(HEADER..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (id, tail) = rest.split_first()?;
        let (size, tail) = number(tail)?;
        let (content, tail) = tail.split_at_checked(usize::try_from(size).ok()?)?;
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
    fn functions_are_counted_over_all_modules() {
        let text = "(component (core module (func) (func)) (core module (func)))";
        assert_eq!(functions(&wat::parse_str(text).unwrap()), 3);
        assert_eq!(functions(b""), 0);
        assert_eq!(functions(b"\0asm\x0d\0\x01\0\x01\xff\xff\xff\xff\xff"), 0);
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
