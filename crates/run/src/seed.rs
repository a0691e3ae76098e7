//! A seed for a run that asked for none: the only place where one is drawn.

use std::hash::{BuildHasher, Hasher, RandomState};

/// A fresh seed, short enough to be typed again.
pub fn fresh() -> u64 {
    RandomState::new().build_hasher().finish() % 1_000_000_000
}
