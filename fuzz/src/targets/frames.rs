//! A stream of frames, as a peer that has joined may send it.

use std::io::Read;

use bytes::Bytes;
use node::wire::frame::{Frame, FrameError, FrameKind, HEADER, VERSION};
use node::wire::stream::{FrameReader, FrameWriter};
use planner::codec::Codec;

use crate::lots::Lots;
use crate::{Limit, Target};

pub struct Frames;

impl Target for Frames {
    fn name(&self) -> &'static str {
        "frames"
    }

    /// A reader takes up to 16 MiB ahead for a payload that is announced, and grows by as much.
    fn limit(&self) -> Limit {
        Limit { times: 4, bytes: (32 << 20) + (64 << 10) }
    }

    fn seeds(&self) -> Vec<Vec<u8>> {
        let payload = Bytes::from_static(&[7; 40]);
        let frames = [
            Frame::hello(3, 5),
            Frame::client(0x1234_5678_9abc_def0, 12),
            Frame::keepalive(),
            Frame::tensor(Codec::Lz4, 3, 1, 77, payload.clone()),
            Frame::new(FrameKind::Accepted, 0, 4, "the disk is full".as_bytes().to_vec()),
            Frame::new(FrameKind::Request, 0, 4, payload),
        ];
        let written = |frames: &[Frame]| {
            let mut writer = FrameWriter::new(Vec::new());
            frames.iter().for_each(|frame| drop(writer.write(frame)));
            writer.get_ref().clone()
        };
        frames.iter().map(|frame| written(std::slice::from_ref(frame))).chain([written(&frames)]).collect()
    }

    fn mend(&self, input: &mut Vec<u8>, lots: &mut Lots) {
        mend(input, lots);
    }

    fn read(&self, input: &[u8]) -> Result<bool, String> {
        let mut reader = FrameReader::new(Halting { bytes: input, step: 1 + input.len() % 97, idle: false });
        let mut back = FrameWriter::new(Vec::new());
        let mut read = 0;
        loop {
            match reader.read() {
                Ok(frame) => {
                    read += HEADER + frame.payload.len();
                    back.write(&frame).map_err(|error| format!("a frame that was read can't be written: {error}"))?;
                }
                Err(FrameError::Idle) => {}
                Err(_) => break,
            }
        }
        if back.get_ref() == &input[..read] {
            Ok(read == input.len())
        } else {
            Err("frames are written otherwise than they were read".to_owned())
        }
    }
}

/// Makes a stream of frames whole again: magic, version, lengths and checksums.
pub fn mend(input: &mut [u8], lots: &mut Lots) {
    let mut at = 0;
    while input.len() >= at + HEADER {
        let rest = input.len() - at - HEADER;
        let header = &mut input[at..];
        header[..5].copy_from_slice(&[b'E', b'M', b'U', b'F', VERSION]);
        let said = u32::from_le_bytes([header[20], header[21], header[22], header[23]]) as usize;
        // Now and then the length stays as it is: more is announced than comes.
        let length = if said <= rest || lots.once_in(16) { said } else { rest };
        header[20..24].copy_from_slice(&(length as u32).to_le_bytes());
        let payload = crc32fast::hash(&header[HEADER..HEADER + length.min(rest)]);
        header[24..28].copy_from_slice(&payload.to_le_bytes());
        let crc = crc32fast::hash(&header[..28]);
        header[28..32].copy_from_slice(&crc.to_le_bytes());
        at += HEADER + length;
    }
}

/// Hands out a few bytes at a time, and a time-out in between.
struct Halting<'a> {
    bytes: &'a [u8],
    step: usize,
    idle: bool,
}

impl Read for Halting<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.idle = !self.idle;
        if self.idle {
            return Err(std::io::ErrorKind::WouldBlock.into());
        }
        let count = self.step.min(buffer.len()).min(self.bytes.len());
        buffer[..count].copy_from_slice(&self.bytes[..count]);
        self.bytes = &self.bytes[count..];
        Ok(count)
    }
}
