//! The folder of a run, from which `emu report` computes everything anew.
//!
//! An input is the resolved scenario in its first line, and the event log in the others.

use std::fs;
use std::path::Path;

use emulator::record::event::Entry;
use emulator::record::outputs::{self, EVENTS, RESOLVED};
use emulator::record::reopen::{Reopened, reopen};
use emulator::record::summary::Summary;
use emulator::report::evidence::Evidence;
use emulator::report::files as page;
use emulator::report::summarise;
use emulator::report::terminal::{Looks, closing};
use tempfile::TempDir;

use super::{files, scratch};
use crate::lots::Lots;
use crate::{Limit, Target};

pub struct Reports {
    folder: TempDir,
}

impl Reports {
    pub fn new() -> Reports {
        Reports { folder: scratch() }
    }
}

/// Written as a run writes it.
const ENV: &str = r#"{"started":"2026-11-26T06:35:22Z","version":"0.1.0","command":["emu"],"seed":5,"kernel":"6.18","architecture":"x86_64","cpu":"a","cores":2,"memory":"1 GiB","carrier":"software","limits":[]}"#;

impl Target for Reports {
    fn name(&self) -> &'static str {
        "report"
    }

    /// Series and histograms have an entry for each second of the load, of which there may be many in few bytes.
    fn limit(&self) -> Limit {
        Limit { times: 64, bytes: 256 << 20 }
    }

    fn longest(&self) -> usize {
        96 << 10
    }

    fn seeds(&self) -> Vec<Vec<u8>> {
        files("fuzz/seeds", ".report")
    }

    fn words(&self) -> &'static [&'static str] {
        &[
            "18446744073709551615",
            "null",
            "0.0",
            "-1",
            "1e308",
            "[]",
            "{}",
            "\"\"",
            "\"n99\"",
            "4294967295",
            "\n",
            "\"on\":\"n01\",",
        ]
    }

    /// One line that is no event makes the whole log unreadable: those are left out.
    fn mend(&self, input: &mut Vec<u8>, _lots: &mut Lots) {
        let mut lines = input.split_inclusive(|byte| *byte == b'\n');
        let scenario = lines.next().unwrap_or_default();
        let events = lines.filter(|line| serde_json::from_slice::<Entry>(line).is_ok());
        *input = [scenario].into_iter().chain(events).collect::<Vec<_>>().concat();
    }

    fn read(&self, input: &[u8]) -> Result<bool, String> {
        let folder = self.folder.path();
        let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
        let events = input.get(end + 1..).unwrap_or_default();
        let put = |file: &str, bytes: &[u8]| fs::write(folder.join(file), bytes).map_err(|error| error.to_string());
        put(RESOLVED, &input[..end])?;
        put(EVENTS, events)?;
        put(outputs::ENV, ENV.as_bytes())?;
        let Reopened { scenario, tally, env } = match reopen(folder) {
            Ok(reopened) => reopened,
            Err(_) => return Ok(false),
        };
        let summary = summarise(&scenario, &tally);
        let env = env.ok_or("the surroundings are not read")?;
        // What can't be written is told, and no panic.
        let _ = outputs::write(folder, &scenario, &tally, &summary, outputs::load_began(&tally, &env));
        let _ = page::write(folder, Evidence { scenario: &scenario, tally: &tally, summary: &summary, env: &env });
        let looks = Looks { colour: true, unicode: true, width: Some(80) };
        drop(closing(&summary, Path::new("results"), looks));
        let json = serde_json::to_string(&summary).map_err(|error| error.to_string())?;
        serde_json::from_str::<Summary>(&json)
            .map(|_| true)
            .map_err(|error| format!("the summary can't be read back: {error}"))
    }
}
