//! Tensors as they travel between segments: a shape, an element type and little-endian bytes.

use tract_onnx::prelude::{DatumType, TValue, Tensor};

use crate::element::Element;

const DATUMS: [(Element, DatumType); 12] = [
    (Element::Float16, DatumType::F16),
    (Element::Float32, DatumType::F32),
    (Element::Float64, DatumType::F64),
    (Element::Int8, DatumType::I8),
    (Element::Int16, DatumType::I16),
    (Element::Int32, DatumType::I32),
    (Element::Int64, DatumType::I64),
    (Element::Uint8, DatumType::U8),
    (Element::Uint16, DatumType::U16),
    (Element::Uint32, DatumType::U32),
    (Element::Uint64, DatumType::U64),
    (Element::Bool, DatumType::Bool),
];

/// The inference engine's name for an element type.
pub(crate) fn datum_of(element: Element) -> DatumType {
    // Every element stands in the table, as a test shows; `F32` keeps the function total.
    DATUMS.iter().find(|(own, _)| *own == element).map_or(DatumType::F32, |(_, datum)| *datum)
}

/// Our name for one of the inference engine's element types.
pub(crate) fn element_of(datum: DatumType) -> Option<Element> {
    DATUMS.iter().find(|(_, other)| *other == datum).map(|(own, _)| *own)
}

/// Shape and elements of a tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// Its shape.
    pub shape: Vec<usize>,
    /// The type of its elements.
    pub element: Element,
}

impl Kind {
    /// Bytes of such a tensor, or nothing if no machine could hold them.
    pub fn bytes(&self) -> Option<usize> {
        Activation::bytes_of(&self.shape, self.element)
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} of {}", self.shape, self.element)
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

    /// Its shape and elements.
    pub fn kind(&self) -> Kind {
        Kind { shape: self.shape.clone(), element: self.element }
    }

    /// The tensor for the inference engine. `None` when the data does not fit the shape.
    pub(crate) fn to_tensor(&self) -> Option<Tensor> {
        if Activation::bytes_of(&self.shape, self.element) != Some(self.data.len()) {
            return None;
        }
        let mut tensor = Tensor::zero_dt(datum_of(self.element), &self.shape).ok()?;
        tensor.as_plain_ram_mut()?.as_bytes_mut().copy_from_slice(&self.data);
        if self.element == Element::Bool {
            // A bool of any other value than 0 or 1 is undefined behaviour, and these bytes may come from anywhere.
            tensor.as_plain_ram_mut()?.as_bytes_mut().iter_mut().for_each(|byte| *byte = u8::from(*byte != 0));
        }
        Some(tensor)
    }

    /// The tensor that the inference engine computed. `None` when its type has no place here.
    pub(crate) fn from_value(value: &TValue) -> Option<Activation> {
        let element = element_of(value.datum_type())?;
        let data = value.as_plain_ram()?.as_bytes().to_vec();
        Some(Activation { shape: value.shape().to_vec(), element, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_has_its_own_type_in_the_engine() {
        for element in Element::ALL {
            assert_eq!(element_of(datum_of(element)), Some(element));
            assert_eq!(datum_of(element).size_of(), element.size());
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
