//! Where a model can be cut without changing a bit of its result: found by trying.
//!
//! The file's order of operators has a **frontier** after each: the tensors that are alive then. That is one tensor between
//! the blocks of a model, and several inside a residual or an inception block. Between two operators that do most of the
//! work (convolutions, products of matrices) one frontier is as good as the other for memory and time; so of those the
//! one of fewest tensors is taken, and of several the last, at which nothing changes.
//!
//! To try a frontier, the piece from the last cut found up to it is loaded from the file alone, and run. It is a cut if
//! each of its tensors has the very bytes that a tensor of the unsplit model has, as the inference engine simplifies
//! that, and if between those the unsplit model has the same operators as the piece.

use tract_onnx::prelude::OutletId;

use super::unsplit::Unsplit;
use crate::digest::digest;
use crate::onnx::{Activation, End, Executable, Frontier, Index, Model, ModelError, kinds, part_between};

/// Kinds of operators in which a model's weights and time are.
const HEAVY: [&str; 12] = [
    "Conv",
    "ConvTranspose",
    "ConvInteger",
    "QLinearConv",
    "Gemm",
    "MatMul",
    "MatMulInteger",
    "QLinearMatMul",
    "Einsum",
    "LSTM",
    "GRU",
    "RNN",
];
/// Most tensors of a cut.
const MOST_TENSORS: usize = 8;
/// Most frontiers that are tried between two heavy operators.
const TRIES: usize = 2;
/// How many earlier cuts a piece may begin at when it does not come out right from the last.
const BACKTRACK: usize = 3;
/// Most heavy operators in a piece that is tried: loading ever longer pieces that don't come out right takes ever longer.
const REACH: usize = 24;
/// Most guesses which tensors of the unsplit model those of a frontier are; there is a choice only where values are equal.
const GUESSES: usize = 16;

/// A cut that has been found.
#[derive(Debug, Clone)]
pub struct Found {
    /// The names of its tensors in the file.
    pub tensors: Vec<String>,
    /// Their values, computed from the measured input.
    pub values: Vec<Activation>,
    /// Which tensors of the unsplit model they are.
    outlets: Vec<OutletId>,
    /// How many heavy operators are before it.
    heavy: usize,
}

impl Found {
    /// What loading a piece needs to know of it.
    pub fn ends(&self) -> Vec<End> {
        let known = |(name, value): (&String, &Activation)| End::new(name, &value.shape, value.element);
        self.tensors.iter().zip(&self.values).map(known).collect()
    }
}

/// Finds the cuts, from the model's input to its output, both included.
pub fn find(model: &Model, input: &Activation) -> Result<Vec<Found>, ModelError> {
    let index = &model.index;
    let unsplit = Unsplit::run(model.declutter()?, model.file(), input)?;
    let frontiers = index.frontiers(model.input(), model.output(), MOST_TENSORS)?;
    let (tensors, values) = (vec![model.input().to_owned()], vec![input.clone()]);
    let mut found = vec![Found { tensors, values, outlets: vec![unsplit.input()], heavy: 0 }];
    for (number, gap) in gaps(index, &frontiers).iter().enumerate() {
        let near = found.iter().rev().take(BACKTRACK).filter(|start| number + 1 - start.heavy <= REACH);
        let next = near.enumerate().find_map(|(back, start)| {
            let next =
                gap.iter().take(TRIES).find_map(|frontier| attempt(index, &unsplit, start, &frontier.tensors, None));
            next.map(|next| (back, Found { heavy: number + 1, ..next }))
        });
        if let Some((back, next)) = next {
            found.truncate(found.len() - back);
            found.push(next);
        }
    }
    // The output must be reached from somewhere; from the input, the piece is the model itself.
    while let [_, .., last] = found.as_slice() {
        if let Some(end) = attempt(index, &unsplit, last, &[model.output()], Some(unsplit.output())) {
            found.push(end);
            return Ok(found);
        }
        found.pop();
    }
    let values = model.executable()?.run(std::slice::from_ref(input))?;
    found.push(Found { tensors: vec![model.output().to_owned()], values, outlets: vec![unsplit.output()], heavy: 0 });
    Ok(found)
}

/// The frontiers between each heavy operator and the next, those of fewest tensors first, and of these the last.
fn gaps<'a, 'b>(index: &Index, frontiers: &'b [Frontier<'a>]) -> Vec<Vec<&'b Frontier<'a>>> {
    let heavy =
        |frontier: &Frontier<'_>| frontier.after.is_some_and(|node| HEAVY.contains(&index.nodes[node].kind.as_str()));
    let starts: Vec<usize> = (0..frontiers.len()).filter(|number| heavy(&frontiers[*number])).collect();
    let gap = |pair: &[usize]| {
        let mut gap: Vec<&Frontier<'a>> =
            frontiers[pair[0]..pair[1]].iter().rev().filter(|frontier| !frontier.tensors.is_empty()).collect();
        gap.sort_by_key(|frontier| frontier.tensors.len());
        gap
    };
    starts.windows(2).map(gap).collect()
}

/// Loads and runs the piece from `start` to the tensors named; nothing if it is not the unsplit model's. `outlet` is what
/// they must be, where that is known.
///
/// A piece that can't be loaded is no piece; the whole model has been loaded before, so its errors are told.
fn attempt(
    index: &Index,
    unsplit: &Unsplit,
    start: &Found,
    tensors: &[&str],
    outlet: Option<OutletId>,
) -> Option<Found> {
    let (from, to): (Vec<End>, Vec<End>) = (start.ends(), tensors.iter().map(|name| End::unknown(name)).collect());
    let part = part_between(index, &from, &to, None).ok()?;
    let mut own = kinds(&part.graph, &index.source.file).ok()?;
    // Branches may be ordered otherwise.
    own.sort_unstable();
    let values =
        Executable::new(part, &from, &index.source.file).and_then(|mut piece| piece.run(&start.values)).ok()?;
    let mut candidates: Vec<Vec<OutletId>> = (tensors.iter().zip(&values))
        .map(|(name, value)| match start.tensors.iter().position(|other| other == name) {
            Some(passed) => vec![start.outlets[passed]],
            None => unsplit.with_digest(digest(&value.data)),
        })
        .collect();
    if let Some(outlet) = outlet {
        candidates.iter_mut().for_each(|choice| choice.retain(|other| *other == outlet));
    }
    let same = |outlets: &Vec<OutletId>| unsplit.kinds(&start.outlets, outlets).is_some_and(|kinds| kinds == own);
    let outlets = combinations(&candidates).find(same)?;
    Some(Found { tensors: tensors.iter().map(|name| (*name).to_owned()).collect(), values, outlets, heavy: 0 })
}

/// Every way to choose one of each; none where one has no choice.
fn combinations(choices: &[Vec<OutletId>]) -> impl Iterator<Item = Vec<OutletId>> {
    let ways = choices.iter().try_fold(1usize, |ways, choice| ways.checked_mul(choice.len())).unwrap_or(usize::MAX);
    (0..ways.min(GUESSES)).map(|way| {
        let mut rest = way;
        let one = |choice: &Vec<OutletId>| {
            let chosen = choice[rest % choice.len()];
            rest /= choice.len();
            chosen
        };
        choices.iter().map(one).collect()
    })
}
