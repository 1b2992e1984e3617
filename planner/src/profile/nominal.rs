//! A model's costs reckoned from its architecture alone: the same on every host, for studies that are to be repeated
//! anywhere. What runs for real is planned with [`measure`](super::measure).

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Cut, Footprint, LiveTensor, ModelProfile, PROFILE_VERSION, Piece};
use crate::codec::Codec;
use crate::element::Element;
use crate::units::ByteSize;
use crate::zoo::LayerGraph;

/// Bytes of a 32-bit float.
const FLOAT: u64 = 4;

/// Profile of a network of 32-bit floats on a device that does `flops_per_s` floating-point operations per second.
///
/// It can be cut behind every layer behind which one tensor alone is alive; a tensor crosses once, as it is. A segment
/// needs its weights and the largest of its tensors ([`Footprint::Bare`]): an engine whose operators all work in place could
/// do with that, and none can do with less.
pub fn nominal(graph: &LayerGraph, flops_per_s: f64) -> ModelProfile {
    let layers = &graph.layers;
    let mut last_read: Vec<usize> = (0..layers.len()).collect();
    for (index, layer) in layers.iter().enumerate() {
        layer.inputs.iter().for_each(|input| last_read[*input] = index);
    }
    let bytes = |layer: usize| FLOAT * layers[layer].elements();
    let mut alive: Vec<usize> = vec![0];
    let mut cuts = vec![cut(graph, 0)];
    let mut pieces = Vec::new();
    let mut piece = Open::default();
    for (index, layer) in layers.iter().enumerate().skip(1) {
        alive.push(index);
        piece.operators.push(layer.name.clone());
        piece.parameters += FLOAT * layer.parameters;
        piece.flops += layer.flops;
        let read = layer.inputs.iter().map(|input| bytes(*input));
        piece.activations = read.chain([bytes(index), piece.activations]).max().unwrap_or_default();
        alive.retain(|layer| last_read[*layer] > index || *layer == index);
        if alive == [index] {
            cuts.push(cut(graph, index));
            pieces.push(std::mem::take(&mut piece).close(flops_per_s));
        }
    }
    ModelProfile {
        version: PROFILE_VERSION,
        model: graph.name.clone(),
        digest: String::new(),
        host: format!("a device of {} GFLOP/s", flops_per_s / 1e9),
        process_memory: ByteSize::default(),
        footprint: Footprint::Bare,
        cuts,
        pieces,
    }
}

/// A piece whose end is not reached yet; bytes and operations.
#[derive(Default)]
struct Open {
    operators: Vec<String>,
    parameters: u64,
    activations: u64,
    flops: u64,
}

impl Open {
    fn close(self, flops_per_s: f64) -> Piece {
        Piece {
            operators: self.operators,
            parameters: ByteSize::from_bytes(self.parameters),
            activations: ByteSize::from_bytes(self.activations),
            flops: self.flops,
            time: Duration::from_secs_f64(self.flops as f64 / flops_per_s),
            timings: Vec::new(),
            digest: None,
        }
    }
}

fn cut(graph: &LayerGraph, layer: usize) -> Cut {
    let layer = &graph.layers[layer];
    Cut {
        tensors: vec![LiveTensor { name: layer.name.clone(), shape: layer.shape.clone(), element: Element::Float32 }],
        encoded: BTreeMap::from([(Codec::Raw, ByteSize::from_bytes(FLOAT * layer.elements()))]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Segment;
    use crate::zoo;

    #[test]
    fn a_nominal_profile_has_all_of_the_model() {
        let resnet = nominal(&zoo::layers("resnet50").unwrap(), 10e9);
        let whole = resnet.whole();
        let parameters: ByteSize = resnet.pieces.iter().map(|piece| piece.parameters).sum();
        // Keras counts 25,636,712 values.
        assert_eq!(parameters.bytes(), 4 * 25_636_712);
        let seconds = resnet.time(whole).as_secs_f64();
        // He et al. (2015) count 3.8 G multiply-adds.
        assert!((0.7..0.85).contains(&seconds), "{seconds}");
        assert_eq!(resnet.transfer(0, Codec::Raw).bytes(), 4 * 3 * 224 * 224);
        assert!(resnet.memory(whole) < ByteSize::from_mib(110));
        let first = Segment { from: 0, to: 1 };
        assert!(resnet.memory(first) < resnet.memory(whole));
    }
}
