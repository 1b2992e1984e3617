//! A segment that can't be read from the device's own storage comes from the dispatcher.

use planner::profile::Segment;

use super::core::Running;
use super::stage::Role;
use crate::telemetry::Event;
use crate::wire::message::{NextHop, ToDispatcher};

/// A stage without its segment.
pub(super) struct Unread {
    pub(super) role: Role,
    pub(super) segment: Segment,
    pub(super) next: Vec<NextHop>,
    /// Why it could not be read.
    pub(super) reason: String,
}

impl Running {
    /// Asks the dispatcher for a segment that can't be read here.
    pub(super) fn ask(&mut self, unread: Unread) {
        let Unread { role: Role { epoch, stage, .. }, reason, .. } = &unread;
        tracing::warn!(epoch, stage, reason, "the segment can't be read, and is asked of the dispatcher");
        let (epoch, stage, reason) = (*epoch, *stage, reason.clone());
        self.core.telemetry.tell(Event::SegmentUnreadable { epoch, stage, reason });
        self.answer(&ToDispatcher::Unreadable { epoch });
        self.unread = Some(unread);
    }

    /// The segment that was asked for.
    pub(super) fn receive(&mut self, epoch: u32, file: Option<Vec<u8>>) {
        let Some(Unread { role, segment, next, reason }) = self.unread.take_if(|unread| unread.role.epoch == epoch)
        else {
            return;
        };
        let loaded = match file {
            Some(file) => self.load(role, segment, Some(file)).map_err(|error| error.to_string()),
            None => Err(format!("{reason}; and the dispatcher can't send it")),
        };
        match loaded {
            Ok(engine) => self.connect(role, segment, engine, true, next),
            Err(reason) => self.refuse(epoch, reason),
        }
    }
}
