//! A network under construction: nodes and the recipes of their weights, written as ONNX in one pass.
//!
//! The weights of a large model never exist in memory together: a protobuf message needs only the
//! *length* of its parts up front, so each tensor is drawn while it is written.

use std::collections::HashMap;
use std::io::{self, Write};

use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};
use rand_core::Rng;
use rand_pcg::Pcg64Mcg;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto,
    ValueInfoProto, type_proto,
};

use super::graph::{LayerGraph, output_shape};
use crate::digest::digest;

const IR_VERSION: i64 = 8;
const OPSET: i64 = 13;
// Field numbers of the ONNX messages that are written by hand.
const MODEL_GRAPH: u32 = 7;
const GRAPH_INITIALIZER: u32 = 5;
const TENSOR_RAW_DATA: u32 = 9;

/// How the values of a tensor come about.
#[derive(Debug, Clone)]
pub enum Values {
    /// Uniform around `centre`, at most `spread` away.
    Uniform { centre: f32, spread: f32 },
    /// These 32-bit floats.
    Floats(Vec<f32>),
    /// These 64-bit integers.
    Integers(Vec<i64>),
}

#[derive(Debug)]
struct Weight {
    name: String,
    shape: Vec<usize>,
    values: Values,
    trained: bool,
}

impl Weight {
    fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    fn raw_length(&self) -> usize {
        self.elements() * if matches!(self.values, Values::Integers(_)) { 8 } else { 4 }
    }

    fn header(&self) -> TensorProto {
        let kind = if matches!(self.values, Values::Integers(_)) { DataType::Int64 } else { DataType::Float };
        TensorProto {
            dims: self.shape.iter().map(|dim| *dim as i64).collect(),
            data_type: kind as i32,
            name: self.name.clone(),
            ..TensorProto::default()
        }
    }

    fn message_length(&self) -> usize {
        let raw = self.raw_length();
        self.header().encoded_len() + key_len(TENSOR_RAW_DATA) + encoded_len_varint(raw as u64) + raw
    }

    fn write(&self, seed: u64, out: &mut impl Write) -> io::Result<()> {
        let mut head = Vec::new();
        encode_key(GRAPH_INITIALIZER, WireType::LengthDelimited, &mut head);
        encode_varint(self.message_length() as u64, &mut head);
        head.extend(self.header().encode_to_vec());
        encode_key(TENSOR_RAW_DATA, WireType::LengthDelimited, &mut head);
        encode_varint(self.raw_length() as u64, &mut head);
        out.write_all(&head)?;
        match &self.values {
            Values::Floats(values) => values.iter().try_for_each(|value| out.write_all(&value.to_le_bytes())),
            Values::Integers(values) => values.iter().try_for_each(|value| out.write_all(&value.to_le_bytes())),
            Values::Uniform { centre, spread } => {
                // Each tensor has its own stream, so that one layer's weights do not depend on another's.
                let mut random = Pcg64Mcg::new(u128::from(seed) << 64 | u128::from(digest(self.name.as_bytes())));
                (0..self.elements()).try_for_each(|_| {
                    // 24 bits: every value between -1 and 1 that a 32-bit float holds exactly at this spacing.
                    let unit = (random.next_u32() >> 8) as f32 / (1 << 23) as f32 - 1.0;
                    out.write_all(&(centre + spread * unit).to_le_bytes())
                })
            }
        }
    }
}

/// A network: operators in the order in which they were added, and their weights.
#[derive(Debug)]
pub struct Network {
    seed: u64,
    graph: GraphProto,
    weights: Vec<Weight>,
    shapes: HashMap<String, Vec<usize>>,
}

impl Network {
    /// A network with one float input of `shape`.
    pub fn new(name: &str, seed: u64, input: &str, shape: &[usize]) -> Network {
        let graph = GraphProto { name: name.to_owned(), input: vec![value(input, shape)], ..GraphProto::default() };
        let shapes = HashMap::from([(input.to_owned(), shape.to_vec())]);
        Network { seed, graph, weights: Vec::new(), shapes }
    }

    /// Declares the network's output.
    pub fn output(&mut self, name: &str, shape: &[usize]) {
        self.graph.output.push(value(name, shape));
    }

    /// Adds an operator whose name and output are both `name`, and returns that.
    pub fn node(&mut self, operator: &str, name: &str, inputs: &[&str], attributes: Vec<AttributeProto>) -> String {
        let node = NodeProto {
            op_type: operator.to_owned(),
            name: name.to_owned(),
            input: inputs.iter().map(|input| (*input).to_owned()).collect(),
            output: vec![name.to_owned()],
            attribute: attributes,
            ..NodeProto::default()
        };
        let pads = node.input.get(1).and_then(|pads| self.weights.iter().find(|weight| weight.name == *pads));
        let pads = pads.and_then(|pads| match &pads.values {
            Values::Integers(values) => Some(values.as_slice()),
            _ => None,
        });
        let shape = output_shape(&node, &self.shapes, pads);
        self.shapes.insert(name.to_owned(), shape);
        self.graph.node.push(node);
        name.to_owned()
    }

    /// Channels of a tensor.
    pub fn channels(&self, tensor: &str) -> usize {
        self.shapes.get(tensor).and_then(|shape| shape.get(1)).copied().unwrap_or(0)
    }

    /// Rows and columns of a tensor.
    pub fn size(&self, tensor: &str) -> (usize, usize) {
        let axis = |axis: usize| self.shapes.get(tensor).and_then(|shape| shape.get(axis)).copied().unwrap_or(1);
        (axis(2), axis(3))
    }

    /// The network without its weights.
    pub fn layers(&self) -> LayerGraph {
        let input = self.graph.input.first().map_or("", |input| input.name.as_str());
        let mut parameters: HashMap<String, u64> = HashMap::new();
        for weight in self.weights.iter().filter(|weight| weight.trained) {
            let layer = weight.name.rsplit_once('/').map_or(weight.name.as_str(), |(layer, _)| layer);
            *parameters.entry(layer.to_owned()).or_default() += weight.elements() as u64;
        }
        LayerGraph::new(&self.graph.name, input, &self.graph.node, &self.shapes, &parameters)
    }

    /// Adds a trained tensor and returns its name.
    pub fn weight(&mut self, name: String, shape: &[usize], values: Values) -> String {
        self.shapes.insert(name.clone(), shape.to_vec());
        self.weights.push(Weight { name: name.clone(), shape: shape.to_vec(), values, trained: true });
        name
    }

    /// Adds a constant that is part of the architecture, not trained, and returns its name.
    pub fn constant(&mut self, name: &str, shape: &[usize], values: Values) -> String {
        self.shapes.insert(name.to_owned(), shape.to_vec());
        self.weights.push(Weight { name: name.to_owned(), shape: shape.to_vec(), values, trained: false });
        name.to_owned()
    }

    /// The number of trained values.
    pub fn parameters(&self) -> u64 {
        self.weights.iter().filter(|weight| weight.trained).map(|weight| weight.elements() as u64).sum()
    }

    /// Writes the network as an ONNX file.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let model = ModelProto {
            ir_version: IR_VERSION,
            opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
            producer_name: "emu zoo".to_owned(),
            producer_version: env!("CARGO_PKG_VERSION").to_owned(),
            ..ModelProto::default()
        };
        let mut head = model.encode_to_vec();
        let weights: usize = self
            .weights
            .iter()
            .map(Weight::message_length)
            .map(|length| key_len(GRAPH_INITIALIZER) + encoded_len_varint(length as u64) + length)
            .sum();
        encode_key(MODEL_GRAPH, WireType::LengthDelimited, &mut head);
        encode_varint((self.graph.encoded_len() + weights) as u64, &mut head);
        head.extend(self.graph.encode_to_vec());
        out.write_all(&head)?;
        self.weights.iter().try_for_each(|weight| weight.write(self.seed, out))
    }
}

/// An attribute with a list of integers.
pub fn integers(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        ints: values.to_vec(),
        r#type: AttributeType::Ints as i32,
        ..AttributeProto::default()
    }
}

/// An attribute with one integer.
pub fn integer(name: &str, value: i64) -> AttributeProto {
    AttributeProto { name: name.to_owned(), i: value, r#type: AttributeType::Int as i32, ..AttributeProto::default() }
}

/// An attribute with one float.
pub fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto { name: name.to_owned(), f: value, r#type: AttributeType::Float as i32, ..AttributeProto::default() }
}

fn value(name: &str, shape: &[usize]) -> ValueInfoProto {
    let dim = |dim: &usize| Dimension { value: Some(dimension::Value::DimValue(*dim as i64)), ..Dimension::default() };
    let tensor = type_proto::Tensor {
        elem_type: DataType::Float as i32,
        shape: Some(TensorShapeProto { dim: shape.iter().map(dim).collect() }),
    };
    let kind = TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..TypeProto::default() };
    ValueInfoProto { name: name.to_owned(), r#type: Some(kind), ..ValueInfoProto::default() }
}
