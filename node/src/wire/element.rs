//! Element types of tensors, with ONNX's names and numbers.

use std::fmt;
use std::str::FromStr;

/// Type of a tensor's elements. The discriminant is ONNX's `TensorProto.DataType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Element {
    F32 = 1,
    U8 = 2,
    I8 = 3,
    U16 = 4,
    I16 = 5,
    I32 = 6,
    I64 = 7,
    Bool = 9,
    F16 = 10,
    F64 = 11,
    U32 = 12,
    U64 = 13,
}

impl Element {
    /// Every element type.
    pub const ALL: [Element; 12] = [
        Element::F32,
        Element::U8,
        Element::I8,
        Element::U16,
        Element::I16,
        Element::I32,
        Element::I64,
        Element::Bool,
        Element::F16,
        Element::F64,
        Element::U32,
        Element::U64,
    ];

    /// Bytes of one element.
    pub const fn size(self) -> usize {
        match self {
            Element::U8 | Element::I8 | Element::Bool => 1,
            Element::U16 | Element::I16 | Element::F16 => 2,
            Element::F32 | Element::I32 | Element::U32 => 4,
            Element::I64 | Element::F64 | Element::U64 => 8,
        }
    }

    /// ONNX's name, as in [`planner::profile::Cut::element`].
    pub const fn name(self) -> &'static str {
        match self {
            Element::F32 => "float32",
            Element::U8 => "uint8",
            Element::I8 => "int8",
            Element::U16 => "uint16",
            Element::I16 => "int16",
            Element::I32 => "int32",
            Element::I64 => "int64",
            Element::Bool => "bool",
            Element::F16 => "float16",
            Element::F64 => "float64",
            Element::U32 => "uint32",
            Element::U64 => "uint64",
        }
    }

    /// The element type with ONNX's number, if tensors of it can be sent.
    pub fn from_number(number: u8) -> Option<Element> {
        Element::ALL.into_iter().find(|element| *element as u8 == number)
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An element type that can't be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("tensors of {0:?} can't be sent between nodes")]
pub struct UnknownElement(pub String);

impl FromStr for Element {
    type Err = UnknownElement;
    fn from_str(name: &str) -> Result<Element, UnknownElement> {
        Element::ALL.into_iter().find(|element| element.name() == name).ok_or_else(|| UnknownElement(name.to_owned()))
    }
}
