//! The model: of the zoo, or a file that is opened to see whether it can be used.

use std::path::Path;

use node::config::Deploy;
use planner::onnx::{Model, ModelError};

use super::hosts::unknown;
use super::mistake::Mistake;
use crate::model;
use crate::scenario::error::{self, Problem};
use crate::scenario::parse::mistake::Mistake::UnknownKey;
use crate::scenario::parse::raw;
use crate::scenario::{ModelSource, ModelSpec, Store};

/// Which model a scenario names.
pub fn model(raw: &raw::Scenario, folder: &Path, problems: &mut Vec<Problem>) -> Option<ModelSpec> {
    let keys = raw.model.at()?;
    let (name, path, shape) = (&keys.value.name, &keys.value.path, &keys.value.shape);
    let source = match (name.at(), path.at()) {
        (Some(name), None) if !path.is_bad() => {
            let known = planner::zoo::NAMES.map(str::to_owned);
            if !known.contains(&name.value.0) {
                problems.push(unknown("model", &name.value.0, &known, name.place));
                return None;
            }
            if let Some(shape) = shape.at() {
                let problem = Problem::new(Mistake::ShapeOfZoo(name.value.0.clone()).into(), shape.place);
                problems.push(problem.also(name.place, "this model"));
                return None;
            }
            ModelSource::Zoo(name.value.0.clone())
        }
        (None, Some(path)) if !name.is_bad() => {
            let dims: Option<Vec<usize>> =
                shape.optional()?.map(|list| list.0.iter().map(|dim| dim.value.0 as usize).collect());
            let file = folder.join(&path.value.0);
            // Only the file's table of contents is read, so this is quick for a large model, too.
            if let Err(error) = Model::open(&file, dims.as_deref()) {
                let place = if matches!(error, ModelError::ShapeMismatch { .. } | ModelError::TooLarge { .. })
                    && shape.place().is_written()
                {
                    shape.place()
                } else {
                    path.place
                };
                problems.push(Problem::new(unusable(&file, &error).into(), place));
                return None;
            }
            ModelSource::File { path: file, shape: dims }
        }
        (Some(name), Some(path)) => {
            problems.push(Problem::new(Mistake::TwoModels.into(), path.place).also(name.place, "or this one"));
            return None;
        }
        _ => {
            // A misspelt key has been noted as such.
            let misspelt = problems.iter().any(|problem| {
                matches!(&problem.mistake, error::Mistake::Form(UnknownKey { table, .. }) if table == "[model]")
            });
            if !name.is_bad() && !path.is_bad() && !misspelt {
                problems.push(Problem::new(Mistake::NoModel.into(), keys.place));
            }
            return None;
        }
    };
    let (deploy, store) = (keys.value.deploy.get()?.0, keys.value.store.at()?);
    if deploy == Deploy::Network && store.value.0 == Store::Node {
        let problem = Problem::new(Mistake::StoreUnread.into(), store.place);
        problems.push(problem.also(keys.value.deploy.place(), "segments come over the network"));
        return None;
    }
    Some(ModelSpec { source, codec: keys.value.codec.get()?.0, deploy, store: store.value.0 })
}

fn unusable(file: &Path, error: &ModelError) -> Mistake {
    match error {
        ModelError::Read { source, .. } => {
            Mistake::NoFile { path: file.display().to_string(), reason: source.to_string() }
        }
        ModelError::SymbolicShape { known, .. } => {
            Mistake::UnusableModel { reason: error.to_string(), open: Some(model::shape_to_fill_in(known)) }
        }
        _ => Mistake::UnusableModel { reason: error.to_string(), open: None },
    }
}
