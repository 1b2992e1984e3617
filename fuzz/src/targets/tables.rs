//! Files that scenarios name: recorded rates, and a cluster's rates as a matrix.

use std::fs;

use emulator::scenario::{Overrides, read};
use tempfile::TempDir;

use super::scratch;
use crate::{Limit, Target};

pub struct Table {
    name: &'static str,
    scenario: &'static str,
    seeds: &'static [&'static str],
    words: &'static [&'static str],
    folder: TempDir,
}

const TRACE: &str = r#"
name = "fuzz"
duration = "9 s"
[model]
name = "tiny-cnn"
[topology]
kind = "mesh"
nodes = 3
[[fault]]
kind = "trace"
target = ["n01", "n02"]
at = "1 s"
for = "100 h"
file = "table"
"#;

const MATRIX: &str = r#"
name = "fuzz"
duration = "9 s"
[model]
name = "tiny-cnn"
[topology]
kind = "matrix"
path = "table"
"#;

impl Table {
    fn new(
        name: &'static str,
        scenario: &'static str,
        seeds: &'static [&'static str],
        words: &'static [&'static str],
    ) -> Table {
        Table { name, scenario, seeds, words, folder: scratch() }
    }

    pub fn traces() -> Table {
        let seeds: &[&str] = &[
            "1\n2\n2\n5\n120\n",
            "0\n0\n86400000\n",
            "# a bus\nseconds,rate\n10,5 Mbit/s\n10.5,\"1 Mbit/s\"\n12,0\n",
            "0,1 bit/s\n86400,9 Gbit/s\n",
        ];
        Table::new("trace", TRACE, seeds, &["86400000", "0,0\n", "\n\n", ",", "Mbit/s", "#", "\"", "1e-9", "é"])
    }

    pub fn matrices() -> Table {
        let seeds: &[&str] = &[
            "0,10,20\n10,0,30\n20,30,0\n",
            "0 1.5 2\n1 0 inf\n2 9 0\n",
            "# Mbit/s\n-,1,1,1\n1,-,1,1\n1,1,-,1\n1,1,1,-\n",
        ];
        Table::new(
            "matrix",
            MATRIX,
            seeds,
            &["inf", "nan", "-", ",", ";", "\t", "1e300", "1e-300", "#", "é", "unlimited"],
        )
    }
}

impl Target for Table {
    fn name(&self) -> &'static str {
        self.name
    }

    /// A day of milliseconds has 864,000 bins; a thousand nodes have a million rates, and as many cells may be wrong.
    fn limit(&self) -> Limit {
        Limit { times: 2048, bytes: 256 << 20 }
    }

    fn seeds(&self) -> Vec<Vec<u8>> {
        self.seeds.iter().map(|seed| seed.as_bytes().to_vec()).collect()
    }

    fn words(&self) -> &'static [&'static str] {
        self.words
    }

    fn read(&self, input: &[u8]) -> Result<bool, String> {
        fs::write(self.folder.path().join("table"), input).map_err(|error| error.to_string())?;
        match read(self.scenario, "fuzz.toml", self.folder.path(), &Overrides::default()) {
            Ok(_) => Ok(true),
            Err(errors) => {
                let told = errors.render(false, 80);
                if told.trim().is_empty() { Err("is refused without a word".to_owned()) } else { Ok(false) }
            }
        }
    }
}
