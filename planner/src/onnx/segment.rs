//! Segments: executable, or written as an ONNX file to be sent.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use tract_onnx::prelude::*;

use super::activation::element_of;
use super::extract::{self, End};
use super::index::Index;
use super::memory::give_back;
use super::protobuf::Source;
use super::{Activation, ModelError, graph};
use crate::element::Element;
use crate::profile::{Cut, ModelProfile, Segment};

/// A segment, ready to run on one thread.
///
/// Its pieces are loaded one after the other and run in a chain: so loading takes little more memory than
/// running, the time is the sum of the pieces' times, and the result is the unsplit model's, because each
/// piece's is.
#[derive(Debug, Clone)]
pub struct Executable {
    pieces: Vec<Arc<TypedRunnableModel>>,
    input: (Vec<usize>, Element),
    output: (Vec<usize>, Element),
}

impl Executable {
    /// Loads a segment of a model file: reads that segment's operators and weights, and no others.
    ///
    /// # Errors
    /// If the file can't be read or differs from the one that was profiled, or if there is no such segment.
    pub fn load(path: &Path, profile: &ModelProfile, segment: Segment) -> Result<Executable, ModelError> {
        Executable::read(&Index::new(Source::open(path)?)?, profile, segment)
    }

    /// Loads a segment that [`write_segment`] wrote.
    ///
    /// # Errors
    /// If the bytes are not that segment, or truncated.
    pub fn from_bytes(bytes: Vec<u8>, profile: &ModelProfile, segment: Segment) -> Result<Executable, ModelError> {
        Executable::read(&Index::new(Source::memory(bytes))?, profile, segment)
    }

    fn read(index: &Index, profile: &ModelProfile, segment: Segment) -> Result<Executable, ModelError> {
        check(index, profile, segment)?;
        let mut pieces = segment
            .pieces()
            .map(|piece| Executable::between(index, &end(&profile.cuts[piece]), &end(&profile.cuts[piece + 1])));
        let mut whole = pieces.next().ok_or_else(|| no_such_segment(index, profile, segment))??;
        for piece in pieces {
            let piece = piece?;
            whole.pieces.extend(piece.pieces);
            whole.output = piece.output;
        }
        Ok(whole)
    }

    pub(crate) fn between(index: &Index, from: &End, to: &End) -> Result<Executable, ModelError> {
        let file = index.source.file.as_str();
        let executable = graph_between(index, from, to).and_then(|model| Executable::new(model, file));
        give_back();
        executable
    }

    pub(crate) fn new(model: TypedModel, file: &str) -> Result<Executable, ModelError> {
        let kind = |outlet: OutletId| {
            let fact = model.outlet_fact(outlet).map_err(graph::engine(file, "read"))?;
            let (file, tensor) = (file.to_owned(), model.node(outlet.node).name.clone());
            let Some(element) = element_of(fact.datum_type) else {
                return Err(ModelError::Element { file, tensor, element: format!("{:?}", fact.datum_type) });
            };
            match fact.shape.as_concrete() {
                Some(shape) => Ok((shape.to_vec(), element)),
                None => {
                    let dims = fact.shape.iter().map(ToString::to_string).collect::<Vec<_>>();
                    Err(ModelError::OpenShape { file, tensor, shape: dims.join(", ") })
                }
            }
        };
        let (input, output) = (kind(model.inputs[0])?, kind(model.outputs[0])?);
        Ok(Executable { pieces: vec![graph::optimise(model, file)?], input, output })
    }

    /// Shape and elements of the tensor it takes.
    pub fn input(&self) -> (&[usize], Element) {
        (&self.input.0, self.input.1)
    }

    /// Shape and elements of the tensor it gives.
    pub fn output(&self) -> (&[usize], Element) {
        (&self.output.0, self.output.1)
    }

    /// Computes the segment's output.
    ///
    /// # Errors
    /// [`ModelError::WrongInput`] when `input` is not of the shape and type that the segment takes,
    /// [`ModelError::Engine`] when computing fails.
    pub fn run(&mut self, input: &Activation) -> Result<Activation, ModelError> {
        let tensor = Some(input).filter(|input| (&input.shape, input.element) == (&self.input.0, self.input.1));
        let tensor = tensor.and_then(Activation::to_tensor).ok_or_else(|| ModelError::WrongInput {
            expected: format!("{:?} of {}", self.input.0, self.input.1),
            given: format!("{:?} of {} in {} bytes", input.shape, input.element, input.data.len()),
        })?;
        let failed = graph::engine("the segment", "run");
        let nothing = || ModelError::Engine {
            file: "the segment".to_owned(),
            step: "run",
            reason: "it gave no tensor that can be sent".to_owned(),
        };
        let mut value = tensor.into_tvalue();
        for piece in &self.pieces {
            value = piece.run(tvec!(value)).map_err(&failed)?.into_iter().next().ok_or_else(nothing)?;
        }
        Activation::from_value(&value).ok_or_else(nothing)
    }

    /// What it runs, one after the other.
    pub(crate) fn pieces(&self) -> &[Arc<TypedRunnableModel>] {
        &self.pieces
    }
}

/// The decluttered graph between two tensors, from the operators and weights between them alone.
pub(crate) fn graph_between(index: &Index, from: &End, to: &End) -> Result<TypedModel, ModelError> {
    let file = index.source.file.as_str();
    let Some((shape, element)) = &from.kind else {
        let what = format!("{:?} has no shape", from.tensor);
        return Err(ModelError::ProfileMismatch { file: file.to_owned(), what });
    };
    graph::declutter(extract::model(index, from, to)?, file, shape, *element)
}

/// Writes a segment as an ONNX file of its own, for a device that does not have the model.
///
/// # Errors
/// Those of [`Executable::load`], and [`ModelError::Write`].
pub fn write_segment(
    path: &Path,
    profile: &ModelProfile,
    segment: Segment,
    out: &mut impl Write,
) -> Result<(), ModelError> {
    let index = Index::new(Source::open(path)?)?;
    check(&index, profile, segment)?;
    let (from, to) = (end(&profile.cuts[segment.from]), end(&profile.cuts[segment.to]));
    extract::write(&index, &from, &to, &format!("{}..{}", segment.from, segment.to), out)
}

fn end(cut: &Cut) -> End {
    End::new(&cut.tensor, &cut.shape, cut.element)
}

fn check(index: &Index, profile: &ModelProfile, segment: Segment) -> Result<(), ModelError> {
    let exists = segment.from < segment.to && segment.to < profile.cuts.len();
    exists.then_some(()).ok_or_else(|| no_such_segment(index, profile, segment))
}

fn no_such_segment(index: &Index, profile: &ModelProfile, Segment { from, to }: Segment) -> ModelError {
    ModelError::NoSuchSegment { file: index.source.file.clone(), from, to, pieces: profile.pieces.len() }
}
