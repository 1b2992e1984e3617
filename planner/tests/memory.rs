//! What a process holding a segment really takes, against what the profile says it takes.
//!
//! Each segment is loaded and run by a process of its own: this program, started again as its test `holder`.

use std::path::{Path, PathBuf};
use std::process::Command;

use planner::codec::Codec;
use planner::onnx::{Activation, Executable};
use planner::profile::{ModelProfile, Segment, input, measure};
use planner::zoo;

const HOLD: &str = "HOLD";

/// Not a test of its own: loads and runs what the environment says, and prints the most memory it had.
#[test]
fn holder() {
    let Ok(words) = std::env::var(HOLD) else { return };
    let (model, rest) = words.split_once('\n').expect("a model and the rest");
    let (profile, rest) = rest.split_once('\n').expect("a profile and the rest");
    let (from, to) = rest.split_once('\n').expect("two cuts");
    let text = std::fs::read(profile).expect("a profile");
    let profile: ModelProfile = serde_json::from_slice(&text).expect("a profile");
    let segment = Segment { from: from.parse().expect("a cut"), to: to.parse().expect("a cut") };
    let mut executable = Executable::load(Path::new(model), &profile, segment).expect("a segment");
    let kinds = executable.inputs().to_vec();
    for index in 0..3 {
        let inputs: Vec<Activation> = kinds.iter().map(|kind| input(&kind.shape, kind.element, 1, index)).collect();
        executable.run(&inputs).expect("an output");
    }
    let status = std::fs::read_to_string("/proc/self/status").expect("a status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    println!("peak={}", line.trim().trim_end_matches("kB").trim());
}

fn peak_mib(model: &Path, profile: &Path, segment: Segment) -> f64 {
    let words = format!("{}\n{}\n{}\n{}", model.display(), profile.display(), segment.from, segment.to);
    let this = std::env::current_exe().expect("this program");
    let output =
        Command::new(this).args(["--exact", "holder", "--nocapture"]).env(HOLD, words).output().expect("a holder");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let peak = said.lines().find_map(|line| line.split_once("peak=")).map(|(_, kib)| kib.trim().to_owned());
    let peak = peak.unwrap_or_else(|| panic!("{said}{}", String::from_utf8_lossy(&output.stderr)));
    peak.parse::<f64>().expect("a number") / 1024.0
}

#[test]
fn a_segment_needs_about_the_memory_that_the_profile_predicts() {
    let folder = tempfile::tempdir().expect("a folder");
    let raw = |cut: &[Activation]| cut.iter().map(|tensor| tensor.data.len()).sum();
    let full = std::env::var_os("EMU_FULL").is_some_and(|full| full == "1");
    if !full {
        println!("skipped: the rest of the zoo takes minutes; EMU_FULL=1 tries it, too");
    }
    let names = if full { zoo::NAMES.to_vec() } else { vec!["mobilenet-v2", "resnet50"] };
    for name in names {
        let model = folder.path().join(format!("{name}.onnx"));
        zoo::write(name, 1, &model).expect("a model");
        let profile = measure(&model, name, None, &[(Codec::Raw, &raw)]).expect("a profile");
        let stored: PathBuf = folder.path().join(format!("{name}.json"));
        std::fs::write(&stored, serde_json::to_vec(&profile).expect("JSON")).expect("a file");
        let pieces = profile.pieces.len();
        let thirds = [
            (0, pieces),
            (0, pieces / 3),
            (pieces / 3, 2 * pieces / 3),
            (2 * pieces / 3, pieces),
            (pieces - 1, pieces),
        ];
        for (from, to) in thirds {
            let segment = Segment { from, to };
            let (predicted, needed) = (profile.memory(segment).mib(), peak_mib(&model, &stored, segment));
            println!(
                "{name} {from:>2}..{to:<2} predicted {predicted:6.1} MiB, needed {needed:6.1} MiB, {:+.0} %",
                (predicted / needed - 1.0) * 100.0
            );
            assert!(needed <= predicted * 1.1, "{name} {from}..{to} needs more than predicted");
            assert!(needed >= predicted * 0.3, "{name} {from}..{to} needs far less than predicted");
        }
    }
}
