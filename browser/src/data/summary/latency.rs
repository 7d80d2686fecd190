//! How latencies are spread, in steps of a quarter of a doubling: a quantile is off by a tenth at most.

use std::collections::BTreeMap;

#[derive(Clone, Debug, Default)]
pub(super) struct Latency {
    counts: BTreeMap<u16, u64>,
    total: u64,
}

impl Latency {
    pub(super) fn add(&mut self, nanos: u64) {
        *self.counts.entry(step(nanos)).or_default() += 1;
        self.total += 1;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// The latency that a share of all stays below, in nanoseconds.
    pub(super) fn quantile(&self, hundredths: u64) -> Option<u64> {
        let rank = (self.total * hundredths).div_ceil(100).max(1);
        let mut seen = 0;
        self.counts.iter().find_map(|(step, count)| {
            seen += count;
            (seen >= rank).then(|| middle(*step))
        })
    }

    /// Counts by doublings: the lower bound in nanoseconds, and how many.
    pub(super) fn doublings(&self) -> Vec<(u64, u64)> {
        let mut all: BTreeMap<u16, u64> = BTreeMap::new();
        for (step, count) in &self.counts {
            *all.entry(step / 4).or_default() += count;
        }
        let (Some(first), Some(last)) = (all.keys().next().copied(), all.keys().next_back().copied()) else {
            return Vec::new();
        };
        (first..=last).map(|power| (1u64 << power.min(63), all.get(&power).copied().unwrap_or_default())).collect()
    }
}

fn step(nanos: u64) -> u16 {
    let nanos = nanos.max(1);
    let power = nanos.ilog2();
    // The two bits behind the first.
    let rest = if power >= 2 { nanos >> (power - 2) & 3 } else { nanos << (2 - power) & 3 };
    u16::try_from(u64::from(power) * 4 + rest).unwrap_or(u16::MAX)
}

fn middle(step: u16) -> u64 {
    let (power, rest) = (u32::from(step / 4), u64::from(step % 4));
    let base = 1u64 << power.min(63);
    base + base / 8 * (2 * rest + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_off_by_a_tenth_at_most() {
        let mut latency = Latency::default();
        (1..=10_000u64).for_each(|at| latency.add(at * 1000));
        for (hundredths, exact) in [(50, 5_000_000f64), (95, 9_500_000.0), (99, 9_900_000.0)] {
            #[expect(clippy::cast_precision_loss, reason = "small")]
            let found = latency.quantile(hundredths).unwrap() as f64;
            assert!((found / exact - 1.0).abs() < 0.13, "{hundredths}: {found}");
        }
        assert_eq!(latency.doublings().iter().map(|(_, count)| count).sum::<u64>(), 10_000);
    }

    #[test]
    fn the_least_and_the_most_have_a_step() {
        let mut latency = Latency::default();
        [0, 1, 2, 3, u64::MAX].into_iter().for_each(|nanos| latency.add(nanos));
        assert!(latency.quantile(100).unwrap() > 1 << 62);
    }
}
