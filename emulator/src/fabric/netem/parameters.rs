//! What netem enforces, as it understands it: a [`Shape`] in whole nanoseconds, bytes per second, packets and
//! 32-bit probabilities. Encoded for the kernel, decoded from what it says is in force, and compared.
//!
//! The kernel's structures are those of `linux/pkt_sched.h`.

use std::time::Duration;

use planner::units::Rate;

use super::super::distribution;
use super::attributes::{Attributes, find, long, word, words};
use crate::scenario::network::{Distribution, Loss, Shape};

const CORR: u16 = 1;
const DELAY_DIST: u16 = 2;
const REORDER: u16 = 3;
const CORRUPT: u16 = 4;
const LOSS: u16 = 5;
const LOSS_GE: u16 = 2;
const RATE: u16 = 6;
const RATE64: u16 = 8;
const LATENCY64: u16 = 10;
const JITTER64: u16 = 11;
const PRNG_SEED: u16 = 14;

/// Size of `struct tc_netem_qopt`: latency, limit, loss, gap, duplicate, jitter, each 32 bits.
const QOPT: usize = 24;
/// How many packets may be under way where no rate says how many: enough for 10 Gbit/s over 100 ms, yet an end to
/// the memory that a flood can take.
const LIMIT_WITHOUT_RATE: u32 = 100_000;
/// Fewer would drop what a host sends at once.
const LEAST_LIMIT: u64 = 16;

/// The parameters of one netem qdisc.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parameters {
    delay: i64,
    jitter: i64,
    limit: u32,
    loss: LossParameters,
    gap: u32,
    reorder: u32,
    duplicate: u32,
    corrupt: u32,
    /// Bytes per second; 0 is no limit.
    rate: u64,
    /// What its random numbers begin with; `None` from kernels that don't know it (before 6.7).
    seed: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LossParameters {
    Random(u32),
    GilbertElliott { p: u32, r: u32, h: u32, k1: u32 },
}

impl Parameters {
    pub(super) fn of(shape: &Shape, seed: u64) -> Parameters {
        Parameters {
            delay: nanoseconds(shape.delay),
            jitter: nanoseconds(shape.jitter),
            limit: limit(shape),
            loss: match shape.loss {
                Loss::Random(share) => LossParameters::Random(probability(share)),
                Loss::GilbertElliott { p, r, bad, good } => LossParameters::GilbertElliott {
                    p: probability(p),
                    r: probability(r),
                    h: probability(1.0 - bad),
                    k1: probability(good),
                },
            },
            // With a gap of 1, netem asks for each packet whether it is to overtake; with 0, for none.
            gap: if shape.reorder > 0.0 { shape.reorder_gap.max(1) } else { 0 },
            reorder: probability(shape.reorder),
            duplicate: probability(shape.duplicate),
            corrupt: probability(shape.corrupt),
            rate: shape.rate.map_or(0, |rate| (rate.bits_per_second() / 8).max(1)),
            seed: Some(seed),
        }
    }

    /// What goes into `TCA_OPTIONS`. All parameters are there each time, since the kernel keeps those that aren't;
    /// the uniform distribution, too, is sent as a table for that reason. Without jitter no table has a say.
    pub(super) fn encode(&self, distribution: &Distribution) -> Vec<u8> {
        let random = match self.loss {
            LossParameters::Random(share) => share,
            LossParameters::GilbertElliott { .. } => 0,
        };
        let mut attributes = Attributes::after(&words([0, self.limit, random, self.gap, self.duplicate, 0]))
            .put(LATENCY64, &self.delay.to_ne_bytes())
            .put(JITTER64, &self.jitter.to_ne_bytes())
            .put(CORR, &words([0, 0, 0]))
            .put(REORDER, &words([self.reorder, 0]))
            .put(CORRUPT, &words([self.corrupt, 0]))
            // Rate, and no overhead or cells. 64 bits count where they are more than 32 can say.
            .put(RATE, &words([u32::try_from(self.rate).unwrap_or(u32::MAX), 0, 0, 0]))
            .put(RATE64, &self.rate.to_ne_bytes());
        if self.jitter != 0 {
            let table = distribution::table(distribution);
            let bytes: Vec<u8> = table.iter().flat_map(|entry| entry.to_ne_bytes()).collect();
            attributes = attributes.put(DELAY_DIST, &bytes);
        }
        if let LossParameters::GilbertElliott { p, r, h, k1 } = self.loss {
            attributes = attributes.nest(LOSS, Attributes::default().put(LOSS_GE, &words([p, r, h, k1])));
        }
        if let Some(seed) = self.seed {
            attributes = attributes.put(PRNG_SEED, &seed.to_ne_bytes());
        }
        attributes.into_bytes()
    }

    /// What the kernel says is in force; `None` where that isn't netem's form.
    pub(super) fn decode(options: &[u8]) -> Option<Parameters> {
        let (qopt, attributes) = options.split_at_checked(QOPT)?;
        let ge = find(attributes, LOSS).and_then(|nested| find(nested, LOSS_GE));
        let rate = word(find(attributes, RATE)?, 0)?;
        Some(Parameters {
            delay: long(find(attributes, LATENCY64)?)?.cast_signed(),
            jitter: long(find(attributes, JITTER64)?)?.cast_signed(),
            limit: word(qopt, 1)?,
            loss: match ge {
                None => LossParameters::Random(word(qopt, 2)?),
                Some(ge) => LossParameters::GilbertElliott {
                    p: word(ge, 0)?,
                    r: word(ge, 1)?,
                    h: word(ge, 2)?,
                    k1: word(ge, 3)?,
                },
            },
            gap: word(qopt, 3)?,
            reorder: word(find(attributes, REORDER)?, 0)?,
            duplicate: word(qopt, 4)?,
            corrupt: word(find(attributes, CORRUPT)?, 0)?,
            rate: find(attributes, RATE64).and_then(long).unwrap_or(u64::from(rate)),
            seed: find(attributes, PRNG_SEED).and_then(long),
        })
    }

    /// Whether the kernel took the seed.
    pub(super) fn seeded(&self) -> bool {
        self.seed.is_some()
    }

    /// The first parameter in which `got` is not what was asked: its name, asked, got. A seed that the kernel
    /// doesn't know is none.
    pub(super) fn difference(&self, got: &Parameters) -> Option<(&'static str, String, String)> {
        let pairs = [
            ("delay (ns)", self.delay.to_string(), got.delay.to_string()),
            ("jitter (ns)", self.jitter.to_string(), got.jitter.to_string()),
            ("limit (packets)", self.limit.to_string(), got.limit.to_string()),
            ("loss", format!("{:?}", self.loss), format!("{:?}", got.loss)),
            ("gap", self.gap.to_string(), got.gap.to_string()),
            ("reorder (of 2^32-1)", self.reorder.to_string(), got.reorder.to_string()),
            ("duplicate (of 2^32-1)", self.duplicate.to_string(), got.duplicate.to_string()),
            ("corrupt (of 2^32-1)", self.corrupt.to_string(), got.corrupt.to_string()),
            ("rate (bytes/s)", self.rate.to_string(), got.rate.to_string()),
        ];
        let seed = got.seed.is_some_and(|seed| Some(seed) != self.seed);
        let seed = seed.then(|| ("seed", format!("{:?}", self.seed), format!("{:?}", got.seed)));
        pairs.into_iter().find(|(_, asked, got)| asked != got).or(seed)
    }

    /// The shape that these parameters enforce. The distribution's table is not told by the kernel, the
    /// queue only as part of a limit, and of a gap without reordering nothing: they are taken from what was `asked`.
    pub(super) fn shape(&self, asked: &Shape) -> Shape {
        Shape {
            rate: (self.rate > 0).then(|| Rate::from_bits_per_second(self.rate.saturating_mul(8))),
            delay: Duration::from_nanos(self.delay.unsigned_abs()),
            jitter: Duration::from_nanos(self.jitter.unsigned_abs()),
            loss: match self.loss {
                LossParameters::Random(loss) => Loss::Random(share(loss)),
                LossParameters::GilbertElliott { p, r, h, k1 } => {
                    Loss::GilbertElliott { p: share(p), r: share(r), bad: share(u32::MAX - h), good: share(k1) }
                }
            },
            reorder: share(self.reorder),
            reorder_gap: asked.reorder_gap,
            duplicate: share(self.duplicate),
            corrupt: share(self.corrupt),
            jitter_correlation: asked.jitter_correlation,
            distribution: asked.distribution.clone(),
            queue: asked.queue,
            aqm: asked.aqm,
        }
    }
}

fn nanoseconds(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

/// 0 to 1 as 0 to 2^32 − 1.
fn probability(share: f64) -> u32 {
    (share * f64::from(u32::MAX)).round() as u32
}

/// The other way, rounded to what a person would have written: nine decimals are coarser than 2^-32.
fn share(probability: u32) -> f64 {
    (f64::from(probability) / f64::from(u32::MAX) * 1e9).round() / 1e9
}

/// netem holds both what waits for the rate and what is on its way, and counts it in packets.
fn limit(shape: &Shape) -> u32 {
    let Some(rate) = shape.rate else { return LIMIT_WITHOUT_RATE };
    let bytes = shape.queue_bytes() + rate.amount_in(shape.delay + shape.jitter);
    u32::try_from(bytes.bytes().div_ceil(Shape::PACKET).max(LEAST_LIMIT)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn loss() -> impl Strategy<Value = Loss> {
        let share = 0.0..=1.0f64;
        prop_oneof![
            share.clone().prop_map(Loss::Random),
            (share.clone(), share.clone(), share.clone(), share).prop_map(|(p, r, bad, good)| Loss::GilbertElliott {
                p,
                r,
                bad,
                good
            }),
        ]
    }

    proptest! {
        #[test]
        fn parameters_are_decoded_as_they_were_encoded(
            bits in proptest::option::of(8u64..1_000_000_000_000), delay in 0u64..10_000_000_000, jitter in 0u64..1_000_000_000,
            loss in loss(), reorder in 0.0..=1.0f64, reorder_gap in 0..20u32, duplicate in 0.0..=1.0f64, corrupt in 0.0..=1.0f64, seed: u64,
        ) {
            let shape = Shape {
                rate: bits.map(Rate::from_bits_per_second),
                delay: Duration::from_nanos(delay), jitter: Duration::from_nanos(jitter),
                loss, reorder, reorder_gap, duplicate, corrupt, ..Shape::default()
            };
            let asked = Parameters::of(&shape, seed);
            let got = Parameters::decode(&asked.encode(&shape.distribution)).unwrap();
            prop_assert_eq!(asked.difference(&got), None);
            prop_assert_eq!(asked, got);
            let shape_got = got.shape(&shape);
            prop_assert_eq!(Parameters { seed: None, ..Parameters::of(&shape_got, seed) }.rate, asked.rate);
            prop_assert_eq!(shape_got.delay, shape.delay);
        }

        #[test]
        fn no_answer_of_a_kernel_makes_decoding_panic(bytes: Vec<u8>) {
            let _ = Parameters::decode(&bytes);
        }
    }

    #[test]
    fn a_mismatch_names_the_parameter() {
        let asked = Parameters::of(&Shape { delay: Duration::from_millis(20), ..Shape::default() }, 1);
        let got = Parameters { delay: 19_999_936, ..asked };
        assert_eq!(asked.difference(&got), Some(("delay (ns)", "20000000".into(), "19999936".into())));
        assert_eq!(asked.difference(&Parameters { seed: None, ..asked }), None);
    }

    #[test]
    fn the_limit_holds_the_queue_and_what_is_on_its_way() {
        let shape = Shape {
            rate: Some(Rate::from_mbits_per_second(100.0)),
            delay: Duration::from_millis(20),
            queue: Some(crate::scenario::network::Queue::Packets(100)),
            ..Shape::default()
        };
        // 100 packets waiting; 100 Mbit/s × 20 ms = 250,000 bytes, 166 packets, under way.
        assert_eq!(limit(&shape), 266);
    }
}
