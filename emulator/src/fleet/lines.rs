//! Telemetry as it arrives: bytes, then lines, then events.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use node::telemetry::{Command, Stamped};

/// The longest line that is taken; a plan for hundreds of nodes is a tenth of it.
const LONGEST: usize = 1 << 20;
/// Most that is read from one node before the others have their turn.
const TURN: usize = 256 << 10;

/// Splits bytes into lines of bounded length.
#[derive(Debug, Default)]
struct Lines {
    begun: Vec<u8>,
    too_long: bool,
}

impl Lines {
    /// Takes `bytes` and hands over each line that they complete, without its end; `None` for one that is too long.
    fn take(&mut self, bytes: &[u8], mut line: impl FnMut(Option<&[u8]>)) {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.grow(&rest[..end]);
            line((!self.too_long).then_some(&self.begun[..]));
            self.begun.clear();
            self.too_long = false;
            rest = &rest[end + 1..];
        }
        self.grow(rest);
    }

    fn grow(&mut self, bytes: &[u8]) {
        self.too_long |= self.begun.len() + bytes.len() > LONGEST;
        if self.too_long {
            self.begun = Vec::new();
        } else {
            self.begun.extend_from_slice(bytes);
        }
    }
}

/// A line that is no event.
#[derive(Debug, thiserror::Error)]
pub enum Garbled {
    /// It is too long.
    #[error("a line of more than {LONGEST} bytes")]
    TooLong,
    /// It can't be read.
    #[error("{reason}: {start:?}")]
    Unreadable {
        /// Why.
        reason: serde_json::Error,
        /// How the line begins.
        start: String,
    },
}

/// The testbed's end of a node's telemetry socket.
#[derive(Debug)]
pub(super) struct Channel {
    stream: UnixStream,
    lines: Lines,
}

impl Channel {
    /// `stream` must not block.
    pub fn new(stream: UnixStream) -> Channel {
        Channel { stream, lines: Lines::default() }
    }

    /// Reads what has arrived, up to a turn's worth. Returns whether more may come: after the end, or an error, none does.
    pub fn read(&mut self, mut heard: impl FnMut(Result<Stamped, Garbled>)) -> bool {
        let mut buffer = [0; 16 << 10];
        for _ in 0..TURN / buffer.len() {
            match self.stream.read(&mut buffer) {
                Ok(0) => return false,
                Ok(length) => self.lines.take(&buffer[..length], |line| heard(event(line))),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            }
        }
        true
    }

    /// Sends a command. The socket holds thousands of them, so one that has no room for this has not been read for long.
    pub fn send(&mut self, command: &Command) -> io::Result<()> {
        let mut line = serde_json::to_vec(command)?;
        line.push(b'\n');
        self.stream.write_all(&line)
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

fn event(line: Option<&[u8]>) -> Result<Stamped, Garbled> {
    let line = line.ok_or(Garbled::TooLong)?;
    serde_json::from_slice(line).map_err(|reason| {
        let start = String::from_utf8_lossy(&line[..line.len().min(80)]).into_owned();
        Garbled::Unreadable { reason, start }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lines_are_the_same_however_the_bytes_are_cut(text in "[a\n]{0,60}", cuts in proptest::collection::vec(0usize..60, 0..6)) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).chain([0, text.len()]).collect();
            cuts.sort_unstable();
            let (mut lines, mut found) = (Lines::default(), Vec::new());
            for pair in cuts.windows(2) {
                lines.take(&text.as_bytes()[pair[0]..pair[1]], |line| found.push(line.map(<[u8]>::to_vec)));
            }
            let mut expected: Vec<_> = text.split('\n').map(|line| Some(line.as_bytes().to_vec())).collect();
            expected.pop();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_line_too_long_is_told_once_and_the_next_is_read() {
        let (mut lines, mut found) = (Lines::default(), Vec::new());
        for bytes in [vec![b'x'; LONGEST], vec![b'x'; 10], b"\nok\n".to_vec()] {
            lines.take(&bytes, |line| found.push(line.map(<[u8]>::to_vec)));
            assert!(lines.begun.len() <= LONGEST);
        }
        assert_eq!(found, [None, Some(b"ok".to_vec())]);
    }
}
