//! What a network is without its weights: layers, their shapes, and what they cost.

use std::collections::HashMap;

use tract_onnx::pb::{AttributeProto, NodeProto};

/// Layers in the order in which they can be computed; the first is the input.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerGraph {
    /// The network's name.
    pub name: String,
    /// Its layers, as Keras counts them: an activation that belongs to a convolution is part of that layer.
    pub layers: Vec<Layer>,
}

/// One layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// Its name in Keras.
    pub name: String,
    /// The layers whose outputs it reads, by their index.
    pub inputs: Vec<usize>,
    /// Shape of its output, with a batch of one, channels first.
    pub shape: Vec<usize>,
    /// Trained values.
    pub parameters: u64,
    /// Floating-point operations of one inference; a multiply-add counts two.
    pub flops: u64,
}

impl Layer {
    /// Elements of its output.
    pub fn elements(&self) -> u64 {
        self.shape.iter().product::<usize>() as u64
    }
}

/// The layer that an operator or a weight belongs to: what stands before the colon.
pub fn layer_of(name: &str) -> &str {
    name.split(':').next().unwrap_or(name)
}

impl LayerGraph {
    /// The layers of a network: `shapes` of all tensors, and the trained values of each layer.
    pub fn new(
        name: &str,
        input: &str,
        nodes: &[NodeProto],
        shapes: &HashMap<String, Vec<usize>>,
        parameters: &HashMap<String, u64>,
    ) -> LayerGraph {
        let shape = |tensor: &str| shapes.get(tensor).cloned().unwrap_or_default();
        let layer = |name: &str, shape| Layer {
            name: name.to_owned(),
            inputs: Vec::new(),
            shape,
            parameters: parameters.get(name).copied().unwrap_or(0),
            flops: 0,
        };
        let mut layers = vec![layer(input, shape(input))];
        let mut index = HashMap::from([(input.to_owned(), 0)]);
        for node in nodes {
            let name = layer_of(&node.name);
            let own = *index.entry(name.to_owned()).or_insert_with(|| {
                layers.push(layer(name, Vec::new()));
                layers.len() - 1
            });
            let output = shape(&node.name);
            let read = node.input.iter().filter_map(|tensor| index.get(layer_of(tensor)).copied());
            for input in read.filter(|input| *input != own) {
                if !layers[own].inputs.contains(&input) {
                    layers[own].inputs.push(input);
                }
            }
            layers[own].flops += flops(node, &output, shapes);
            layers[own].shape = output;
        }
        LayerGraph { name: name.to_owned(), layers }
    }
}

fn flops(node: &NodeProto, output: &[usize], shapes: &HashMap<String, Vec<usize>>) -> u64 {
    let elements = output.iter().product::<usize>() as u64;
    let weights = || node.input.get(1).and_then(|kernel| shapes.get(kernel)).map_or(0, |shape| shape.iter().product());
    match node.op_type.as_str() {
        // Each output channel has its part of the kernel.
        "Conv" => {
            let channels = output.get(1).copied().unwrap_or(1).max(1);
            2 * elements * (weights() / channels) as u64
        }
        "Gemm" => 2 * weights() as u64,
        "Pad" | "Flatten" | "Concat" | "Identity" => 0,
        "MaxPool" | "AveragePool" => elements * ints(node, "kernel_shape").iter().product::<i64>() as u64,
        "BatchNormalization" => 2 * elements,
        _ => elements,
    }
}

fn attribute<'a>(node: &'a NodeProto, name: &str) -> Option<&'a AttributeProto> {
    node.attribute.iter().find(|attribute| attribute.name == name)
}

fn ints(node: &NodeProto, name: &str) -> Vec<i64> {
    attribute(node, name).map(|attribute| attribute.ints.clone()).unwrap_or_default()
}

/// Shape of an operator's output; `pads` are those of a `Pad`, which stand in a constant.
pub fn output_shape(node: &NodeProto, shapes: &HashMap<String, Vec<usize>>, pads: Option<&[i64]>) -> Vec<usize> {
    let input = |index: usize| node.input.get(index).and_then(|tensor| shapes.get(tensor)).cloned().unwrap_or_default();
    let first = input(0);
    match node.op_type.as_str() {
        "Conv" | "MaxPool" | "AveragePool" => {
            let (kernel, strides, pads) = (ints(node, "kernel_shape"), ints(node, "strides"), ints(node, "pads"));
            let size = |axis: usize| {
                let padded = first[axis + 2] as i64 + pads[axis] + pads[axis + 2];
                ((padded - kernel[axis]) / strides[axis] + 1) as usize
            };
            let channels = if node.op_type == "Conv" { input(1)[0] } else { first[1] };
            vec![first[0], channels, size(0), size(1)]
        }
        "GlobalAveragePool" => vec![first[0], first[1], 1, 1],
        "Flatten" => vec![first[0], first[1..].iter().product()],
        "Gemm" => vec![first[0], input(1)[1]],
        "Concat" => {
            let channels = (0..node.input.len()).map(|index| input(index)[1]).sum();
            first.iter().enumerate().map(|(axis, size)| if axis == 1 { channels } else { *size }).collect()
        }
        "Pad" => {
            let pads = pads.unwrap_or_default();
            let padded = |(axis, size): (usize, &usize)| match pads.get(axis).zip(pads.get(axis + first.len())) {
                Some((before, behind)) => (*size as i64 + before + behind) as usize,
                None => *size,
            };
            first.iter().enumerate().map(padded).collect()
        }
        _ => first,
    }
}
