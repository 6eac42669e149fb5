//! Random numbers, seeded by the host when the first one is needed.
//!
//! The snapshot must not hold a seed: every session would have the same.

use std::cell::Cell;

thread_local! {
    static STATE: Cell<u64> = const { Cell::new(0) };
}

/// Fills a buffer with random bytes of the host.
pub(crate) fn fill(buffer: &mut [u8]) {
    // SAFETY: the pointer and the length are those of the buffer.
    let result = unsafe { random_get(buffer.as_mut_ptr(), buffer.len()) };
    assert!(result == 0, "the host gave no random bytes");
}

/// A number from 0 to 1, 1 excluded: `Math.random`, not for secrets.
pub(crate) fn number() -> f64 {
    STATE.with(|state| {
        let mut x = state.get();
        while x == 0 {
            let mut seed = [0; 8];
            fill(&mut seed);
            x = u64::from_le_bytes(seed);
        }
        // xorshift64*, the generator of the engine itself.
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        state.set(x);
        let bits = x.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 12;
        f64::from_bits(0x3FF0_0000_0000_0000 | bits) - 1.0
    })
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn random_get(buffer: *mut u8, length: usize) -> u16;
}
