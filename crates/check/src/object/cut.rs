//! Which operations of a list have been dealt with, when that is nearly in order.

/// Some operations of a list: all before `low`, and those of the mask from there on.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct Cut {
    pub(super) low: u32,
    pub(super) mask: u128,
}

impl Cut {
    pub(super) fn has(self, at: usize) -> bool {
        let low = self.low as usize;
        at < low || (at < low + 128 && self.mask >> (at - low) & 1 == 1)
    }

    /// With one more. `None`: that one is too far ahead of the first that is left.
    pub(super) fn with(mut self, at: usize) -> Option<Cut> {
        let shift = at - self.low as usize;
        if shift >= 128 {
            return None;
        }
        self.mask |= 1 << shift;
        let full = self.mask.trailing_ones();
        self.mask = self.mask.checked_shr(full).unwrap_or(0);
        self.low += full;
        Some(self)
    }

    pub(super) fn count(self) -> u32 {
        self.low + self.mask.count_ones()
    }

    /// Whether it has all that the other has.
    pub(super) fn includes(self, other: Cut) -> bool {
        if self.low >= other.low {
            let shift = self.low - other.low;
            return other.mask.checked_shr(shift).unwrap_or(0) & !self.mask == 0;
        }
        let shift = other.low - self.low;
        let below = if shift >= 128 { u128::MAX } else { (1 << shift) - 1 };
        let rest = other.mask.checked_shl(shift).unwrap_or(0);
        shift < 128 && self.mask & below == below && rest & !self.mask == 0
    }
}
