//! Tensors as they travel between segments: a shape, an element type and little-endian bytes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::prelude::{DatumType, TValue, Tensor};

/// Type of a tensor's elements, by the name ONNX and NumPy give it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Element {
    Float16,
    Float32,
    Float64,
    Int8,
    Int16,
    Int32,
    Int64,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Bool,
}

/// A type of elements that has no place in an [`Activation`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a supported element type")]
pub struct UnknownElement(pub String);

impl Element {
    const TABLE: [(Element, &'static str, usize, DatumType, DataType); 12] = [
        (Element::Float16, "float16", 2, DatumType::F16, DataType::Float16),
        (Element::Float32, "float32", 4, DatumType::F32, DataType::Float),
        (Element::Float64, "float64", 8, DatumType::F64, DataType::Double),
        (Element::Int8, "int8", 1, DatumType::I8, DataType::Int8),
        (Element::Int16, "int16", 2, DatumType::I16, DataType::Int16),
        (Element::Int32, "int32", 4, DatumType::I32, DataType::Int32),
        (Element::Int64, "int64", 8, DatumType::I64, DataType::Int64),
        (Element::Uint8, "uint8", 1, DatumType::U8, DataType::Uint8),
        (Element::Uint16, "uint16", 2, DatumType::U16, DataType::Uint16),
        (Element::Uint32, "uint32", 4, DatumType::U32, DataType::Uint32),
        (Element::Uint64, "uint64", 8, DatumType::U64, DataType::Uint64),
        (Element::Bool, "bool", 1, DatumType::Bool, DataType::Bool),
    ];

    fn row(self) -> (Element, &'static str, usize, DatumType, DataType) {
        // The table is in the order of the variants.
        Element::TABLE[self as usize]
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// Bytes of one element.
    pub fn size(self) -> usize {
        self.row().2
    }

    pub(crate) fn datum(self) -> DatumType {
        self.row().3
    }

    pub(crate) fn onnx(self) -> i32 {
        self.row().4 as i32
    }

    pub(crate) fn from_onnx(kind: i32) -> Option<Element> {
        Element::TABLE.iter().find(|row| row.4 as i32 == kind).map(|row| row.0)
    }

    pub(crate) fn from_datum(datum: DatumType) -> Option<Element> {
        Element::TABLE.iter().find(|row| row.3 == datum).map(|row| row.0)
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Element {
    type Err = UnknownElement;
    fn from_str(name: &str) -> Result<Element, UnknownElement> {
        let row = Element::TABLE.iter().find(|row| row.1 == name);
        row.map(|row| row.0).ok_or_else(|| UnknownElement(name.to_owned()))
    }
}

/// A tensor between two segments, or at either end of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activation {
    /// Its shape.
    pub shape: Vec<usize>,
    /// The type of its elements.
    pub element: Element,
    /// The elements in row-major order, each little endian.
    pub data: Vec<u8>,
}

impl Activation {
    /// Bytes that a tensor of this shape and type has, or nothing if no machine could hold them.
    pub fn bytes_of(shape: &[usize], element: Element) -> Option<usize> {
        shape.iter().try_fold(element.size(), |bytes, dim| bytes.checked_mul(*dim))
    }

    /// The tensor for the inference engine. `None` when the data does not fit the shape.
    pub(crate) fn to_tensor(&self) -> Option<Tensor> {
        if Activation::bytes_of(&self.shape, self.element) != Some(self.data.len()) {
            return None;
        }
        let mut tensor = Tensor::zero_dt(self.element.datum(), &self.shape).ok()?;
        tensor.as_plain_ram_mut()?.as_bytes_mut().copy_from_slice(&self.data);
        if self.element == Element::Bool {
            // A bool of any other value than 0 or 1 is undefined behaviour, and these bytes may come from anywhere.
            tensor.as_plain_ram_mut()?.as_bytes_mut().iter_mut().for_each(|byte| *byte = u8::from(*byte != 0));
        }
        Some(tensor)
    }

    /// The tensor that the inference engine computed. `None` when its type has no place here.
    pub(crate) fn from_value(value: &TValue) -> Option<Activation> {
        let element = Element::from_datum(value.datum_type())?;
        let data = value.as_plain_ram()?.as_bytes().to_vec();
        Some(Activation { shape: value.shape().to_vec(), element, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_is_found_by_its_names() {
        for (element, name, size, datum, onnx) in Element::TABLE {
            assert_eq!((element.name(), element.size()), (name, size));
            assert_eq!(name.parse(), Ok(element));
            assert_eq!(Element::from_datum(datum), Some(element));
            assert_eq!(Element::from_onnx(onnx as i32), Some(element));
        }
    }

    #[test]
    fn bytes_that_do_not_fill_the_shape_make_no_tensor() {
        let tensor =
            |shape: &[usize]| Activation { shape: shape.to_vec(), element: Element::Int16, data: vec![1, 2, 3, 4] };
        assert!(tensor(&[1, 2]).to_tensor().is_some());
        assert!(tensor(&[3]).to_tensor().is_none());
        assert!(tensor(&[usize::MAX, 4]).to_tensor().is_none());
    }
}
