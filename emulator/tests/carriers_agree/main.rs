//! netem and links in software do the same to the same packets: the same streams pass through both, side by side in one kernel, and what
//! became of them is compared with each other and with theory.
//!
//! They need what `netem_in_uml` needs: `cargo xtask uml` boots User-Mode Linux for them; elsewhere they say what is missing and skip, and
//! with `EMU_NETEM=required` in the environment they fail instead.
//!
//! Each comparison is at 99.9 %, and netem takes no seed before Linux 6.7: what is outside is looked at once more with other packets, and
//! must not be outside again.
//!
//! Where the two differ on purpose (docs/limitations.md), the tables below go around it:
//! - Without a rate, netem lets jitter change the order; in software it never does. So delays are compared of packets of which none can
//!   catch up with another.
//! - With a rate, jitter comes before netem's rate and after that in software. So they aren't combined here.
//! - Packets that overtake skip netem's rate, too.
//! - netem's limit holds what is on its way besides what waits, so that a burst finds rate × delay more room.
//! - netem draws again for the double of a packet whether it is lost; in software the double shares the fate of the first.
//! - netem may flip a bit in the Ethernet header, and such a packet arrives unharmed if it is in the sender's address: 48 bits of all.
//! - Correlated jitter, CoDel and shared air are left to links in software.

#[path = "../netem/mod.rs"]
mod netem;
mod statistics;
mod stream;

use std::thread;
use std::time::Duration;

use emulator::fabric::Shape;
use emulator::scenario::network::{Distribution, Loss, Queue};
use planner::units::Rate;
use statistics::{Estimate, quantile, smirnov_apart, smirnov_from};
use stream::{Carried, Stream, both, now, settle};

/// What either carrier may add to a delay by itself, in milliseconds: system calls of 64 µs, interrupts and a thread that has to wake up.
const SLACK: f64 = 0.6;
/// UDP's, IP's and Ethernet's headers.
const HEADERS: usize = 8 + 20 + 14;

/// A comparison: how far netem is from theory, software from theory, and both from each other; 1 is as far as may be.
struct Row {
    text: String,
    apart: [f64; 3],
}

/// Prints the table that `measure` makes, and fails if what is outside in it is outside in two others, too: a busy host disturbs one.
fn agree(head: &str, measure: impl Fn(u64) -> Vec<Row>) {
    let mut outside: Option<Vec<usize>> = None;
    for seed in [7, 8, 9] {
        println!("\n{head:102} | apart, of what may be: netem, software, both (seed {seed})");
        let rows = measure(seed);
        for Row { text, apart: [netem, software, both] } in &rows {
            println!("{text:102} | {netem:5.2} {software:5.2} {both:5.2}");
        }
        let far = rows.iter().enumerate().filter(|(_, row)| row.apart.iter().any(|apart| *apart > 1.0));
        let far: Vec<usize> = far.map(|(number, _)| number).collect();
        let again: Vec<usize> = match outside {
            None => far,
            Some(before) => far.into_iter().filter(|number| before.contains(number)).collect(),
        };
        if again.is_empty() {
            return;
        }
        outside = Some(again);
    }
    panic!("the carriers disagree in rows {outside:?}");
}

fn ms(millis: f64) -> Duration {
    Duration::from_secs_f64(millis / 1e3)
}

fn mbits(rate: f64) -> Option<Rate> {
    Some(Rate::from_mbits_per_second(rate))
}

/// A delay of 30 ms that varies by 6.
fn varying(distribution: Distribution) -> Shape {
    Shape { delay: ms(30.0), jitter: ms(6.0), distribution, ..Shape::default() }
}

/// What a share of the delays is below, in milliseconds.
type Quantiles = Box<dyn Fn(f64) -> f64>;
/// Links and ways that belong together.
type Streams = Vec<(usize, usize)>;

/// Quantiles of the distributions, in jitters around the mean, up to 4 where the tables end.
fn quantiles(distribution: &Distribution) -> fn(f64) -> f64 {
    match distribution {
        Distribution::Uniform => |share| 2.0 * share - 1.0,
        Distribution::Normal => normal,
        Distribution::Pareto => |share| (((1.0 - share).powf(-1.0 / 3.0) - 1.5) * 4.0 / 3.0).min(4.0),
        Distribution::Table(_) => |share| match share * 3.0 {
            at if at < 1.0 => -1.0 + at / 2.0,
            at if at < 2.0 => -0.5 + (at - 1.0) / 2.0,
            at => 3.0 * (at - 2.0),
        },
    }
}

/// By halving, as the distribution function has no closed inverse.
fn normal(share: f64) -> f64 {
    let (mut least, mut most) = (-4.0, 4.0);
    while most - least > 1e-6 {
        let middle = (least + most) / 2.0;
        match emulator::fabric::distribution::normal_below(middle) < share {
            true => least = middle,
            false => most = middle,
        }
    }
    least
}

/// Sends a datagram of each size through each stream of both carriers in turn, again and again, as far apart as that takes.
fn in_turns(carriers: &mut [Carried; 2], rounds: u32, period: f64, bytes: impl Fn(usize) -> usize) {
    let links = carriers[0].streams.len();
    let slot = period / (4 * links) as f64;
    let mut due = now() + slot;
    for _ in 0..rounds {
        for turn in 0..4 * links {
            let (link, way, carrier) = (turn / 4, turn / 2 % 2, turn % 2);
            thread::sleep(ms((due - now()).max(0.0)));
            carriers[carrier].streams[link][way].send(bytes(link));
            due += slot;
        }
    }
}

#[test]
fn delays_are_distributed_alike() {
    if !netem::works() {
        return;
    }
    let plain = |delay| Shape { delay: ms(delay), ..Shape::default() };
    let slow = Shape { rate: mbits(2.0), ..plain(5.0) };
    let table = Distribution::Table(vec![-1.0, -0.5, 0.0, 3.0]);
    let distributions = [Distribution::Uniform, Distribution::Normal, Distribution::Pareto, table];
    let mut shapes = vec![[plain(4.0), plain(12.0)], [slow.clone(), slow]];
    // Two links with two directions each: chance is drawn in each by itself.
    shapes.extend(distributions.iter().flat_map(|kind| [0, 1].map(|_| [varying(kind.clone()), varying(kind.clone())])));
    // 1500 bytes on the wire take 6 ms at 2 Mbit/s.
    let bytes = |link| if link == 1 { 1500 - HEADERS } else { 100 };
    let kinds = ["uniform", "normal", "pareto", "measured"].iter().zip(&distributions).enumerate();
    let mut rows: Vec<(String, Streams, Quantiles)> = vec![
        ("4 ms there".into(), vec![(0, 0)], Box::new(|_| 4.0)),
        ("12 ms back".into(), vec![(0, 1)], Box::new(|_| 12.0)),
        ("2 Mbit/s + 5 ms".into(), vec![(1, 0), (1, 1)], Box::new(|_| 11.0)),
    ];
    for (number, (name, kind)) in kinds {
        let streams = [2, 3].iter().flat_map(|link| [0, 1].map(|way| (link + 2 * number, way))).collect();
        let shape = quantiles(kind);
        rows.push((format!("30 ms ± 6 ms, {name}"), streams, Box::new(move |share| 30.0 + 6.0 * shape(share))));
    }
    let head = format!("{:24} | {:>23} | {:>23} | {:>23}", "delay: p10 p50 p90 in ms", "theory", "netem", "software");
    agree(&head, |seed| {
        let mut carriers = both(&shapes, seed);
        // The tables are eight jitters wide, and so no packet reaches the one before.
        in_turns(&mut carriers, 130, 80.0, bytes);
        settle(ms(60.0));
        carriers.iter_mut().for_each(Carried::collect);
        let samples = |carried: &Carried, streams: &[(usize, usize)]| -> Vec<f64> {
            let mut took: Vec<f64> =
                streams.iter().flat_map(|(link, way)| carried.streams[*link][*way].took()).collect();
            assert_eq!(took.len(), streams.len() * 130, "nothing is lost");
            took.sort_by(f64::total_cmp);
            took
        };
        let in_words = |of: &dyn Fn(f64) -> f64| [0.1, 0.5, 0.9].map(|share| format!("{:7.2}", of(share))).join(" ");
        let compared: Vec<Row> = rows
            .iter()
            .map(|(name, streams, theory)| {
                let [netem, software] = [&carriers[0], &carriers[1]].map(|carried| samples(carried, streams));
                let words = [&netem, &software].map(|sample| in_words(&|share| quantile(sample, share)));
                Row {
                    text: format!("{name:24} | {} | {} | {}", in_words(theory), words[0], words[1]),
                    apart: [
                        smirnov_from(&netem, theory, SLACK),
                        smirnov_from(&software, theory, SLACK),
                        smirnov_apart(&netem, &software, SLACK),
                    ],
                }
            })
            .collect();
        // The comparison can fail: it tells netem's Pareto distribution from a normal one in software.
        let other = smirnov_apart(&samples(&carriers[0], &rows[5].1), &samples(&carriers[1], &rows[4].1), SLACK);
        assert!(other > 1.0, "pareto was taken for normal: {other}");
        compared
    });
}

/// What happened to one stream: a name, what of it is counted, and what theory says of that.
struct Chance {
    name: &'static str,
    shape: Shape,
    /// The share, or mean, that it has in so many packets, with its variance.
    measure: fn(&Stream) -> Estimate,
    theory: [f64; 2],
}

/// `count` of the packets, each by itself with probability `share`.
fn binomial(count: usize, of: usize, share: f64) -> Estimate {
    Estimate { value: count as f64 / of as f64, variance: share * (1.0 - share) / of as f64 }
}

const P: f64 = 0.02;
const R: f64 = 0.25;
const GAP: u32 = 5;
/// What overtakes skips that.
const OVERTAKEN: f64 = 10.0;
/// Packets of a stream by which chance is judged, and bytes of each.
const PACKETS: usize = 6000;
const PAYLOAD: usize = 200;

fn lost(stream: &Stream) -> usize {
    stream.missing().iter().filter(|lost| **lost).count()
}

/// Of a chain of two states that changes by `P` and `R`: the correlation of neighbours is 1 − P − R.
fn lost_in_bursts(stream: &Stream) -> Estimate {
    let (share, memory) = (P / (P + R), 1.0 - P - R);
    let variance = share * (1.0 - share) * (1.0 + 2.0 * memory / (1.0 - memory));
    Estimate { value: lost(stream) as f64 / PACKETS as f64, variance: variance / PACKETS as f64 }
}

/// The mean length of bursts, which is geometric.
fn burst(stream: &Stream) -> Estimate {
    let missing = stream.missing();
    let bursts = missing.chunk_by(|a, b| a == b).filter(|run| run[0]).count() as f64;
    Estimate { value: lost(stream) as f64 / bursts, variance: (1.0 - R) / R.powi(2) / bursts }
}

fn twice(stream: &Stream) -> usize {
    stream.arrived.len() - (PACKETS - lost(stream))
}

fn overtook(stream: &Stream) -> usize {
    stream.took().iter().filter(|took| **took < OVERTAKEN / 2.0).count()
}

/// With a gap, a renewal process: so many in place, and then a geometric number.
fn overtook_after_gap(stream: &Stream) -> Estimate {
    let (mean, variance) = (f64::from(GAP) - 1.0 + 1.0 / 0.4, 0.6 / 0.4_f64.powi(2));
    let value = overtook(stream) as f64 / PACKETS as f64;
    Estimate { value, variance: variance / mean.powi(3) / PACKETS as f64 }
}

fn chances() -> Vec<Chance> {
    let plain = Shape::default;
    let bursts = Shape { loss: Loss::GilbertElliott { p: P, r: R, bad: 1.0, good: 0.0 }, ..plain() };
    let late = Shape { delay: ms(OVERTAKEN), ..plain() };
    let unharmed = 48.0 / (8 * (PAYLOAD + HEADERS)) as f64;
    let all = |name, shape, measure, theory| Chance { name, shape, measure, theory };
    let mut chances = vec![
        all("1 % lost", Shape { loss: Loss::Random(0.01), ..plain() }, |s| binomial(lost(s), PACKETS, 0.01), [0.01; 2]),
        all("5 % lost", Shape { loss: Loss::Random(0.05), ..plain() }, |s| binomial(lost(s), PACKETS, 0.05), [0.05; 2]),
        all("lost, Gilbert-Elliott", bursts.clone(), lost_in_bursts, [P / (P + R); 2]),
        all("length of its bursts", bursts, burst, [1.0 / R; 2]),
    ];
    chances.extend([
        all("5 % twice", Shape { duplicate: 0.05, ..plain() }, |s| binomial(twice(s), PACKETS, 0.05), [0.05; 2]),
        all("5 % corrupt", Shape { corrupt: 0.05, ..plain() }, |s| binomial(lost(s), PACKETS, 0.05), {
            [0.05 * (1.0 - unharmed), 0.05]
        }),
        all(
            "5 % overtake",
            Shape { reorder: 0.05, ..late.clone() },
            |s| binomial(overtook(s), PACKETS, 0.05),
            [0.05; 2],
        ),
        all("40 % overtake, gap 5", Shape { reorder: 0.4, reorder_gap: GAP, ..late }, overtook_after_gap, {
            [1.0 / (f64::from(GAP) - 1.0 + 1.0 / 0.4); 2]
        }),
    ]);
    chances
}

#[test]
fn chance_strikes_alike() {
    if !netem::works() {
        return;
    }
    // Portions that a receiver's buffer holds, and time for a carrier between them.
    const PORTION: usize = 50;
    let chances = chances();
    let shapes: Vec<[Shape; 2]> = chances.iter().map(|chance| [chance.shape.clone(), Shape::default()]).collect();
    let head = format!("{:24} | {:>15} | {:>9} | {:>9}", "chance", "theory of each", "netem", "software");
    agree(&head, |seed| {
        let mut carriers = both(&shapes, seed);
        for _ in 0..PACKETS / PORTION {
            for link in 0..chances.len() {
                for carrier in &mut carriers {
                    (0..PORTION).for_each(|_| carrier.streams[link][0].send(PAYLOAD));
                    thread::sleep(ms(2.0));
                }
            }
            // All sockets together may hold only so much, and what a packet socket has sent takes pages.
            carriers.iter_mut().for_each(Carried::collect);
        }
        settle(ms(OVERTAKEN));
        carriers.iter_mut().for_each(Carried::collect);
        let compared = chances.iter().enumerate().map(|(link, chance)| {
            let [netem, software] = [0, 1].map(|carrier| {
                let counters = carriers[carrier].counters(link, 0);
                let stream = &carriers[carrier].streams[link][0];
                let counted = if chance.shape.loss == Loss::default() { 0 } else { lost(stream) as u64 };
                let by = carriers[carrier].fabric.carrier_name();
                assert_eq!(
                    (counters.lost, counters.overflowed, counters.refused),
                    (counted, 0, 0),
                    "{}, {by}",
                    chance.name
                );
                (chance.measure)(stream)
            });
            let [by_netem, in_software] = chance.theory;
            Row {
                text: format!(
                    "{:24} | {by_netem:7.4} {in_software:7.4} | {:9.4} | {:9.4}",
                    chance.name, netem.value, software.value
                ),
                apart: [netem.from(by_netem), software.from(in_software), netem.apart(software)],
            }
        });
        compared.collect()
    });
}

/// Bytes of a full-size packet's payload.
const FULL: usize = Shape::PACKET as usize - HEADERS;

/// What became of one burst: the rate at which it was delivered, in Mbit/s, and how many packets more than planned got through.
fn burst_through(carried: &mut Carried, link: usize, packets: usize, planned: impl Fn(f64) -> f64) -> (f64, f64) {
    let [stream, _] = &mut carried.streams[link];
    stream.sent.clear();
    stream.arrived.clear();
    (0..packets).for_each(|_| stream.send(FULL));
    let took = now() - stream.sent[0];
    let Shape { rate, delay, .. } =
        carried.fabric.shape(emulator::fabric::Direction { from: 2 * link, to: 2 * link + 1 }).unwrap();
    let each = Shape::PACKET as f64 * 8e3 / rate.unwrap().bits_per_second() as f64;
    settle(delay + ms(each * packets as f64));
    carried.collect();
    let arrived = &carried.streams[link][0].arrived;
    let passed = arrived.len();
    let bits = (passed - 1) as f64 * Shape::PACKET as f64 * 8.0;
    (bits / (arrived[passed - 1].1 - arrived[0].1) / 1e3, passed as f64 - planned(took / each).min(packets as f64))
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[test]
fn rates_and_queues_are_alike() {
    if !netem::works() {
        return;
    }
    /// Of a rate.
    const PRECISION: f64 = 0.01;
    /// Packets: one that is on the wire or not, and one for the time between two sends.
    const ROOM: f64 = 3.0;
    let rows = [(1.0, 0.0, 30), (10.0, 0.0, 100), (40.0, 0.0, 150), (10.0, 20.0, 100)];
    let shape = |(rate, delay, queue): (f64, f64, u32)| Shape {
        rate: mbits(rate),
        delay: ms(delay),
        queue: Some(Queue::Packets(queue)),
        ..Shape::default()
    };
    let shapes: Vec<[Shape; 2]> = rows.iter().map(|row| [shape(*row), Shape::default()]).collect();
    let head = format!(
        "{:33} | {:>7} {:>8} | {}",
        "rate in Mbit/s", "netem", "software", "packets more than planned through a full queue: netem, software"
    );
    agree(&head, |seed| {
        let mut carriers = both(&shapes, seed);
        let compared = rows.iter().enumerate().map(|(link, &(rate, delay, queue))| {
            let each = Shape::PACKET as f64 * 8e-3 / rate;
            let [mut netem, mut software] = [Vec::new(), Vec::new()];
            // In User-Mode Linux a burst may come too slowly for the fastest queue to be full; its rate is still judged.
            for _ in 0..3 {
                // What leaves while the burst comes makes room, but netem's limit holds what is on its way, too, and is so much larger.
                let packets = queue as usize + 60;
                netem.push(burst_through(&mut carriers[0], link, packets, |left| {
                    f64::from(queue) + left.max(delay / each)
                }));
                software.push(burst_through(&mut carriers[1], link, packets, |left| f64::from(queue) + left));
            }
            let rates = [&netem, &software].map(|bursts| middle(bursts.iter().map(|(rate, _)| *rate).collect()));
            let more = [&netem, &software].map(|bursts| middle(bursts.iter().map(|(_, more)| *more).collect()));
            let far =
                |carrier: usize| ((rates[carrier] / rate - 1.0) / PRECISION).abs().max(more[carrier].abs() / ROOM);
            let name = format!("{rate} Mbit/s, {delay} ms, {queue} packets");
            Row {
                text: format!("{name:33} | {:7.3} {:8.3} | {:+6.1} {:+6.1}", rates[0], rates[1], more[0], more[1]),
                apart: [far(0), far(1), ((rates[0] / rates[1] - 1.0) / PRECISION).abs()],
            }
        });
        compared.collect()
    });
}
