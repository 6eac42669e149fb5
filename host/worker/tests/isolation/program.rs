//! Programs that an attack starts, as bytes: without a library or an interpreter,
//! so that nothing but the start itself can be refused.

use crate::scene::EXECUTED;

/// Who a program that would change the user belongs to.
pub const OWNER: u32 = 4321;

/// Exits with [`EXECUTED`].
pub fn that_exits() -> Vec<u8> {
    let status = EXECUTED as u32;
    program(cfg_select! {
        target_arch = "x86_64" => [
            &[0xbf][..], &status.to_le_bytes(), // mov edi, status
            &[0xb8, 231, 0, 0, 0, 0x0f, 0x05], // exit_group
        ]
        .concat(),
        target_arch = "aarch64" => instructions(&[
            0x5280_0000 | status << 5, // mov w0, status
            0xd280_0bc8, // mov x8, exit_group
            0xd400_0001,
        ]),
    })
}

/// Exits with [`EXECUTED`] if it is [`OWNER`] who runs it, or else with 1.
pub fn that_exits_as_owner() -> Vec<u8> {
    let status = EXECUTED as u32;
    program(cfg_select! {
        target_arch = "x86_64" => [
            &[0xb8, 107, 0, 0, 0, 0x0f, 0x05, 0x3d][..], // geteuid; cmp eax, owner
            &OWNER.to_le_bytes(),
            &[0xbf], &status.to_le_bytes(), // mov edi, status
            &[0x74, 5, 0xbf, 1, 0, 0, 0], // je; mov edi, 1
            &[0xb8, 231, 0, 0, 0, 0x0f, 0x05], // exit_group
        ]
        .concat(),
        target_arch = "aarch64" => instructions(&[
            0xd280_15e8, // mov x8, geteuid
            0xd400_0001,
            0x5280_0001 | OWNER << 5, // mov w1, owner
            0x6b01_001f, // cmp w0, w1
            0x5280_0000 | status << 5, // mov w0, status
            0x5400_0040, // b.eq
            0x5280_0020, // mov w0, 1
            0xd280_0bc8, // mov x8, exit_group
            0xd400_0001,
        ]),
    })
}

#[cfg(target_arch = "aarch64")]
fn instructions(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// A file with one segment, which is the whole of it.
fn program(code: Vec<u8>) -> Vec<u8> {
    const ADDRESS: u64 = 0x40_0000;
    const HEADERS: u64 = 64 + 56;
    let machine: u16 = cfg_select! {
        target_arch = "x86_64" => 62,
        target_arch = "aarch64" => 183,
    };
    let size = HEADERS + code.len() as u64;
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0];
    file.extend([0; 8]);
    for half in [2, machine] {
        file.extend(half.to_le_bytes());
    }
    file.extend(1_u32.to_le_bytes());
    for long in [ADDRESS + HEADERS, 64, 0] {
        file.extend(long.to_le_bytes());
    }
    file.extend(0_u32.to_le_bytes());
    for half in [64_u16, 56, 1, 0, 0, 0] {
        file.extend(half.to_le_bytes());
    }
    // One part to load: readable and executable.
    for word in [1_u32, 5] {
        file.extend(word.to_le_bytes());
    }
    for long in [0, ADDRESS, ADDRESS, size, size, 0x1000] {
        file.extend(long.to_le_bytes());
    }
    file.extend(code);
    file
}
