//! Whether somebody else's inference engine reads the zoo's models, and computes what ours computes.
//!
//! `EMU_PYTHON` names a Python interpreter that has `numpy`, `onnx` and `onnxruntime`.

use std::path::Path;
use std::process::Command;

use planner::onnx::{Activation, Model};
use planner::profile::input;
use planner::zoo;

/// Models that take long, tried only with `EMU_FULL=1`.
const LARGE: [&str; 2] = ["vgg16", "vgg19"];
/// Most that an output may differ.
const TOLERANCE: f32 = 1e-4;

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().expect("four bytes"))).collect()
}

/// What ONNX Runtime makes of `image`: shape and values.
fn onnx_runtime(python: &Path, model: &Path, image: &Activation) -> (Vec<usize>, Vec<f32>) {
    let (given, result) = (model.with_extension("in"), model.with_extension("out"));
    std::fs::write(&given, &image.data).expect("a file");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/onnx_runtime.py");
    let output = Command::new(python).arg(script).args([model, &given, &result]).output().expect("EMU_PYTHON starts");
    assert!(output.status.success(), "{}: {}", model.display(), String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).expect("text");
    let shape = said.split_whitespace().map(|dim| dim.parse().expect("a number")).collect();
    (shape, floats(&std::fs::read(result).expect("an output")))
}

#[test]
fn onnx_runtime_reads_the_zoo_and_agrees() {
    let Some(python) = std::env::var_os("EMU_PYTHON") else {
        println!("skipped: EMU_PYTHON names no Python interpreter with onnxruntime");
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let full = std::env::var_os("EMU_FULL").is_some_and(|full| full == "1");
    for name in zoo::NAMES {
        if LARGE.contains(&name) && !full {
            println!("skipped: {name} is large; EMU_FULL=1 tries it, too");
            continue;
        }
        let path = folder.path().join(format!("{name}.onnx"));
        zoo::write(name, 1, &path).expect("a model");
        let model = Model::open(&path, None).expect("a model");
        let mut ours = model.executable().expect("a model that runs");
        for index in 0..2 {
            let image = input(model.shape(), model.element(), 1, index);
            let output = ours.run(std::slice::from_ref(&image)).expect("an output").remove(0);
            let (theirs_shape, theirs) = onnx_runtime(Path::new(&python), &path, &image);
            assert_eq!(theirs_shape, output.shape, "{name}");
            let own = floats(&output.data);
            assert_eq!(theirs.len(), own.len(), "{name}");
            let difference = own.iter().zip(&theirs).map(|(own, other)| (own - other).abs()).fold(0.0, f32::max);
            let largest = own.iter().fold(0.0, |largest: f32, value| largest.max(value.abs()));
            println!("{name} input {index}: differs by {difference:e} at most, values up to {largest:.3}");
            // `NaN` is not less than anything.
            assert!(difference <= TOLERANCE, "{name}: ONNX Runtime's output differs by {difference:e}");
            assert!((1e-3..0.999).contains(&largest), "{name}: from such an output, that it agrees means nothing");
        }
        std::fs::remove_file(&path).expect("the model goes again");
    }
}
