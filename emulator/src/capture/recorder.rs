//! One capture: a thread that takes frames from a ring and puts them into a file, with marks where they belong.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::statvfs::fstatvfs;
use node::clock::Instant;

use super::marks::{Mark, Marks, now};
use super::pcapng::{Blocks, Packet, Statistics, told};
use super::ring::{Frame, HOLD, Ring};

/// How long after an instant all frames from before it have been handed over, and marks told.
const SETTLED: Duration = Duration::from_millis(4 * HOLD.as_millis() as u64);
/// What is left free on the disk, in bytes: the record comes first.
const RESERVE: u64 = 64 << 20;

/// What came of a capture.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Yield {
    /// Packets that are in the file.
    pub packets: u64,
    /// Packets that came faster than they could be taken, and are missing.
    pub dropped: u64,
    /// Why the file ends before the run does, if so.
    pub cut: Option<String>,
}

/// A capture at work.
pub struct Recorder {
    /// Where frames come from.
    pub ring: Ring,
    /// What is written to.
    pub tape: Tape,
    /// The file's number of each interface, by its index.
    pub interfaces: BTreeMap<u32, u32>,
    /// The first bytes of frames that are wanted: where to, where from; all of them, where there are none.
    pub wanted: Vec<[u8; 12]>,
    /// What happens.
    pub marks: Marks,
}

/// A file of whole blocks.
pub struct Tape {
    file: File,
    /// What is to be written next.
    pub blocks: Blocks,
    /// Bytes that are in the file.
    length: u64,
    /// The interface of marks.
    marks: u32,
    /// Marks that are not written yet, and how many there were.
    waiting: VecDeque<Mark>,
    heard: usize,
    /// Packets by interface; and those of them that are in the file for certain.
    packets: Vec<u64>,
    kept: Vec<u64>,
    began: u64,
}

impl Recorder {
    /// Captures until the marks are over.
    pub fn run(mut self) -> Yield {
        let cut = self.record().err();
        let dropped = self.ring.dropped().unwrap_or_default();
        let ended = match &cut {
            None => self.tape.close(dropped),
            Some(reason) => self.tape.cut(reason),
        };
        let packets = self.tape.kept.iter().sum();
        Yield { packets, dropped, cut: cut.or(ended.err()) }
    }

    fn record(&mut self) -> Result<(), String> {
        let mut end = None;
        while end.is_none_or(|end| Instant::now() < end) {
            if end.is_none() && self.marks.is_over() {
                end = Some(Instant::now() + SETTLED);
            }
            self.tape.hear(&self.marks);
            let Recorder { ring, tape, interfaces, wanted, .. } = self;
            if !ring.take(|frame| tape.frame(&frame, interfaces, wanted)) {
                tape.mark_until(now().saturating_sub(SETTLED.as_nanos() as u64));
                let timeout = PollTimeout::try_from(HOLD).unwrap_or(PollTimeout::MAX);
                // Whatever it answers, it is looked again.
                let _ = poll(&mut [PollFd::new(ring.as_fd(), PollFlags::POLLIN)], timeout);
            }
            tape.flush(RESERVE)?;
        }
        Ok(())
    }
}

impl Tape {
    /// Begins `file` with blocks that describe `interfaces` interfaces, the last of which is that of marks.
    ///
    /// # Errors
    /// Why it can't be written.
    pub fn begin(file: File, blocks: Blocks, interfaces: u32) -> Result<Tape, String> {
        let marks = interfaces - 1;
        let (waiting, packets) = (VecDeque::new(), vec![0; marks as usize]);
        let kept = packets.clone();
        let mut tape = Tape { file, blocks, length: 0, marks, waiting, heard: 0, packets, kept, began: now() };
        tape.flush(0)?;
        Ok(tape)
    }

    fn hear(&mut self, marks: &Marks) {
        let fresh = marks.since(self.heard);
        self.heard += fresh.len();
        self.waiting.extend(fresh);
    }

    fn frame(&mut self, frame: &Frame<'_>, interfaces: &BTreeMap<u32, u32>, wanted: &[[u8; 12]]) {
        // Loopback is no interface of the emulated network.
        let Some(&interface) = interfaces.get(&frame.index) else { return };
        if !wanted.is_empty() && !wanted.iter().any(|ends| frame.bytes.starts_with(ends)) {
            return;
        }
        self.mark_until(frame.at);
        let Frame { at, length, bytes, way, .. } = *frame;
        self.blocks.packet(&Packet { interface, at, length, bytes, way: Some(way), comment: None });
        self.packets[interface as usize] += 1;
    }

    /// Writes the marks of what happened until then.
    fn mark_until(&mut self, until: u64) {
        while let Some(mark) = self.waiting.pop_front_if(|mark| mark.at <= until) {
            self.mark(&mark);
        }
    }

    /// A mark is a packet of its own: one that it could be a comment of may never come.
    fn mark(&mut self, mark: &Mark) {
        let bytes = told(&mark.text);
        let (interface, length, comment) = (self.marks, bytes.len() as u32, Some(mark.text.as_str()));
        self.blocks.packet(&Packet { interface, at: mark.at, length, bytes: &bytes, way: None, comment });
    }

    /// Puts whole blocks into the file, unless less than `reserve` bytes would be left on the disk.
    fn flush(&mut self, reserve: u64) -> Result<(), String> {
        if self.blocks.bytes().is_empty() {
            return Ok(());
        }
        let fits = match fstatvfs(&self.file) {
            #[allow(clippy::unnecessary_cast)] // not on every architecture
            Ok(disk) => disk.blocks_available() as u64 * disk.fragment_size() as u64 >= reserve,
            Err(_) => true,
        };
        let written = match fits {
            true => self.file.write_all(self.blocks.bytes()).map_err(|error| error.to_string()),
            false => Err(format!("less than {} MiB are left on the disk", reserve >> 20)),
        };
        if written.is_ok() {
            self.length += self.blocks.bytes().len() as u64;
            self.kept.clone_from(&self.packets);
        } else {
            self.packets.clone_from(&self.kept);
            // Half a block would be a damaged file. What can't be cut off stays, and readers say so.
            let _ = self.file.set_len(self.length).and_then(|()| self.file.seek(SeekFrom::Start(self.length)));
        }
        self.blocks.clear();
        written
    }

    /// The run is over.
    fn close(&mut self, dropped: u64) -> Result<(), String> {
        self.mark_until(u64::MAX);
        let (from, to) = (self.began, now());
        let several = (self.packets.len() > 1).then_some("what was dropped may have passed any interface");
        for (interface, &written) in (0..).zip(&self.packets) {
            // The kernel counts them for the whole host.
            let (dropped, comment) = if interface == 0 { (Some(dropped), several) } else { (None, None) };
            self.blocks.statistics(&Statistics { interface, from, to, written, dropped, comment });
        }
        self.flush(0)
    }

    /// The capture ends before the run does: says so in the file, if it may.
    fn cut(&mut self, reason: &str) -> Result<(), String> {
        self.mark_until(u64::MAX);
        self.mark(&Mark { at: now(), text: format!("the capture ends here, and the run goes on: {reason}") });
        self.flush(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::pcapng::{LinkType, Way};

    fn tape(file: File) -> Result<Tape, String> {
        let mut blocks = Blocks::default();
        blocks.section("emu", "Linux", "");
        blocks.interface(LinkType::Ethernet, "eth0", "", None);
        blocks.interface(LinkType::UpperPdu, "emu", "", None);
        Tape::begin(file, blocks, 2)
    }

    fn frame(at: u64, index: u32, bytes: &[u8]) -> Frame<'_> {
        Frame { at, index, way: Way::In, length: bytes.len() as u32, bytes }
    }

    #[test]
    fn a_disk_that_is_full_ends_the_capture_with_a_reason_and_at_a_whole_block() {
        let refused = tape(File::options().write(true).open("/dev/full").unwrap()).err();
        assert!(refused.is_some_and(|reason| reason.contains("No space left")));

        let file = tempfile::NamedTempFile::new().unwrap();
        let mut tape = tape(file.reopen().unwrap()).unwrap();
        let begun = tape.length;
        tape.frame(&frame(7, 100, &[1; 60]), &BTreeMap::from([(100, 0)]), &[]);
        // No disk has so much left.
        let reason = tape.flush(u64::MAX).unwrap_err();
        assert!(reason.contains("left on the disk"), "{reason}");
        assert_eq!(file.path().metadata().unwrap().len(), begun);
        tape.cut(&reason).unwrap();
        assert_eq!(tape.kept, [0], "what is not in the file is not counted");
        let written = std::fs::read(file.path()).unwrap();
        assert_eq!(written.len() as u64, tape.length);
        assert!(String::from_utf8_lossy(&written[begun as usize..]).contains("the capture ends here"));
    }

    #[test]
    fn only_frames_of_the_wanted_interfaces_and_ends_are_written_and_marks_come_before_what_is_later() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut tape = tape(file.reopen().unwrap()).unwrap();
        let (known, wanted) = (BTreeMap::from([(100, 0)]), [[5; 12]]);
        tape.waiting.push_back(Mark { at: 20, text: "it happened".to_owned() });
        tape.frame(&frame(10, 100, b"\x05\x05\x05\x05\x05\x05\x05\x05\x05\x05\x05\x05first"), &known, &wanted);
        tape.frame(&frame(11, 1, &[5; 20]), &known, &wanted);
        tape.frame(&frame(12, 100, b"\x06\x05\x05\x05\x05\x05\x05\x05\x05\x05\x05\x05other"), &known, &wanted);
        tape.frame(&frame(30, 100, b"\x05\x05\x05\x05\x05\x05\x05\x05\x05\x05\x05\x05second"), &known, &wanted);
        tape.flush(0).unwrap();
        tape.close(3).unwrap();
        assert_eq!(tape.packets, [2]);
        let written = std::fs::read(file.path()).unwrap();
        let place = |text: &str| written.windows(text.len()).position(|window| window == text.as_bytes());
        let [first, mark, second] = ["first", "it happened", "second"].map(|text| place(text).unwrap());
        assert!(first < mark && mark < second);
        assert_eq!(place("other"), None);
    }
}
