//! A user's own ONNX files, from wheels that carry such: inspected, and run on an emulated cluster.
//!
//! `EMU_MODELS` names a folder into which the wheels `rapidocr-onnxruntime` (PP-OCRv4: trained models whose input has
//! open dimensions) and `onnx` (well-known architectures of ten years, in old versions of the format) are unpacked.

mod story;

use std::path::{Path, PathBuf};

use serde_json::Value;
use story::{User, nothing_lost_twice_or_wrong};

const OCR: &str = "rapidocr_onnxruntime/models";
const LIGHT: &str = "onnx/backend/test/data/light";

/// A file of the wheels; `None`, said aloud, when they are not there.
fn wheel(folder: &str, file: &str) -> Option<PathBuf> {
    let Some(models) = std::env::var_os("EMU_MODELS") else {
        println!("skipped: EMU_MODELS names no folder with models");
        return None;
    };
    let path = Path::new(&models).join(folder).join(format!("{file}.onnx"));
    assert!(path.exists(), "EMU_MODELS is set, but there is no {}", path.display());
    Some(path)
}

/// The memory that the whole model takes in one process, in MiB, as `emu model inspect` says it.
fn whole_mib(user: &User, model: &str, shape: &[usize]) -> f64 {
    let shape = shape.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
    let mut arguments = vec!["model", "inspect", model];
    if !shape.is_empty() {
        arguments.extend(["--shape", &shape]);
    }
    let said = user.run(&arguments).expect(0).stdout;
    let (before, _) = said.split_once(" MiB in one process").unwrap_or_else(|| panic!("no memory in:\n{said}"));
    before.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no memory in:\n{said}"))
}

/// What is run: on a mesh, for a few seconds.
struct Spread<'a> {
    model: &'a Path,
    /// Shape of the input; empty if the file says it.
    shape: &'a [usize],
    nodes: usize,
    /// Memory of a worker, as a part of what the whole model takes in one process.
    memory: f64,
    slowdown: f64,
    faults: &'a str,
}

impl Spread<'_> {
    fn run(&self) -> Value {
        let Spread { model, shape, nodes, memory, slowdown, faults } = self;
        let user = User::new();
        std::fs::copy(model, user.path().join("own.onnx")).expect("a copy");
        let memory = (whole_mib(&user, "own.onnx", shape) * memory).floor();
        let shape = if shape.is_empty() { String::new() } else { format!("shape = {shape:?}\n") };
        let scenario = format!(
            "name = \"own\"\nduration = \"4 s\"\nwarmup = \"1 s\"\n\n\
             [model]\npath = \"own.onnx\"\n{shape}\n\
             [topology]\nkind = \"mesh\"\nnodes = {nodes}\nrate = \"1 Gbit/s\"\ndelay = \"1 ms\"\n\n\
             [node]\nmemory = \"256 MiB\"\n\n\
             [node.worker]\nmemory = \"{memory} MiB\"\nslowdown = {slowdown}\n\n\
             [plan]\nheartbeat = \"100 ms\"\n\n{faults}"
        );
        user.write("own.toml", &scenario);
        let summary = user.run(&["run", "own.toml", "--json"]).expect(0).json();
        nothing_lost_twice_or_wrong(&summary);
        let stages = summary["plan"]["stages"].as_array().map_or(0, Vec::len);
        println!(
            "{}: {stages} stages in {memory} MiB each, {} of {} requests, {}/s",
            model.file_name().unwrap_or_default().display(),
            summary["requests"]["completed"],
            summary["requests"]["offered"],
            summary["throughput_per_s"],
        );
        assert!(stages >= 2, "{:#}", summary["plan"]);
        summary
    }
}

#[track_caller]
fn recovered(summary: &Value) {
    assert!(summary["faults"][0]["recovered_s"].is_number(), "{:#}", summary["faults"]);
}

const KILL: &str = "[[fault]]\nkind = \"kill\"\ntarget = \"stage:1\"\nat = \"1500 ms\"\nfor = \"1 s\"\n";

#[test]
fn text_recognition_with_an_open_width_survives_a_kill() {
    let Some(model) = wheel(OCR, "ch_PP-OCRv4_rec_infer") else { return };
    let shape = &[1, 3, 48, 320];
    recovered(&Spread { model: &model, shape, nodes: 5, memory: 0.93, slowdown: 1.0, faults: KILL }.run());
}

// All but a few of its weights lie in one piece, so it is time that makes it worth splitting.
#[test]
fn text_detection_on_slow_nodes_runs_in_several_stages() {
    let Some(model) = wheel(OCR, "ch_PP-OCRv4_det_infer") else { return };
    Spread { model: &model, shape: &[1, 3, 320, 320], nodes: 4, memory: 1.3, slowdown: 4.0, faults: "" }.run();
}

// It is hardly larger than the process that holds it.
#[test]
fn a_tiny_classifier_on_slow_nodes_runs_in_several_stages() {
    let Some(model) = wheel(OCR, "ch_ppocr_mobile_v2.0_cls_infer") else { return };
    Spread { model: &model, shape: &[1, 3, 48, 192], nodes: 4, memory: 1.3, slowdown: 8.0, faults: "" }.run();
}

#[test]
fn squeezenet_in_the_third_version_of_the_format_is_split_by_memory() {
    let Some(model) = wheel(LIGHT, "light_squeezenet") else { return };
    Spread { model: &model, shape: &[], nodes: 4, memory: 0.95, slowdown: 1.0, faults: "" }.run();
}

#[test]
fn shufflenet_split_by_memory_survives_a_kill() {
    let Some(model) = wheel(LIGHT, "light_shufflenet") else { return };
    recovered(&Spread { model: &model, shape: &[], nodes: 5, memory: 0.95, slowdown: 1.0, faults: KILL }.run());
}

#[test]
fn a_shape_left_open_is_asked_for_where_the_file_is_named() {
    let Some(model) = wheel(OCR, "ch_PP-OCRv4_rec_infer") else { return };
    let user = User::new();
    std::fs::copy(model, user.path().join("own.onnx")).expect("a copy");
    let scenario = "name = \"own\"\nduration = \"4 s\"\n[model]\npath = \"own.onnx\"\n\
                    [topology]\nkind = \"mesh\"\nnodes = 4\nrate = \"100 Mbit/s\"\n";
    user.write("own.toml", scenario);
    let told = user.run(&["check", "own.toml"]).expect(2).stderr;
    assert!(told.contains("shape = [1, 3, ?, ?]"), "{told}");
    let told = user.run(&["check", "own.toml", "--set", "model.shape=[1, 1, 48, 320]"]).expect(2).stderr;
    assert!(told.contains("does not fit"), "{told}");
    user.run(&["check", "own.toml", "--set", "model.shape=[1, 3, 48, 320]"]).expect(0);
}

#[test]
fn the_zoo_is_listed_with_what_each_model_costs() {
    let told = User::new().run(&["model", "list"]).expect(0).stdout;
    for (name, parameters) in [("resnet50", "25,636,712"), ("vgg19", "143,667,240"), ("densenet201", "20,242,984")] {
        let line = told.lines().find(|line| line.contains(name)).unwrap_or_default();
        assert!(line.contains(parameters), "{told}");
    }
}

#[test]
fn a_model_is_inspected_cut_by_cut_and_operator_by_operator() {
    let told = User::new().run(&["model", "inspect", "mobilenet-v2", "--operators"]).expect(0).stdout;
    let (cuts, operators) = told.split_once("the engine's operator").expect("two tables");
    let inner = cuts.lines().find(|line| line.contains("block_1_project_BN + block_2"));
    assert!(inner.is_some_and(|line| line.contains("1×24×56×56 + 1×144×56×56")), "{told}");
    let times = operators.lines().filter_map(|line| line.split_whitespace().last()?.parse::<f64>().ok());
    let (count, milliseconds) = times.fold((0, 0.0), |(count, sum), time| (count + 1, sum + time));
    println!("{count} operators, {milliseconds:.1} ms");
    assert!(count > 52 && milliseconds > 0.0, "MobileNetV2 has 52 convolutions: {told}");
}
