//! A scaling curve: Gunther's universal scalability law (Guerrilla Capacity Planning, Springer 2007, chapter 4),
//! X(N) = λN / (1 + σ(N − 1) + κN(N − 1)): throughput over the number of nodes, with what each adds (λ), what queues for something
//! that all share (σ), and what all must agree on with all (κ).

use rand_core::Rng;
use rand_pcg::Pcg64Mcg;
use serde::Serialize;

/// How often samples are drawn anew for the intervals.
const DRAWS: usize = 1000;
/// Steps of the fit.
const STEPS: usize = 200;

/// The law's parameters.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Law {
    /// Throughput of one node.
    pub lambda: f64,
    /// Contention: at least 0.
    pub sigma: f64,
    /// Coherence: at least 0.
    pub kappa: f64,
}

/// A law and how sure it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fit {
    /// The law that fits best.
    pub law: Law,
    /// Each parameter's interval of 95 %: λ, σ, κ.
    pub intervals: [(f64, f64); 3],
    /// The share of the samples' variance that the law explains.
    pub explained: f64,
}

impl Law {
    /// The throughput of so many nodes.
    pub fn throughput(&self, nodes: f64) -> f64 {
        let Law { lambda, sigma, kappa } = *self;
        lambda * nodes / (1.0 + sigma * (nodes - 1.0) + kappa * nodes * (nodes - 1.0))
    }

    /// The number of nodes beyond which more of them take throughput away; `None`: there is none.
    pub fn peak(&self) -> Option<f64> {
        (self.kappa > 0.0).then(|| ((1.0 - self.sigma).max(0.0) / self.kappa).sqrt())
    }

    /// The law with the least squares. `None` with fewer than three different numbers of nodes, or without throughput.
    fn least_squares(samples: &[(f64, f64)]) -> Option<Law> {
        let mut nodes: Vec<f64> = samples.iter().map(|sample| sample.0).collect();
        nodes.sort_by(f64::total_cmp);
        nodes.dedup();
        if nodes.len() < 3 || samples.iter().any(|(nodes, throughput)| *nodes < 1.0 || *throughput <= 0.0) {
            return None;
        }
        // For given σ and κ the best λ is a division; so two numbers are looked for, neither below 0, from several beginnings.
        let lambda = |sigma: f64, kappa: f64| {
            let shape = Law { lambda: 1.0, sigma, kappa };
            let (mut both, mut own) = (0.0, 0.0);
            for (nodes, throughput) in samples {
                let one = shape.throughput(*nodes);
                (both, own) = (both + one * throughput, own + one * one);
            }
            both / own
        };
        let cost = |sigma: f64, kappa: f64| {
            let law = Law { lambda: lambda(sigma, kappa), sigma, kappa };
            samples.iter().map(|(nodes, throughput)| (law.throughput(*nodes) - throughput).powi(2)).sum::<f64>()
        };
        let mut best: Option<(f64, f64, f64)> = None;
        for (sigma, kappa) in [(0.0, 0.0), (0.1, 0.0), (0.1, 0.001), (0.5, 0.01), (0.9, 0.0)] {
            // A pattern search (Hooke and Jeeves, Journal of the ACM 8(2), 1961): it needs no derivatives and keeps the bounds.
            let (mut at, mut width) = ((cost(sigma, kappa), sigma, kappa), (0.2, 0.02));
            for _ in 0..STEPS {
                let (_, sigma, kappa) = at;
                let around = [
                    (width.0, 0.0),
                    (-width.0, 0.0),
                    (0.0, width.1),
                    (0.0, -width.1),
                    (width.0, -width.1),
                    (-width.0, width.1),
                ];
                let tried = around.map(|(s, k)| {
                    let (sigma, kappa) = ((sigma + s).max(0.0), (kappa + k).max(0.0));
                    (cost(sigma, kappa), sigma, kappa)
                });
                match tried.into_iter().min_by(|a, b| a.0.total_cmp(&b.0)) {
                    Some(better) if better.0 < at.0 => at = better,
                    _ => width = (width.0 / 2.0, width.1 / 2.0),
                }
            }
            if best.is_none_or(|best| at.0 < best.0) {
                best = Some(at);
            }
        }
        best.map(|(_, sigma, kappa)| Law { lambda: lambda(sigma, kappa), sigma, kappa })
    }
}

/// The law that fits these samples (nodes, throughput), with intervals from drawing as many of them anew, a thousand times
/// (Efron's percentile bootstrap). The same seed gives the same intervals. `None` with fewer than three different numbers of nodes.
pub fn fit(samples: &[(f64, f64)], seed: u64) -> Option<Fit> {
    let law = Law::least_squares(samples)?;
    let mean = samples.iter().map(|sample| sample.1).sum::<f64>() / samples.len() as f64;
    let squares = |of: &dyn Fn(&(f64, f64)) -> f64| samples.iter().map(|sample| of(sample).powi(2)).sum::<f64>();
    let left = squares(&|(nodes, throughput)| law.throughput(*nodes) - throughput);
    let all = squares(&|(_, throughput)| throughput - mean);
    let mut random = Pcg64Mcg::new(u128::from(seed) | 1);
    let mut drawn: [Vec<f64>; 3] = Default::default();
    for _ in 0..DRAWS {
        let again: Vec<(f64, f64)> =
            (0..samples.len()).map(|_| samples[(random.next_u64() % samples.len() as u64) as usize]).collect();
        if let Some(Law { lambda, sigma, kappa }) = Law::least_squares(&again) {
            drawn.iter_mut().zip([lambda, sigma, kappa]).for_each(|(values, value)| values.push(value));
        }
    }
    let intervals = drawn.map(|mut values| {
        values.sort_by(f64::total_cmp);
        let at = |share: f64| values.get(((values.len() as f64 - 1.0) * share).round() as usize).copied();
        at(0.025).zip(at(0.975)).unwrap_or((f64::NEG_INFINITY, f64::INFINITY))
    });
    Some(Fit { law, intervals, explained: if all > 0.0 { 1.0 - left / all } else { 1.0 } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_law_that_made_the_samples_is_found_again() {
        for law in [
            Law { lambda: 4.0, sigma: 0.0, kappa: 0.0 },
            Law { lambda: 10.0, sigma: 0.05, kappa: 0.0 },
            Law { lambda: 3.0, sigma: 0.2, kappa: 0.004 },
        ] {
            let samples: Vec<(f64, f64)> =
                [1.0, 2.0, 5.0, 10.0, 20.0, 40.0].map(|nodes| (nodes, law.throughput(nodes))).to_vec();
            let found = fit(&samples, 7).unwrap();
            for (found, made) in
                [(found.law.lambda, law.lambda), (found.law.sigma, law.sigma), (found.law.kappa, law.kappa)]
            {
                assert!((found - made).abs() < 0.01 * made.max(0.1), "{found} instead of {made}");
            }
            assert!(found.explained > 0.999);
        }
    }

    #[test]
    fn noise_widens_the_intervals_and_two_sizes_are_too_few() {
        let law = Law { lambda: 3.0, sigma: 0.2, kappa: 0.004 };
        let mut random = Pcg64Mcg::new(5);
        let samples: Vec<(f64, f64)> = (0..40)
            .map(|index| {
                let nodes = [1.0, 5.0, 10.0, 20.0][index % 4];
                let noise = 1.0 + 0.04 * ((random.next_u64() >> 11) as f64 / (1u64 << 53) as f64 - 0.5);
                (nodes, law.throughput(nodes) * noise)
            })
            .collect();
        let found = fit(&samples, 7).unwrap();
        let (low, high) = found.intervals[1];
        assert!(low < 0.2 && 0.2 < high && high - low < 0.1, "{found:?}");
        assert_eq!(fit(&samples, 7), Some(found));
        assert_eq!(fit(&[(1.0, 1.0), (2.0, 2.0), (2.0, 1.9)], 7), None);
    }
}
