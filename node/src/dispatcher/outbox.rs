//! A queue in front of a connection that never makes its sender wait.
//!
//! Its length is bounded by what is put in: by the window on the way to the first stage, by the requests that
//! were read from the client on the way back (see [`Outbox::backlog`]), by the plan on the way to the workers.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;

use crate::wire::frame::Frame;
use crate::wire::stream::FrameWriter;

/// The sending end. Dropping it shuts the connection down at once, whatever waits.
#[derive(Debug)]
pub struct Outbox<T> {
    queue: Sender<T>,
    backlog: Arc<AtomicUsize>,
    stream: TcpStream,
}

impl<T: Send + 'static> Outbox<T> {
    /// A thread writes to `stream` the frame that `frame` makes of each item, if it makes one. When writing
    /// fails it shuts the connection down, so that its reader, wherever it is, sees the end.
    ///
    /// # Errors
    /// When no thread can be made.
    pub fn spawn(
        name: &str,
        stream: TcpStream,
        mut frame: impl FnMut(T) -> Option<Frame> + Send + 'static,
    ) -> io::Result<Outbox<T>> {
        let (queue, items) = channel();
        let backlog = Arc::new(AtomicUsize::new(0));
        let (written, written_to) = (backlog.clone(), stream.try_clone()?);
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            let mut writer = FrameWriter::new(written_to);
            let mut failed = false;
            // After a failure the queue is still emptied: someone may be waiting for that.
            for item in items {
                if !failed && frame(item).is_some_and(|frame| writer.write(&frame).is_err()) {
                    failed = true;
                    // If it is down already, so much the better.
                    let _ = writer.get_ref().shutdown(Shutdown::Both);
                }
                written.fetch_sub(1, Ordering::Relaxed);
            }
        })?;
        Ok(Outbox { queue, backlog, stream })
    }

    /// Puts an item into the queue. On a connection that has failed it goes nowhere.
    pub fn send(&self, item: T) {
        self.backlog.fetch_add(1, Ordering::Relaxed);
        let _ = self.queue.send(item);
    }

    /// How many items wait to be written, shared with whoever wants to look.
    pub fn backlog(&self) -> Arc<AtomicUsize> {
        self.backlog.clone()
    }
}

impl<T> Drop for Outbox<T> {
    fn drop(&mut self) {
        // If it is down already, so much the better.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// For an outbox of frames: each item is its frame.
pub fn frames() -> impl FnMut(Frame) -> Option<Frame> + Send + 'static {
    Some
}
