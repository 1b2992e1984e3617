//! How often the decision errs, with noise as runs have it: spread differently at each size, now and then far off, drifting with the host.

use super::*;

const LIMITS: Limits = Limits { tolerance: 0.05, detect: 0.15, alpha: 0.01 };
const SIZES: [f64; 4] = [5.0, 10.0, 15.0, 20.0];

struct Noise(Pcg64Mcg);

impl Noise {
    fn uniform(&mut self) -> f64 {
        ((self.0.next_u64() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    /// Of a normal distribution with the standard deviation 1 (Box and Muller); one in thirty is six times as far off.
    fn draw(&mut self) -> f64 {
        let far = if self.uniform() < 1.0 / 30.0 { 6.0 } else { 1.0 };
        far * (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// The pairs of a gate, whose ratio at each size is as given. Noise is twice as large at the largest size.
    fn gate(&mut self, sizes: &[f64], repeats: usize, noise: f64, ratio: &dyn Fn(f64) -> f64) -> Vec<Pair> {
        let mut pairs = Vec::new();
        for _ in 0..repeats {
            for (index, size) in sizes.iter().enumerate() {
                let spread = noise * (1.0 + index as f64 / 3.0);
                // Counts of results are whole: as many as come in ten seconds.
                let mut run = |ratio: f64| (40.0 * ratio * (spread * self.draw()).exp()).round().max(1.0);
                let log = (run(ratio(*size)) / run(1.0)).ln();
                pairs.push(Pair { log, place: Some((0, size.ln())) });
            }
        }
        pairs
    }
}

/// How many of a thousand gates fail.
fn alarms(sizes: &[f64], repeats: usize, noise: f64, limits: Limits, ratio: &dyn Fn(f64) -> f64) -> usize {
    let seed = 20_261_126;
    println!("seed {seed}");
    let mut random = Noise(Pcg64Mcg::new(seed));
    (0..1000).filter(|_| slower(&random.gate(sizes, repeats, noise, ratio), limits)).count()
}

#[test]
fn unchanged_programs_raise_an_alarm_less_often_than_alpha_says() {
    for (repeats, noise) in [(3, 0.02), (8, 0.02), (8, 0.08), (5, 0.2)] {
        let raised = alarms(&SIZES, repeats, noise, LIMITS, &|_| 1.0);
        // Even without a tolerance, which takes most of what is left.
        let strict = alarms(&SIZES, repeats, noise, Limits { tolerance: 0.0, ..LIMITS }, &|_| 1.0);
        println!("{repeats} repeats, noise {noise}: {raised} and {strict} of 1000");
        // 1 % of 1000 is 10; 3.3 standard deviations above are 20.
        assert!(raised <= 20 && strict <= 20, "{repeats} {noise}: {raised} {strict}");
    }
}

#[test]
fn a_loss_of_15_percent_is_found_wherever_it_is() {
    let planted = |repeats, noise, ratio: &dyn Fn(f64) -> f64| alarms(&SIZES, repeats, noise, LIMITS, ratio);
    let everywhere = planted(8, 0.03, &|_| 0.85);
    // The small are as they were, the large lose 20 %: no common ratio, but a curve that bends.
    let bent = planted(8, 0.02, &|size| 0.8f64.powf((size / 5.0).ln() / 4f64.ln()));
    let one_size = alarms(&[10.0], 8, 0.02, LIMITS, &|_| 0.85);
    println!("{everywhere}, {bent}, {one_size} of 1000");
    assert!(everywhere >= 990 && bent >= 900 && one_size >= 700, "{everywhere} {bent} {one_size}");
}

#[test]
fn a_loss_within_tolerance_passes() {
    assert!(alarms(&SIZES, 8, 0.02, LIMITS, &|_| 0.97) <= 10);
}

#[test]
fn the_curve_is_judged_and_not_a_point() {
    let mut random = Noise(Pcg64Mcg::new(3));
    let one_in_the_middle = random.gate(&SIZES, 8, 0.01, &|size| if size == 10.0 { 0.8 } else { 1.0 });
    assert!(!slower(&one_in_the_middle, LIMITS));
    let slanted = Judgement::of(&random.gate(&SIZES, 8, 0.01, &|size| (size / 10.0).powf(-0.2)), LIMITS);
    let shape = slanted.shape.unwrap();
    assert_eq!((slanted.told, shape.told), (Told::Slower, Told::Slower));
    // From 5 to 20 nodes: 4^-0.2 is 0.758.
    assert!((shape.change + 0.242).abs() < 0.03, "{shape:?}");
    assert!(shape.between.is_some_and(|(low, high)| low < shape.change && shape.change < high), "{shape:?}");
    assert!(slanted.level.change.abs() < 0.05, "{:?}", slanted.level);
}

#[test]
fn what_is_said_to_be_detectable_is_detected_nine_times_of_ten() {
    for (sizes, repeats, noise) in [(&SIZES[..], 8, 0.04), (&SIZES[2..3], 10, 0.04)] {
        let mut random = Noise(Pcg64Mcg::new(11));
        let said: Vec<f64> = (0..20)
            .filter_map(|_| Judgement::of(&random.gate(sizes, repeats, noise, &|_| 1.0), LIMITS).level.detectable)
            .collect();
        let loss = said.iter().sum::<f64>() / said.len() as f64;
        let found = alarms(sizes, repeats, noise, LIMITS, &|_| 1.0 - loss);
        println!("{loss:.3}: {found} of 1000");
        assert!(said.len() >= 18 && (750..=980).contains(&found), "{loss}: {found}");
    }
}

#[test]
fn too_few_or_too_noisy_pairs_leave_it_open() {
    let mut random = Noise(Pcg64Mcg::new(5));
    for (sizes, repeats, noise) in [(&SIZES[..1], 6, 0.001), (&SIZES[..], 2, 0.3), (&SIZES[..], 8, 0.4)] {
        let judgement = Judgement::of(&random.gate(sizes, repeats, noise, &|_| 1.0), LIMITS);
        assert_eq!(judgement.told, Told::Open, "{judgement:#?}");
    }
    assert_eq!(Judgement::of(&[], LIMITS).told, Told::Open);
    // Seven are the fewest at one size.
    let seven = Judgement::of(&[Pair { log: 0.0, place: None }; 7], LIMITS);
    assert_eq!((seven.told, seven.shape), (Told::Held, None));
    assert!((seven.level.detectable.unwrap() - 0.05).abs() < 1e-3, "without noise, it is the tolerance");
}

#[test]
fn a_faster_program_is_told() {
    let mut random = Noise(Pcg64Mcg::new(6));
    assert_eq!(Judgement::of(&random.gate(&SIZES, 8, 0.02, &|_| 1.2), LIMITS).told, Told::Faster);
}
