//! The datagrams by which nodes find out what a path carries. They have no checksum and no secret: whatever comes is read.

use node::probe::datagram::Datagram;

use crate::{Limit, Target};

pub struct Probe;

impl Target for Probe {
    fn name(&self) -> &'static str {
        "probe"
    }

    fn limit(&self) -> Limit {
        Limit { times: 4, bytes: 4 << 10 }
    }

    fn longest(&self) -> usize {
        2048
    }

    fn seeds(&self) -> Vec<Vec<u8>> {
        let told = |bits_per_second| Datagram::Told { train: 1 << 40, arrived: 64, bits_per_second };
        let all = [
            Datagram::Ping(1),
            Datagram::Pong(u64::MAX),
            Datagram::Ask { train: 300 },
            told(None),
            told(Some(50_000_000)),
        ];
        let mut seeds: Vec<Vec<u8>> = all.into_iter().map(Datagram::to_bytes).collect();
        seeds.push(Datagram::car(7, [10, 0, 0, 1].into()));
        seeds
    }

    fn read(&self, input: &[u8]) -> Result<bool, String> {
        let Some(datagram) = Datagram::from_bytes(input) else { return Ok(false) };
        match Datagram::from_bytes(&datagram.to_bytes()) {
            Some(again) if again == datagram => Ok(true),
            again => Err(format!("{datagram:?} reads back as {again:?}")),
        }
    }
}
