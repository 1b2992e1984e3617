use proptest::prelude::*;

use super::*;

/// A TCP super-frame as the kernel would hand it out, and its offload header.
fn super_frame(ipv6: bool, payload: usize, segment: u16, options: usize, flags: u8) -> (Vec<u8>, Offload) {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    let tcp = 20 + options;
    if ipv6 {
        frame.extend(IPV6);
        frame.extend([0x60, 0, 0, 0]);
        frame.extend(((tcp + payload) as u16).to_be_bytes());
        frame.extend([6, 64]);
        frame.extend((0..32).map(|n| n as u8));
    } else {
        frame.extend(IPV4);
        frame.extend([0x45, 0]);
        frame.extend(((20 + tcp + payload) as u16).to_be_bytes());
        frame.extend([0xff, 0xff, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        let header = !fold(sum(&frame[ETHERNET..]));
        put(&mut frame, ETHERNET + 10, header);
    }
    let transport = frame.len();
    frame.extend([
        0x1f,
        0x90,
        0x50,
        0x00,
        0xff,
        0xff,
        0xff,
        0x00,
        0,
        0,
        0,
        9,
        (tcp as u8 / 4) << 4,
        flags,
        1,
        0,
        0,
        0,
        0,
        0,
    ]);
    frame.extend(std::iter::repeat_n(1, options));
    frame.extend((0..payload).map(|n| (n % 251) as u8));
    let pseudo = fold(pseudo_header(&frame, transport));
    put(&mut frame, transport + 16, pseudo);
    let gso = if ipv6 { GSO_TCP6 } else { GSO_TCP4 };
    (frame, Offload { flags: NEEDS_CHECKSUM, gso, gso_size: segment, csum_start: transport as u16, csum_offset: 16 })
}

fn pseudo_header(frame: &[u8], transport: usize) -> u64 {
    let addresses = if frame[12..14] == IPV4 { 26..34 } else { 22..54 };
    sum(&frame[addresses]) + 6 + (frame.len() - transport) as u64
}

/// The packets as the receiver sees them, checksums filled in by the kernel.
fn packets(frame: &[u8], offload: Offload, together: u16) -> Vec<Vec<u8>> {
    let layout = Layout::read(frame, offload);
    let mut packets = Vec::new();
    let mut first = 0;
    while first < layout.packets {
        let count = together.min(layout.packets - first);
        let mut head = [0; OFFLOAD_BYTES + MOST_HEADER];
        let length = layout.write_head(frame, first, count, &mut head);
        let left = Offload::read(head[..OFFLOAD_BYTES].try_into().expect("ten bytes"));
        let mut packet = head[OFFLOAD_BYTES..length].to_vec();
        packet.extend(&frame[layout.payload(first, count)]);
        assert_eq!(
            packet.len() as u32 + u32::from(count - 1) * u32::from(layout.header),
            layout.wire_bytes(first, count)
        );
        if count > 1 {
            // A smaller super-frame: taken apart further, it must give the same packets.
            packets.extend(self::packets(&packet, left, 1));
        } else {
            assert_eq!((left.gso, left.gso_size), (0, 0));
            Layout::finish_checksum(&mut packet, left);
            packets.push(packet);
        }
        first += count;
    }
    packets
}

proptest! {
    #[test]
    fn a_super_frame_becomes_the_packets_that_it_stands_for(
        ipv6: bool,
        payload in 1usize..60_000,
        segment in 500u16..1460,
        options in (0usize..10).prop_map(|n| n * 4),
        together in 1u16..20,
    ) {
        let (fin, psh, ack, cwr) = (0x01, 0x08, 0x10, 0x80);
        let (frame, offload) = super_frame(ipv6, payload, segment, options, fin | psh | ack | cwr);
        let packets = packets(&frame, offload, together);
        prop_assert_eq!(packets.len(), payload.div_ceil(usize::from(segment)));
        let transport = usize::from(offload.csum_start);
        let header = transport + 20 + options;
        let mut content: Vec<u8> = Vec::new();
        for (n, packet) in packets.iter().enumerate() {
            if !ipv6 {
                prop_assert_eq!(usize::from(get(packet, ETHERNET + 2)), packet.len() - ETHERNET);
                prop_assert_eq!(get(packet, ETHERNET + 4), 0xffffu16.wrapping_add(n as u16));
                prop_assert_eq!(fold(sum(&packet[ETHERNET..transport])), 0xffff);
            } else {
                prop_assert_eq!(usize::from(get(packet, ETHERNET + 4)), packet.len() - ETHERNET - 40);
            }
            let sequence = u32::from_be_bytes(packet[transport + 4..transport + 8].try_into().expect("four bytes"));
            prop_assert_eq!(sequence, 0xffff_ff00u32.wrapping_add(content.len() as u32));
            let (is_first, is_last) = (n == 0, n + 1 == packets.len());
            let flags = ack | if is_first { cwr } else { 0 } | if is_last { fin | psh } else { 0 };
            prop_assert_eq!(packet[transport + 13], flags);
            prop_assert_eq!(fold(pseudo_header(packet, transport) + sum(&packet[transport..])), 0xffff);
            content.extend(&packet[header..]);
        }
        prop_assert_eq!(&content[..], &frame[header..]);
    }

    #[test]
    fn no_frame_however_broken_is_taken_apart_wrongly(bytes in prop::collection::vec(any::<u8>(), 0..400), head: [u8; 10]) {
        let layout = Layout::read(&bytes, Offload::read(&head));
        let covered: usize = (0..layout.packets).map(|n| layout.payload(n, 1).len()).sum();
        prop_assert_eq!(covered + usize::from(layout.header), bytes.len());
        let mut out = [0; OFFLOAD_BYTES + MOST_HEADER];
        for n in 0..layout.packets {
            layout.write_head(&bytes, n, 1, &mut out);
        }
        let mut copy = bytes.clone();
        Layout::finish_checksum(&mut copy, Offload::read(&head));
    }
}

/// Bytes for the kernel and headers, and how much payload follows, of each of these parts of a super-frame.
fn heads(frame: &[u8], offload: Offload, parts: &[u16]) -> Vec<(Vec<u8>, usize)> {
    let layout = Layout::read(frame, offload);
    let (mut first, mut heads) = (0, Vec::new());
    for part in parts.iter().cycle() {
        let count = (*part).min(layout.packets - first);
        if count == 0 {
            break;
        }
        let mut head = [0; OFFLOAD_BYTES + MOST_HEADER];
        let length = layout.write_head(frame, first, count, &mut head);
        heads.push((head[..length].to_vec(), layout.payload(first, count).len()));
        first += count;
    }
    heads
}

/// The head of what these become, and how many were taken.
fn merged(heads: &[(Vec<u8>, usize)]) -> (Vec<u8>, usize) {
    let (mut first, payload) = heads[0].clone();
    let mut run = merge::Run::begin(&first, payload);
    let taken = heads[1..].iter().take_while(|(head, payload)| run.takes(&first, head, *payload)).count();
    run.finish(&mut first);
    (first, 1 + taken)
}

proptest! {
    #[test]
    fn what_was_taken_apart_is_merged_into_what_it_was(
        ipv6: bool,
        pushes: bool,
        payload in 1usize..60_000,
        segment in 500u16..1460,
        options in (0usize..10).prop_map(|n| n * 4),
        parts in prop::collection::vec(1u16..5, 1..5),
    ) {
        let (frame, offload) = super_frame(ipv6, payload, segment, options, 0x10 | if pushes { PSH } else { 0 });
        let heads = heads(&frame, offload, &parts);
        let (head, taken) = merged(&heads);
        prop_assert_eq!(taken, heads.len());
        let header = usize::from(offload.csum_start) + 20 + options;
        prop_assert_eq!(&head[OFFLOAD_BYTES..], &frame[..header]);
        let left = Offload::read(head[..OFFLOAD_BYTES].try_into().expect("ten bytes"));
        // A single packet stays one.
        prop_assert_eq!(left, if heads.len() > 1 || Layout::read(&frame, offload).packets > 1 { offload } else {
            Offload { gso: GSO_NONE, gso_size: 0, ..offload }
        });
    }

    #[test]
    fn packets_that_differ_in_anything_else_are_never_merged(
        ipv6: bool,
        options in (0usize..10).prop_map(|n| n * 4),
        at in 0usize..100,
        flip in 1u8..=255,
    ) {
        let (frame, offload) = super_frame(ipv6, 3000, 1000, options, 0x10);
        let mut heads = heads(&frame, offload, &[1]);
        let transport = usize::from(offload.csum_start);
        let at = at % (heads[1].0.len() - OFFLOAD_BYTES);
        // What depends on the rest of the packet, and what says only that the receiver is to hand on what it has.
        let lengths = if ipv6 { vec![18, 19] } else { vec![16, 17, 24, 25] };
        let sums = [transport + 16, transport + 17];
        let pushes = at == transport + 13 && flip == PSH;
        prop_assume!(!lengths.contains(&at) && !sums.contains(&at) && !pushes);
        heads[1].0[OFFLOAD_BYTES + at] ^= flip;
        prop_assert_eq!(merged(&heads).1, 1, "byte {}", at);
    }

    #[test]
    fn no_head_however_broken_stops_a_run(one in prop::collection::vec(any::<u8>(), 0..200), other in prop::collection::vec(any::<u8>(), 0..200)) {
        let (mut first, payload) = (one, other.len());
        let mut run = merge::Run::begin(&first, payload);
        run.takes(&first, &other, payload);
        run.finish(&mut first);
    }
}
