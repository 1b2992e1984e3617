//! Changes inputs, as errors and malice do: bits, bytes, numbers, pieces, lines and words.

use std::ops::Range;

use crate::lots::Lots;

/// Numbers at which something changes, for what counts in one to eight bytes.
const NUMBERS: [u64; 24] = [
    0,
    1,
    2,
    3,
    7,
    8,
    15,
    16,
    31,
    32,
    63,
    64,
    127,
    128,
    255,
    256,
    32_767,
    65_535,
    65_536,
    1 << 20,
    1 << 30,
    1 << 31,
    u32::MAX as u64,
    u64::MAX,
];
/// The same as they are written.
const WRITTEN: [&str; 24] = [
    "3",
    "5",
    "10",
    "0.5",
    "60",
    "100",
    "0",
    "-1",
    "1",
    "2",
    "255",
    "1000",
    "1001",
    "65536",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "18446744073709551615",
    "1e308",
    "-1e308",
    "1e-300",
    "0.1",
    "99999999999999999999999",
    "0.0000001",
];

/// Changes `input` in a few places. `other` is another input, from which pieces are taken.
pub fn mutate(input: &mut Vec<u8>, other: &[u8], words: &[&str], longest: usize, lots: &mut Lots) {
    // Most often a single one: texts soon mean nothing when more is changed.
    for _ in 0..[1, 1, 1, 2, 4, 8][lots.below(6)] {
        once(input, other, words, lots);
    }
    input.truncate(longest);
}

fn once(input: &mut Vec<u8>, other: &[u8], words: &[&str], lots: &mut Lots) {
    let at = lots.below(input.len());
    match lots.below(14) {
        0 => with(input, at, |byte| *byte ^= 1 << lots.below(8)),
        1 => with(input, at, |byte| *byte = lots.draw() as u8),
        2 => {
            let number = NUMBERS[lots.below(NUMBERS.len())].to_le_bytes();
            let width = [1, 2, 4, 8][lots.below(4)];
            put(input, at, &number[..width]);
        }
        3 => drop(input.drain(piece(input.len(), lots))),
        4 => {
            let copied = input[piece(input.len(), lots)].to_vec();
            insert(input, at, &copied);
        }
        5 => {
            let bytes: Vec<u8> = (0..=lots.below(16)).map(|_| lots.draw() as u8).collect();
            insert(input, at, &bytes);
        }
        6 => insert(input, at, &other[piece(other.len(), lots)]),
        7 => {
            input.truncate(at);
            input.extend(&other[lots.below(other.len())..]);
        }
        8 if !words.is_empty() => {
            let word = words[lots.below(words.len())].as_bytes();
            // Whole lines go between lines.
            let at = if word.ends_with(b"\n") { line(input, at).end } else { at };
            insert(input, at, word);
        }
        8 | 9 => number(input, lots),
        10 => input.truncate(at),
        11 => {
            // A line goes, or comes twice.
            let line = line(input, at);
            let copied = input[line.clone()].to_vec();
            if lots.once_in(2) { drop(input.drain(line)) } else { insert(input, line.end, &copied) }
        }
        12 if !other.is_empty() => {
            let theirs = line(other, lots.below(other.len()));
            let end = line(input, at).end;
            insert(input, end, &other[theirs]);
        }
        _ => {
            // A stretch of one byte.
            let (count, byte) = (1 << lots.below(10), lots.draw() as u8);
            insert(input, at, &vec![if lots.once_in(2) { 0 } else { byte }; count]);
        }
    }
}

fn with(input: &mut [u8], at: usize, change: impl FnOnce(&mut u8)) {
    if let Some(byte) = input.get_mut(at) {
        change(byte);
    }
}

fn put(input: &mut [u8], at: usize, bytes: &[u8]) {
    input.iter_mut().skip(at).zip(bytes).for_each(|(old, new)| *old = *new);
}

fn insert(input: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let at = at.min(input.len());
    input.splice(at..at, bytes.iter().copied());
}

/// Some piece of so many bytes, most often a short one.
fn piece(length: usize, lots: &mut Lots) -> Range<usize> {
    let start = lots.below(length);
    let most = if lots.once_in(4) { length } else { 32 };
    start..(start + lots.below(most + 1)).min(length)
}

/// The line around `at`, with its end.
fn line(text: &[u8], at: usize) -> Range<usize> {
    let start = text[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let end = text[at..].iter().position(|byte| *byte == b'\n').map_or(text.len(), |newline| at + newline + 1);
    start..end
}

/// A number that is written somewhere becomes another.
fn number(input: &mut Vec<u8>, lots: &mut Lots) {
    let from = lots.below(input.len());
    let Some(start) = input[from..].iter().position(u8::is_ascii_digit).map(|start| from + start) else { return };
    let digits = input[start..].iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    let written = WRITTEN[lots.below(WRITTEN.len())];
    input.splice(start..start + digits, written.bytes());
}
