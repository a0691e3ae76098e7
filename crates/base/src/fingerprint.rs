use std::hash::{Hash, Hasher};

/// A 64-bit hash that is the same on every machine and in every run (unlike the standard library's).
///
/// Not collision-resistant against an adversary; used for trace hashes, coverage and state fingerprints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(u64);

const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;

impl Fingerprint {
    /// The fingerprint of nothing.
    pub fn new() -> Self {
        Fingerprint(0x243F_6A88_85A3_08D3)
    }

    /// The fingerprint of one value.
    pub fn of(value: &impl Hash) -> u64 {
        let mut hasher = Fingerprint::new();
        value.hash(&mut hasher);
        hasher.finish()
    }

    /// Mixes in one word: a 128-bit multiplication folded to 64 bits, which is one instruction on common processors.
    #[inline]
    pub fn word(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word).wrapping_mul(u128::from(MULTIPLIER));
        self.0 = (product as u64) ^ ((product >> 64) as u64) ^ word.rotate_left(32);
    }
}

impl Default for Fingerprint {
    fn default() -> Self {
        Fingerprint::new()
    }
}

impl Hasher for Fingerprint {
    #[inline]
    fn finish(&self) -> u64 {
        super::mix(self.0, MULTIPLIER)
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            self.word(u64::from_le_bytes(chunk.try_into().expect("eight bytes")));
        }
        self.word(match (bytes.last_chunk::<8>(), chunks.remainder().len()) {
            (_, 0) => 0,
            // The last eight bytes, without those that were mixed in: shorter than a call that copies.
            (Some(last), rest) => u64::from_le_bytes(*last) >> (64 - 8 * rest),
            (None, _) => bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
        });
        self.word(bytes.len() as u64);
    }

    #[inline]
    fn write_u8(&mut self, value: u8) {
        self.word(u64::from(value));
    }

    #[inline]
    fn write_u32(&mut self, value: u32) {
        self.word(u64::from(value));
    }

    #[inline]
    fn write_u64(&mut self, value: u64) {
        self.word(value);
    }

    #[inline]
    fn write_usize(&mut self, value: usize) {
        self.word(value as u64);
    }

    fn write_u128(&mut self, value: u128) {
        self.word(value as u64);
        if value >> 64 != 0 {
            self.word((value >> 64) as u64);
        }
    }

    fn write_i128(&mut self, value: i128) {
        self.write_u128(value as u128);
    }
}
