//! Models: a file that a user names, and a segment that came over the network.
//!
//! What the inference engine makes of a graph that could be read is not ours; its panics are caught and told as errors.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use planner::onnx::{Executable, Model, write_segment};
use planner::profile::{ModelProfile, Segment, measure};
use planner::zoo;
use tempfile::TempDir;

use super::scratch;
use crate::{Limit, Target};

pub struct Models {
    folder: TempDir,
    profile: OnceLock<ModelProfile>,
}

/// The smallest model of the zoo.
const MODEL: &str = "tiny-cnn";

impl Models {
    pub fn new() -> Models {
        Models { folder: scratch(), profile: OnceLock::new() }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("model.onnx")
    }

    /// Made once: it takes a moment.
    fn profile(&self) -> &ModelProfile {
        self.profile.get_or_init(|| {
            let path = self.folder.path().join("whole.onnx");
            zoo::write(MODEL, 1, &path).expect("a model of the zoo can be written");
            measure(&path, MODEL, None, &[]).expect("a model of the zoo can be measured")
        })
    }
}

impl Target for Models {
    fn name(&self) -> &'static str {
        "onnx"
    }

    /// A model is in memory as bytes, as messages and as the engine's graph. What is small is looked at a few times.
    fn limit(&self) -> Limit {
        Limit { times: 64, bytes: 64 << 20 }
    }

    fn longest(&self) -> usize {
        1 << 20
    }

    fn seeds(&self) -> Vec<Vec<u8>> {
        let profile = self.profile();
        let whole = self.folder.path().join("whole.onnx");
        let segment = |from, to| {
            let mut bytes = Vec::new();
            write_segment(&whole, profile, Segment { from, to }, &mut bytes).ok().map(|()| bytes)
        };
        let last = profile.cuts.len() - 1;
        let mut seeds: Vec<Vec<u8>> = (0..last).filter_map(|from| segment(from, from + 1)).collect();
        seeds.extend(segment(0, last));
        // Small ones lead to more in the same time.
        seeds.sort_by_key(Vec::len);
        seeds
    }

    fn words(&self) -> &'static [&'static str] {
        &[
            "Conv",
            "Relu",
            "Gemm",
            "Loop",
            "If",
            "Constant",
            "ConstantOfShape",
            "Resize",
            "Reshape",
            "",
            "input_1",
            "\x08\x07",
            "\u{1}",
        ]
    }

    fn catches_panics(&self) -> bool {
        true
    }

    fn read(&self, input: &[u8]) -> Result<bool, String> {
        let path = self.file();
        fs::write(&path, input).map_err(|error| error.to_string())?;
        let profile = self.profile();
        let last = profile.cuts.len() - 1;
        for shape in [None, Some(&[1, 3, 8, 8][..])] {
            if let Err(error) = Model::open(&path, shape) {
                said(&error.to_string())?;
            }
        }
        for segment in [Segment { from: 0, to: 1 }, Segment { from: last - 1, to: last }, Segment { from: 0, to: last }]
        {
            let mut out = Vec::new();
            if let Err(error) = write_segment(&path, profile, segment, &mut out) {
                said(&error.to_string())?;
            }
        }
        match Executable::from_bytes(input.to_vec(), profile, Segment { from: 0, to: 1 }) {
            Ok(_) => Ok(true),
            Err(error) => said(&error.to_string()).map(|()| false),
        }
    }
}

fn said(error: &str) -> Result<(), String> {
    if error.trim().is_empty() { Err("is refused without a word".to_owned()) } else { Ok(()) }
}
