//! The unsplit model, as the inference engine simplifies it, at work: what value each of its tensors has.

use std::collections::HashMap;

use tract_onnx::prelude::{IntoTValue, OutletId, SpecialOps, TValue, TypedModel, tvec};
use tract_onnx::tract_core::ops::konst::Const;
use tract_onnx::tract_core::ops::source::TypedSource;

use crate::digest::digest;
use crate::onnx::{Activation, ModelError, cut, engine, kinds, optimise, waists};

/// The unsplit model, and the values of its tensors for one input.
pub struct Unsplit {
    model: TypedModel,
    file: String,
    /// Its tensors in the order in which they are computed, and the digests of their values.
    tensors: Vec<(OutletId, u64)>,
}

impl Unsplit {
    /// Runs the model on `input`.
    ///
    /// What holds is the value at a **waist**, a tensor through which alone everything before it reaches everything behind:
    /// from one to the next the model is run as the engine optimises it. In between, operator by operator, because
    /// an optimised model does not have the value of each of its tensors.
    pub fn run(model: TypedModel, file: &str, input: &Activation) -> Result<Unsplit, ModelError> {
        let waists = waists(&model, file)?;
        let order = model.eval_order().map_err(engine(file, "ordered"))?;
        let mut value = input.to_tensor().ok_or_else(|| no_value(file))?.into_tvalue();
        let mut tensors = Vec::from_iter(waists.first().map(|waist| (*waist, digest(&input.data))));
        for ends in waists.windows(2) {
            tensors.extend(between(&model, &order, [ends[0], ends[1]], value.clone(), file));
            let piece = optimise(cut(&model, &ends[..1], &ends[1..], file)?, file)?;
            let mut outputs = piece.run(tvec!(value)).map_err(engine(file, "run"))?;
            value = if outputs.is_empty() { return Err(no_value(file)) } else { outputs.remove(0) };
            tensors.push((ends[1], digest_of(&value).ok_or_else(|| no_value(file))?));
        }
        Ok(Unsplit { model, file: file.to_owned(), tensors })
    }

    /// The model's input.
    pub fn input(&self) -> OutletId {
        self.model.inputs[0]
    }

    /// The model's output.
    pub fn output(&self) -> OutletId {
        self.model.outputs[0]
    }

    /// The tensors that have a value with this digest: those that one with this value may be.
    pub fn with_digest(&self, digest: u64) -> Vec<OutletId> {
        self.tensors.iter().filter(|(_, other)| *other == digest).map(|(outlet, _)| *outlet).collect()
    }

    /// Kinds of the operators between some of its tensors and others, sorted; nothing where the engine can't cut there.
    pub fn kinds(&self, from: &[OutletId], to: &[OutletId]) -> Option<Vec<String>> {
        let computed: Vec<OutletId> = to.iter().copied().filter(|outlet| !from.contains(outlet)).collect();
        let mut kinds = kinds(&cut(&self.model, from, &computed, &self.file).ok()?, &self.file).ok()?;
        kinds.sort_unstable();
        Some(kinds)
    }
}

/// The tensors between two waists, one computed from the other. What can't be computed by itself is left out, with
/// everything behind it.
fn between(
    model: &TypedModel,
    order: &[usize],
    ends: [OutletId; 2],
    value: TValue,
    file: &str,
) -> Vec<(OutletId, u64)> {
    let [from, to] = ends;
    let mut values = HashMap::from([(from, value)]);
    let mut tensors = Vec::new();
    let position = |outlet: OutletId| order.iter().position(|id| *id == outlet.node);
    let (Some(start), Some(end)) = (position(from), position(to)) else { return tensors };
    for id in &order[start.min(end) + 1..end.max(start)] {
        let node = model.node(*id);
        let depends = node.inputs.iter().any(|input| values.contains_key(input));
        if !depends || node.op_is::<Const>() || node.op_is::<TypedSource>() {
            continue;
        }
        let Some(outputs) = alone(model, *id, &values, file) else { continue };
        for (slot, value) in outputs.into_iter().enumerate() {
            let outlet = OutletId::new(*id, slot);
            tensors.extend(digest_of(&value).map(|digest| (outlet, digest)));
            values.insert(outlet, value);
        }
    }
    tensors
}

/// Runs one operator by itself; nothing where the engine can't.
fn alone(model: &TypedModel, id: usize, values: &HashMap<OutletId, TValue>, file: &str) -> Option<Vec<TValue>> {
    let node = model.node(id);
    let mut single = TypedModel::default();
    let (mut inputs, mut given) = (Vec::new(), tvec!());
    for (index, outlet) in node.inputs.iter().enumerate() {
        let (fact, name) = (model.outlet_fact(*outlet).ok()?, format!("input{index}"));
        let input = match values.get(outlet) {
            Some(value) => {
                given.push(value.clone());
                single.add_source(name, fact.without_value())
            }
            None => single.add_const(name, fact.konst.clone()?),
        };
        inputs.push(input.ok()?);
    }
    let outputs = single.wire_node(&node.name, node.op.clone(), &inputs).ok()?;
    single.select_output_outlets(&outputs).ok()?;
    Some(optimise(single, file).ok()?.run(given).ok()?.into_iter().collect())
}

fn digest_of(value: &TValue) -> Option<u64> {
    Some(digest(value.as_plain_ram()?.as_bytes()))
}

fn no_value(file: &str) -> ModelError {
    let reason = "a tensor in it has no plain value".to_owned();
    ModelError::Engine { file: file.to_owned(), step: "run", reason }
}
