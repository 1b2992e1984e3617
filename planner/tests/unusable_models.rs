//! What a person is told about a file that can't be used.

use std::path::Path;

use planner::onnx::Model;
use prost::Message;
use tract_onnx::pb::tensor_proto::DataLocation;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::{
    GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto, ValueInfoProto,
    type_proto,
};

const FLOAT: i32 = 1;
const STRING: i32 = 8;

fn value(name: &str, elem_type: i32, shape: &[i64]) -> ValueInfoProto {
    let dim = |dim: &i64| Dimension { value: Some(dimension::Value::DimValue(*dim)), ..Dimension::default() };
    let shape = Some(TensorShapeProto { dim: shape.iter().map(dim).collect() });
    let kind = type_proto::Value::TensorType(type_proto::Tensor { elem_type, shape });
    let kind = TypeProto { value: Some(kind), ..TypeProto::default() };
    ValueInfoProto { name: name.to_owned(), r#type: Some(kind), ..ValueInfoProto::default() }
}

fn image(name: &str) -> ValueInfoProto {
    value(name, FLOAT, &[1, 4])
}

fn node(kind: &str, reads: &[&str], writes: &str) -> NodeProto {
    NodeProto {
        op_type: kind.to_owned(),
        input: reads.iter().map(|name| (*name).to_owned()).collect(),
        output: vec![writes.to_owned()],
        ..NodeProto::default()
    }
}

fn model(graph: GraphProto) -> Vec<u8> {
    let model = ModelProto {
        ir_version: 8,
        opset_import: vec![OperatorSetIdProto { version: 13, ..OperatorSetIdProto::default() }],
        graph: Some(graph),
        ..ModelProto::default()
    };
    model.encode_to_vec()
}

fn graph(node: Vec<NodeProto>, input: Vec<ValueInfoProto>, output: Vec<ValueInfoProto>) -> GraphProto {
    GraphProto { name: "g".to_owned(), node, input, output, ..GraphProto::default() }
}

/// What is told about a file with these bytes.
fn told(bytes: &[u8], shape: Option<&[usize]>) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("own.onnx");
    std::fs::write(&path, bytes).expect("a file");
    let outcome = Model::open(&path, shape).and_then(|model| model.executable());
    let told = outcome.map(|_| ()).expect_err("an error").to_string();
    assert!(told.contains("own.onnx"), "the file is not named: {told}");
    told
}

#[track_caller]
fn says(told: &str, words: &[&str]) {
    words.iter().for_each(|word| assert!(told.contains(word), "no {word:?} in: {told}"));
}

#[test]
fn another_number_of_inputs_or_outputs_than_one_is_told_with_their_names() {
    let two = graph(vec![node("Add", &["a", "b"], "y")], vec![image("a"), image("b")], vec![image("y")]);
    says(&told(&model(two), None), &["2 inputs (a, b)", "one input"]);
    let none = graph(vec![node("Constant", &[], "y")], vec![], vec![image("y")]);
    says(&told(&model(none), None), &["has no input"]);
    let two = graph(
        vec![node("Relu", &["a"], "y"), node("Sigmoid", &["a"], "z")],
        vec![image("a")],
        vec![image("y"), image("z")],
    );
    says(&told(&model(two), None), &["2 outputs (y, z)", "one output"]);
}

#[test]
fn weights_in_another_file_are_told_with_the_remedy() {
    let mut graph = graph(vec![node("Add", &["a", "w"], "y")], vec![image("a")], vec![image("y")]);
    let weight = TensorProto {
        name: "w".to_owned(),
        dims: vec![1, 4],
        data_type: FLOAT,
        data_location: Some(DataLocation::External.into()),
        ..TensorProto::default()
    };
    graph.initializer.push(weight);
    says(&told(&model(graph), None), &["\"w\"", "in another file", "save_as_external_data=False"]);
}

#[test]
fn half_a_file_and_none_are_told_apart() {
    let whole = model(graph(vec![node("Relu", &["a"], "y")], vec![image("a")], vec![image("y")]));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("own.onnx");
    std::fs::write(&path, &whole).expect("a file");
    assert!(Model::open(&path, None).is_ok());
    for length in 1..whole.len() {
        says(&told(&whole[..length], None), &["own.onnx"]);
    }
    says(&told(&whole[..whole.len() / 2], None), &["truncated", "export it again"]);
    says(&told(b"", None), &["is empty"]);
    says(&told(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", None), &["git lfs pull"]);
    says(&told(b"PK\x03\x04\x00\x00", None), &["not an ONNX model", "ZIP"]);
    says(&told(b"<!DOCTYPE html><html></html>", None), &["not an ONNX model", "ONNX exporter"]);
    says(&told(&[0; 100], None), &["not an ONNX model"]);
    let missing = Model::open(Path::new("no-such.onnx"), None).expect_err("an error").to_string();
    says(&missing, &["no-such.onnx", "No such file"]);
}

#[test]
fn shapes_that_are_open_or_do_not_fit_are_told_as_the_file_has_them() {
    let open = model(graph(
        vec![node("Relu", &["a"], "y")],
        vec![value("a", FLOAT, &[-1, 3, -1, 32])],
        vec![value("y", FLOAT, &[-1, 3, -1, 32])],
    ));
    says(&told(&open, None), &["\"a\"", "[-1, 3, -1, 32]", "open"]);
    says(&told(&open, Some(&[1, 4, 32, 32])), &["[1, 4, 32, 32] does not fit"]);
    says(&told(&open, Some(&[1, 3, 0, 32])), &["does not fit"]);
    says(&told(&open, Some(&[1 << 40, 3, 1 << 40, 32])), &["more than 512 MiB"]);
    let unknown = graph(vec![node("NonZero", &["a"], "y")], vec![image("a")], vec![value("y", 7, &[])]);
    says(&told(&model(unknown), None), &["the shape of \"y\"", "follows from the input's"]);
}

#[test]
fn operators_and_types_that_nobody_knows_are_told_by_name() {
    let strange = graph(vec![node("Frobnicate", &["a"], "y")], vec![image("a")], vec![image("y")]);
    says(&told(&model(strange), None), &["does not have", "Frobnicate"]);
    let text = graph(vec![node("Identity", &["a"], "y")], vec![value("a", STRING, &[1])], vec![image("y")]);
    says(&told(&model(text), None), &["\"a\"", "string"]);
    let damaged = graph(vec![node("Add", &["a", "lost"], "y")], vec![image("a")], vec![image("y")]);
    says(&told(&model(damaged), None), &["damaged", "\"lost\""]);
}
