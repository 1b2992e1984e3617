//! Well-known architectures, built with seeded weights: nothing is downloaded, and the same name and
//! seed give the same file on every machine.
//!
//! Layers, shapes, names and parameter counts are those of `keras.applications`, in ONNX's layout
//! (NCHW). The weights are random, drawn so that activations keep their scale from layer to layer:
//! what a model *computes* means nothing, what it *costs* is that of the real one.

mod builder;
mod densenet;
mod efficientnet;
mod graph;
mod inception;
mod layers;
mod mobilenet;
mod resnet;
mod tiny;
mod vgg;
mod xception;

pub use graph::{Layer, LayerGraph};

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use builder::Network;

type Architecture = fn(u64) -> Network;

/// Every architecture, by its name.
const ARCHITECTURES: [(&str, Architecture); 12] = [
    ("mobilenet-v2", mobilenet::mobilenet_v2),
    ("resnet50", resnet::resnet50),
    ("efficientnet-b1", efficientnet::efficientnet_b1),
    ("inception-v3", inception::inception_v3),
    ("inception-resnet-v2", inception::inception_resnet_v2),
    ("xception", xception::xception),
    ("vgg16", vgg::vgg16),
    ("vgg19", vgg::vgg19),
    ("densenet121", densenet::densenet121),
    ("densenet169", densenet::densenet169),
    ("densenet201", densenet::densenet201),
    ("tiny-cnn", tiny::tiny_cnn),
];

/// Every model that can be built.
pub const NAMES: [&str; ARCHITECTURES.len()] = {
    let mut names = [""; ARCHITECTURES.len()];
    let mut index = 0;
    while index < names.len() {
        names[index] = ARCHITECTURES[index].0;
        index += 1;
    }
    names
};

/// Why a model could not be built.
#[derive(Debug, thiserror::Error)]
pub enum ZooError {
    /// The name is none of [`NAMES`].
    #[error("there is no model {0:?} in the zoo (it has {list})", list = NAMES.join(", "))]
    UnknownModel(String),
    /// The file could not be written.
    #[error("can't write the model to {path}: {source}")]
    Write {
        /// The file.
        path: String,
        /// What the operating system said.
        source: io::Error,
    },
}

fn network(name: &str, seed: u64) -> Result<Network, ZooError> {
    let known = ARCHITECTURES.iter().find(|(known, _)| *known == name);
    known.map(|(_, build)| build(seed)).ok_or_else(|| ZooError::UnknownModel(name.to_owned()))
}

/// The model's layers, without weights.
///
/// # Errors
/// [`ZooError::UnknownModel`].
pub fn layers(name: &str) -> Result<LayerGraph, ZooError> {
    Ok(network(name, 0)?.layers())
}

/// The number of trained values (weights, biases, normalisation statistics) that `name` has.
///
/// # Errors
/// [`ZooError::UnknownModel`].
pub fn parameters(name: &str) -> Result<u64, ZooError> {
    Ok(network(name, 0)?.parameters())
}

/// The model as the bytes of an ONNX file.
///
/// # Errors
/// [`ZooError::UnknownModel`].
pub fn build(name: &str, seed: u64) -> Result<Vec<u8>, ZooError> {
    let mut bytes = Vec::new();
    network(name, seed)?.write(&mut bytes).map_err(|source| ZooError::Write { path: "memory".to_owned(), source })?;
    Ok(bytes)
}

/// Writes the model as an ONNX file. Weights are drawn while they are written, so memory stays small;
/// the file appears under its name only when it is whole, so several processes may write it at once.
///
/// # Errors
/// [`ZooError::UnknownModel`], or [`ZooError::Write`] when the file can't be written.
pub fn write(name: &str, seed: u64, path: &Path) -> Result<(), ZooError> {
    let network = network(name, seed)?;
    let temporary = path.with_extension(format!("partial-{}", std::process::id()));
    let written = File::create(&temporary).and_then(|file| {
        let mut file = BufWriter::with_capacity(1 << 18, file);
        network.write(&mut file)?;
        file.into_inner().map_err(|error| error.into_error())?.flush()?;
        fs::rename(&temporary, path)
    });
    written.map_err(|source| {
        let _ = fs::remove_file(&temporary);
        ZooError::Write { path: path.display().to_string(), source }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameter_counts_are_those_of_keras() {
        for (name, count) in [
            ("mobilenet-v2", 3_538_984),
            ("resnet50", 25_636_712),
            ("efficientnet-b1", 7_856_239),
            ("inception-v3", 23_851_784),
            ("inception-resnet-v2", 55_873_736),
            ("xception", 22_910_480),
            ("vgg16", 138_357_544),
            ("vgg19", 143_667_240),
            ("densenet121", 8_062_504),
            ("densenet169", 14_307_880),
            ("densenet201", 20_242_984),
        ] {
            assert_eq!(parameters(name).unwrap(), count, "{name}");
            let layers = layers(name).unwrap().layers;
            assert_eq!(layers.iter().map(|layer| layer.parameters).sum::<u64>(), count, "{name}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_file_and_another_seed_another() {
        let first = build("tiny-cnn", 1).unwrap();
        assert!(first.len() < 300_000, "{} bytes", first.len());
        assert!(first == build("tiny-cnn", 1).unwrap());
        assert!(first != build("tiny-cnn", 2).unwrap());
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_known_ones() {
        let error = build("resnet", 1).unwrap_err().to_string();
        assert!(error.contains("resnet50"), "{error}");
    }
}
