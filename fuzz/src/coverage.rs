//! Which edges of the code were taken. LLVM's SanitizerCoverage counts them in builds that ask for it (`cargo xtask
//! fuzz` does, on a stable compiler, for the crates of the project); in others there are no counters.
//!
//! `unsafe`: the counters are memory of the program that compiled code writes to behind the language's back.

use std::sync::Mutex;

/// Begin and end of each module's counters, a byte for each edge.
static COUNTERS: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());

/// Called by each module of instrumented code before `main`.
#[unsafe(no_mangle)]
extern "C" fn __sanitizer_cov_8bit_counters_init(begin: *mut u8, end: *mut u8) {
    if let Ok(mut counters) = COUNTERS.lock()
        && begin < end
    {
        counters.push((begin as usize, end as usize));
    }
}

/// What was seen of each edge so far: a bit for each magnitude of how often it was taken.
#[derive(Debug, Default)]
pub struct Seen {
    magnitudes: Vec<u8>,
    edges: usize,
}

impl Seen {
    /// Whether this build counts.
    pub fn counts() -> bool {
        COUNTERS.lock().is_ok_and(|counters| !counters.is_empty())
    }

    /// Edges taken so far.
    pub fn edges(&self) -> usize {
        self.edges
    }

    /// Sets all counters to zero.
    pub fn reset() {
        each(|_, counter| *counter = 0);
    }

    /// Takes in what was counted since the last reset, and says whether something was new.
    pub fn take(&mut self) -> bool {
        let (mut new, mut edges) = (false, 0);
        let magnitudes = &mut self.magnitudes;
        each(|index, counter| {
            let bit = match std::mem::take(counter) {
                0 => return,
                count @ 1..=3 => 1 << (count - 1),
                4..=7 => 8,
                8..=15 => 16,
                16..=31 => 32,
                32..=127 => 64,
                _ => 128,
            };
            if magnitudes.len() <= index {
                magnitudes.resize(index + 1, 0);
            }
            edges += usize::from(magnitudes[index] == 0);
            new |= magnitudes[index] & bit == 0;
            magnitudes[index] |= bit;
        });
        self.edges += edges;
        new
    }
}

fn each(mut visit: impl FnMut(usize, &mut u8)) {
    let Ok(counters) = COUNTERS.lock() else { return };
    let mut base = 0;
    for &(begin, end) in counters.iter() {
        // SAFETY: the range is a module's counters, which live as long as the program. Threads of a target may count
        // meanwhile; a count that is lost by that is lost to nobody.
        let module = unsafe { std::slice::from_raw_parts_mut(begin as *mut u8, end - begin) };
        let mut at = 0;
        // Most are zero: eight at a time.
        while at < module.len() {
            if let Some(eight) = module.get(at..at + 8)
                && eight == [0; 8]
            {
                at += 8;
                continue;
            }
            let until = (at + 8).min(module.len());
            for (index, counter) in module.iter_mut().enumerate().take(until).skip(at) {
                visit(base + index, counter);
            }
            at = until;
        }
        base += module.len();
    }
}
