//! Scenarios: any text as a file, lines of it that begin with `#set ` as `--set` on the command line.

use std::path::Path;

use emulator::cli::check::summary;
use emulator::scenario::{Overrides, Scenario, read};

use super::files;
use crate::{Limit, Target};

pub struct Scenarios;

/// Words that stand in scenarios.
const WORDS: &[&str] = &[
    "[[fault]]\nkind = \"flap\"\ntarget = [\"n02\", \"n03\"]\nat = \"1 s\"\nfor = \"9 s\"\n",
    "[chaos]\n",
    "rate = \"1000000 /s\"\n",
    "duration = \"100 days\"\n",
    "\"0.0000001 ms\"",
    "\"1 ms\"",
    "\"100 h\"",
    "nodes = 1000\n",
    "nodes = 3\n",
    "kind = \"tree\"\n",
    "kind = \"classes\"\n",
    "kind = \"wifi\"\n",
    "kind = \"graph\"\n",
    "kind = \"ring\"\n",
    "kind = \"star\"\n",
    "fanout = 1\n",
    "\"100 %\"",
    "\"1e300 Gbit/s\"",
    "\"18446744073709551615 B\"",
    "#set topology.nodes=5\n",
    "#set fault.0.at=3 s\n",
    "#set a.b.c.d=1\n",
    "#set fault.99999999999999999999=1\n",
    "random",
    "spare",
    "stage:0",
    "stage:65535",
    "behind:0",
    "replicas = \"auto\"\n",
    "é",
    "\"\"\"",
    "'''",
    "[[[[",
    "{}",
    "inf",
    "nan",
    "1979-05-27T07:32:00Z",
    "0x7fffffffffffffff",
];

impl Target for Scenarios {
    fn name(&self) -> &'static str {
        "scenario"
    }

    /// A thousand nodes in a mesh are a million directions, whatever little text asks for them.
    fn limit(&self) -> Limit {
        Limit { times: 1024, bytes: 1 << 30 }
    }

    fn seeds(&self) -> Vec<Vec<u8>> {
        let folders = ["scenarios", "emulator/tests/scenarios", "emulator/tests/mistakes"];
        let mut seeds: Vec<Vec<u8>> = folders.iter().flat_map(|folder| files(folder, ".toml")).collect();
        // Fewer nodes: one with a thousand takes longer than all others together.
        let large = [&b"nodes = 1000"[..], b"nodes = 500"];
        seeds.retain(|seed| !large.iter().any(|large| seed.windows(large.len()).any(|piece| piece == *large)));
        seeds
    }

    fn words(&self) -> &'static [&'static str] {
        WORDS
    }

    fn read(&self, input: &[u8]) -> Result<bool, String> {
        let text = String::from_utf8_lossy(input);
        let set = text.lines().filter_map(|line| line.strip_prefix("#set ").map(str::to_owned)).collect();
        // Nothing that it could name is in that folder.
        match read(&text, "fuzz.toml", Path::new("/proc/self/fdinfo"), &Overrides { set, seed: None }) {
            Ok(loaded) => {
                let scenario = loaded.scenario;
                drop(summary(&scenario));
                let written = serde_json::to_string(&scenario).map_err(|error| format!("can't be written: {error}"))?;
                let again: Scenario =
                    serde_json::from_str(&written).map_err(|error| format!("can't be read back: {error}"))?;
                let rewritten = serde_json::to_string(&again).map_err(|error| error.to_string())?;
                if rewritten == written { Ok(true) } else { Err("is read back as another".to_owned()) }
            }
            Err(errors) => {
                let told = errors.render(false, 80);
                if told.trim().is_empty() { Err("is refused without a word".to_owned()) } else { Ok(false) }
            }
        }
    }
}
