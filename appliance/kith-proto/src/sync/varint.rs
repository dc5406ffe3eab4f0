//! The varints of negentropy: base 128, most significant digit first, as in BER.

/// Appends `n`.
pub(super) fn write(out: &mut Vec<u8>, n: u64) {
    let digits = (64 - n.leading_zeros()).div_ceil(7).max(1);
    for digit in (0..digits).rev() {
        let more = if digit > 0 { 0x80 } else { 0 };
        out.push(more | ((n >> (7 * digit)) & 0x7f) as u8);
    }
}

/// Takes a number off the front; nothing when it is cut short or does not fit 64 bits.
pub(super) fn read(input: &mut &[u8]) -> Option<u64> {
    let mut n: u64 = 0;
    loop {
        let (byte, rest) = input.split_first()?;
        *input = rest;
        n = n.checked_mul(128)? | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some(n);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive_and_cut_ones_are_refused() {
        for n in [0, 1, 127, 128, 16_383, 16_384, u64::MAX] {
            let mut bytes = Vec::new();
            write(&mut bytes, n);
            assert_eq!(read(&mut &bytes[..]), Some(n));
            assert_eq!(read(&mut &bytes[..bytes.len() - 1]), None);
        }
        assert_eq!(read(&mut &[0xff; 11][..]), None);
    }
}
