//! A segment that can't be read from the device's own storage comes from the dispatcher.

use super::core::{Running, State};
use crate::telemetry::Event;
use crate::wire::message::ToDispatcher;

/// Where a stage's segment comes from.
pub(super) enum Source {
    /// The device's own copy of the model.
    Storage,
    /// The dispatcher, which has sent it.
    Sent(Vec<u8>),
    /// The dispatcher, which was asked for it.
    Asked {
        /// Why it can't be read here.
        reason: String,
    },
}

impl Running {
    /// Asks the dispatcher for the segment of the stage, which can't be read here; connections go on being made meanwhile.
    pub(super) fn ask(&mut self, reason: String) {
        let State::Connecting { role, source, .. } = &mut self.state else { return };
        let (epoch, stage) = (role.epoch, role.stage);
        tracing::warn!(epoch, stage, reason, "the segment can't be read, and is asked of the dispatcher");
        *source = Source::Asked { reason: reason.clone() };
        self.core.telemetry.tell(Event::SegmentUnreadable { epoch, stage, reason });
        self.answer(&ToDispatcher::Unreadable { epoch });
    }

    /// The segment that was asked for, if the dispatcher has it.
    pub(super) fn receive(&mut self, epoch: u32, file: Option<Vec<u8>>) {
        let State::Connecting { role, source, .. } = &mut self.state else { return };
        let Source::Asked { reason } = source else { return };
        if role.epoch != epoch {
            return;
        }
        match file {
            Some(file) => {
                *source = Source::Sent(file);
                self.load_next();
            }
            None => {
                let reason = format!("{reason}; and the dispatcher can't send it");
                self.state = State::None;
                self.refuse(epoch, None, reason);
            }
        }
    }
}
