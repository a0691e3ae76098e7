//! A log-linear histogram of latencies (after HdrHistogram, Gil Tene): constant memory, three significant digits,
//! a few instructions a record.
//!
//! Values below 2048 ns have a bucket each. Above, every power of two is cut into 1024 buckets of equal width, so that a
//! bucket is never wider than 1/1024 of the values in it. Percentiles answer with the upper end of their bucket: the error is
//! below 0.1 % and never flatters.
//!
//! An operation that was never answered is not a missing sample but an infinite one: it counts in every percentile.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long an operation took: a time, or never (no answer). Ordered: never is longer than anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Latency {
    /// Answered after this many nanoseconds.
    Nanos(u64),
    /// Never answered.
    Infinite,
}

impl Latency {
    /// Nanoseconds; `None` when never answered.
    pub fn nanos(self) -> Option<u64> {
        match self {
            Latency::Nanos(nanos) => Some(nanos),
            Latency::Infinite => None,
        }
    }

    /// Microseconds; `f64::INFINITY` when never answered.
    pub fn micros(self) -> f64 {
        self.nanos().map_or(f64::INFINITY, |nanos| nanos as f64 / 1e3)
    }
}

impl From<Duration> for Latency {
    fn from(span: Duration) -> Self {
        Latency::Nanos(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for Latency {
    /// Three digits and a unit, or `never`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Latency::Nanos(nanos) => f.write_str(&base::units::show_duration(Duration::from_nanos(*nanos))),
            Latency::Infinite => f.write_str("never"),
        }
    }
}

/// Latencies from 1 ns to 1 h; longer ones count as 1 h (their exact maximum is kept).
///
/// Takes 270 kB. Recording costs a few nanoseconds, a percentile one pass over the buckets in use (about a
/// microsecond).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Compact", try_from = "Compact")]
pub struct Histogram {
    counts: Box<[u64]>,
    /// Invariant: every bucket outside is 0.
    used: Range<usize>,
    /// Invariant: the sum of `counts`.
    finite: u64,
    infinite: u64,
    sum: u128,
    min: u64,
    max: u64,
}

/// One point of a latency spectrum: this share of all operations took at most `latency`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SpectrumPoint {
    /// Share of operations, in `0..=1`.
    pub quantile: f64,
    /// The latency at that share.
    pub latency: Latency,
}

/// Each power of two from 2^11 up is cut into this many buckets: 1024 is the first power of two with which the
/// width of a bucket stays below 0.1 % of its values.
const CUTS: u64 = 1024;
const CUT_BITS: u32 = CUTS.ilog2();
/// One hour in nanoseconds.
const LONGEST: u64 = 3_600_000_000_000;
const BUCKETS: usize = bucket(LONGEST) + 1;

impl Histogram {
    /// A histogram of nothing.
    pub fn new() -> Self {
        let counts = vec![0; BUCKETS].into_boxed_slice();
        Histogram { counts, used: 0..0, finite: 0, infinite: 0, sum: 0, min: u64::MAX, max: 0 }
    }

    /// Counts one operation that took this many nanoseconds.
    #[inline]
    pub fn record(&mut self, nanos: u64) {
        let bucket = bucket(nanos.min(LONGEST));
        self.counts[bucket] += 1;
        self.use_bucket(bucket);
        self.finite += 1;
        self.sum += u128::from(nanos);
        self.min = self.min.min(nanos);
        self.max = self.max.max(nanos);
    }

    /// Counts an operation that was never answered.
    #[inline]
    pub fn record_infinite(&mut self) {
        self.infinite += 1;
    }

    /// Counts one operation.
    pub fn record_latency(&mut self, latency: Latency) {
        match latency {
            Latency::Nanos(nanos) => self.record(nanos),
            Latency::Infinite => self.record_infinite(),
        }
    }

    /// Adds what another histogram counted. This is the only sound way to join percentiles: they cannot be averaged.
    pub fn merge(&mut self, other: &Histogram) {
        self.infinite += other.infinite;
        if other.finite == 0 {
            return;
        }
        for i in other.used.clone() {
            self.counts[i] += other.counts[i];
        }
        self.use_bucket(other.used.start);
        self.use_bucket(other.used.end - 1);
        self.finite += other.finite;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// Forgets everything; keeps the memory. Costs what the buckets in use cost.
    pub fn clear(&mut self) {
        self.counts[self.used.clone()].fill(0);
        let counts = std::mem::take(&mut self.counts);
        *self = Histogram { counts, used: 0..0, finite: 0, infinite: 0, sum: 0, min: u64::MAX, max: 0 };
    }

    /// How many operations were counted, the never answered ones too.
    pub fn count(&self) -> u64 {
        self.finite + self.infinite
    }

    /// How many were never answered.
    pub fn infinite(&self) -> u64 {
        self.infinite
    }

    /// The latency that the share `quantile` of all operations did not exceed (0.99 for p99): the smallest recorded
    /// latency such that at least `quantile * count` operations are no slower. `None` when nothing was counted.
    pub fn percentile(&self, quantile: f64) -> Option<Latency> {
        let rank = rank(quantile, self.count())?;
        if rank > self.finite {
            return Some(Latency::Infinite);
        }
        let mut below = 0;
        let found = self.used.clone().find(|&i| {
            below += self.counts[i];
            below >= rank
        })?;
        Some(Latency::Nanos(self.top(found)))
    }

    /// The mean of the answered operations, in nanoseconds. `None` when there is none.
    pub fn mean(&self) -> Option<f64> {
        (self.finite > 0).then(|| self.sum as f64 / self.finite as f64)
    }

    /// The shortest answered operation, exact.
    pub fn min(&self) -> Option<u64> {
        (self.finite > 0).then_some(self.min)
    }

    /// The longest operation, exact; infinite when one was never answered. `None` when nothing was counted.
    pub fn max(&self) -> Option<Latency> {
        match self.count() {
            0 => None,
            _ if self.infinite > 0 => Some(Latency::Infinite),
            _ => Some(Latency::Nanos(self.max)),
        }
    }

    /// The points of an HDR percentile plot: `per_halving` points for each halving of the share that is slower, from the
    /// fastest operation to the slowest. The horizontal axis of such a plot is `log(1 / (1 - quantile))`, which gives
    /// p90, p99, p99.9 and so on equal room.
    pub fn spectrum(&self, per_halving: u32) -> Vec<SpectrumPoint> {
        let mut points = Vec::new();
        let count = self.count();
        for step in 0.. {
            let slower = 0.5f64.powf(f64::from(step) / f64::from(per_halving.max(1)));
            if count == 0 || slower * (count as f64) < 1.0 {
                break;
            }
            points.extend(self.point(1.0 - slower));
        }
        points.extend(self.point(1.0));
        points
    }

    fn point(&self, quantile: f64) -> Option<SpectrumPoint> {
        self.percentile(quantile).map(|latency| SpectrumPoint { quantile, latency })
    }

    #[inline]
    fn use_bucket(&mut self, bucket: usize) {
        if self.used.is_empty() {
            self.used = bucket..bucket + 1;
        } else {
            self.used.start = self.used.start.min(bucket);
            self.used.end = self.used.end.max(bucket + 1);
        }
    }

    /// The largest value that a bucket can hold, and none larger than what was recorded.
    fn top(&self, bucket: usize) -> u64 {
        if bucket + 1 == BUCKETS { self.max } else { top_of(bucket).min(self.max) }
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram::new()
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percentile = |q| self.percentile(q).map_or("-".into(), |latency| latency.to_string());
        write!(f, "Histogram({} operations, p50 {}, p99 {})", self.count(), percentile(0.5), percentile(0.99))
    }
}

/// The bucket of a latency.
pub(crate) fn bucket_of(nanos: u64) -> usize {
    bucket(nanos.min(LONGEST))
}

/// The largest latency of a bucket.
pub(crate) fn top_of(bucket: usize) -> u64 {
    bottom(bucket + 1) - 1
}

/// The bucket of a value no larger than `LONGEST`.
#[inline]
const fn bucket(nanos: u64) -> usize {
    let shift = (nanos | CUTS).ilog2() - CUT_BITS;
    (shift as u64 * CUTS + (nanos >> shift)) as usize
}

/// The smallest value of a bucket.
fn bottom(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let shift = (bucket / CUTS).saturating_sub(1);
    (bucket - shift * CUTS) << shift
}

/// The place, counted from 1, of the operation that a quantile speaks of.
fn rank(quantile: f64, count: u64) -> Option<u64> {
    // 0.99 * 100 must be 99 although floating point makes it a little more: a hair is taken off before rounding up.
    let exact = quantile.clamp(0.0, 1.0) * count as f64;
    (count > 0).then(|| ((exact - exact * 1e-12).ceil() as u64).clamp(1, count))
}

/// How a histogram is stored: only buckets in use, each as the distance from the one before and its count.
#[derive(Serialize, Deserialize)]
struct Compact {
    infinite: u64,
    sum: u128,
    min: u64,
    max: u64,
    buckets: Vec<(usize, u64)>,
}

impl From<Histogram> for Compact {
    fn from(histogram: Histogram) -> Self {
        let Histogram { counts, used, infinite, sum, min, max, .. } = histogram;
        let mut before = 0;
        let in_use = used.filter(|&i| counts[i] > 0);
        let buckets = in_use.map(|i| (i - std::mem::replace(&mut before, i), counts[i])).collect();
        Compact { infinite, sum, min, max, buckets }
    }
}

impl TryFrom<Compact> for Histogram {
    type Error = String;

    fn try_from(compact: Compact) -> Result<Self, String> {
        let mut histogram = Histogram { infinite: compact.infinite, ..Histogram::new() };
        let mut bucket = 0usize;
        for (step, count) in compact.buckets {
            bucket = bucket.saturating_add(step);
            let slot = histogram.counts.get_mut(bucket).ok_or("histogram has a bucket beyond one hour")?;
            *slot = slot.checked_add(count).ok_or("histogram counts too much")?;
            histogram.finite = histogram.finite.checked_add(count).ok_or("histogram counts too much")?;
            histogram.use_bucket(bucket);
        }
        Ok(Histogram { sum: compact.sum, min: compact.min, max: compact.max, ..histogram })
    }
}

#[cfg(test)]
mod tests {
    use base::{Rng, Seed};

    use super::*;

    #[test]
    fn buckets_cover_every_value_and_are_never_wider_than_a_thousandth() {
        for i in 0..BUCKETS - 1 {
            let (low, next) = (bottom(i), bottom(i + 1));
            assert!(low < next && bucket(low) == i && bucket(next - 1) == i, "bucket {i} holds {low}..{next}");
            assert!(next - low == 1 || (next - low) as f64 / low as f64 <= 0.001, "bucket {i} is too wide");
        }
        assert_eq!(bucket(LONGEST), BUCKETS - 1);
    }

    #[test]
    fn percentiles_agree_with_sorting() {
        let mut rng = Rng::new(Seed(3));
        for size in [1u64, 2, 3, 99, 100, 101, 5000] {
            let mut histogram = Histogram::new();
            let mut values: Vec<u64> = (0..size).map(|_| 1 << rng.below(41) | rng.below(1 << 20)).collect();
            values.iter().for_each(|&value| histogram.record(value));
            values.sort_unstable();
            for per_mille in [0u64, 1, 10, 250, 500, 900, 990, 999, 1000] {
                let exact = values[((per_mille * size).div_ceil(1000).max(1) - 1) as usize];
                let told = histogram.percentile(per_mille as f64 / 1000.0).and_then(Latency::nanos).unwrap();
                assert!(told >= exact && told - exact <= exact / 1000, "{per_mille} of {size}: {told} for {exact}");
            }
        }
    }

    #[test]
    fn what_was_never_answered_is_infinitely_late() {
        let mut histogram = Histogram::new();
        assert_eq!((histogram.percentile(0.5), histogram.max(), histogram.mean()), (None, None, None));
        (0..98).for_each(|_| histogram.record(1000));
        histogram.record_infinite();
        histogram.record_infinite();
        assert_eq!(histogram.percentile(0.98), Some(Latency::Nanos(1000)));
        assert_eq!(histogram.percentile(0.99), Some(Latency::Infinite));
        assert_eq!((histogram.max(), histogram.mean()), (Some(Latency::Infinite), Some(1000.0)));
        assert_eq!(histogram.count(), 100);
    }

    #[test]
    fn merging_is_recording_together_and_clearing_is_starting_anew() {
        let (mut one, mut two, mut both) = (Histogram::new(), Histogram::new(), Histogram::new());
        for i in 0..1000u64 {
            [&mut one, &mut two][(i % 2) as usize].record(i * i * i);
            both.record(i * i * i);
        }
        two.record_infinite();
        both.record_infinite();
        one.merge(&two);
        assert!(one == both);
        one.clear();
        assert!(one == Histogram::new());
        one.merge(&both);
        assert!(one == both);
    }

    #[test]
    fn stored_and_read_back_it_is_the_same_and_damage_is_an_error() {
        let mut histogram = Histogram::new();
        [5, 5, 70_000, 9_000_000_000, u64::MAX].iter().for_each(|&value| histogram.record(value));
        histogram.record_infinite();
        let text = serde_json::to_string(&histogram).unwrap();
        assert!(text.len() < 200, "{text}");
        assert!(serde_json::from_str::<Histogram>(&text).unwrap() == histogram);
        let wrong = r#"{"infinite":0,"sum":0,"min":0,"max":0,"buckets":[[99999999,1]]}"#;
        assert!(serde_json::from_str::<Histogram>(wrong).is_err());
    }

    #[test]
    fn a_spectrum_rises_from_the_fastest_to_the_slowest() {
        let mut histogram = Histogram::new();
        (1..=10_000).for_each(|i| histogram.record(i * 1000));
        let points = histogram.spectrum(4);
        assert!(points.windows(2).all(|w| w[0].quantile < w[1].quantile && w[0].latency <= w[1].latency));
        assert_eq!(points[0].latency, Latency::Nanos(1000));
        assert_eq!(points.last().unwrap().latency, Latency::Nanos(10_000_000));
        assert!((40..80).contains(&points.len()), "{}", points.len());
    }
}
