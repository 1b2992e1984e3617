//! The thread that computes. There is one for as long as the process lives, whatever stages come and go: an
//! allocator gives each thread a heap of its own, and a second one would hold what a stage needs a second time.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

type Job = Box<dyn FnOnce() + Send>;

/// Does one thing after the other.
#[derive(Debug)]
pub struct Processor(Sender<Job>);

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
        Ok(Processor(jobs))
    }

    /// Does `job` when all before it are done. What it gives arrives at the receiver, unless it breaks off.
    pub fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Receiver<T> {
        let (sender, result) = channel();
        // The thread ends only with this value, and nobody may be waiting for the result any more.
        let _ = self.0.send(Box::new(move || drop(sender.send(job()))));
        result
    }
}
