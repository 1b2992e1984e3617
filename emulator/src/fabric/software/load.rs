//! How busy a thread is: the processor time that it takes, without what it only stays awake for.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use node::clock::Instant;

/// When there is to be another thread, and how many there may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Growth {
    /// So many threads at most; the first is always there.
    pub threads: usize,
    /// A thread that works for this share of the time hands a part of its work over to another.
    pub busy: f64,
    /// For how long it looks.
    pub window: Duration,
}

impl Default for Growth {
    /// From 85 % on a thread hardly keeps up (Linux stops one with real-time priority at 95 %); below that another one gains nothing, but
    /// costs its share.
    fn default() -> Growth {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Growth { threads: most_threads(processors), busy: 0.85, window: Duration::from_millis(250) }
    }
}

/// Half of the processors, as what they forward for wants to run, too. But two, where there are two processors: there a second thread
/// was measured to carry 1.3 to 1.9 times as much packet by packet, and with large segments as much as one.
fn most_threads(processors: usize) -> usize {
    (processors / 2).max(2).min(processors)
}

/// The calling thread's work, looked at in windows of time.
pub struct Load {
    window: Duration,
    began: Instant,
    /// The thread's processor time at that instant.
    taken: Duration,
    /// Time since then that it only stayed awake.
    spun: Duration,
}

impl Load {
    /// Begins to look.
    pub fn new(window: Duration) -> Load {
        Load { window, began: Instant::now(), taken: processor_time(), spun: Duration::ZERO }
    }

    /// It was awake for so long, and had nothing to do.
    pub fn spun(&mut self, time: Duration) {
        self.spun += time;
    }

    /// For which share of the time it worked, once in a window: the next begins then. In between it costs next to nothing to ask.
    pub fn look(&mut self, now: Instant) -> Option<f64> {
        let time = now.since(self.began);
        if time < self.window {
            return None;
        }
        let taken = processor_time();
        let worked = taken.saturating_sub(self.taken).saturating_sub(self.spun);
        *self = Load { window: self.window, began: now, taken, spun: Duration::ZERO };
        Some(worked.as_secs_f64() / time.as_secs_f64().max(1e-9))
    }
}

fn processor_time() -> Duration {
    // The clock exists on every Linux.
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_processors_forward_and_never_more_than_there_are() {
        assert_eq!([1, 2, 3, 4, 8].map(most_threads), [1, 2, 2, 2, 4]);
    }

    #[test]
    fn staying_awake_and_sleeping_are_no_work() {
        let window = Duration::from_millis(50);
        let mut load = Load::new(window);
        let (mut now, mut shares) = (Instant::now(), Vec::new());
        assert_eq!(load.look(now), None);
        // For the same processor time once as work and once as a vigil; then asleep.
        for spins in [false, true] {
            let share = loop {
                let then = std::mem::replace(&mut now, Instant::now());
                if spins {
                    load.spun(now.since(then));
                }
                if let Some(share) = load.look(now) {
                    break share;
                }
            };
            shares.push(share);
        }
        std::thread::sleep(2 * window);
        shares.extend(load.look(Instant::now()));
        let [worked, spun, slept] = shares[..] else { panic!("{shares:?}") };
        // Others may take the processor: only they make it less work.
        assert!(spun < worked && spun < 0.1 && slept < worked && slept < 0.5, "{shares:?}");
    }
}
