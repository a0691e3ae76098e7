//! What every encoding of messages is held to.

use base::{Bytes, Rng, Seed};
use proto::Message;

/// How often each sample is corrupted.
const CORRUPTIONS: u32 = 2_000;

/// The encoding of a message.
pub fn encoded<M: Message>(message: &M) -> Bytes {
    let mut buffer = Vec::new();
    message.encode(&mut buffer);
    buffer.into()
}

/// Holds a codec to its samples, which should show every kind of message: each comes back as it was, none passes for the
/// whole when it is cut off, and no corruption of up to three bytes makes the decoder panic.
///
/// # Panics
/// If one does not.
pub fn check<M: Message + PartialEq>(samples: &[M]) {
    let mut rng = Rng::new(Seed(3));
    for message in samples {
        let whole = encoded(message);
        assert_eq!(M::decode(&whole).as_ref(), Ok(message));
        for end in 0..whole.len() {
            if let Ok(other) = M::decode(&whole.slice(..end)) {
                assert_ne!(&other, message, "cut at {end}");
            }
        }
        for _ in 0..CORRUPTIONS {
            let _ = M::decode(&corrupted(&whole, &mut rng));
        }
    }
}

fn corrupted(whole: &Bytes, rng: &mut Rng) -> Bytes {
    let mut bytes = whole.to_vec();
    for _ in 0..=rng.below(3) {
        let at = rng.below(bytes.len() as u64) as usize;
        bytes[at] = rng.next_u64() as u8;
    }
    bytes.into()
}
