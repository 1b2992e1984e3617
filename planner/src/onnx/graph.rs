//! The inference engine's view of a model: its graph, simplified ("decluttered"), and what of it can be cut and run.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::*;

use super::ModelError;
use super::activation::{Kind, datum_of};

/// Turns an error of the inference engine into ours.
pub fn engine(file: &str, step: &'static str) -> impl Fn(TractError) -> ModelError {
    move |error| {
        let reason = error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ");
        ModelError::Engine { file: file.to_owned(), step, reason }
    }
}

/// Runs a step of the inference engine, which meets some malformed models with a panic.
fn guarded<T>(file: &str, step: &'static str, work: impl FnOnce() -> TractResult<T>) -> Result<T, ModelError> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(engine(file, step)),
        Err(_) => {
            let reason = "the inference engine failed on it".to_owned();
            Err(ModelError::Engine { file: file.to_owned(), step, reason })
        }
    }
}

/// The decluttered graph of a model with inputs of these kinds.
pub fn declutter(proto: ModelProto, file: &str, inputs: &[Kind]) -> Result<TypedModel, ModelError> {
    let parsed = guarded(file, "read", || {
        // Shapes noted in the file may be symbolic where the true ones, with the batch fixed, are not.
        let mut parsed = onnx().with_ignore_value_info(true).model_for_proto_model(&proto)?;
        for (index, kind) in inputs.iter().enumerate() {
            parsed.set_input_fact(index, InferenceFact::dt_shape(datum_of(kind.element), &kind.shape))?;
        }
        Ok(parsed)
    })?;
    // The weights are now in the graph; their copy in the message would double the memory.
    drop(proto);
    let unknown: BTreeSet<String> = (parsed.nodes().iter())
        .filter_map(|node| Some(node.op.name().strip_prefix("Unimplemented(")?.trim_end_matches(')').to_owned()))
        .collect();
    if !unknown.is_empty() {
        return Err(ModelError::Operators { file: file.to_owned(), operators: unknown.into_iter().collect() });
    }
    let typed = guarded(file, "computed from an input of this shape", || parsed.into_typed())?;
    guarded(file, "simplified", || typed.into_decluttered())
}

/// Makes a decluttered graph ready to run.
pub fn optimise(model: TypedModel, file: &str) -> Result<Arc<TypedRunnableModel>, ModelError> {
    guarded(file, "optimised", || model.into_optimized()?.into_runnable())
}

/// The tensors of a decluttered graph through which alone the operators before them reach those behind
/// them, in the order in which they are computed: the input first, the output last. (See `Index::frontiers`,
/// which does the same on the file.)
pub fn waists(model: &TypedModel, file: &str) -> Result<Vec<OutletId>, ModelError> {
    let order = model.eval_order().map_err(engine(file, "ordered"))?;
    let mut depends: HashSet<usize> = model.inputs.iter().map(|outlet| outlet.node).collect();
    let mut readers: HashMap<OutletId, usize> = HashMap::new();
    for id in &order {
        let node = model.node(*id);
        if node.inputs.iter().any(|input| depends.contains(&input.node)) {
            depends.insert(*id);
            node.inputs.iter().for_each(|input| *readers.entry(*input).or_default() += 1);
        }
    }
    model.outputs.iter().for_each(|output| *readers.entry(*output).or_default() += 1);
    readers.retain(|outlet, _| depends.contains(&outlet.node));
    let mut alive: HashSet<OutletId> = HashSet::new();
    let mut waists = Vec::new();
    for id in order.into_iter().filter(|id| depends.contains(id)) {
        let node = model.node(id);
        for input in &node.inputs {
            if let Some(left) = readers.get_mut(input) {
                *left -= 1;
                if *left == 0 {
                    alive.remove(input);
                }
            }
        }
        alive.extend((0..node.outputs.len()).map(|slot| OutletId::new(id, slot)).filter(|o| readers.contains_key(o)));
        let mut tensors = alive.iter();
        if let (Some(outlet), None) = (tensors.next(), tensors.next())
            && outlet.node == id
        {
            waists.push(*outlet);
        }
    }
    Ok(waists)
}

/// The operators between some tensors and others as a graph of its own, not yet optimised.
pub fn cut(model: &TypedModel, from: &[OutletId], to: &[OutletId], file: &str) -> Result<TypedModel, ModelError> {
    guarded(file, "cut", || {
        let mut part = model.clone();
        part.set_input_outlets(from)?;
        part.select_output_outlets(to)?;
        part.compact()?;
        Ok(part)
    })
}

/// Kinds of the operators of a graph, in order, without those that only name or reshape a tensor.
pub fn kinds(model: &TypedModel, file: &str) -> Result<Vec<String>, ModelError> {
    let order = model.eval_order().map_err(engine(file, "ordered"))?;
    let kinds = order.into_iter().map(|id| model.node(id)).filter(|node| {
        use tract_onnx::tract_core::ops::{change_axes::AxisOp, konst::Const, source::TypedSource};
        !(node.op_is::<Const>() || node.op_is::<TypedSource>() || node.op_is::<AxisOp>())
    });
    Ok(kinds.map(|node| node.op.name().into_owned()).collect())
}
