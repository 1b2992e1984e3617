//! A table of contents of an ONNX file: which operators there are, what they read and write, and where
//! in the file each operator and each weight is. The weights themselves are not read.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use prost::Message;
use tract_onnx::pb::{GraphProto, NodeProto, ValueInfoProto};

use super::ModelError;
use super::protobuf::{Content, Fields, Source};

// Field numbers of the ONNX messages.
mod field {
    pub const MODEL_IR_VERSION: u32 = 1;
    pub const MODEL_GRAPH: u32 = 7;
    pub const MODEL_OPERATOR_SET: u32 = 8;
    pub const GRAPH_NODE: u32 = 1;
    pub const GRAPH_INITIALIZER: u32 = 5;
    pub const GRAPH_INPUT: u32 = 11;
    pub const GRAPH_OUTPUT: u32 = 12;
    pub const NODE_INPUT: u32 = 1;
    pub const NODE_OUTPUT: u32 = 2;
    pub const NODE_NAME: u32 = 3;
    pub const NODE_KIND: u32 = 4;
    pub const NODE_ATTRIBUTE: u32 = 5;
    pub const ATTRIBUTE_TENSOR: u32 = 5;
    pub const ATTRIBUTE_GRAPH: u32 = 6;
    pub const ATTRIBUTE_GRAPHS: u32 = 11;
    pub const TENSOR_NAME: u32 = 8;
    pub const TENSOR_LOCATION: u32 = 14;
}

/// An operator of the file.
#[derive(Debug)]
pub struct Node {
    /// Its name, or that of its first output.
    pub name: String,
    /// Its kind, as ONNX calls it.
    pub kind: String,
    /// Where its message is.
    pub message: Range<u64>,
    /// Tensors it reads, those that its subgraphs read from outside among them.
    pub reads: Vec<String>,
    /// Tensors it writes.
    pub writes: Vec<String>,
}

/// A table of contents of an ONNX file.
#[derive(Debug)]
pub struct Index {
    /// The file.
    pub source: Source,
    /// Format version.
    pub ir_version: i64,
    /// Fields of the model beside version and graph: operator sets, functions.
    pub rest: Vec<Range<u64>>,
    /// The operators, in the file's order.
    pub nodes: Vec<Node>,
    /// Where the message of each weight is.
    pub weights: HashMap<String, Range<u64>>,
    /// The inputs that are no weights. (Before format version 4, weights are listed among the inputs.)
    pub inputs: Vec<ValueInfoProto>,
    /// The outputs.
    pub outputs: Vec<ValueInfoProto>,
    writer: HashMap<String, usize>,
}

impl Index {
    /// Reads the table of contents.
    pub fn new(source: Source) -> Result<Index, ModelError> {
        let mut index = Index {
            source,
            ir_version: 0,
            rest: Vec::new(),
            nodes: Vec::new(),
            weights: HashMap::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            writer: HashMap::new(),
        };
        index.source.check_kind()?;
        let (mut graph, mut operator_set) = (None, false);
        let mut fields = index.source.fields(index.source.whole());
        while let Some(part) = fields.next()? {
            match (part.number, part.content) {
                (field::MODEL_IR_VERSION, Content::Number(version)) => index.ir_version = version as i64,
                (field::MODEL_GRAPH, Content::Bytes(range)) => graph = Some(range),
                (number, _) => {
                    operator_set |= number == field::MODEL_OPERATOR_SET;
                    index.rest.push(part.range);
                }
            }
        }
        let graph = graph.ok_or_else(|| index.source.malformed("it holds no graph"))?;
        if !operator_set {
            return Err(index.source.malformed("it does not say of which version its operators are"));
        }
        index.read_graph(graph)?;
        if index.nodes.is_empty() {
            return Err(index.source.malformed("its graph holds no operator"));
        }
        Ok(index)
    }

    fn read_graph(&mut self, graph: Range<u64>) -> Result<(), ModelError> {
        let source = &self.source;
        let mut fields = source.fields(graph);
        while let Some(part) = fields.next()? {
            let Content::Bytes(range) = part.content else { continue };
            match part.number {
                field::GRAPH_NODE => {
                    let node = read_node(source, range)?;
                    for name in &node.writes {
                        self.writer.insert(name.clone(), self.nodes.len());
                    }
                    self.nodes.push(node);
                }
                field::GRAPH_INITIALIZER => {
                    let (name, external) = read_weight(source, range.clone())?;
                    if external {
                        return Err(ModelError::ExternalData { file: source.file.clone(), tensor: name });
                    }
                    self.weights.insert(name, range);
                }
                field::GRAPH_INPUT => self.inputs.push(decode(source, &source.read(&range)?)?),
                field::GRAPH_OUTPUT => self.outputs.push(decode(source, &source.read(&range)?)?),
                _ => {}
            }
        }
        self.inputs.retain(|input| !self.weights.contains_key(&input.name));
        Ok(())
    }

    /// The operators that lie between the tensors `from` and `to`, in the file's order.
    ///
    /// # Errors
    /// [`ModelError::NotACut`] when a path leads around `from`, [`ModelError::Dangling`] when one begins nowhere.
    pub fn between(&self, from: &[&str], to: &[&str]) -> Result<Vec<usize>, ModelError> {
        let mut found = HashSet::new();
        let mut open = to.to_vec();
        while let Some(tensor) = open.pop() {
            if from.contains(&tensor) || self.weights.contains_key(tensor) {
                continue;
            }
            let Some(writer) = self.writer.get(tensor) else {
                let (file, other) = (self.source.file.clone(), tensor.to_owned());
                if self.inputs.iter().all(|input| input.name != tensor) {
                    return Err(ModelError::Dangling { file, tensor: other });
                }
                return Err(ModelError::NotACut { file, tensor: from.join(", "), other });
            };
            if found.insert(*writer) {
                open.extend(self.nodes[*writer].reads.iter().map(String::as_str));
            }
        }
        let mut found: Vec<usize> = found.into_iter().collect();
        found.sort_unstable();
        Ok(found)
    }

    /// What is alive after each operator, in the file's order: `input` first, `output` last.
    ///
    /// Weights, and what follows from weights alone, are not tensors in this sense. Where more than `most` tensors are
    /// alive, they are not named: a file of a megabyte can have so many that naming them each time takes gigabytes.
    pub fn frontiers<'a>(
        &'a self,
        input: &'a str,
        output: &'a str,
        most: usize,
    ) -> Result<Vec<Frontier<'a>>, ModelError> {
        let chosen = self.between(&[input], &[output])?;
        let mut depends = HashSet::from([input]);
        let mut readers: HashMap<&str, usize> = HashMap::new();
        let mut working = Vec::new();
        for node in chosen {
            let Node { reads, writes, .. } = &self.nodes[node];
            if reads.iter().any(|name| depends.contains(name.as_str())) {
                depends.extend(writes.iter().map(String::as_str));
                reads.iter().for_each(|name| *readers.entry(name).or_default() += 1);
                working.push(node);
            }
        }
        *readers.entry(output).or_default() += 1;
        let mut alive = vec![input];
        let mut frontiers = vec![Frontier { after: None, tensors: alive.clone() }];
        for index in working {
            let node = &self.nodes[index];
            for name in &node.reads {
                if let Some(left) = readers.get_mut(name.as_str()) {
                    *left -= 1;
                    if *left == 0 {
                        alive.retain(|other| other != name);
                    }
                }
            }
            alive.extend(node.writes.iter().map(String::as_str).filter(|name| readers.contains_key(name)));
            let tensors = if alive.len() <= most { alive.clone() } else { Vec::new() };
            frontiers.push(Frontier { after: Some(index), tensors });
        }
        Ok(frontiers)
    }
}

/// The tensors through which everything computed so far reaches everything that is still to be computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frontier<'a> {
    /// The operator computed last, by its index; none at the model's input.
    pub after: Option<usize>,
    /// The tensors alive then, in the order in which they were written; none where they are too many.
    pub tensors: Vec<&'a str>,
}

/// Decodes the message in `range`.
pub fn decode<M: Message + Default>(source: &Source, bytes: &[u8]) -> Result<M, ModelError> {
    M::decode(bytes).map_err(|_| source.malformed("a part of it is not what it should be"))
}

fn read_node(source: &Source, message: Range<u64>) -> Result<Node, ModelError> {
    let (name, kind) = (String::new(), String::new());
    let mut node = Node { name, kind, message: message.clone(), reads: Vec::new(), writes: Vec::new() };
    let mut fields = source.fields(message);
    while let Some(part) = fields.next()? {
        let Content::Bytes(range) = part.content else { continue };
        match part.number {
            field::NODE_INPUT => node.reads.push(source.text(&range)?),
            field::NODE_OUTPUT => node.writes.push(source.text(&range)?),
            field::NODE_NAME => node.name = source.text(&range)?,
            field::NODE_KIND => node.kind = source.text(&range)?,
            field::NODE_ATTRIBUTE => read_attribute(source, source.fields(range), &mut node.reads)?,
            _ => {}
        }
    }
    // An empty name stands for an optional tensor that is not there.
    node.reads.retain(|name| !name.is_empty());
    node.writes.retain(|name| !name.is_empty());
    if node.name.is_empty() {
        node.name = node.writes.first().cloned().unwrap_or_default();
    }
    Ok(node)
}

/// Adds what the subgraphs in an attribute read from outside.
fn read_attribute(source: &Source, mut fields: Fields<'_>, reads: &mut Vec<String>) -> Result<(), ModelError> {
    while let Some(part) = fields.next()? {
        let Content::Bytes(range) = part.content else { continue };
        match part.number {
            field::ATTRIBUTE_GRAPH | field::ATTRIBUTE_GRAPHS => {
                let graph: GraphProto = decode(source, &source.read(&range)?)?;
                outer_reads(&graph, reads);
            }
            field::ATTRIBUTE_TENSOR => {
                let (tensor, external) = read_weight(source, range)?;
                if external {
                    return Err(ModelError::ExternalData { file: source.file.clone(), tensor });
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn outer_reads(graph: &GraphProto, reads: &mut Vec<String>) {
    let mut inner = Vec::new();
    for NodeProto { input, attribute, .. } in &graph.node {
        inner.extend(input.iter().cloned());
        for attribute in attribute {
            attribute.g.iter().chain(&attribute.graphs).for_each(|graph| outer_reads(graph, &mut inner));
        }
    }
    inner.extend(graph.output.iter().map(|output| output.name.clone()));
    let own: HashSet<&str> = graph
        .node
        .iter()
        .flat_map(|node| node.output.iter().map(String::as_str))
        .chain(graph.input.iter().map(|input| input.name.as_str()))
        .chain(graph.initializer.iter().map(|weight| weight.name.as_str()))
        .collect();
    reads.extend(inner.into_iter().filter(|name| !own.contains(name.as_str())));
}

fn read_weight(source: &Source, message: Range<u64>) -> Result<(String, bool), ModelError> {
    let (mut name, mut external) = (String::new(), false);
    let mut fields = source.fields(message);
    while let Some(part) = fields.next()? {
        match (part.number, part.content) {
            (field::TENSOR_NAME, Content::Bytes(range)) => name = source.text(&range)?,
            (field::TENSOR_LOCATION, Content::Number(location)) => external = location == 1,
            _ => {}
        }
    }
    Ok((name, external))
}
