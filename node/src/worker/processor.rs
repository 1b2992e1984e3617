//! The thread that computes. There is one for as long as the process lives, whatever stages come and go: an
//! allocator gives each thread a heap of its own, and a second one would hold what a stage needs a second time.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

type Job = Box<dyn FnOnce() + Send>;

/// Does one thing after the other.
#[derive(Debug)]
pub struct Processor {
    jobs: Sender<Job>,
    pace: Arc<Pace>,
}

/// How much slower the device computes at this moment than it does by itself.
#[derive(Debug)]
pub struct Pace(AtomicU64);

impl Pace {
    /// So many times; less than once counts as once, for nothing can be held back to an instant that has passed.
    pub fn set(&self, factor: f64) {
        self.0.store(factor.max(1.0).to_bits(), Ordering::Relaxed);
    }

    /// How long what takes `time` takes now.
    pub fn stretch(&self, time: Duration) -> Duration {
        let factor = f64::from_bits(self.0.load(Ordering::Relaxed));
        Duration::try_from_secs_f64(time.as_secs_f64() * factor).unwrap_or(time)
    }
}

impl Default for Pace {
    fn default() -> Pace {
        Pace(AtomicU64::new(1f64.to_bits()))
    }
}

impl Processor {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn start() -> io::Result<Processor> {
        let (jobs, waiting) = channel::<Job>();
        thread::Builder::new().name("compute".into()).spawn(move || {
            for job in waiting {
                // Whoever waits for a job that breaks off sees that its sender is gone.
                let _ = catch_unwind(AssertUnwindSafe(job));
            }
        })?;
        Ok(Processor { jobs, pace: Arc::default() })
    }

    /// How much slower it computes, to be set and heeded.
    pub fn pace(&self) -> Arc<Pace> {
        self.pace.clone()
    }

    /// Does `job` when all before it are done. What it gives arrives at the receiver, unless it breaks off.
    pub fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Receiver<T> {
        let (sender, result) = channel();
        // The thread ends only with this value, and nobody may be waiting for the result any more.
        let _ = self.jobs.send(Box::new(move || drop(sender.send(job()))));
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_stretches_time_and_never_shortens_it() {
        let (pace, second) = (Pace::default(), Duration::from_secs(1));
        assert_eq!(pace.stretch(second), second);
        for (factor, millis) in [(2.5, 2500), (0.2, 1000), (f64::NAN, 1000), (f64::INFINITY, 1000), (1.0, 1000)] {
            pace.set(factor);
            assert_eq!(pace.stretch(second).as_millis(), millis, "{factor}");
        }
    }
}
