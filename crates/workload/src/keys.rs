use base::{Seed, mix};
use plan::reference::{Field, field};
use plan::{Share, Table};

use crate::mix::unit;

/// How operations spread over the keys.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Distribution {
    /// Every key alike.
    Uniform,
    /// A key of rank `r` (from 1) is asked for in proportion to `1 / r^theta`; ranks are scattered over the keys at random.
    /// YCSB's default is 0.99 (Cooper et al., SoCC 2010).
    Zipfian {
        /// The exponent, in `(0, 1)`.
        theta: f64,
    },
    /// A share of the keys gets a share of the operations; uniform within both parts.
    Hotspot {
        /// Share of the keys that are hot.
        keys: f64,
        /// Share of the operations that go to them.
        operations: f64,
    },
    /// Key after key, round and round.
    Sequential,
    /// The newest keys most, zipfian by age: the newest key moves on by one every `OPERATIONS_PER_KEY` operations.
    Latest {
        /// The exponent, in `(0, 1)`.
        theta: f64,
    },
}

/// What workloads on keys and values take beside `kind`.
pub(crate) const OPTIONS: &[Field] = &[
    field("keys", "a whole number", "50", "How many keys there are."),
    field(
        "distribution",
        "`uniform`, `zipfian`, `hotspot`, `sequential` or `latest`",
        "\"uniform\"",
        "How operations spread over the keys.",
    ),
    field("theta", "a number between 0 and 1", "0.99", "How steep `zipfian` and `latest` are."),
    field("hot_keys", "a share", "\"20%\"", "Which share of the keys `hotspot` heats."),
    field("hot_operations", "a share", "\"80%\"", "Which share of the operations goes to the hot keys."),
    field("value_size", "a size", "\"16B\"", "Bytes of a written value on the wire, at least 8."),
];

impl Distribution {
    /// Reads `distribution` and what it needs from a `[workload]` section.
    pub fn from_plan(section: &Table<'_>) -> Distribution {
        type Read = fn(&Table<'_>) -> Distribution;
        let readers: &[(&str, Read)] = &[
            ("uniform", |_| Distribution::Uniform),
            ("zipfian", |section| Distribution::Zipfian { theta: theta(section) }),
            ("hotspot", |section| Distribution::Hotspot {
                keys: section.or("hot_keys", Share(0.2)).0,
                operations: section.or("hot_operations", Share(0.8)).0,
            }),
            ("sequential", |_| Distribution::Sequential),
            ("latest", |section| Distribution::Latest { theta: theta(section) }),
        ];
        section.choice_or("distribution", readers, "uniform")(section)
    }
}

fn theta(section: &Table<'_>) -> f64 {
    let theta = section.or("theta", 0.99);
    if !(theta > 0.0 && theta < 1.0) {
        section.error("theta", format!("`theta` is {theta}"), "choose more than 0 and less than 1");
    }
    theta
}

/// Most keys of a workload: a distribution takes up to 24 bytes for each.
const MOST_KEYS: u32 = 1 << 26;

/// Reads `keys`.
pub(crate) fn count_from_plan(section: &Table<'_>, default: u32) -> Option<u32> {
    let keys = section.or("keys", default);
    if (1..=MOST_KEYS).contains(&keys) {
        return Some(keys);
    }
    section.error("keys", format!("`keys` is {keys}"), format!("choose from 1 to {MOST_KEYS}"));
    None
}

/// How many operations pass before a `latest` distribution turns to the next key.
pub const OPERATIONS_PER_KEY: u64 = 16;

/// Draws the key of an operation from its index.
#[derive(Clone, Debug)]
pub struct Keys {
    seed: u64,
    count: u32,
    draw: Draw,
}

#[derive(Clone, Debug)]
enum Draw {
    Uniform,
    Zipfian(Zipf, Vec<u32>),
    Hotspot { hot: u32, operations: f64 },
    Sequential,
    Latest(Zipf),
}

impl Keys {
    /// `count` keys (at least 1 is taken). Zipfian takes O(count) once and 4 bytes a key; a draw is O(1).
    pub fn new(seed: Seed, count: u32, distribution: Distribution) -> Self {
        let count = count.max(1);
        let seed = seed.derive("keys");
        let draw = match distribution {
            Distribution::Uniform => Draw::Uniform,
            Distribution::Zipfian { theta } => {
                let mut places: Vec<u32> = (0..count).collect();
                seed.derive("places").rng().shuffle(&mut places);
                Draw::Zipfian(Zipf::new(count, theta), places)
            }
            Distribution::Hotspot { keys, operations } => {
                Draw::Hotspot { hot: ((f64::from(count) * keys).round() as u32).clamp(1, count), operations }
            }
            Distribution::Sequential => Draw::Sequential,
            Distribution::Latest { theta } => Draw::Latest(Zipf::new(count, theta)),
        };
        Keys { seed: seed.0, count, draw }
    }

    /// How many keys there are.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The key of the operation of this index.
    pub fn key(&self, index: u64) -> u32 {
        let word = mix(self.seed, index);
        match &self.draw {
            Draw::Uniform => below(word, self.count),
            Draw::Zipfian(zipf, places) => places[zipf.rank(unit(word)) as usize],
            Draw::Hotspot { hot, operations } => {
                let other = mix(word, 1);
                if *hot == self.count || unit(word) < *operations {
                    below(other, *hot)
                } else {
                    hot + below(other, self.count - hot)
                }
            }
            Draw::Sequential => (index % u64::from(self.count)) as u32,
            Draw::Latest(zipf) => {
                let newest = (index / OPERATIONS_PER_KEY) % u64::from(self.count);
                let age = u64::from(zipf.rank(unit(word)));
                ((newest + u64::from(self.count) - age) % u64::from(self.count)) as u32
            }
        }
    }
}

/// A number below `bound`, as unbiased as 64 bits over 32 can be.
fn below(word: u64, bound: u32) -> u32 {
    ((u128::from(word) * u128::from(bound)) >> 64) as u32
}

/// Draws zipfian ranks in O(1) (Gray et al., "Quickly generating billion-record synthetic databases", SIGMOD 1994, 3.2).
#[derive(Clone, Debug)]
struct Zipf {
    count: f64,
    zeta: f64,
    /// Probability mass of the first two ranks, in units of `1 / zeta`.
    two: f64,
    alpha: f64,
    eta: f64,
}

impl Zipf {
    fn new(count: u32, theta: f64) -> Self {
        let theta = theta.clamp(0.01, 0.9999);
        let zeta_of = |n: u32| (1..=n).map(|rank| f64::from(rank).powf(-theta)).sum::<f64>();
        let (zeta, two) = (zeta_of(count), zeta_of(2));
        let n = f64::from(count);
        let eta = (1.0 - (2.0 / n).powf(1.0 - theta)) / (1.0 - two / zeta);
        Zipf { count: n, zeta, two, alpha: 1.0 / (1.0 - theta), eta }
    }

    fn rank(&self, u: f64) -> u32 {
        let mass = u * self.zeta;
        if mass < 1.0 || self.count < 2.0 {
            0
        } else if mass < self.two || self.count < 3.0 {
            1
        } else {
            let rank = self.count * (self.eta * u - self.eta + 1.0).powf(self.alpha);
            (rank as u32).min(self.count as u32 - 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(count: u32, distribution: Distribution, draws: u64) -> Vec<f64> {
        let keys = Keys::new(Seed(3), count, distribution);
        let mut counts = vec![0u64; count as usize];
        (0..draws).for_each(|i| counts[keys.key(i) as usize] += 1);
        counts.iter().map(|&n| n as f64 / draws as f64).collect()
    }

    fn sorted(mut shares: Vec<f64>) -> Vec<f64> {
        shares.sort_by(|a, b| b.total_cmp(a));
        shares
    }

    #[test]
    fn uniform_is_uniform() {
        assert!(shares(10, Distribution::Uniform, 100_000).iter().all(|s| (s - 0.1).abs() < 0.005));
    }

    #[test]
    fn zipfian_follows_its_law_and_is_scattered() {
        let found = shares(1000, Distribution::Zipfian { theta: 0.99 }, 1_000_000);
        let zeta: f64 = (1..=1000).map(|r| f64::from(r).powf(-0.99)).sum();
        let hottest = found.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0;
        assert_ne!(hottest, 0, "the hottest key is not the first one (for this seed)");
        let ranked = sorted(found);
        for (rank, tolerance) in [(1u32, 0.02), (2, 0.02)] {
            let law = f64::from(rank).powf(-0.99) / zeta;
            assert!((ranked[rank as usize - 1] / law - 1.0).abs() < tolerance, "rank {rank}");
        }
        // Gray's formula approximates the middle: the first hundred ranks together are within 2 % of the law.
        let law: f64 = (1..=100).map(|r| f64::from(r).powf(-0.99)).sum::<f64>() / zeta;
        assert!((ranked[..100].iter().sum::<f64>() / law - 1.0).abs() < 0.02);
    }

    #[test]
    fn a_hotspot_gets_its_share() {
        let found = shares(100, Distribution::Hotspot { keys: 0.2, operations: 0.8 }, 100_000);
        assert!((found[..20].iter().sum::<f64>() - 0.8).abs() < 0.01);
        assert!(found.iter().all(|&s| s > 0.0));
    }

    #[test]
    fn latest_prefers_what_is_new() {
        let keys = Keys::new(Seed(3), 100, Distribution::Latest { theta: 0.99 });
        let newest =
            (0..OPERATIONS_PER_KEY * 100).filter(|&i| u64::from(keys.key(i)) == i / OPERATIONS_PER_KEY).count();
        let share = newest as f64 / (OPERATIONS_PER_KEY * 100) as f64;
        assert!((0.15..0.25).contains(&share), "rank 1 of 100 has about 19 %, found {share}");
    }

    #[test]
    fn every_distribution_stays_within_its_keys() {
        let all = [
            Distribution::Uniform,
            Distribution::Zipfian { theta: 0.99 },
            Distribution::Hotspot { keys: 0.0, operations: 0.5 },
            Distribution::Hotspot { keys: 1.0, operations: 0.5 },
            Distribution::Sequential,
            Distribution::Latest { theta: 0.5 },
        ];
        for (distribution, count) in all.into_iter().flat_map(|d| [1, 2, 3, 7].map(|count| (d, count))) {
            let keys = Keys::new(Seed(9), count, distribution);
            assert!((0..2000).all(|i| keys.key(i) < count), "{distribution:?} of {count}");
        }
    }
}
