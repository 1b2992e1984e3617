//! One record: what it says, and its bytes.
//!
//! ```text
//! offset  0       4           8         12    13      21
//!         length  head CRC32  body CRC  kind  ticket  rest…
//! ```
//!
//! Integers are little endian. `length` counts from the kind on. The head's CRC32 (IEEE) covers the number of the record's
//! segment, its offset there, its length and the body's CRC: bytes that were written elsewhere, or that a request carries in
//! its input, are not taken for a record of this place. Since it vouches for the length, too, a search for the next record
//! behind damage looks at twelve bytes of each place, and never at all that a false length would announce.

use bytes::Bytes;

use crate::dispatcher::core::ledger::Answer;
use crate::wire::frame::MAX_PAYLOAD;

/// Bytes in front of the kind.
pub const PREFIX: usize = 12;
/// Bytes of kind and ticket: the least that a record has behind its prefix.
const LEAST: usize = 9;
/// The most that a record has behind its prefix: a frame's payload, and what stands in front of it.
pub const LONGEST: usize = MAX_PAYLOAD + 64;

/// What the journal remembers. A **ticket** is a request's number among those of all clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// This epoch may have begun: a later one has a higher number.
    Epoch(u32),
    /// A request was accepted.
    Accepted {
        /// Its ticket.
        ticket: u64,
        /// Its input, encoded.
        payload: Bytes,
    },
    /// A request has its answer; its input is not needed any more.
    Answered {
        /// Its ticket.
        ticket: u64,
        /// The answer.
        answer: Answer,
    },
    /// The client has the answer, or nobody will ask for it: the request may be forgotten.
    Settled {
        /// Its ticket.
        ticket: u64,
    },
}

/// What stands where a record should begin.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// A record, and how many bytes it takes.
    Record(Record, usize),
    /// None, and for how many bytes there can be none: all that it would take, where its head is whole.
    Damaged(usize),
}

impl Record {
    /// Whether what is said to others may depend on it, so that it has to be on the disk first.
    pub fn is_a_promise(&self) -> bool {
        matches!(self, Record::Epoch(_) | Record::Accepted { .. })
    }

    /// Its bytes at `offset` of the segment numbered `segment`: what stands in front of the payload, and the payload.
    pub fn encode(&self, segment: u64, offset: u64) -> (Vec<u8>, Bytes) {
        let (kind, ticket, epoch, payload) = match self {
            Record::Epoch(epoch) => (1, u64::from(*epoch), None, Bytes::new()),
            Record::Accepted { ticket, payload } => (2, *ticket, None, payload.clone()),
            Record::Answered { ticket, answer: Answer::Result { epoch, payload } } => {
                (3, *ticket, Some(*epoch), payload.clone())
            }
            Record::Answered { ticket, answer: Answer::Refused { reason } } => {
                (4, *ticket, None, Bytes::copy_from_slice(reason.as_bytes()))
            }
            Record::Settled { ticket } => (5, *ticket, None, Bytes::new()),
        };
        let mut head = vec![0; PREFIX];
        head.push(kind);
        head.extend(ticket.to_le_bytes());
        head.extend(epoch.iter().flat_map(|epoch: &u32| epoch.to_le_bytes()));
        let prefix = Record::prefix(segment, offset, &[&head[PREFIX..], &payload]);
        head[..PREFIX].copy_from_slice(&prefix);
        (head, payload)
    }

    /// What stands in front of a body, given in parts, at this place.
    pub fn prefix(segment: u64, offset: u64, body: &[&[u8]]) -> [u8; PREFIX] {
        let length = body.iter().map(|part| part.len()).sum::<usize>() as u32;
        let mut hasher = crc32fast::Hasher::new();
        body.iter().for_each(|part| hasher.update(part));
        let body = hasher.finalize();
        let mut prefix = [0; PREFIX];
        prefix[..4].copy_from_slice(&length.to_le_bytes());
        prefix[4..8].copy_from_slice(&head_crc(segment, offset, length, body).to_le_bytes());
        prefix[8..].copy_from_slice(&body.to_le_bytes());
        prefix
    }

    /// What stands at `offset` of the bytes of the segment numbered `segment`.
    pub fn decode(bytes: &[u8], segment: u64, offset: usize) -> Found {
        let rest = bytes.get(offset..).unwrap_or_default();
        let word = |at: usize| Some(u32::from_le_bytes(rest.get(at..at + 4)?.try_into().ok()?));
        let (Some(length), Some(head), Some(crc)) = (word(0), word(4), word(8)) else { return Found::Damaged(1) };
        let size = PREFIX + length as usize;
        let possible = (LEAST..=LONGEST).contains(&(length as usize)) && size <= rest.len();
        if !possible || head_crc(segment, offset as u64, length, crc) != head {
            return Found::Damaged(1);
        }
        let body = &rest[PREFIX..size];
        match Record::parse(body) {
            Some(record) if crc32fast::hash(body) == crc => Found::Record(record, size),
            _ => Found::Damaged(size),
        }
    }

    fn parse(body: &[u8]) -> Option<Record> {
        let (kind, ticket) = (*body.first()?, u64::from_le_bytes(body.get(1..9)?.try_into().ok()?));
        let rest = &body[9..];
        Some(match kind {
            1 if rest.is_empty() => Record::Epoch(u32::try_from(ticket).ok()?),
            2 => Record::Accepted { ticket, payload: Bytes::copy_from_slice(rest) },
            3 => {
                let epoch = u32::from_le_bytes(rest.get(..4)?.try_into().ok()?);
                let payload = Bytes::copy_from_slice(&rest[4..]);
                Record::Answered { ticket, answer: Answer::Result { epoch, payload } }
            }
            4 => {
                let reason = String::from_utf8(rest.to_vec()).ok()?;
                Record::Answered { ticket, answer: Answer::Refused { reason } }
            }
            5 if rest.is_empty() => Record::Settled { ticket },
            _ => return None,
        })
    }
}

fn head_crc(segment: u64, offset: u64, length: u32, body: u32) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&segment.to_le_bytes());
    hasher.update(&offset.to_le_bytes());
    hasher.update(&length.to_le_bytes());
    hasher.update(&body.to_le_bytes());
    hasher.finalize()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub fn records() -> impl Strategy<Value = Record> {
        let payload = || prop::collection::vec(any::<u8>(), 0..300).prop_map(Bytes::from);
        prop_oneof![
            any::<u32>().prop_map(Record::Epoch),
            (any::<u64>(), payload()).prop_map(|(ticket, payload)| Record::Accepted { ticket, payload }),
            (any::<u64>(), any::<u32>(), payload()).prop_map(|(ticket, epoch, payload)| Record::Answered {
                ticket,
                answer: Answer::Result { epoch, payload }
            }),
            (any::<u64>(), ".{0,40}")
                .prop_map(|(ticket, reason)| Record::Answered { ticket, answer: Answer::Refused { reason } }),
            any::<u64>().prop_map(|ticket| Record::Settled { ticket }),
        ]
    }

    fn written(record: &Record, segment: u64, offset: usize) -> Vec<u8> {
        let (head, payload) = record.encode(segment, offset as u64);
        [vec![0xA5; offset], head, payload.to_vec()].concat()
    }

    proptest! {
        #[test]
        fn a_record_is_read_as_it_was_written(record in records(), segment in any::<u64>(), offset in 0..50usize) {
            let bytes = written(&record, segment, offset);
            let size = bytes.len() - offset;
            prop_assert_eq!(Record::decode(&bytes, segment, offset), Found::Record(record, size));
        }

        #[test]
        fn a_flipped_bit_is_noticed(record in records(), at in any::<prop::sample::Index>(), bit in 0..8u32) {
            let mut bytes = written(&record, 3, 0);
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert!(matches!(Record::decode(&bytes, 3, 0), Found::Damaged(_)));
        }

        #[test]
        fn a_record_of_another_place_is_none(record in records(), segment in 0..9u64, offset in 0..9usize) {
            let mut bytes = written(&record, segment, offset);
            prop_assert_eq!(Record::decode(&bytes, segment + 1, offset), Found::Damaged(1));
            bytes.insert(0, 0);
            prop_assert_eq!(Record::decode(&bytes, segment, offset + 1), Found::Damaged(1));
        }

        #[test]
        fn arbitrary_bytes_are_damage_and_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..60), offset in 0..70usize) {
            prop_assert_eq!(Record::decode(&bytes, 1, offset), Found::Damaged(1));
        }
    }
}
