//! Whether one thing is faster than another: statistics of runs in pairs.
//!
//! The run is the unit, not the operation. Operations of one run share its disk, its neighbours on the machine and its luck, so a test
//! that takes them for independent finds a "difference" between a system and itself in nine comparisons of ten. Runs that follow
//! each other in turn (A B A B) share most of what the machine does, so each pair is compared within itself, as the logarithm
//! of its ratio, and nothing is assumed of how the ratios are distributed but that swapping A and B would be as likely if they
//! were equal.
//!
//! - the test: exact sign flips of the mean log ratio (Fisher 1935, "The Design of Experiments" §21);
//! - the estimate: the median of all pairwise means, with the interval that inverts Wilcoxon's signed-rank test (Hodges & Lehmann 1963,
//!   "Estimates of location based on rank tests").

/// What pairs of runs say about B as a multiple of A.
#[derive(Clone, Debug, PartialEq)]
pub struct Paired {
    /// How many pairs were compared.
    pub pairs: usize,
    /// Median of A.
    pub median_a: f64,
    /// Median of B.
    pub median_b: f64,
    /// B as a multiple of A: the Hodges-Lehmann estimate.
    pub ratio: f64,
    /// What the ratio is compatible with; `None` with too few pairs for any interval at [`CONFIDENCE`].
    pub interval: Option<Interval>,
    /// Two-sided p-value of the exact sign-flip test: how often chance alone would show as much.
    pub p: f64,
}

/// A range of ratios.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The least.
    pub low: f64,
    /// The greatest.
    pub high: f64,
    /// How often an interval made like this holds the true ratio: at least [`CONFIDENCE`].
    pub confidence: f64,
}

/// The confidence that an interval has at least. Below six pairs none has it.
pub const CONFIDENCE: f64 = 0.95;

/// Most pairs: the exact test looks at 2^pairs sign patterns, a few milliseconds for these.
pub const MOST_PAIRS: usize = 20;

impl Paired {
    /// Compares pairs of (A, B). `None` if there is no pair, one too many ([`MOST_PAIRS`]), or one has a number that is not
    /// positive and finite: nothing can be said of the ratio to zero, or of a latency that was never reached. O(2^pairs).
    pub fn of(pairs: &[(f64, f64)]) -> Option<Paired> {
        let usable = |x: f64| x.is_finite() && x > 0.0;
        if !(1..=MOST_PAIRS).contains(&pairs.len()) || !pairs.iter().all(|&(a, b)| usable(a) && usable(b)) {
            return None;
        }
        let logs: Vec<f64> = pairs.iter().map(|&(a, b)| (b / a).ln()).collect();
        let means = pairwise_means(&logs);
        Some(Paired {
            pairs: pairs.len(),
            median_a: median(pairs.iter().map(|pair| pair.0).collect()),
            median_b: median(pairs.iter().map(|pair| pair.1).collect()),
            ratio: median(means.clone()).exp(),
            interval: interval(&means, pairs.len()),
            p: sign_flip(&logs),
        })
    }

    /// Whether A and B differ by more than chance: p below 5 %.
    pub fn is_resolved(&self) -> bool {
        self.p < 1.0 - CONFIDENCE
    }
}

/// The middle value; of an even number, the mean of the two in the middle.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

/// The mean of every pair of values, each with itself too, in order (Walsh averages).
fn pairwise_means(values: &[f64]) -> Vec<f64> {
    let each = values.iter().enumerate();
    let mut means: Vec<f64> = each.flat_map(|(i, a)| values[i..].iter().map(move |b| (a + b) / 2.0)).collect();
    means.sort_by(f64::total_cmp);
    means
}

/// The share of all sign patterns whose sum is as far from zero as the one that was seen. Patterns come in Gray-code order, so each
/// costs one addition; half of them suffice, the others are their mirror images.
fn sign_flip(values: &[f64]) -> f64 {
    let seen: f64 = values.iter().sum();
    // Sums that are equal on paper differ by rounding; one that is as large must count.
    let limit = seen.abs() - values.iter().map(|value| value.abs()).sum::<f64>() * 1e-12;
    let mut signed = values.to_vec();
    let mut sum = seen;
    let patterns = 1u32 << (values.len() - 1);
    let mut extreme = u32::from(sum.abs() >= limit);
    for pattern in 1..patterns {
        let flipped = pattern.trailing_zeros() as usize;
        sum -= 2.0 * signed[flipped];
        signed[flipped] = -signed[flipped];
        extreme += u32::from(sum.abs() >= limit);
    }
    f64::from(extreme) / f64::from(patterns)
}

/// Between the k-th least and the k-th greatest pairwise mean, for the largest k that keeps the confidence.
fn interval(means: &[f64], pairs: usize) -> Option<Interval> {
    let below = rank_sum_tail(pairs);
    let spare = (1.0 - CONFIDENCE) / 2.0;
    let k = below.iter().take_while(|&&tail| tail <= spare).count();
    let outside = below[k.checked_sub(1)?];
    let (low, high) = (means[k - 1].exp(), means[means.len() - k].exp());
    Some(Interval { low, high, confidence: 1.0 - 2.0 * outside })
}

/// How likely Wilcoxon's signed-rank sum of `n` values is at most 0, 1, 2, ... when each rank has either sign with equal chance.
fn rank_sum_tail(n: usize) -> Vec<f64> {
    let most = n * (n + 1) / 2;
    let mut ways = vec![0.0; most + 1];
    ways[0] = 1.0;
    for rank in 1..=n {
        for sum in (rank..=most).rev() {
            ways[sum] += ways[sum - rank];
        }
    }
    let all = 2f64.powi(n as i32);
    let add = |total: &mut f64, ways: f64| {
        *total += ways / all;
        Some(*total)
    };
    ways.into_iter().scan(0.0, add).collect()
}

#[cfg(test)]
mod tests {
    use base::Seed;

    use super::*;

    fn pairs_of(ratios: &[f64]) -> Vec<(f64, f64)> {
        ratios.iter().map(|ratio| (100.0, 100.0 * ratio)).collect()
    }

    /// Pairs with a true ratio and noise, the same for the same seed.
    fn noisy(seed: u64, pairs: usize, log_ratio: f64, noise: f64) -> Vec<(f64, f64)> {
        let mut rng = Seed(seed).rng();
        let mut draw = || (0..12).map(|_| rng.below(1 << 20) as f64 / (1 << 20) as f64).sum::<f64>() - 6.0;
        (0..pairs).map(|_| (100.0, 100.0 * (log_ratio + noise * draw()).exp())).collect()
    }

    /// All 2^n patterns, each summed anew.
    fn sign_flip_by_force(values: &[f64]) -> f64 {
        let sum = |pattern: u32| {
            let signed = values.iter().enumerate().map(|(i, v)| if pattern >> i & 1 == 1 { -v } else { *v });
            signed.sum::<f64>().abs()
        };
        let all = 1u32 << values.len();
        (0..all).filter(|&pattern| sum(pattern) >= sum(0) - 1e-9).count() as f64 / f64::from(all)
    }

    /// Two-sided p-value of Wilcoxon's signed-rank test that the values lie around `centre`, by all 2^n patterns.
    fn signed_rank_by_force(values: &[f64], centre: f64) -> f64 {
        let mut shifted: Vec<f64> = values.iter().map(|value| value - centre).collect();
        shifted.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
        let ranks = 1..=shifted.len();
        let seen: usize = ranks.zip(&shifted).filter(|(_, value)| **value > 0.0).map(|(rank, _)| rank).sum();
        let all = 1u32 << values.len();
        let sum = |pattern: u32| (0..values.len()).filter(|i| pattern >> i & 1 == 1).map(|i| i + 1).sum::<usize>();
        let share = |keep: &dyn Fn(usize) -> bool| (0..all).filter(|&p| keep(sum(p))).count() as f64 / f64::from(all);
        (2.0 * share(&|sum| sum <= seen).min(share(&|sum| sum >= seen))).min(1.0)
    }

    #[test]
    fn the_sign_flip_test_agrees_with_all_patterns_summed_anew() {
        for seed in 0..40 {
            let pairs = noisy(seed, 1 + seed as usize % 10, 0.1, 0.3);
            let logs: Vec<f64> = pairs.iter().map(|(a, b)| (b / a).ln()).collect();
            let (fast, slow) = (sign_flip(&logs), sign_flip_by_force(&logs));
            assert!((fast - slow).abs() < 1e-12, "{fast} and {slow} for {logs:?}");
        }
    }

    #[test]
    fn the_interval_is_what_the_signed_rank_test_does_not_reject() {
        for seed in 0..20 {
            let pairs = noisy(seed, 6 + seed as usize % 5, 0.2, 0.2);
            let logs: Vec<f64> = pairs.iter().map(|(a, b)| (b / a).ln()).collect();
            let Interval { low, high, confidence } = Paired::of(&pairs).and_then(|p| p.interval).expect("enough pairs");
            assert!(confidence >= CONFIDENCE);
            let p = |ratio: f64| signed_rank_by_force(&logs, ratio.ln());
            let step = 1e-9;
            assert!(p(low * (1.0 + step)) > 0.05 && p(high * (1.0 - step)) > 0.05, "inside is compatible");
            assert!(p(low * (1.0 - step)) <= 0.05 && p(high * (1.0 + step)) <= 0.05, "outside is not");
        }
    }

    #[test]
    fn the_estimate_is_the_median_of_all_pairwise_means() {
        let found = Paired::of(&pairs_of(&[1.0, 2.0, 4.0])).expect("compared");
        // Means of the binary logarithms 0, 1, 2: 0, 0.5, 1, 1, 1.5, 2.
        assert!((found.ratio - 2.0).abs() < 1e-12);
        assert_eq!((found.median_a, found.median_b, found.interval), (100.0, 200.0, None));
        let even = Paired::of(&[(1.0, 3.0), (2.0, 4.0)]).expect("compared");
        assert_eq!((even.median_a, even.median_b), (1.5, 3.5));
    }

    #[test]
    fn six_pairs_that_agree_are_the_fewest_that_resolve_a_difference() {
        assert!(!Paired::of(&pairs_of(&[3.0; 5])).expect("compared").is_resolved());
        let six = Paired::of(&pairs_of(&[2.9, 3.0, 3.1, 3.0, 2.8, 3.3])).expect("compared");
        assert!(six.is_resolved());
        assert_eq!(six.p, 2.0 / 64.0);
        let interval = six.interval.expect("six pairs have one");
        assert!((interval.low - 2.8).abs() < 1e-9 && (interval.high - 3.3).abs() < 1e-9);
        assert_eq!(interval.confidence, 1.0 - 2.0 / 64.0);
    }

    #[test]
    fn a_thing_differs_from_itself_no_more_often_than_chance_allows() {
        let (mut resolved, mut covered) = (0, 0);
        for seed in 0..400 {
            let found = Paired::of(&noisy(seed, 8, 0.0, 0.4)).expect("compared");
            resolved += u32::from(found.is_resolved());
            covered += u32::from(found.interval.is_some_and(|i| i.low <= 1.0 && 1.0 <= i.high));
        }
        assert!(resolved <= 32, "{resolved} of 400 false alarms, 20 are expected");
        assert!(covered >= 368, "{covered} of 400 intervals hold the truth, 380 are expected");
    }

    #[test]
    fn nothing_is_said_of_what_has_no_ratio() {
        assert_eq!(Paired::of(&[]), None);
        assert_eq!(Paired::of(&[(1.0, 0.0)]), None);
        assert_eq!(Paired::of(&[(1.0, f64::INFINITY)]), None);
        assert_eq!(Paired::of(&pairs_of(&[1.0; MOST_PAIRS + 1])), None);
        assert!(Paired::of(&pairs_of(&[1.0; MOST_PAIRS])).is_some_and(|equal| equal.p == 1.0));
    }
}
