//! Eight bytes at a time: where a byte is, and what number digits make.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// The high bit of each byte that is zero; bits above the lowest one may be wrong.
#[inline]
const fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGH
}

/// The first place of `a` or `b`.
#[inline]
pub(super) fn find_either(bytes: &[u8], a: u8, b: u8) -> Option<usize> {
    let (all_a, all_b) = (ONES * a as u64, ONES * b as u64);
    let mut chunks = bytes.chunks_exact(8);
    let mut at = 0;
    for chunk in &mut chunks {
        let word = u64::from_le_bytes(chunk.try_into().expect("eight bytes"));
        let found = zeros(word ^ all_a) | zeros(word ^ all_b);
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    chunks.remainder().iter().position(|byte| *byte == a || *byte == b).map(|i| at + i)
}

/// The number that up to eight digits at the start make, and how many they are.
#[inline]
fn eight_digits(bytes: [u8; 8]) -> (u64, usize) {
    let word = u64::from_le_bytes(bytes) ^ (ONES * b'0' as u64);
    // A byte above 9 gets its high bit, by itself or with the 0x76; a carry can only reach bytes behind it.
    let others = (word.wrapping_add(ONES * 0x76) | word) & HIGH;
    let length = others.trailing_zeros() as usize / 8;
    if length == 0 {
        return (0, 0);
    }
    // The digits go to the end, zeros before them; then pairs, then both halves of four are added up in one word each.
    let digits = word << ((8 - length) * 8);
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let even = (pairs & 0x0000_00FF_0000_00FF).wrapping_mul(100 + (1_000_000 << 32));
    let odd = ((pairs >> 16) & 0x0000_00FF_0000_00FF).wrapping_mul(1 + (10_000 << 32));
    (even.wrapping_add(odd) >> 32, length)
}

/// The number that the digits at the start make, and how many they are; `None` if there are more than 18, or if the bytes end before
/// the digits do.
#[inline]
pub(super) fn number(bytes: &[u8]) -> Option<(i64, usize)> {
    const POWERS: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];
    // Wraps only where there are too many digits, and nothing comes of it.
    let mut number = 0u64;
    let mut length = 0;
    while let Some(chunk) = bytes.get(length..length + 8) {
        let (more, digits) = eight_digits(chunk.try_into().expect("eight bytes"));
        number = number.wrapping_mul(POWERS[digits]).wrapping_add(more);
        length += digits;
        if digits < 8 {
            return (length <= 18).then_some((number as i64, length));
        }
        if length > 16 {
            return None;
        }
    }
    for byte in &bytes[length..] {
        if !byte.is_ascii_digit() {
            return (length <= 18).then_some((number as i64, length));
        }
        number = number.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
        length += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use base::{Rng, Seed};

    #[test]
    fn numbers_are_what_the_standard_library_says() {
        let mut rng = Rng::new(Seed(3));
        for round in 0..20_000 {
            let number = rng.next_u64() >> rng.within(4..=63);
            let tail = *rng.pick(&["", " ", "}", ",12345678", "x", "/0000000", ":\u{e9}\u{e9}\u{e9}\u{e9}"]);
            let text = format!("{}{number}{tail}", "9".repeat(round % 19));
            let digits = text.bytes().take_while(u8::is_ascii_digit).count();
            let expected =
                (digits < text.len() && digits <= 18).then(|| (text[..digits].parse().expect("digits"), digits));
            assert_eq!(super::number(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn bytes_are_found_where_they_are() {
        let mut rng = Rng::new(Seed(4));
        for _ in 0..20_000 {
            let bytes: Vec<u8> = (0..rng.below(40)).map(|_| *rng.pick(b"\"\\!#[]a\x80\xff\x00\x21\x23")).collect();
            let expected = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\'));
            assert_eq!(super::find_either(&bytes, b'"', b'\\'), expected, "{bytes:?}");
        }
    }
}
