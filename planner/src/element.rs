//! Element types of tensors, with ONNX's names and numbers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Type of a tensor's elements: of the ONNX types, those that can be computed and sent.
///
/// The discriminant is the number in ONNX's `TensorProto.DataType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Element {
    Float32 = 1,
    Uint8 = 2,
    Int8 = 3,
    Uint16 = 4,
    Int16 = 5,
    Int32 = 6,
    Int64 = 7,
    Bool = 9,
    Float16 = 10,
    Float64 = 11,
    Uint32 = 12,
    Uint64 = 13,
}

impl Element {
    /// Every element type.
    pub const ALL: [Element; 12] = [
        Element::Float32,
        Element::Uint8,
        Element::Int8,
        Element::Uint16,
        Element::Int16,
        Element::Int32,
        Element::Int64,
        Element::Bool,
        Element::Float16,
        Element::Float64,
        Element::Uint32,
        Element::Uint64,
    ];

    /// The name that ONNX and NumPy give it.
    pub const fn name(self) -> &'static str {
        match self {
            Element::Float32 => "float32",
            Element::Uint8 => "uint8",
            Element::Int8 => "int8",
            Element::Uint16 => "uint16",
            Element::Int16 => "int16",
            Element::Int32 => "int32",
            Element::Int64 => "int64",
            Element::Bool => "bool",
            Element::Float16 => "float16",
            Element::Float64 => "float64",
            Element::Uint32 => "uint32",
            Element::Uint64 => "uint64",
        }
    }

    /// Bytes of one element.
    pub const fn size(self) -> usize {
        match self {
            Element::Uint8 | Element::Int8 | Element::Bool => 1,
            Element::Uint16 | Element::Int16 | Element::Float16 => 2,
            Element::Float32 | Element::Int32 | Element::Uint32 => 4,
            Element::Int64 | Element::Float64 | Element::Uint64 => 8,
        }
    }

    /// ONNX's number.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The element type with ONNX's number.
    pub fn from_number(number: u8) -> Option<Element> {
        Element::ALL.into_iter().find(|element| element.number() == number)
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The name of no element type, or of one that can't be computed or sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a supported element type")]
pub struct UnknownElement(pub String);

impl FromStr for Element {
    type Err = UnknownElement;
    fn from_str(name: &str) -> Result<Element, UnknownElement> {
        Element::ALL.into_iter().find(|element| element.name() == name).ok_or_else(|| UnknownElement(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_is_found_by_its_name_and_its_number() {
        for element in Element::ALL {
            assert_eq!(element.name().parse(), Ok(element));
            assert_eq!(Element::from_number(element.number()), Some(element));
            assert_eq!(serde_json::to_string(&element).unwrap(), format!("{:?}", element.name()));
        }
    }
}
