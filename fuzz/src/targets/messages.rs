//! Control messages, in both directions. The first byte of an input says which.

use std::time::Duration;

use node::wire::frame::{Frame, FrameKind};
use node::wire::message::{NextHop, Shortage, ToDispatcher, ToWorker, Wanted, from_frame, to_frame};
use planner::codec::Codec;
use planner::profile::Segment;
use planner::units::ByteSize;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Limit, Target};

pub struct Messages;

impl Target for Messages {
    fn name(&self) -> &'static str {
        "messages"
    }

    /// A byte of a list of chains or next stages becomes up to sixty-four in memory; a length that is announced costs no
    /// more than a mebibyte.
    fn limit(&self) -> Limit {
        Limit { times: 128, bytes: 4 << 20 }
    }

    fn seeds(&self) -> Vec<Vec<u8>> {
        let address = ([10, 0, 0, 7], 7002).into();
        let next = NextHop { node: 4, address, chains: vec![0, 2, 300] };
        let segment = Segment { from: 2, to: 5 };
        let shortage = Shortage { need: ByteSize::from_mib(40), limit: ByteSize::from_mib(36) };
        let wanted = |file| Wanted { segment, file };
        let assign = |file| ToWorker::Assign {
            epoch: 3,
            stage: 1,
            segment,
            file,
            codec: Codec::U8Lz4,
            next: vec![next.clone(), next.clone()],
        };
        let to_workers = [
            ToWorker::Hello { worker: 2, heartbeat_to: address, interval: Duration::from_millis(100), missed: 5 },
            assign(None),
            assign(Some(vec![8, 3, 18, 1])),
            ToWorker::File { epoch: 3, file: Some(vec![8, 3, 18, 1]) },
            ToWorker::Release { epoch: 9 },
            ToWorker::Prepare { order: 4, segments: vec![wanted(None), wanted(Some(vec![8, 3]))] },
        ];
        let to_dispatchers = [
            ToDispatcher::Loaded { epoch: 3, loaded: true, resident: ByteSize::from_mib(30) },
            ToDispatcher::Unreadable { epoch: 3 },
            ToDispatcher::Refused { epoch: 3, shortage: Some(shortage), reason: "no memory".to_owned() },
            ToDispatcher::Prepared { order: 4, segment },
            ToDispatcher::Unprepared { order: 4, segment, reason: "no memory".to_owned() },
            ToDispatcher::Fenced { epoch: 3, newest: 5 },
            ToDispatcher::NextLost { epoch: 3, next: 4 },
            ToDispatcher::Failed { epoch: 3, chain: 1, request: 70_000, reason: "no way".to_owned() },
        ];
        let to_workers = to_workers.iter().map(|message| written(0, message));
        to_workers.chain(to_dispatchers.iter().map(|message| written(1, message))).collect()
    }

    fn read(&self, input: &[u8]) -> Result<bool, String> {
        let Some((which, payload)) = input.split_first() else { return Ok(false) };
        let frame = Frame::new(FrameKind::Control, 0, 0, payload.to_vec());
        if which % 2 == 0 { again::<ToWorker>(&frame) } else { again::<ToDispatcher>(&frame) }
    }
}

fn written(which: u8, message: &impl Serialize) -> Vec<u8> {
    let payload = to_frame(message).map(|frame| frame.payload.to_vec()).unwrap_or_default();
    [vec![which], payload].concat()
}

/// What is read is the same when it is written and read again.
fn again<M: Serialize + DeserializeOwned + PartialEq>(frame: &Frame) -> Result<bool, String> {
    let Ok(message) = from_frame::<M>(frame) else { return Ok(false) };
    let written = to_frame(&message).map_err(|error| format!("can't be written: {error}"))?;
    match from_frame::<M>(&written) {
        Ok(read) if read == message => Ok(true),
        Ok(_) => Err("another message is read than was written".to_owned()),
        Err(error) => Err(format!("what was written can't be read: {error}")),
    }
}
