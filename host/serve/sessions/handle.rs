//! Random handles: whoever has one may use what it names.

/// 256 bits in the alphabet of URLs, 43 characters: fewer tokens than digits.
pub(in crate::serve) fn random() -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the system has random numbers");
    let mut handle = String::with_capacity(43);
    let (mut bits, mut held) = (0, 0_u32);
    for byte in bytes {
        held = held << 8 | u32::from(byte);
        bits += 8;
        while bits >= 6 {
            bits -= 6;
            handle.push(char::from(ALPHABET[(held >> bits & 63) as usize]));
        }
    }
    handle.push(char::from(ALPHABET[(held << (6 - bits) & 63) as usize]));
    handle
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_long_and_never_the_same() {
        let (one, other) = (random(), random());
        assert_eq!((one.len(), other.len()), (43, 43));
        assert_ne!(one, other);
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        assert!(one.chars().all(is_plain), "{one}");
    }
}
