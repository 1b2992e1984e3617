//! How long the inference engine takes for each of the operators that it makes of a piece.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tract_onnx::prelude::{TValue, TVec, TractResult, TypedRunnableModel};
use tract_onnx::tract_core::ops::source::TypedSource;
use tract_onnx::tract_core::plan::eval;

use super::Timing;
use crate::onnx::{Activation, Executable, ModelError};

/// Runs of which the fastest counts, for each operator by itself.
const RUNS: usize = 3;

/// Times a piece's operators on its inputs, in the order in which they run.
pub fn timings(piece: &mut Executable, inputs: &[Activation]) -> Result<Vec<Timing>, ModelError> {
    let mut timings: Vec<Timing> = Vec::new();
    for run in 0..RUNS {
        let mut next = 0;
        piece.run_with(inputs, &mut |plan, values| {
            timed(plan, values, &mut |name, kind, took| {
                match timings.get_mut(next) {
                    Some(timing) => timing.time = timing.time.min(took),
                    None if run == 0 => {
                        timings.push(Timing { name: name.to_owned(), kind: kind.to_owned(), time: took });
                    }
                    None => {}
                }
                next += 1;
            })
        })?;
    }
    Ok(timings)
}

/// Runs a piece, and tells of each operator its name, its kind and how long it took.
fn timed(
    plan: &Arc<TypedRunnableModel>,
    values: TVec<TValue>,
    tell: &mut dyn FnMut(&str, &str, Duration),
) -> TractResult<TVec<TValue>> {
    plan.spawn()?.run_plan_with_eval(values, |context, state, node, inputs| {
        let start = Instant::now();
        let outputs = eval(context, state, node, inputs);
        if !node.op_is::<TypedSource>() {
            tell(&node.name, &node.op.name(), start.elapsed());
        }
        outputs
    })
}
