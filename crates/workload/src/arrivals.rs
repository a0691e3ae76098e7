use std::time::Duration;

use base::{Seed, mix};

use crate::mix::unit;

/// When open-loop operations are due.
///
/// The time of arrival `k` is a pure function of `k`: `F⁻¹(x_k)`, where `x_k` is a point of unit rate ([`Spacing`]) and `F(t)` is
/// the number of operations that the [`Shape`] wants by time `t`. Nothing is remembered between arrivals, so a generator
/// that was late does not shift its schedule (no coordinated omission), and threads can share a schedule by index.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrivals {
    /// The rate over time.
    pub shape: Shape,
    /// How arrivals are spread at that rate.
    pub spacing: Spacing,
}

/// A rate over time, in operations per second.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// The same rate for ever.
    Constant {
        /// Operations per second.
        rate: f64,
    },
    /// A straight line from one rate to another; the second holds from then on.
    Ramp {
        /// Rate at the start.
        from: f64,
        /// Rate at the end.
        to: f64,
        /// Time from the one to the other.
        over: Duration,
    },
    /// One rate after another; the last holds for ever.
    Steps(Vec<Piece>),
    /// `mean + amplitude * sin(2π t / period)`. The amplitude is at most the mean.
    Sine {
        /// Rate in the middle.
        mean: f64,
        /// Largest distance from it.
        amplitude: f64,
        /// Time of one wave.
        period: Duration,
    },
}

/// A rate that holds for a while.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Piece {
    /// Operations per second.
    pub rate: f64,
    /// How long it holds.
    pub lasts: Duration,
}

/// How arrivals of unit rate are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spacing {
    /// `x_k = k`.
    Even,
    /// Exponential gaps, as of many independent clients (and as in M/M/c), drawn in blocks of `BLOCK` arrivals.
    ///
    /// The gaps of a block are scaled so that it lasts exactly `BLOCK` units: a Poisson process conditioned on the count of each
    /// block. Within a block it is indistinguishable from a Poisson process; over longer spans the count is steadier than
    /// Poisson's, which keeps the asked rate exact and makes any arrival computable without the ones before its block.
    Poisson(Seed),
}

/// Arrivals drawn together when the spacing is Poisson.
pub const BLOCK: usize = 1024;

impl Arrivals {
    /// Evenly spaced arrivals at a fixed rate.
    pub fn constant(rate: f64) -> Self {
        Arrivals { shape: Shape::Constant { rate }, spacing: Spacing::Even }
    }

    /// Poisson arrivals at a fixed rate.
    pub fn poisson(rate: f64, seed: Seed) -> Self {
        Arrivals { shape: Shape::Constant { rate }, spacing: Spacing::Poisson(seed) }
    }

    /// When arrival `index` is due, from the start; `None` if the shape never asks for so many. O(1) for even spacing,
    /// O(block) for Poisson; a [`Cursor`] is O(1) for both when walked in order.
    pub fn due(&self, index: u64) -> Option<Duration> {
        Cursor::new(self.clone()).due(index)
    }

    /// How many operations are asked for by time `at`.
    pub fn asked_by(&self, at: Duration) -> f64 {
        self.shape.total(at.as_secs_f64())
    }
}

/// Walks a schedule, keeping the current Poisson block. Gives the same times as [`Arrivals::due`] in any order.
#[derive(Clone, Debug)]
pub struct Cursor {
    arrivals: Arrivals,
    block: Option<u64>,
    points: Vec<f64>,
}

impl Cursor {
    /// At the start.
    pub fn new(arrivals: Arrivals) -> Self {
        Cursor { arrivals, block: None, points: Vec::new() }
    }

    /// When arrival `index` is due, from the start; see [`Arrivals::due`].
    pub fn due(&mut self, index: u64) -> Option<Duration> {
        let point = match self.arrivals.spacing {
            Spacing::Even => index as f64,
            Spacing::Poisson(seed) => self.poisson_point(seed, index),
        };
        let seconds = self.arrivals.shape.when(point)?;
        Duration::try_from_secs_f64(seconds).ok()
    }

    /// The schedule that is walked.
    pub fn arrivals(&self) -> &Arrivals {
        &self.arrivals
    }

    fn poisson_point(&mut self, seed: Seed, index: u64) -> f64 {
        let block = index / BLOCK as u64;
        if self.block != Some(block) {
            self.draw(seed.nth(block));
            self.block = Some(block);
        }
        (block * BLOCK as u64) as f64 + self.points[(index % BLOCK as u64) as usize]
    }

    /// Points of one block, in `[0, BLOCK)`: partial sums of `BLOCK + 1` exponential gaps over their total.
    fn draw(&mut self, seed: Seed) {
        let gap = |i: u64| -(1.0 - unit(mix(seed.0, i))).ln();
        let mut sum = 0.0;
        self.points.clear();
        self.points.extend((0..BLOCK as u64).map(|i| {
            sum += gap(i);
            sum
        }));
        let scale = BLOCK as f64 / (sum + gap(BLOCK as u64));
        self.points.iter_mut().for_each(|point| *point *= scale);
    }
}

impl Shape {
    /// Operations asked for within the first `t` seconds: the integral of the rate.
    fn total(&self, t: f64) -> f64 {
        match self {
            Shape::Constant { rate } => rate * t,
            Shape::Ramp { from, to, over } => {
                let over = over.as_secs_f64();
                let on_the_way = t.min(over);
                let slope = if over > 0.0 { (to - from) / over } else { 0.0 };
                from * on_the_way + slope * on_the_way * on_the_way / 2.0 + to * (t - on_the_way)
            }
            Shape::Steps(pieces) => {
                let (mut start, mut total) = (0.0, 0.0);
                for (i, piece) in pieces.iter().enumerate() {
                    let lasts = if i + 1 == pieces.len() { f64::INFINITY } else { piece.lasts.as_secs_f64() };
                    let inside = (t - start).clamp(0.0, lasts);
                    total += piece.rate * inside;
                    start += lasts;
                }
                total
            }
            Shape::Sine { mean, amplitude, period } => {
                let omega = std::f64::consts::TAU / period.as_secs_f64();
                mean * t + amplitude / omega * (1.0 - (omega * t).cos())
            }
        }
    }

    /// The time in seconds at which `total` reaches `point`; `None` if never.
    fn when(&self, point: f64) -> Option<f64> {
        let seconds = match self {
            Shape::Constant { rate } => point / rate,
            Shape::Ramp { from, to, over } => ramp_time(*from, *to, over.as_secs_f64(), point),
            Shape::Steps(pieces) => steps_time(pieces, point),
            Shape::Sine { mean, amplitude, period } => {
                // The wave moves the straight line by at most `amplitude * period / π`: a bracket to bisect.
                let reach = amplitude * period.as_secs_f64() / std::f64::consts::PI / mean;
                self.bisect((point / mean - reach).max(0.0), point / mean, point)
            }
        };
        seconds.is_finite().then_some(seconds)
    }

    /// `low` and `high` bracket the answer; sixty halvings leave less than a nanosecond of a year.
    fn bisect(&self, mut low: f64, mut high: f64, point: f64) -> f64 {
        for _ in 0..60 {
            let middle = (low + high) / 2.0;
            if self.total(middle) < point { low = middle } else { high = middle }
        }
        high
    }
}

fn ramp_time(from: f64, to: f64, over: f64, point: f64) -> f64 {
    let total = (from + to) / 2.0 * over;
    if point >= total {
        return over + if point > total || to == 0.0 { (point - total) / to } else { 0.0 };
    }
    if point == 0.0 {
        return 0.0;
    }
    // Solves slope/2 t² + from t = point in the form that does not cancel when the slope is small.
    let slope = (to - from) / over;
    2.0 * point / (from + (from * from + 2.0 * slope * point).max(0.0).sqrt())
}

fn steps_time(pieces: &[Piece], mut point: f64) -> f64 {
    let mut start = 0.0;
    for (i, piece) in pieces.iter().enumerate() {
        let inside = piece.rate * piece.lasts.as_secs_f64();
        if point < inside || i + 1 == pieces.len() {
            return if piece.rate > 0.0 { start + point / piece.rate } else { f64::INFINITY };
        }
        point -= inside;
        start += piece.lasts.as_secs_f64();
    }
    f64::INFINITY
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn shapes() -> Vec<Shape> {
        vec![
            Shape::Constant { rate: 500.0 },
            Shape::Ramp { from: 0.0, to: 1000.0, over: seconds(4) },
            Shape::Ramp { from: 900.0, to: 100.0, over: seconds(4) },
            Shape::Ramp { from: 300.0, to: 300.0, over: seconds(2) },
            Shape::Steps(vec![
                Piece { rate: 100.0, lasts: seconds(1) },
                Piece { rate: 0.0, lasts: seconds(1) },
                Piece { rate: 400.0, lasts: seconds(2) },
            ]),
            Shape::Sine { mean: 500.0, amplitude: 400.0, period: seconds(2) },
            Shape::Sine { mean: 500.0, amplitude: 500.0, period: seconds(2) },
        ]
    }

    #[test]
    fn the_count_by_a_time_is_the_integral_of_the_rate() {
        for shape in shapes() {
            let arrivals = Arrivals { shape, spacing: Spacing::Even };
            let mut last = Duration::ZERO;
            for index in 0..2500 {
                let due = arrivals.due(index).expect("every shape here goes on for ever");
                assert!(due >= last, "{arrivals:?}: {index} before its predecessor");
                let asked = arrivals.asked_by(due);
                assert!((asked - index as f64).abs() < 1e-3, "{arrivals:?}: {asked} asked at the time of {index}");
                last = due;
            }
        }
    }

    #[test]
    fn a_rate_that_ends_at_nothing_ends_the_schedule() {
        let ramp = Arrivals { shape: Shape::Ramp { from: 10.0, to: 0.0, over: seconds(2) }, spacing: Spacing::Even };
        assert!(ramp.due(9).is_some());
        assert_eq!(ramp.due(11), None);
        assert_eq!(Arrivals::constant(0.0).due(1), None);
        let steps = Arrivals { shape: Shape::Steps(vec![]), spacing: Spacing::Even };
        assert_eq!(steps.due(0), None);
    }

    #[test]
    fn poisson_arrivals_do_not_depend_on_who_asks_first() {
        let arrivals = Arrivals::poisson(1000.0, Seed(4));
        let mut cursor = Cursor::new(arrivals.clone());
        let walked: Vec<_> = (0..3000).map(|i| cursor.due(i).unwrap()).collect();
        assert!(walked.is_sorted());
        for index in [2999, 0, 1024, 1023, 2047, 2048] {
            assert_eq!(arrivals.due(index), Some(walked[index as usize]));
        }
        assert_ne!(Arrivals::poisson(1000.0, Seed(5)).due(7), arrivals.due(7));
    }

    #[test]
    fn poisson_gaps_are_exponential() {
        let mut cursor = Cursor::new(Arrivals::poisson(1.0, Seed(4)));
        let times: Vec<f64> = (0..200_000).map(|i| cursor.due(i).unwrap().as_secs_f64()).collect();
        let gaps: Vec<f64> = times.windows(2).map(|w| w[1] - w[0]).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((mean - 1.0).abs() < 0.005 && (variance - 1.0).abs() < 0.03, "mean {mean}, variance {variance}");
        for quantile in [0.5f64, 1.0, 2.0, 4.0] {
            let share = gaps.iter().filter(|&&g| g > quantile).count() as f64 / gaps.len() as f64;
            assert!((share - (-quantile).exp()).abs() < 0.004, "{share} of the gaps exceed {quantile}");
        }
    }

    #[test]
    fn blocks_keep_the_rate_exact() {
        let arrivals = Arrivals::poisson(1000.0, Seed(4));
        let last = arrivals.due(BLOCK as u64 * 1000 - 1).unwrap();
        assert!((last.as_secs_f64() - 1024.0).abs() < 0.02, "{last:?}");
    }
}
