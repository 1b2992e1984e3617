//! From written shape keys to shapes.

use std::collections::BTreeMap;

use super::mistake::Mistake;
use crate::scenario::ShapeChange;
use crate::scenario::error::Problem;
use crate::scenario::network::{Aqm, Loss, Shape};
use crate::scenario::parse::reader::Field;
use crate::scenario::parse::shape::{Impairments, LossModel, ShapeKeys};

/// Puts the given values into `shape`. Wrong ones have been noted and count as not given.
pub fn apply(keys: &ShapeKeys, shape: &mut Shape) {
    if let Some(rate) = keys.rate.get() {
        shape.rate = rate.0;
    }
    impair(&keys.rest, shape);
}

/// The same for all values but the rate.
pub fn impair(keys: &Impairments, shape: &mut Shape) {
    fn put<T, U>(field: &Field<T>, value: &mut U, of: impl FnOnce(&T) -> Option<U>) {
        if let Some(given) = field.get().and_then(of) {
            *value = given;
        }
    }
    put(&keys.delay, &mut shape.delay, |time| Some(time.0));
    put(&keys.jitter, &mut shape.jitter, |time| Some(time.0));
    put(&keys.jitter_correlation, &mut shape.jitter_correlation, |share| Some(share.0));
    put(&keys.distribution, &mut shape.distribution, |variation| Some(variation.0.clone()));
    put(&keys.loss, &mut shape.loss, loss);
    put(&keys.reorder, &mut shape.reorder, |share| Some(share.0));
    put(&keys.reorder_gap, &mut shape.reorder_gap, |gap| u32::try_from(gap.0).ok());
    put(&keys.duplicate, &mut shape.duplicate, |share| Some(share.0));
    put(&keys.corrupt, &mut shape.corrupt, |share| Some(share.0));
    put(&keys.queue, &mut shape.queue, |queue| Some(Some(queue.0)));
    put(&keys.aqm, &mut shape.aqm, |choice| Some(choice.0));
}

fn loss(model: &LossModel) -> Option<Loss> {
    match model {
        LossModel::Random(share) => Some(Loss::Random(share.0)),
        LossModel::Bursts(bursts) => Some(Loss::GilbertElliott {
            p: bursts.p.get()?.0,
            r: bursts.r.get()?.0,
            bad: bursts.bad.get()?.0,
            good: bursts.good.get()?.0,
        }),
    }
}

/// A shape of nothing but these values.
pub fn shape_of(keys: &ShapeKeys, problems: &mut Vec<Problem>) -> Shape {
    overlaid(&Shape::default(), keys, problems)
}

/// `base` with these values instead.
pub fn overlaid(base: &Shape, keys: &ShapeKeys, problems: &mut Vec<Problem>) -> Shape {
    let mut shape = base.clone();
    apply(keys, &mut shape);
    check(&keys.rest, &shape, problems);
    shape
}

/// Notes an `aqm` among `keys` if in none of the shapes that come of them, all together, anything waits for a rate.
pub fn check_aqm<'a>(keys: &ShapeKeys, shapes: impl IntoIterator<Item = &'a Shape>, problems: &mut Vec<Problem>) {
    let given = keys.rest.aqm.place();
    let is_told = keys.rest.aqm.get().is_some_and(|aqm| aqm.0 == Aqm::Codel) && !keys.rate.is_bad();
    if is_told && shapes.into_iter().all(|shape| shape.rate.is_none()) {
        problems.push(Problem::new(Mistake::NoEffectWithout("rate").into(), given));
    }
}

/// Notes what the values of `keys` make of a shape that no shape can be.
pub fn check(keys: &Impairments, shape: &Shape, problems: &mut Vec<Problem>) {
    let given = keys.reorder.place();
    if shape.reorder > 0.0 && shape.delay.is_zero() && given.is_written() && !keys.delay.is_bad() {
        problems.push(Problem::new(Mistake::ReorderWithoutDelay.into(), given));
    }
    let given = keys.jitter_correlation.place();
    if shape.jitter.is_zero() && given.is_written() && !keys.jitter.is_bad() {
        problems.push(Problem::new(Mistake::NoEffectWithout("jitter").into(), given));
    }
    let given = keys.reorder_gap.place();
    if shape.reorder <= 0.0 && given.is_written() && !keys.reorder.is_bad() {
        problems.push(Problem::new(Mistake::NoEffectWithout("reorder").into(), given));
    }
}

/// The values that a fault changes; `None` if it changes none.
pub fn change(keys: &ShapeKeys) -> Option<ShapeChange> {
    let mut shape = Shape::default();
    apply(keys, &mut shape);
    let rest = &keys.rest;
    let given = [
        ("rate", keys.rate.at().is_some()),
        ("delay", rest.delay.at().is_some()),
        ("jitter", rest.jitter.at().is_some()),
        ("jitter_correlation", rest.jitter_correlation.at().is_some()),
        ("distribution", rest.distribution.at().is_some()),
        ("loss", rest.loss.at().is_some()),
        ("reorder", rest.reorder.at().is_some()),
        ("reorder_gap", rest.reorder_gap.at().is_some()),
        ("duplicate", rest.duplicate.at().is_some()),
        ("corrupt", rest.corrupt.at().is_some()),
        ("queue", rest.queue.at().is_some()),
        ("aqm", rest.aqm.at().is_some()),
    ];
    let value = serde_json::to_value(&shape).ok()?;
    let changes: BTreeMap<String, serde_json::Value> = given
        .into_iter()
        .filter(|(_, given)| *given)
        .filter_map(|(name, _)| value.get(name).map(|value| (name.to_owned(), value.clone())))
        .collect();
    (!changes.is_empty()).then_some(ShapeChange(changes))
}

/// Whether a wrong value was noted among these.
pub fn is_spoilt(keys: &ShapeKeys) -> bool {
    let rest = &keys.rest;
    keys.rate.is_bad()
        || rest.delay.is_bad()
        || rest.jitter.is_bad()
        || rest.jitter_correlation.is_bad()
        || rest.distribution.is_bad()
        || rest.loss.is_bad()
        || rest.reorder.is_bad()
        || rest.reorder_gap.is_bad()
        || rest.duplicate.is_bad()
        || rest.corrupt.is_bad()
        || rest.queue.is_bad()
        || rest.aqm.is_bad()
}
