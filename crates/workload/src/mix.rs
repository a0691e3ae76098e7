use base::{Seed, mix};
use history::Function;
use plan::{Share, Size, Table};

/// Which function an operation calls, by shares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mix {
    seed: u64,
    read: f64,
    write: f64,
}

impl Mix {
    /// Reads, writes and compare-and-sets by weights that need not add up to 1. All zero means reads only.
    pub fn new(seed: Seed, read: f64, write: f64, cas: f64) -> Self {
        let total = read + write + cas;
        let part = |weight: f64| if total > 0.0 { weight / total } else { 0.0 };
        let read = if total > 0.0 { part(read) } else { 1.0 };
        Mix { seed: seed.derive("mix").0, read, write: part(write) }
    }

    /// The function of the operation of this index.
    pub fn function(&self, index: u64) -> Function {
        let u = unit(mix(self.seed, index));
        // A share of exactly nothing must never be drawn, whatever rounding did to the sum.
        if u < self.read {
            Function::Read
        } else if u < self.read + self.write || self.read + self.write >= 1.0 - 1e-12 {
            if self.write > 0.0 { Function::Write } else { Function::Read }
        } else {
            Function::Cas
        }
    }
}

/// Reads the section `mix` of a workload: a share for each function. Absent, the defaults hold; present, a share that is not given
/// is nothing, and together they must be everything.
pub(crate) fn from_plan<const N: usize>(section: &Table<'_>, shares: [(&str, f64); N]) -> Option<[f64; N]> {
    let mix = section.section("mix");
    let given = mix.is_present();
    let shares = shares.map(|(name, default)| mix.or(name, Share(if given { 0.0 } else { default })).0);
    let total: f64 = shares.iter().sum();
    if (total - 1.0).abs() > 1e-6 {
        let message = format!("the shares of `{}` are {:.1} % together", mix.path(), total * 100.0);
        section.error("mix", message, "make them 100 %");
        return None;
    }
    Some(shares)
}

/// Reads `value_size`. A value carries an eight-byte number and at most 16 MiB.
pub(crate) fn value_size_from_plan(section: &Table<'_>, default: u32) -> Option<u32> {
    let Size(size) = section.or("value_size", Size(u64::from(default)));
    match u32::try_from(size) {
        Ok(size) if (8..1 << 24).contains(&size) => Some(size),
        _ => {
            section.error("value_size", format!("a value of {size} bytes"), "choose from 8 bytes to less than 16 MiB");
            None
        }
    }
}

/// A number in `[0, 1)` from a random word.
pub(crate) fn unit(word: u64) -> f64 {
    (word >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(mix: Mix) -> [usize; 3] {
        let mut counts = [0; 3];
        (0..100_000).for_each(|i| counts[mix.function(i) as usize] += 1);
        counts
    }

    #[test]
    fn shares_are_kept() {
        let [read, write, cas] = count(Mix::new(Seed(1), 0.5, 0.3, 0.2));
        assert!(read.abs_diff(50_000) < 700 && write.abs_diff(30_000) < 700 && cas.abs_diff(20_000) < 700);
    }

    #[test]
    fn what_has_no_share_is_never_asked() {
        assert_eq!(count(Mix::new(Seed(2), 0.7, 0.3, 0.0))[2], 0);
        assert_eq!(count(Mix::new(Seed(2), 0.0, 1.0, 0.0)), [0, 100_000, 0]);
        assert_eq!(count(Mix::new(Seed(2), 1.0, 0.0, 0.0)), [100_000, 0, 0]);
        assert_eq!(count(Mix::new(Seed(2), 0.0, 0.0, 1.0)), [0, 0, 100_000]);
        assert_eq!(count(Mix::new(Seed(2), 0.0, 0.0, 0.0)), [100_000, 0, 0]);
    }
}
