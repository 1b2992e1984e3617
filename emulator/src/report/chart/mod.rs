//! Pictures of numbers as SVG: [`plot`] lines over an axis, [`bars`] stretches side by side, [`map`] nodes and what they send
//! each other; [`figure`] is a picture with the numbers behind it. [`svg`] writes, [`scale`] says where a value is and which values
//! are worth a label, [`place`] where nodes, arrows and their labels are.

pub mod bars;
pub mod figure;
pub mod map;
pub mod palette;
pub mod place;
pub mod plot;
pub mod scale;
pub mod svg;
