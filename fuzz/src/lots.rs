//! Numbers drawn from a seed: SplitMix64 (Steele, Lea, Flood: *Fast splittable pseudorandom number generators*, 2014).

/// The same seed draws the same numbers.
#[derive(Debug, Clone)]
pub struct Lots(u64);

impl Lots {
    /// Begins with a seed.
    pub fn new(seed: u64) -> Lots {
        Lots(seed)
    }

    /// Any number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; zero if that is zero.
    pub fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { (self.draw() % end as u64) as usize }
    }

    /// Once in so many times.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}
