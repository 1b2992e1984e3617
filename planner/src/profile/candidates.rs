//! Which tensors a model can be cut at without changing a bit of its result: found by trying.
//!
//! The unsplit model, as the inference engine simplifies it, is run from waist to waist, and the value at
//! each is noted. Then pieces are loaded from the file alone, each from a tensor already found to the
//! next that separates the file's graph, and run. A tensor is a cut if the piece up to it consists of the
//! same operators as the unsplit model there, and gives the very bytes that the unsplit model has there.

use tract_onnx::prelude::{IntoTValue, OutletId, TypedModel, tvec};

use crate::digest::digest;
use crate::onnx::{
    Activation, End, Executable, Index, Model, ModelError, cut, engine, graph_between, kinds, optimise, waists,
};

/// How many earlier cuts a piece may begin at when it does not come out right from the last.
const BACKTRACK: usize = 3;

/// A cut that has been found.
#[derive(Debug, Clone)]
pub struct Found {
    /// The tensor's name in the file.
    pub tensor: String,
    /// Its value, computed from the measured input.
    pub value: Activation,
    /// Index of the waist of the unsplit model that it is.
    waist: usize,
}

/// The unsplit model at each of its waists.
struct Unsplit {
    model: TypedModel,
    waists: Vec<OutletId>,
    digests: Vec<u64>,
}

impl Unsplit {
    fn run(model: TypedModel, file: &str, input: &Activation) -> Result<Unsplit, ModelError> {
        let waists = waists(&model, file)?;
        let mut value = input.to_tensor().ok_or_else(|| no_value(file))?.into_tvalue();
        let mut digests = vec![digest(&input.data)];
        for ends in waists.windows(2) {
            let piece = optimise(cut(&model, ends[0], ends[1], file)?, file)?;
            let mut outputs = piece.run(tvec!(value)).map_err(engine(file, "run"))?;
            value = if outputs.is_empty() { return Err(no_value(file)) } else { outputs.remove(0) };
            digests.push(digest(value.as_plain_ram().ok_or_else(|| no_value(file))?.as_bytes()));
        }
        Ok(Unsplit { model, waists, digests })
    }

    fn kinds(&self, from: usize, to: usize, file: &str) -> Result<Vec<String>, ModelError> {
        kinds(&cut(&self.model, self.waists[from], self.waists[to], file)?, file)
    }
}

fn no_value(file: &str) -> ModelError {
    let reason = "a tensor in it has no plain value".to_owned();
    ModelError::Engine { file: file.to_owned(), step: "run", reason }
}

/// Finds the cuts, from the model's input to its output, both included.
pub fn find(model: &Model, input: &Activation) -> Result<Vec<Found>, ModelError> {
    let (index, file) = (&model.index, model.file());
    let unsplit = Unsplit::run(model.declutter()?, file, input)?;
    let tensors = index.cuts(model.input(), model.output())?;
    let mut found = vec![Found { tensor: model.input().to_owned(), value: input.clone(), waist: 0 }];
    for tensor in tensors.into_iter().skip(1) {
        let last = tensor == model.output();
        // The output must be reached from somewhere; from the input, the piece is the model itself.
        let reach = if last { found.len() } else { BACKTRACK.min(found.len()) };
        for back in 0..reach {
            let start = &found[found.len() - 1 - back];
            let end = if start.waist == 0 && last {
                Some(whole(model, input, &unsplit)?)
            } else {
                attempt(index, start, tensor, &unsplit, last)?
            };
            if let Some(end) = end {
                found.truncate(found.len() - back);
                found.push(end);
                break;
            }
        }
    }
    Ok(found)
}

fn whole(model: &Model, input: &Activation, unsplit: &Unsplit) -> Result<Found, ModelError> {
    let value = model.executable()?.run(input)?;
    Ok(Found { tensor: model.output().to_owned(), value, waist: unsplit.waists.len() - 1 })
}

/// Loads and runs the piece from `start` to `tensor`; `None` if it is not the unsplit model's.
fn attempt(
    index: &Index,
    start: &Found,
    tensor: &str,
    unsplit: &Unsplit,
    last: bool,
) -> Result<Option<Found>, ModelError> {
    let file = index.source.file.as_str();
    let from = End::new(&start.tensor, &start.value.shape, start.value.element);
    // A piece that can't be loaded is no piece; the whole model has been loaded before, so its errors are told.
    let Ok(graph) = graph_between(index, &from, &End::unknown(tensor)) else { return Ok(None) };
    let own = kinds(&graph, file)?;
    let Some(value) = Executable::new(graph, file).and_then(|mut piece| piece.run(&start.value)).ok() else {
        return Ok(None);
    };
    let bytes = digest(&value.data);
    for waist in start.waist + 1..unsplit.waists.len() {
        if unsplit.digests[waist] != bytes || (last && waist + 1 != unsplit.waists.len()) {
            continue;
        }
        if unsplit.kinds(start.waist, waist, file)? == own {
            return Ok(Some(Found { tensor: tensor.to_owned(), value, waist }));
        }
    }
    Ok(None)
}
