//! What a person at the screen wants of the run, on its way to the run's loop.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};
use node::clock::Instant;

use crate::scenario::FaultKind;

/// Something that a person wants.
#[derive(Debug, Clone, PartialEq)]
pub enum Order {
    /// A fault, now.
    Inject {
        /// When the key was pressed.
        at: Instant,
        /// What.
        kind: FaultKind,
        /// For how long.
        lasting: Duration,
    },
    /// The end of the run, as if it had been interrupted.
    Quit,
}

/// Orders that wait to be heeded; the descriptor can be read when there are some.
#[derive(Debug, Clone)]
pub struct Orders(Arc<(EventFd, Mutex<VecDeque<Order>>)>);

impl Orders {
    /// None yet.
    ///
    /// # Errors
    /// When the kernel has no descriptor left.
    pub fn new() -> Result<Orders, Errno> {
        let bell = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        Ok(Orders(Arc::new((bell, Mutex::default()))))
    }

    /// Gives one.
    pub fn give(&self, order: Order) {
        self.0.1.lock().unwrap_or_else(PoisonError::into_inner).push_back(order);
        // It can only refuse when it has been rung 2^64 times and not been heard.
        let _ = self.0.0.write(1);
    }

    /// Takes those that wait, in order.
    pub fn take(&self) -> VecDeque<Order> {
        // Nothing to read: nobody rang.
        let _ = self.0.0.read();
        std::mem::take(&mut self.0.1.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl AsFd for Orders {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.0.as_fd()
    }
}
