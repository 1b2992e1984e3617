//! A segment: one file of the journal.
//!
//! ```text
//! offset  0      4        5      6         8       16       24        32     36   40
//!         magic  version  fresh  reserved  number  session  sessions  epoch  CRC  records…
//! ```
//!
//! Segments are numbered upwards and named by their number. Each repeats at its head what must never be lost with
//! a record: the client's session, how many there have been, and the highest epoch. A **fresh** one holds everything
//! that counts; it got its name when it was complete and on the disk, and all that are older are void.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::record::{Found, Record};

/// Bytes of a head.
pub const HEAD: usize = 40;
const MAGIC: [u8; 4] = *b"EMUJ";
const VERSION: u8 = 2;
/// No segment is longer, but for the one record that made it so: what is longer is not read.
const LARGEST: u64 = 2 << 30;

/// What a segment says at its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head {
    /// Its number.
    pub number: u64,
    /// Whether older segments are void.
    pub fresh: bool,
    /// What is known from before.
    pub standing: Standing,
}

/// What is not about a single request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// The client's session, the number it drew for itself.
    pub session: u64,
    /// How many sessions there have been.
    pub sessions: u64,
    /// The highest epoch that may have begun.
    pub epoch: u32,
}

impl Head {
    /// Its bytes.
    pub fn encode(&self) -> [u8; HEAD] {
        let mut bytes = [0; HEAD];
        bytes[..4].copy_from_slice(&MAGIC);
        (bytes[4], bytes[5]) = (VERSION, u8::from(self.fresh));
        bytes[8..16].copy_from_slice(&self.number.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.standing.session.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.standing.sessions.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.standing.epoch.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..36]);
        bytes[36..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads a head; none if it is damaged or not one of this version.
    pub fn decode(bytes: &[u8]) -> Option<Head> {
        let bytes = bytes.get(..HEAD)?;
        let long = |at: usize| bytes[at..at + 8].try_into().map(u64::from_le_bytes).ok();
        let word = |at: usize| bytes[at..at + 4].try_into().map(u32::from_le_bytes).ok();
        let whole = bytes[..4] == MAGIC && bytes[4] == VERSION && word(36)? == crc32fast::hash(&bytes[..36]);
        let standing = Standing { session: long(16)?, sessions: long(24)?, epoch: word(32)? };
        whole.then_some(Head { number: long(8)?, fresh: bytes[5] == 1, standing })
    }
}

/// Where a segment of this number lies.
pub fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:016x}.journal"))
}

/// The segments in a folder, the oldest first. A file named by the last number there is would have no successor: it is none.
///
/// # Errors
/// When the folder can't be read.
pub fn list(folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".journal"));
        if let Some(number) = name.and_then(|name| u64::from_str_radix(name, 16).ok())
            && number < u64::MAX
        {
            found.push((number, path));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// A segment's bytes.
///
/// # Errors
/// When it can't be read, or is longer than any segment is.
pub fn load(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let length = File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)? as u64;
    if length > LARGEST { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
}

/// What is in a segment behind its head.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// The records that are whole, in order.
    pub records: Vec<Record>,
    /// Stretches that are no record though records follow: the offset, and how many bytes.
    pub damaged: Vec<(usize, usize)>,
    /// Bytes at the end that are no record.
    pub torn: usize,
}

/// Reads the records of segment `number`. Behind damage it goes on where the next whole record begins.
pub fn read(bytes: &[u8], number: u64) -> Contents {
    let mut contents = Contents::default();
    let mut offset = HEAD.min(bytes.len());
    while offset < bytes.len() {
        match Record::decode(bytes, number, offset) {
            Found::Record(record, size) => {
                contents.records.push(record);
                offset += size;
            }
            Found::Damaged(mut length) => {
                while let Found::Damaged(more) = Record::decode(bytes, number, offset + length)
                    && offset + length < bytes.len()
                {
                    length += more;
                }
                if offset + length < bytes.len() {
                    contents.damaged.push((offset, length));
                } else {
                    contents.torn = bytes.len() - offset;
                }
                offset += length;
            }
        }
    }
    contents
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::records;
    use super::*;
    use proptest::prelude::*;

    /// A segment, and where each of its records begins.
    fn segment(records: &[Record]) -> (Vec<u8>, Vec<usize>) {
        let mut bytes = Head { number: 7, ..Head::default() }.encode().to_vec();
        let mut begins = Vec::new();
        for record in records {
            begins.push(bytes.len());
            let (head, payload) = record.encode(7, bytes.len() as u64);
            bytes.extend(head);
            bytes.extend(payload);
        }
        (bytes, begins)
    }

    #[test]
    fn damage_that_looks_like_lengths_is_passed_by_at_once() {
        // Wherever one looks, four mebibytes are announced: checking them each time would take minutes.
        let (mut bytes, _) = segment(&[Record::Epoch(3)]);
        let begin = bytes.len();
        bytes.extend(0x0040_0000_u32.to_le_bytes().repeat(2 << 20));
        let end = bytes.len();
        let (head, _) = Record::Epoch(4).encode(7, end as u64);
        bytes.extend(head);
        let contents = read(&bytes, 7);
        assert_eq!(contents.records, [Record::Epoch(3), Record::Epoch(4)]);
        assert_eq!(contents.damaged, [(begin, end - begin)]);
    }

    proptest! {
        #[test]
        fn a_head_is_read_as_it_was_written(number in any::<u64>(), fresh in any::<bool>(), session in any::<u64>(), sessions in any::<u64>(), epoch in any::<u32>(), bit in 0..HEAD * 8) {
            let head = Head { number, fresh, standing: Standing { session, sessions, epoch } };
            let mut bytes = head.encode();
            prop_assert_eq!(Head::decode(&bytes), Some(head));
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(Head::decode(&bytes), None);
        }

        #[test]
        fn cut_anywhere_all_whole_records_are_read(records in prop::collection::vec(records(), 0..8), cut in any::<prop::sample::Index>()) {
            let (mut bytes, begins) = segment(&records);
            bytes.truncate(HEAD + cut.index(bytes.len() - HEAD + 1));
            let contents = read(&bytes, 7);
            let ends = begins.iter().copied().skip(1).chain([segment(&records).0.len()]);
            let whole = ends.filter(|end| *end <= bytes.len()).count().min(records.len());
            prop_assert_eq!(&contents.records, &records[..whole]);
            prop_assert!(contents.damaged.is_empty());
            let tail = bytes.len() - begins.get(whole).copied().unwrap_or(bytes.len());
            prop_assert_eq!(contents.torn, tail);
        }

        #[test]
        fn damage_costs_the_records_it_hits_and_no_other(records in prop::collection::vec(records(), 2..8), from in any::<prop::sample::Index>(), garbage in prop::collection::vec(any::<u8>(), 1..60)) {
            let (mut bytes, begins) = segment(&records);
            let from = HEAD + from.index(bytes.len() - HEAD);
            let to = (from + garbage.len()).min(bytes.len());
            let before = bytes.clone();
            bytes[from..to].copy_from_slice(&garbage[..to - from]);
            let ends: Vec<usize> = begins.iter().copied().skip(1).chain([bytes.len()]).collect();
            let untouched = |index: &usize| before[begins[*index]..ends[*index]] == bytes[begins[*index]..ends[*index]];
            let left: Vec<Record> = (0..records.len()).filter(untouched).map(|index| records[index].clone()).collect();
            prop_assert_eq!(read(&bytes, 7).records, left);
        }
    }
}
