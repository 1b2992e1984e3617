//! The dispatcher's journal, read back from whatever is in its folder.
//!
//! An input is the folder: for each segment its length (4 bytes, little endian) and its bytes.

use std::fs;

use bytes::Bytes;
use node::dispatcher::core::ledger::Answer;
use node::dispatcher::journal::record::{PREFIX, Record};
use node::dispatcher::journal::recovery::recover;
use node::dispatcher::journal::segment::{HEAD, Head, Standing, path};
use node::dispatcher::journal::writer::{ROTATE, Writer};
use tempfile::TempDir;

use super::scratch;
use crate::lots::Lots;
use crate::{Limit, Target};

pub struct Journal {
    folder: TempDir,
}

impl Journal {
    pub fn new() -> Journal {
        Journal { folder: scratch() }
    }
}

/// The segments of an input.
fn segments(input: &[u8]) -> Vec<&[u8]> {
    let (mut rest, mut found) = (input, Vec::new());
    while let Some((length, behind)) = rest.split_first_chunk() {
        let (segment, others) = behind.split_at(behind.len().min(u32::from_le_bytes(*length) as usize));
        found.push(segment);
        rest = others;
    }
    found
}

fn joined(segments: &[Vec<u8>]) -> Vec<u8> {
    segments.iter().flat_map(|segment| [&(segment.len() as u32).to_le_bytes()[..], segment].concat()).collect()
}

impl Target for Journal {
    fn name(&self) -> &'static str {
        "journal"
    }

    /// A segment is read as a whole, its records are copied out of it, and written again.
    fn limit(&self) -> Limit {
        Limit { times: 24, bytes: 1 << 20 }
    }

    fn longest(&self) -> usize {
        64 << 10
    }

    fn seeds(&self) -> Vec<Vec<u8>> {
        let accepted =
            |ticket: u64, length| Record::Accepted { ticket, payload: Bytes::from(vec![ticket as u8; length]) };
        let answer = Answer::Result { epoch: 2, payload: Bytes::from_static(b"logits") };
        let records = [
            Record::Epoch(1),
            accepted(1, 30),
            accepted(2, 0),
            Record::Answered { ticket: 1, answer },
            Record::Answered { ticket: 2, answer: Answer::Refused { reason: "no plan".to_owned() } },
            accepted(3, 200),
            Record::Settled { ticket: 1 },
            Record::Epoch(2),
        ];
        // In one segment, and in several.
        let written = |rotate| {
            let folder = tempfile::tempdir_in(self.folder.path()).ok()?;
            let mut writer = Writer::begin(folder.path(), &Default::default(), rotate).ok()?;
            records.iter().try_for_each(|record| writer.append([record])).ok()?;
            Some(joined(&(1..=8).filter_map(|number| fs::read(path(folder.path(), number)).ok()).collect::<Vec<_>>()))
        };
        [ROTATE, 300, 120].into_iter().filter_map(written).collect()
    }

    fn mend(&self, input: &mut Vec<u8>, lots: &mut Lots) {
        let mut all: Vec<Vec<u8>> = segments(input).into_iter().map(<[u8]>::to_vec).collect();
        for (index, segment) in all.iter_mut().enumerate() {
            if lots.once_in(8) {
                continue;
            }
            mend(segment, index as u64 + 1, lots);
        }
        *input = joined(&all);
    }

    fn read(&self, input: &[u8]) -> Result<bool, String> {
        let folder = self.folder.path().join("journal");
        let _ = fs::remove_dir_all(&folder);
        let told = |error: std::io::Error| error.to_string();
        fs::create_dir(&folder).map_err(told)?;
        for (index, segment) in segments(input).into_iter().take(16).enumerate() {
            fs::write(path(&folder, index as u64 + 1), segment).map_err(told)?;
        }
        let known = recover(&folder).map_err(told)?;
        // What was read is what is read again once it was written afresh.
        drop(Writer::begin(&folder, &known, ROTATE).map_err(told)?);
        let again = recover(&folder).map_err(told)?;
        if !again.damage.is_empty() || again.torn > 0 {
            return Err(format!("what was written afresh is damaged: {:?}", again.damage));
        }
        let whole = known.damage.is_empty() && known.torn == 0;
        let same = (again.standing, &again.open, &again.answered) == (known.standing, &known.open, &known.answered);
        if same { Ok(whole) } else { Err("what was written afresh says something else".to_owned()) }
    }
}

/// Makes a segment whole again: its head, and the records as far as their lengths lead.
fn mend(segment: &mut [u8], number: u64, lots: &mut Lots) {
    if segment.len() < HEAD {
        return;
    }
    let long = |at: usize| segment[at..at + 8].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
    let standing = Standing { session: long(16), sessions: long(24), epoch: long(32) as u32 };
    let head = Head { number, fresh: segment[5] % 2 == 1, standing };
    segment[..HEAD].copy_from_slice(&head.encode());
    let mut at = HEAD;
    while segment.len() > at + PREFIX {
        let (offset, rest) = (at as u64, &mut segment[at..]);
        let said = u32::from_le_bytes([rest[0], rest[1], rest[2], rest[3]]) as usize;
        let length = said.min(rest.len() - PREFIX);
        // Now and then a record stays damaged.
        if !lots.once_in(8) {
            let prefix = Record::prefix(number, offset, &[&rest[PREFIX..PREFIX + length]]);
            rest[..PREFIX].copy_from_slice(&prefix);
        }
        at += PREFIX + length.max(1);
    }
}
