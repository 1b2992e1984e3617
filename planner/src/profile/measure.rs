//! Measures a model: where it can be cut, and what lies between the cuts.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

use tract_onnx::prelude::TypedModel;
use tract_onnx::tract_core::ops::Cost;
use tract_onnx::tract_core::ops::konst::Const;

use super::candidates::{Found, find};
use super::input::input;
use super::process::{empty_process, host};
use super::timing::timings;
use super::{Cut, LiveTensor, ModelProfile, PROFILE_VERSION, Piece};
use crate::codec::Codec;
use crate::digest::digest_file;
use crate::onnx::{
    Activation, End, Executable, Index, Kind, Model, ModelError, engine, give_back, keep, names, part_between, seal_by,
};
use crate::units::ByteSize;

/// How many bytes a codec makes of the tensors of a cut.
pub type Encoder<'a> = (Codec, &'a dyn Fn(&[Activation]) -> usize);

/// Seed of the input that is measured with.
const SEED: u64 = 0;
/// Runs of which the lower quartile is taken, after one that is not counted.
const RUNS: usize = 7;
/// A piece is not worth a cut of its own if it takes less than this part of the model's time …
const SHORT: f64 = 0.02;
/// … and holds less than this part of its parameters …
const LIGHT: f64 = 0.001;
/// … and no codec makes more than this many times the bytes of its output than of its input.
const LARGER: f64 = 1.02;

/// A piece, loaded from the file alone.
struct Loaded {
    executable: Executable,
    operators: Vec<String>,
    parameters: u64,
    activations: u64,
    flops: u64,
}

/// Measures the model in `path`. `shape` says the dimensions of its input that the file leaves open, as in [`Model::open`];
/// `encoders` are the codecs to measure each cut with.
///
/// Only cuts are offered at which a split model is bit-identical to the unsplit one: that has been tried
/// for each. A cut is left out if a neighbour is at least as good a place: if what lies between takes
/// hardly any time or memory, and what crosses there is no larger (an activation function, a reshape).
///
/// Takes about as long as some dozens of inferences; needs an otherwise idle host.
///
/// # Errors
/// Those of [`Model::open`], and [`ModelError::Engine`] when the inference engine refuses the model.
pub fn measure(
    path: &Path,
    name: &str,
    shape: Option<&[usize]>,
    encoders: &[Encoder<'_>],
) -> Result<ModelProfile, ModelError> {
    let digest = digest_file(path).map_err(|source| ModelError::Read { file: path.display().to_string(), source })?;
    let model = Model::open(path, shape)?;
    let image = input(model.shape(), model.element(), SEED, 0);
    let found = find(&model, &image)?;
    let mut pieces = load_all(&model.index, &found)?;
    let times = times(&mut pieces, &image)?;
    let encoded: Vec<BTreeMap<Codec, ByteSize>> = found.iter().map(|cut| encode(&cut.values, encoders)).collect();
    let mut keep = worth_having(&pieces, &times, &encoded);
    drop(pieces);
    keep_exact(&model.index, &found, &mut keep)?;
    let found: Vec<Found> = keep.iter().map(|index| found[*index].clone()).collect();
    let encoded: Vec<_> = keep.iter().map(|index| encoded[*index].clone()).collect();
    // Operators are merged across a cut that is gone, so what is left is loaded and timed anew.
    let mut pieces = load_all(&model.index, &found)?;
    let times = self::times(&mut pieces, &image)?;
    let live = |(name, value): (String, Activation)| LiveTensor { name, shape: value.shape, element: value.element };
    let timings = (pieces.iter_mut().zip(&found))
        .map(|(piece, start)| timings(&mut piece.executable, &start.values))
        .collect::<Result<Vec<_>, _>>()?;
    let cuts = found
        .into_iter()
        .zip(encoded)
        .map(|(cut, encoded)| Cut { tensors: cut.tensors.into_iter().zip(cut.values).map(live).collect(), encoded });
    let measured = pieces.iter().zip(times).zip(timings).map(|((piece, time), timings)| Piece {
        operators: piece.operators.clone(),
        parameters: ByteSize::from_bytes(piece.parameters),
        activations: ByteSize::from_bytes(piece.activations),
        flops: piece.flops,
        time,
        timings,
        digest: None,
    });
    let mut profile = ModelProfile {
        version: PROFILE_VERSION,
        model: name.to_owned(),
        digest,
        host: host(),
        process_memory: empty_process(),
        footprint: super::Footprint::Process,
        cuts: cuts.collect(),
        pieces: measured.collect(),
    };
    drop(pieces);
    seal_by(&model.index, &mut profile)?;
    give_back();
    Ok(profile)
}

/// What the unsplit model makes of the first `inputs` inputs of the sequence that `seed` begins. The shape of
/// the input is the profile's.
///
/// # Errors
/// If the file can't be read or run, or is not the one that was profiled.
pub fn reference(path: &Path, profile: &ModelProfile, inputs: u32, seed: u64) -> Result<Vec<Activation>, ModelError> {
    let shape = profile.cuts.first().and_then(|cut| cut.tensors.first()).map(|tensor| tensor.shape.as_slice());
    let model = Model::open(path, shape)?;
    let mut unsplit = model.executable()?;
    let one = |index| unsplit.run(&[input(model.shape(), model.element(), seed, index)]);
    let outputs = (0..inputs).map(one).collect::<Result<Vec<_>, _>>()?;
    Ok(outputs.into_iter().flatten().collect())
}

/// Puts the cuts back that lie within a piece which, merged, no longer gives the unsplit model's bytes.
fn keep_exact(index: &Index, found: &[Found], keep: &mut BTreeSet<usize>) -> Result<(), ModelError> {
    let ends: Vec<usize> = keep.iter().copied().collect();
    for pair in ends.windows(2).filter(|pair| pair[0] + 1 < pair[1]) {
        let (start, end) = (&found[pair[0]], &found[pair[1]]);
        if Executable::between(index, &start.ends(), &end.ends(), None)?.run(&start.values)? != end.values {
            keep.extend(pair[0]..pair[1]);
        }
    }
    Ok(())
}

fn load_all(index: &Index, found: &[Found]) -> Result<Vec<Loaded>, ModelError> {
    found.windows(2).map(|pair| load(index, &pair[0].ends(), &pair[1].ends())).collect()
}

fn load(index: &Index, from: &[End], to: &[End]) -> Result<Loaded, ModelError> {
    let file = index.source.file.as_str();
    let part = part_between(index, from, to, None)?;
    let (parameters, flops) = (constant_bytes(&part.graph), flops(&part.graph).map_err(engine(file, "counted"))?);
    let operators = index.between(&names(from), &names(to))?;
    let operators = operators.into_iter().map(|node| index.nodes[node].name.clone()).collect();
    let executable = Executable::new(part, from, file)?;
    let activations = activation_peak(&executable).map_err(engine(file, "counted"))?;
    Ok(Loaded { executable, operators, parameters, activations, flops })
}

/// Bytes of weights and other constants.
fn constant_bytes(graph: &TypedModel) -> u64 {
    let constants = graph.nodes().iter().filter_map(|node| node.op_as::<Const>());
    constants.map(|constant| (constant.val().len() * constant.val().datum_type().size_of()) as u64).sum()
}

/// Floating-point operations; a multiply-add counts two.
fn flops(graph: &TypedModel) -> tract_onnx::prelude::TractResult<u64> {
    let mut sum = 0;
    for node in graph.nodes() {
        for (cost, count) in node.op.cost(&graph.node_input_facts(node.id)?)? {
            let each = match cost {
                Cost::FMA(_) => 2,
                Cost::Div(_) => 1,
                _ => 0,
            };
            sum += each * u64::try_from(count.to_i64().unwrap_or(0)).unwrap_or(0);
        }
    }
    Ok(sum)
}

/// Most bytes of activations alive at once, and the copies of input and output that are on their way in and out.
fn activation_peak(executable: &Executable) -> tract_onnx::prelude::TractResult<u64> {
    let mut peak = 0;
    for plan in executable.plans() {
        let steps = plan.model().eval_tmp_memory_usage(plan.order_without_consts(), |node| !node.op_is::<Const>())?;
        peak = steps.into_iter().filter_map(|(_, bytes)| bytes.to_i64().ok()).fold(peak, i64::max);
    }
    let copies: usize = executable.inputs().iter().chain(executable.outputs()).filter_map(Kind::bytes).sum();
    Ok(peak.max(0) as u64 + copies as u64)
}

/// Time of each piece over whole passes, so that each piece finds the caches as the pieces before it leave them: the lower
/// quartile, since whatever else a host does only ever adds to it.
fn times(pieces: &mut [Loaded], image: &Activation) -> Result<Vec<Duration>, ModelError> {
    keep();
    let mut runs = vec![Vec::with_capacity(RUNS); pieces.len()];
    for run in 0..=RUNS {
        let mut values = vec![image.clone()];
        for (piece, times) in pieces.iter_mut().zip(&mut runs) {
            let start = Instant::now();
            values = piece.executable.run(&values)?;
            if run > 0 {
                times.push(start.elapsed());
            }
        }
    }
    let quartile = |mut times: Vec<Duration>| {
        times.sort_unstable();
        times[times.len() / 4]
    };
    Ok(runs.into_iter().map(quartile).collect())
}

fn encode(values: &[Activation], encoders: &[Encoder<'_>]) -> BTreeMap<Codec, ByteSize> {
    encoders.iter().map(|(codec, bytes)| (*codec, ByteSize::from_bytes(bytes(values) as u64))).collect()
}

/// The cuts that are not dominated by a neighbour: by one that is as good a place, with hardly anything in between.
///
/// A cut that is dropped makes the pieces around it one, so what lies between is summed up from the last that is kept.
fn worth_having(pieces: &[Loaded], times: &[Duration], encoded: &[BTreeMap<Codec, ByteSize>]) -> BTreeSet<usize> {
    let time: Duration = times.iter().sum();
    let parameters: u64 = pieces.iter().map(|piece| piece.parameters).sum();
    let hardly_anything = |pieces_between: Range<usize>| {
        let took: Duration = times[pieces_between.clone()].iter().sum();
        let held: u64 = pieces[pieces_between].iter().map(|piece| piece.parameters).sum();
        took.as_secs_f64() < time.as_secs_f64() * SHORT && (held as f64) <= parameters as f64 * LIGHT
    };
    let no_larger = |cut: usize, than: usize| {
        encoded[cut].iter().all(|(codec, bytes)| {
            let other = encoded[than].get(codec).map_or(u64::MAX, |other| other.bytes());
            bytes.bytes() as f64 <= other as f64 * LARGER
        })
    };
    let mut kept = vec![0];
    for cut in 1..=pieces.len() {
        // Those before it that it is as good as are not needed beside it …
        while let [_, .., last] = kept.as_slice()
            && hardly_anything(*last..cut)
            && no_larger(cut, *last)
        {
            kept.pop();
        }
        // … and it is not, beside one that is better.
        let dominated = kept.last().is_some_and(|last| hardly_anything(*last..cut) && no_larger(*last, cut));
        if !dominated || cut == pieces.len() {
            kept.push(cut);
        }
    }
    kept.into_iter().collect()
}
