//! What is written, read back by the format's rules.

use super::*;

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// Blocks as (kind, body).
fn blocks(mut bytes: &[u8]) -> Vec<(u32, &[u8])> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let length = word(bytes, 4) as usize;
        assert_eq!(length % 4, 0);
        assert_eq!(word(bytes, length - 4) as usize, length, "the length is the same at both ends");
        found.push((word(bytes, 0), &bytes[8..length - 4]));
        bytes = &bytes[length..];
    }
    found
}

/// Options as (code, value), up to the one that ends them.
fn options(mut bytes: &[u8]) -> Vec<(u16, Vec<u8>)> {
    let mut found = Vec::new();
    while word(bytes, 0) != 0 {
        let [code, length] = [0, 2].map(|at| u16::from_le_bytes([bytes[at], bytes[at + 1]]));
        let padded = usize::from(length).next_multiple_of(4);
        assert!(bytes[4 + usize::from(length)..4 + padded].iter().all(|byte| *byte == 0));
        found.push((code, bytes[4..4 + usize::from(length)].to_vec()));
        bytes = &bytes[4 + padded..];
    }
    assert_eq!(bytes.len(), 4, "nothing is behind the end");
    found
}

#[test]
fn packets_of_every_length_are_padded_to_words_and_keep_their_bytes_time_way_and_comment() {
    let all: Vec<u8> = (1..=9).collect();
    for length in 0..=all.len() {
        for comment in [None, Some(""), Some("a"), Some("ab"), Some("abc"), Some("→")] {
            for way in [None, Some(Way::In), Some(Way::Out)] {
                let mut written = Blocks::default();
                let (at, bytes) = (0x0123_4567_89ab_cdef, &all[..length]);
                written.packet(&Packet { interface: 3, at, length: 70_000, bytes, way, comment });
                let read = blocks(written.bytes());
                let [(PACKET, body)] = read[..] else { panic!("{read:?}") };
                let head: Vec<u32> = (0..5).map(|index| word(body, 4 * index)).collect();
                assert_eq!(head, [3, 0x0123_4567, 0x89ab_cdef, length as u32, 70_000]);
                assert_eq!(&body[20..20 + length], bytes);
                let rest = &body[20 + length.next_multiple_of(4)..];
                let found = if rest.is_empty() { Vec::new() } else { options(rest) };
                let wanted = [
                    comment.map(|comment| (1, comment.as_bytes().to_vec())),
                    way.map(|way| (2, vec![way as u8, 0, 0, 0])),
                ];
                assert_eq!(found, wanted.into_iter().flatten().collect::<Vec<_>>());
            }
        }
    }
}

#[test]
fn a_file_begins_by_saying_its_order_of_bytes_its_interfaces_and_names() {
    let mut written = Blocks::default();
    written.section("emu 1", "Linux 6", "planned: nothing");
    written.interface(LinkType::Ethernet, "eth0", "n01 to n02", Some([2, 0, 0, 0, 0, 1]));
    written.interface(LinkType::UpperPdu, "emu", "what happened", None);
    let names = [("10.0.0.1".parse().unwrap(), "n01"), ("fd00::1".parse().unwrap(), "other")];
    written.names(names.into_iter());
    // The very bytes, as on any machine.
    assert_eq!(written.bytes()[..4], [0x0a, 0x0d, 0x0d, 0x0a]);
    assert_eq!(written.bytes()[8..12], [0x4d, 0x3c, 0x2b, 0x1a]);
    let read = blocks(written.bytes());
    assert_eq!(read.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), [SECTION, 1, 1, 4]);
    assert_eq!(read[0].1[4..16], [1, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255]);
    let said: Vec<(u16, Vec<u8>)> =
        vec![(1, b"planned: nothing".to_vec()), (3, b"Linux 6".to_vec()), (4, b"emu 1".to_vec())];
    assert_eq!(options(&read[0].1[16..]), said);
    assert_eq!(read[1].1[..8], [1, 0, 0, 0, 0, 0, 0, 0]);
    let said: Vec<(u16, Vec<u8>)> =
        vec![(2, b"eth0".to_vec()), (3, b"n01 to n02".to_vec()), (6, vec![2, 0, 0, 0, 0, 1]), (9, vec![9])];
    assert_eq!(options(&read[1].1[8..]), said);
    assert_eq!(read[2].1[..2], [252, 0]);
    let names = options(read[3].1);
    assert_eq!(names[0], (1, b"\x0a\0\0\x01n01\0".to_vec()));
    assert_eq!((names[1].0, names[1].1.len()), (2, 16 + 6));
}

#[test]
fn statistics_tell_what_is_missing_and_a_long_text_is_cut_between_letters() {
    let mut written = Blocks::default();
    let long = "→".repeat(20_000);
    let (from, to) = (1 << 32, (1 << 32) + 5);
    written.statistics(&Statistics { interface: 1, from, to, written: 7, dropped: Some(2), comment: Some(&long) });
    let read = blocks(written.bytes());
    let [(STATISTICS, body)] = read[..] else { panic!("{}", read.len()) };
    assert_eq!((word(body, 0), word(body, 4), word(body, 8)), (1, 1, 5));
    let found = options(&body[12..]);
    assert!(found[0].1.len() <= LONGEST && str::from_utf8(&found[0].1).unwrap().chars().all(|c| c == '→'));
    let rest: Vec<(u16, Vec<u8>)> = vec![
        (2, vec![1, 0, 0, 0, 0, 0, 0, 0]),
        (3, vec![1, 0, 0, 0, 5, 0, 0, 0]),
        (7, vec![2, 0, 0, 0, 0, 0, 0, 0]),
        (8, vec![7, 0, 0, 0, 0, 0, 0, 0]),
    ];
    assert_eq!(found[1..], rest);
}
