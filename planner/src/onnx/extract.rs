//! Takes a part out of an ONNX file: the operators between some tensors and others, and the weights that they read.

use std::collections::HashSet;
use std::io::{self, Write};
use std::ops::Range;

use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::{GraphProto, ModelProto, TensorShapeProto, TypeProto, ValueInfoProto, type_proto};

use super::ModelError;
use super::activation::Kind;
use super::index::{Index, decode};
use super::protobuf::Source;
use crate::element::Element;

/// Since this version of the format, weights need not be listed among the inputs.
const IR_VERSION_PLAIN_WEIGHTS: i64 = 4;
const MODEL_GRAPH: u32 = 7;
const GRAPH_NODE: u32 = 1;
const GRAPH_INITIALIZER: u32 = 5;

/// A tensor at an end of a part: its name, and what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// Its name in the ONNX file.
    pub tensor: String,
    /// Its shape and elements; an output's may be left for the inference engine to find out.
    pub kind: Option<Kind>,
}

impl End {
    /// A tensor of known shape.
    pub fn new(tensor: &str, shape: &[usize], element: Element) -> End {
        End { tensor: tensor.to_owned(), kind: Some(Kind { shape: shape.to_vec(), element }) }
    }

    /// A tensor of which only the name is known.
    pub fn unknown(tensor: &str) -> End {
        End { tensor: tensor.to_owned(), kind: None }
    }

    fn value(&self) -> ValueInfoProto {
        let dim =
            |dim: &usize| Dimension { value: Some(dimension::Value::DimValue(*dim as i64)), ..Dimension::default() };
        let kind = self.kind.as_ref().map(|Kind { shape, element }| {
            let shape = TensorShapeProto { dim: shape.iter().map(dim).collect() };
            let tensor = type_proto::Tensor { elem_type: i32::from(element.number()), shape: Some(shape) };
            TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..TypeProto::default() }
        });
        ValueInfoProto { name: self.tensor.clone(), r#type: kind, ..ValueInfoProto::default() }
    }
}

/// Names of tensors at one end of a part.
pub fn names(ends: &[End]) -> Vec<&str> {
    ends.iter().map(|end| end.tensor.as_str()).collect()
}

/// Which messages of the file make up a part.
struct Messages {
    nodes: Vec<Range<u64>>,
    weights: Vec<Range<u64>>,
    frame: ModelProto,
}

fn part(index: &Index, from: &[End], to: &[End]) -> Result<Messages, ModelError> {
    let chosen = index.between(&names(from), &names(to))?;
    let mut seen = HashSet::new();
    let weights = chosen
        .iter()
        .flat_map(|node| &index.nodes[*node].reads)
        .filter(|name| seen.insert(name.as_str()))
        .filter_map(|name| index.weights.get(name.as_str()).cloned())
        .collect();
    let graph = GraphProto {
        name: "segment".to_owned(),
        input: from.iter().map(End::value).collect(),
        output: to.iter().map(End::value).collect(),
        ..GraphProto::default()
    };
    let mut rest = Vec::new();
    for range in &index.rest {
        rest.extend(index.source.read(range)?);
    }
    let mut frame = ModelProto::decode(rest.as_slice())
        .map_err(|_| index.source.malformed("a part of it is not what it should be"))?;
    frame.ir_version = index.ir_version.max(IR_VERSION_PLAIN_WEIGHTS);
    frame.graph = Some(graph);
    // Neither says anything about what is computed, and a dictionary in the metadata can outweigh a segment.
    frame.metadata_props.clear();
    frame.training_info.clear();
    let nodes = chosen.iter().map(|node| index.nodes[*node].message.clone()).collect();
    Ok(Messages { nodes, weights, frame })
}

/// The part between some tensors and others, decoded; and a digest of its operators and weights as they lie in the file, which
/// is the same in a file that [`write`] made of a part around it.
pub fn model(index: &Index, from: &[End], to: &[End]) -> Result<(ModelProto, u32), ModelError> {
    let Messages { nodes, weights, mut frame } = part(index, from, to)?;
    let graph = frame.graph.get_or_insert_default();
    let mut digest = crc32fast::Hasher::new();
    graph.node = nodes.iter().map(|range| taken(&index.source, range, &mut digest)).collect::<Result<_, _>>()?;
    graph.initializer =
        weights.iter().map(|range| taken(&index.source, range, &mut digest)).collect::<Result<_, _>>()?;
    Ok((frame, digest.finalize()))
}

/// A message of the file, whose bytes go into the digest.
fn taken<M: Message + Default>(
    source: &Source,
    range: &Range<u64>,
    digest: &mut crc32fast::Hasher,
) -> Result<M, ModelError> {
    let bytes = source.read(range)?;
    digest.update(&bytes);
    decode(source, &bytes)
}

/// The part between some tensors and others, written as an ONNX file. One operator or weight is in memory at a time.
pub fn write(index: &Index, from: &[End], to: &[End], file: &str, out: &mut impl Write) -> Result<(), ModelError> {
    let Messages { nodes, weights, mut frame } = part(index, from, to)?;
    let graph = frame.graph.take().unwrap_or_default();
    let fields: Vec<(u32, &Range<u64>)> = (nodes.iter().map(|range| (GRAPH_NODE, range)))
        .chain(weights.iter().map(|range| (GRAPH_INITIALIZER, range)))
        .collect();
    let key = |number: u32, length: u64| {
        let mut bytes = Vec::new();
        encode_key(number, WireType::LengthDelimited, &mut bytes);
        encode_varint(length, &mut bytes);
        bytes
    };
    let length = |range: &Range<u64>| range.end - range.start;
    let parts: u64 =
        fields.iter().map(|(number, range)| key(*number, length(range)).len() as u64 + length(range)).sum();
    let failed = |source: io::Error| ModelError::Write { file: file.to_owned(), source };
    let head = graph.encode_to_vec();
    out.write_all(&frame.encode_to_vec()).map_err(failed)?;
    out.write_all(&key(MODEL_GRAPH, head.len() as u64 + parts)).map_err(failed)?;
    out.write_all(&head).map_err(failed)?;
    for (number, range) in fields {
        let bytes = index.source.read(range)?;
        out.write_all(&key(number, length(range))).and_then(|()| out.write_all(&bytes)).map_err(failed)?;
    }
    Ok(())
}
