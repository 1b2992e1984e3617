//! The latency log of a run, from which `emu compare` reads.
//!
//! An input is one histogram in its written form (V2), which the log holds deflated and as base64.

use std::fs;
use std::io::Write;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use emulator::compare::runs::run;
use emulator::record::outputs::{LATENCY, SUMMARY};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer, V2Serializer};
use tempfile::TempDir;

use super::scratch;
use crate::lots::Lots;
use crate::{Limit, Target};

/// Bytes in front of the buckets.
const HEAD: usize = 40;

pub struct Latency {
    folder: TempDir,
}

impl Latency {
    pub fn new() -> Latency {
        let folder = scratch();
        fs::write(folder.path().join(SUMMARY), include_str!("../../seeds/summary.json")).expect("a summary");
        Latency { folder }
    }
}

impl Target for Latency {
    fn name(&self) -> &'static str {
        "latency"
    }

    /// A histogram has as many buckets as its largest value and three digits ask for, and is added to another.
    fn limit(&self) -> Limit {
        Limit { times: 64, bytes: 8 << 20 }
    }

    fn longest(&self) -> usize {
        4 << 10
    }

    fn seeds(&self) -> Vec<Vec<u8>> {
        let written = |values: &[u64], digits| {
            let mut histogram = Histogram::<u64>::new(digits).ok()?;
            values.iter().for_each(|value| histogram.saturating_record(*value));
            let mut bytes = Vec::new();
            V2Serializer::new().serialize(&histogram, &mut bytes).ok()?;
            Some(bytes)
        };
        let values = [&[][..], &[1_000_000], &[5_000, 700_000, 700_100, 90_000_000_000]];
        values.iter().flat_map(|values| [2, 3].map(|digits| written(values, digits))).flatten().collect()
    }

    /// The length of what follows the head.
    fn mend(&self, input: &mut Vec<u8>, _lots: &mut Lots) {
        if input.len() >= HEAD {
            let length = (input.len() - HEAD) as u32;
            input[4..8].copy_from_slice(&length.to_be_bytes());
        }
    }

    fn read(&self, input: &[u8]) -> Result<bool, String> {
        let mut deflated = ZlibEncoder::new(Vec::new(), Compression::fast());
        let deflated = deflated.write_all(input).and_then(|()| deflated.finish()).map_err(|error| error.to_string())?;
        let head = [0x1c84_9314, deflated.len() as u32].map(u32::to_be_bytes);
        let histogram = BASE64_STANDARD.encode([head.as_flattened(), &deflated].concat());
        let log = format!("#[Histogram log format version 1.3]\n0.000,1.000,1.000,{histogram}\n");
        fs::write(self.folder.path().join(LATENCY), log).map_err(|error| error.to_string())?;
        match run(self.folder.path()) {
            Ok(run) => {
                // What is compared.
                let _ = (run.latency.value_at_quantile(0.5), run.latency.value_at_quantile(0.99), run.latency.max());
                Ok(true)
            }
            Err(_) => Ok(false),
        }
    }
}
