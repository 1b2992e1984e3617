//! Segments: executable, or written as an ONNX file to be sent.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use tract_onnx::prelude::*;

use super::activation::{Kind, element_of};
use super::extract::{self, End};
use super::index::Index;
use super::memory::give_back;
use super::protobuf::Source;
use super::{Activation, ModelError, graph};
use crate::profile::{Cut, ModelProfile, Segment};

/// A segment, ready to run on one thread.
///
/// Its pieces are loaded one after the other and run in a chain: so loading takes little more memory than
/// running, the time is the sum of the pieces' times, and the result is the unsplit model's, because each
/// piece's is.
#[derive(Debug, Clone)]
pub struct Executable {
    steps: Vec<Step>,
    inputs: Vec<Kind>,
    outputs: Vec<Kind>,
}

/// Where a segment is loaded from.
#[derive(Debug)]
pub enum Origin<'a> {
    /// A model file, of which no more than the segment is read.
    File(&'a Path),
    /// The segment as [`write_segment`] wrote it.
    Bytes(Vec<u8>),
}

/// A piece at work: which of the tensors before it the engine computes with, and what becomes of all of them.
#[derive(Debug, Clone)]
struct Step {
    takes: Vec<usize>,
    plan: Arc<TypedRunnableModel>,
    gives: Vec<Given>,
}

/// Has the inference engine run a piece.
pub(crate) type Run<'a> = dyn FnMut(&Arc<TypedRunnableModel>, TVec<TValue>) -> TractResult<TVec<TValue>> + 'a;

/// Where a tensor behind a piece comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Given {
    /// It is one of those before the piece, which does not change it.
    Passed(usize),
    /// It is one of the engine's outputs.
    Computed(usize),
}

/// A part of a model as the inference engine simplifies it, not yet optimised.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    /// The operators; its inputs are those tensors before it that they read.
    pub graph: TypedModel,
    /// Which those are.
    pub takes: Vec<usize>,
    /// Where each tensor behind it comes from.
    pub gives: Vec<Given>,
}

impl Executable {
    /// Loads a segment of a model file: reads that segment's operators and weights, and no others.
    ///
    /// # Errors
    /// If the file can't be read or differs from the one that was profiled, or if there is no such segment.
    pub fn load(path: &Path, profile: &ModelProfile, segment: Segment) -> Result<Executable, ModelError> {
        Executable::load_while(Origin::File(path), profile, segment, &mut |_| true)
    }

    /// Loads a segment that [`write_segment`] wrote.
    ///
    /// # Errors
    /// If the bytes are not that segment, or truncated.
    pub fn from_bytes(bytes: Vec<u8>, profile: &ModelProfile, segment: Segment) -> Result<Executable, ModelError> {
        Executable::load_while(Origin::Bytes(bytes), profile, segment, &mut |_| true)
    }

    /// Loads a segment for as long as `may` agrees, which is asked before each piece, by its number in the profile: a
    /// device that has too little memory for what is left can stop before the kernel does.
    ///
    /// # Errors
    /// Those of [`Executable::load`] and [`Executable::from_bytes`], and [`ModelError::Stopped`].
    pub fn load_while(
        origin: Origin<'_>,
        profile: &ModelProfile,
        segment: Segment,
        may: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Executable, ModelError> {
        let source = match origin {
            Origin::File(path) => Source::open(path)?,
            Origin::Bytes(bytes) => Source::memory(bytes),
        };
        let index = &Index::new(source)?;
        check(index, profile, segment)?;
        let mut pieces = segment.pieces().map(|piece| {
            if !may(piece) {
                return Err(ModelError::Stopped { file: index.source.file.clone(), piece });
            }
            let (from, to) = (&profile.cuts[piece], &profile.cuts[piece + 1]);
            Executable::between(index, &ends(from), &ends(to), profile.pieces[piece].digest)
        });
        let mut whole = pieces.next().ok_or_else(|| no_such_segment(index, profile, segment))??;
        for piece in pieces {
            let piece = piece?;
            whole.steps.extend(piece.steps);
            whole.outputs = piece.outputs;
        }
        Ok(whole)
    }

    /// Loads the part between some tensors, whose shapes are known, and others; see [`part_between`].
    pub(crate) fn between(
        index: &Index,
        from: &[End],
        to: &[End],
        sealed: Option<u32>,
    ) -> Result<Executable, ModelError> {
        let file = index.source.file.as_str();
        let executable = part_between(index, from, to, sealed).and_then(|part| Executable::new(part, from, file));
        give_back();
        executable
    }

    /// Makes a part ready to run; `from` are the tensors before it.
    pub(crate) fn new(Part { graph, takes, gives }: Part, from: &[End], file: &str) -> Result<Executable, ModelError> {
        let kind = |outlet: &OutletId| {
            let fact = graph.outlet_fact(*outlet).map_err(graph::engine(file, "read"))?;
            let (file, tensor) = (file.to_owned(), graph.node(outlet.node).name.clone());
            let Some(element) = element_of(fact.datum_type) else {
                return Err(ModelError::Element { file, tensor, element: format!("{:?}", fact.datum_type) });
            };
            match fact.shape.as_concrete() {
                Some(shape) => Ok(Kind { shape: shape.to_vec(), element }),
                None => {
                    let dims = fact.shape.iter().map(ToString::to_string).collect::<Vec<_>>();
                    Err(ModelError::OpenShape { file, tensor, shape: dims.join(", ") })
                }
            }
        };
        let inputs = from.iter().map(|end| known(end, file)).collect::<Result<Vec<Kind>, _>>()?;
        let computed = graph.outputs.iter().map(kind).collect::<Result<Vec<Kind>, _>>()?;
        let outputs = gives.iter().map(|given| match given {
            Given::Passed(index) => inputs[*index].clone(),
            Given::Computed(index) => computed[*index].clone(),
        });
        let outputs = outputs.collect();
        let step = Step { takes, plan: graph::optimise(graph, file)?, gives };
        Ok(Executable { steps: vec![step], inputs, outputs })
    }

    /// The kinds of the tensors it takes.
    pub fn inputs(&self) -> &[Kind] {
        &self.inputs
    }

    /// The kinds of the tensors it gives.
    pub fn outputs(&self) -> &[Kind] {
        &self.outputs
    }

    /// Computes the segment's outputs.
    ///
    /// # Errors
    /// [`ModelError::WrongInput`] when `inputs` are not of the shapes and types that the segment takes,
    /// [`ModelError::Engine`] when computing fails.
    pub fn run(&mut self, inputs: &[Activation]) -> Result<Vec<Activation>, ModelError> {
        self.run_with(inputs, &mut |plan, values| plan.run(values))
    }

    /// Computes the segment's outputs; `run` has the engine run a piece.
    pub(crate) fn run_with(&mut self, inputs: &[Activation], run: &mut Run<'_>) -> Result<Vec<Activation>, ModelError> {
        let fit = inputs.iter().map(Activation::kind).eq(self.inputs.iter().cloned());
        let values = Some(inputs).filter(|_| fit).and_then(|inputs| inputs.iter().map(Activation::to_tensor).collect());
        let values: Vec<Tensor> = values.ok_or_else(|| ModelError::WrongInput {
            expected: listed(self.inputs.iter().map(Kind::to_string)),
            given: listed(inputs.iter().map(|input| format!("{} in {} bytes", input.kind(), input.data.len()))),
        })?;
        let mut values: Vec<TValue> = values.into_iter().map(Tensor::into_tvalue).collect();
        for step in &self.steps {
            values = step.run(values, run)?;
        }
        values.iter().map(Activation::from_value).collect::<Option<_>>().ok_or_else(nothing)
    }

    /// What it runs, one after the other.
    pub(crate) fn plans(&self) -> impl Iterator<Item = &TypedRunnableModel> {
        self.steps.iter().map(|step| &*step.plan)
    }
}

impl Step {
    fn run(&self, values: Vec<TValue>, run: &mut Run<'_>) -> Result<Vec<TValue>, ModelError> {
        // What no one needs any more is handed over, so that the engine may reuse its memory.
        let mut values: Vec<Option<TValue>> = values.into_iter().map(Some).collect();
        let passed = |index: usize| self.gives.contains(&Given::Passed(index));
        let take = |values: &mut Vec<Option<TValue>>, index: usize| {
            let value = values.get_mut(index).ok_or_else(nothing)?;
            if passed(index) { value.clone() } else { value.take() }.ok_or_else(nothing)
        };
        let taken = self.takes.iter().map(|index| take(&mut values, *index)).collect::<Result<TVec<TValue>, _>>()?;
        let computed = run(&self.plan, taken).map_err(graph::engine("the segment", "run"))?;
        let given = self.gives.iter().map(|given| match given {
            Given::Passed(index) => values.get(*index).cloned().flatten(),
            Given::Computed(index) => computed.get(*index).cloned(),
        });
        given.collect::<Option<_>>().ok_or_else(nothing)
    }
}

fn nothing() -> ModelError {
    ModelError::Engine {
        file: "the segment".to_owned(),
        step: "run",
        reason: "it gave no tensor that can be sent".to_owned(),
    }
}

fn listed(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(" and ")
}

fn known(end: &End, file: &str) -> Result<Kind, ModelError> {
    end.kind.clone().ok_or_else(|| ModelError::ProfileMismatch {
        file: file.to_owned(),
        what: format!("{:?} has no shape", end.tensor),
    })
}

/// The part between some tensors, whose shapes are known, and others: from the operators and weights between them alone. If it
/// is `sealed`, their bytes must have this digest: the inference engine is given nothing that a disk has spoilt.
pub(crate) fn part_between(index: &Index, from: &[End], to: &[End], sealed: Option<u32>) -> Result<Part, ModelError> {
    let file = index.source.file.as_str();
    let Routes { takes, gives, read, computed } = Routes::between(index, from, to)?;
    let kinds = read.iter().map(|end| known(end, file)).collect::<Result<Vec<Kind>, _>>()?;
    let (proto, digest) = extract::model(index, &read, &computed)?;
    if sealed.is_some_and(|sealed| sealed != digest) {
        return Err(damaged(index, from, to));
    }
    let graph = graph::declutter(proto, file, &kinds)?;
    Ok(Part { graph, takes, gives })
}

/// What becomes of the tensors before a part, and where those behind it come from.
struct Routes {
    /// Which of the tensors before it are read.
    takes: Vec<usize>,
    /// Where each tensor behind it comes from.
    gives: Vec<Given>,
    /// The tensors that are read.
    read: Vec<End>,
    /// The tensors that are computed.
    computed: Vec<End>,
}

impl Routes {
    fn between(index: &Index, from: &[End], to: &[End]) -> Result<Routes, ModelError> {
        let mut computed: Vec<End> = Vec::new();
        let gives = to.iter().map(|end| match from.iter().position(|other| other.tensor == end.tensor) {
            Some(passed) => Given::Passed(passed),
            None => {
                computed.push(end.clone());
                Given::Computed(computed.len() - 1)
            }
        });
        let gives = gives.collect();
        let nodes = index.between(&extract::names(from), &extract::names(&computed))?;
        let reads = |end: &End| nodes.iter().any(|node| index.nodes[*node].reads.contains(&end.tensor));
        let takes: Vec<usize> = (0..from.len()).filter(|index| reads(&from[*index])).collect();
        let read = takes.iter().map(|index| from[*index].clone()).collect();
        Ok(Routes { takes, gives, read, computed })
    }
}

/// Writes a segment as an ONNX file of its own, for a device that does not have the model. Its inputs are those tensors
/// before it that it reads, its outputs those behind it that it computes.
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
    for piece in segment.pieces() {
        let (from, to) = (ends(&profile.cuts[piece]), ends(&profile.cuts[piece + 1]));
        if profile.pieces[piece].digest.is_some_and(|sealed| digest(&index, &from, &to).ok() != Some(sealed)) {
            return Err(damaged(&index, &from, &to));
        }
    }
    let (from, to) = (ends(&profile.cuts[segment.from]), ends(&profile.cuts[segment.to]));
    let Routes { read, computed, .. } = Routes::between(&index, &from, &to)?;
    extract::write(&index, &read, &computed, &format!("{}..{}", segment.from, segment.to), out)
}

/// Notes in a profile what the bytes of each piece are in the file that was profiled.
///
/// # Errors
/// Those of [`Executable::load`].
pub fn seal(path: &Path, profile: &mut ModelProfile) -> Result<(), ModelError> {
    seal_by(&Index::new(Source::open(path)?)?, profile)
}

pub(crate) fn seal_by(index: &Index, profile: &mut ModelProfile) -> Result<(), ModelError> {
    for (piece, cuts) in profile.pieces.iter_mut().zip(profile.cuts.windows(2)) {
        piece.digest = Some(digest(index, &ends(&cuts[0]), &ends(&cuts[1]))?);
    }
    Ok(())
}

/// The digest of the part between some tensors and others.
fn digest(index: &Index, from: &[End], to: &[End]) -> Result<u32, ModelError> {
    let Routes { read, computed, .. } = Routes::between(index, from, to)?;
    extract::model(index, &read, &computed).map(|(_, digest)| digest)
}

fn damaged(index: &Index, from: &[End], to: &[End]) -> ModelError {
    let named = |ends: &[End]| extract::names(ends).join(" + ");
    ModelError::Damaged { file: index.source.file.clone(), from: named(from), to: named(to) }
}

fn ends(cut: &Cut) -> Vec<End> {
    cut.tensors.iter().map(|tensor| End::new(&tensor.name, &tensor.shape, tensor.element)).collect()
}

fn check(index: &Index, profile: &ModelProfile, segment: Segment) -> Result<(), ModelError> {
    let exists = segment.from < segment.to && segment.to < profile.cuts.len();
    exists.then_some(()).ok_or_else(|| no_such_segment(index, profile, segment))
}

fn no_such_segment(index: &Index, profile: &ModelProfile, Segment { from, to }: Segment) -> ModelError {
    ModelError::NoSuchSegment { file: index.source.file.clone(), from, to, pieces: profile.pieces.len() }
}
