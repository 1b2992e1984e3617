//! Frames on a byte stream: [`FrameReader`] and [`FrameWriter`] over anything that reads or writes.

use std::io::{ErrorKind, IoSlice, Read, Write};

use super::frame::{Frame, FrameError, HEADER, Header, MAX_PAYLOAD};

/// Memory is taken in steps of at most this much while a payload arrives, so that a peer which announces
/// a large payload and sends nothing costs nothing.
const STEP: usize = 16 << 20;

/// Reads frames. It keeps what has arrived of a frame, so a stream with a time limit can be read again
/// after [`FrameError::Idle`]; after any other error the stream has lost its step and must be closed.
#[derive(Debug)]
pub struct FrameReader<R> {
    stream: R,
    header: [u8; HEADER],
    filled: usize,
    longest: usize,
    payload: Option<(Header, Vec<u8>)>,
}

impl<R: Read> FrameReader<R> {
    /// Reads from `stream`.
    pub fn new(stream: R) -> FrameReader<R> {
        FrameReader { stream, header: [0; HEADER], filled: 0, longest: MAX_PAYLOAD, payload: None }
    }

    /// Takes no payload longer than `longest`.
    pub fn at_most(self, longest: usize) -> FrameReader<R> {
        FrameReader { longest, ..self }
    }

    /// The stream itself.
    pub fn get_ref(&self) -> &R {
        &self.stream
    }

    /// The next frame.
    ///
    /// # Errors
    /// See [`FrameError`].
    pub fn read(&mut self) -> Result<Frame, FrameError> {
        let (header, payload) = match &mut self.payload {
            Some(begun) => begun,
            None => {
                while self.filled < HEADER {
                    match self.stream.read(&mut self.header[self.filled..]) {
                        Ok(0) if self.filled == 0 => return Err(FrameError::Closed),
                        Ok(0) => return Err(FrameError::Truncated),
                        Ok(count) => self.filled += count,
                        Err(error) if error.kind() == ErrorKind::Interrupted => {}
                        Err(error) => return Err(read_error(error)),
                    }
                }
                let header = Header::parse(&self.header)?;
                self.filled = 0;
                if header.length() > self.longest {
                    return Err(FrameError::TooLong { length: header.length() });
                }
                self.payload.insert((header, Vec::with_capacity(header.length().min(STEP))))
            }
        };
        while payload.len() < header.length() {
            let missing = header.length() - payload.len();
            payload.reserve_exact(missing.min(STEP));
            match (&mut self.stream).take(missing.min(STEP) as u64).read_to_end(payload) {
                Ok(0) => return Err(FrameError::Truncated),
                Ok(_) => {}
                Err(error) => return Err(read_error(error)),
            }
        }
        let (header, payload) = (*header, std::mem::take(payload));
        self.payload = None;
        header.with_payload(payload)
    }
}

fn read_error(error: std::io::Error) -> FrameError {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut if error.raw_os_error() != Some(libc::ETIMEDOUT) => {
            FrameError::Idle
        }
        _ => FrameError::Io(error),
    }
}

/// Writes frames: header and payload in one vectored call, the payload never copied.
#[derive(Debug)]
pub struct FrameWriter<W> {
    stream: W,
}

impl<W: Write> FrameWriter<W> {
    /// Writes to `stream`.
    pub fn new(stream: W) -> FrameWriter<W> {
        FrameWriter { stream }
    }

    /// The stream itself.
    pub fn get_ref(&self) -> &W {
        &self.stream
    }

    /// Writes the whole frame; blocks while the stream takes no more.
    ///
    /// # Errors
    /// [`FrameError::TooLong`], [`FrameError::Closed`] or [`FrameError::Io`]. After an error part of the frame
    /// may have been written: close the stream.
    pub fn write(&mut self, frame: &Frame) -> Result<(), FrameError> {
        let header = frame.header()?;
        let mut parts = [IoSlice::new(&header), IoSlice::new(&frame.payload)];
        let mut parts = &mut parts[..];
        // Empty slices at the front would make a finished write look unfinished.
        IoSlice::advance_slices(&mut parts, 0);
        while !parts.is_empty() {
            match self.stream.write_vectored(parts) {
                Ok(0) => return Err(FrameError::Closed),
                Ok(count) => IoSlice::advance_slices(&mut parts, count),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(FrameError::Io(error)),
            }
        }
        self.stream.flush().map_err(FrameError::Io)
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::FrameKind;
    use super::*;
    use planner::codec::Codec;
    use proptest::prelude::*;

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
                return Err(ErrorKind::WouldBlock.into());
            }
            let count = self.step.min(buffer.len()).min(self.bytes.len());
            buffer[..count].copy_from_slice(&self.bytes[..count]);
            self.bytes = &self.bytes[count..];
            Ok(count)
        }
    }

    fn frames() -> impl Strategy<Value = Frame> {
        let kinds = prop::sample::select(vec![FrameKind::Control, FrameKind::Tensor, FrameKind::Keepalive]);
        let place = (any::<u32>(), any::<u16>(), any::<u64>());
        (kinds, 0..4usize, place, prop::collection::vec(any::<u8>(), 0..3000)).prop_map(
            |(kind, codec, (epoch, chain, request), payload)| Frame {
                kind,
                codec: Codec::ALL[codec],
                epoch,
                chain,
                request,
                payload: payload.into(),
            },
        )
    }

    fn written(frames: &[Frame]) -> Vec<u8> {
        let mut writer = FrameWriter::new(Vec::new());
        frames.iter().for_each(|frame| writer.write(frame).unwrap());
        writer.stream
    }

    proptest! {
        #[test]
        fn frames_arrive_as_they_were_sent_in_whatever_pieces(sent in prop::collection::vec(frames(), 1..4), step in 1..4000usize) {
            let bytes = written(&sent);
            let mut reader = FrameReader::new(Halting { bytes: &bytes, step, idle: false });
            let mut received = Vec::new();
            let end = loop {
                match reader.read() {
                    Ok(frame) => received.push(frame),
                    Err(FrameError::Idle) => {}
                    Err(error) => break error,
                }
            };
            prop_assert!(matches!(end, FrameError::Closed));
            prop_assert_eq!(received, sent);
        }

        #[test]
        fn arbitrary_bytes_are_an_error_and_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(FrameReader::new(&bytes[..]).read().is_err());
        }

        #[test]
        fn a_flipped_bit_is_noticed_wherever_it_is(frame in frames(), place in any::<prop::sample::Index>(), bit in 0..8u32) {
            let mut bytes = written(&[frame]);
            let place = place.index(bytes.len());
            bytes[place] ^= 1 << bit;
            prop_assert!(FrameReader::new(&bytes[..]).read().is_err());
        }

        #[test]
        fn a_frame_cut_short_is_truncated(frame in frames(), place in any::<prop::sample::Index>()) {
            let bytes = written(&[frame]);
            let cut = &bytes[..1 + place.index(bytes.len() - 1)];
            prop_assert!(matches!(FrameReader::new(cut).read(), Err(FrameError::Truncated)));
        }
    }

    #[test]
    fn a_payload_beyond_the_limit_is_refused_before_it_is_read() {
        let mut header = Frame::new(FrameKind::Tensor, 1, 2, vec![]).header().unwrap();
        header[20..24].copy_from_slice(&(MAX_PAYLOAD as u32 + 1).to_le_bytes());
        let crc = crc32fast::hash(&header[..28]);
        header[28..].copy_from_slice(&crc.to_le_bytes());
        assert!(matches!(FrameReader::new(&header[..]).read(), Err(FrameError::TooLong { .. })));
    }
}
