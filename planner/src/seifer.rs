//! SEIFER's candidate partition points, and what its authors count there (arXiv 2304.11941, and the notebooks of its
//! public repository): for reproducing their study. How this project counts is in [`crate::profile`].

use crate::zoo::{Layer, LayerGraph};

/// A layer behind which the model may be cut.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// The layer's name.
    pub name: String,
    /// What is counted to cross the network behind it, in Mbit: 8 bytes for each element of the layer's output and each
    /// layer that reads it, divided by an assumed compression of 1.44. The model's output counts nothing.
    pub transfer_mbit: f64,
    /// What is counted of the layers behind it up to the next point, in bytes: 4 for each element of a layer's output and
    /// 1 for each trained value.
    pub memory: u64,
    /// Floating-point operations of the same layers. The authors count none; what plans by them is judged by the rest.
    pub flops: u64,
}

/// The points of a model, its input first and its output last.
///
/// A layer's level is the number of layers on the longest path to it from the input. A point is a layer that is alone on
/// its level, and that no path around it climbs past.
pub fn points(graph: &LayerGraph) -> Vec<Point> {
    let layers = &graph.layers;
    let mut levels = vec![0usize; layers.len()];
    let mut readers = vec![0u32; layers.len()];
    for (index, layer) in layers.iter().enumerate() {
        levels[index] = layer.inputs.iter().map(|input| levels[*input] + 1).max().unwrap_or(0);
        layer.inputs.iter().for_each(|input| readers[*input] += 1);
    }
    let top = levels.iter().copied().max().unwrap_or(0);
    let mut alone = vec![0u32; top + 1];
    // Paths that pass a level without a layer on it, as steps up and down.
    let mut passing = vec![0i64; top + 2];
    for (index, layer) in layers.iter().enumerate() {
        alone[levels[index]] += 1;
        for input in &layer.inputs {
            passing[levels[*input] + 1] += 1;
            passing[levels[index]] -= 1;
        }
    }
    let mut around = 0;
    let mut free = vec![false; top + 1];
    for level in 0..=top {
        around += passing[level];
        free[level] = around == 0 && alone[level] == 1;
    }
    let mut found: Vec<usize> = (0..layers.len()).filter(|index| free[levels[*index]]).collect();
    found.sort_by_key(|index| levels[*index]);
    let memory = |layer: &Layer| 4 * layer.elements() + layer.parameters;
    // Of the layers behind a point, up to the next.
    let behind = |place: usize, own: &dyn Fn(&Layer) -> u64| match found.get(place + 1) {
        Some(next) => {
            let between = levels[found[place]] + 1..=levels[*next];
            layers.iter().zip(&levels).filter(|(_, level)| between.contains(level)).map(|(layer, _)| own(layer)).sum()
        }
        None => 0,
    };
    found
        .iter()
        .enumerate()
        .map(|(place, index)| Point {
            name: layers[*index].name.clone(),
            transfer_mbit: f64::from(readers[*index]) * layers[*index].elements() as f64 * 8.0 / 1.44 * 8.0
                / f64::from(1 << 20),
            memory: behind(place, &memory),
            flops: behind(place, &|layer| layer.flops),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::zoo;

    #[derive(Deserialize)]
    struct Reference {
        parts: Vec<String>,
        transfer_mbit: Vec<f64>,
        mem: Vec<u64>,
    }

    #[test]
    fn points_transfers_and_memory_are_the_published_ones() {
        let text = include_str!("paper/data/reference_points.json");
        let published: std::collections::BTreeMap<String, Reference> = serde_json::from_str(text).unwrap();
        for (name, published) in [("resnet50", &published["ResNet50"]), ("mobilenet-v2", &published["MobileNetV2"])] {
            let points = points(&zoo::layers(name).unwrap());
            // The input is numbered by Keras's session.
            let names: Vec<&str> = points.iter().skip(1).map(|point| point.name.as_str()).collect();
            assert_eq!(names, published.parts[1..], "{name}");
            assert_eq!(points.iter().map(|point| point.memory).collect::<Vec<_>>(), published.mem, "{name}");
            for (point, transfer) in points.iter().zip(&published.transfer_mbit) {
                assert!((point.transfer_mbit - transfer).abs() <= 1e-12 * transfer, "{name}: {point:?}, {transfer}");
            }
        }
    }

    #[test]
    fn every_model_has_as_many_points_as_published() {
        for (name, count) in [
            ("mobilenet-v2", 76),
            ("resnet50", 41),
            ("efficientnet-b1", 93),
            ("inception-resnet-v2", 105),
            ("vgg16", 23),
            ("vgg19", 26),
            ("densenet121", 81),
            ("inception-v3", 31),
            ("xception", 27),
        ] {
            assert_eq!(points(&zoo::layers(name).unwrap()).len(), count, "{name}");
        }
    }
}
