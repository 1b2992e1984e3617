//! A user's model file: opened, checked, and named at both ends; its weights stay in the file.

use std::path::Path;

use tract_onnx::pb::ValueInfoProto;
use tract_onnx::pb::tensor_shape_proto::dimension::Value;
use tract_onnx::pb::type_proto;
use tract_onnx::prelude::TypedModel;

use super::activation::Kind;
use super::extract::{self, End};
use super::index::Index;
use super::protobuf::Source;
use super::{Activation, Executable, ModelError, graph};
use crate::element::Element;

/// Most bytes of an input: half of what a frame of the network protocol carries.
const LARGEST_INPUT: usize = 1 << 29;

/// A model file, opened. Its weights have not been read.
#[derive(Debug)]
pub struct Model {
    pub(crate) index: Index,
    input: String,
    shape: Vec<usize>,
    element: Element,
    output: String,
}

impl Model {
    /// Opens a model file. The batch, where the file leaves it open, is 1; if it leaves other dimensions
    /// of the input open, `shape` must say them.
    ///
    /// # Errors
    /// If the file can't be read, is no ONNX model, is truncated, keeps weights elsewhere, has not exactly
    /// one input and one output, or has an input whose shape is neither known nor given.
    pub fn open(path: &Path, shape: Option<&[usize]>) -> Result<Model, ModelError> {
        Model::new(Source::open(path)?, shape)
    }

    pub(crate) fn new(source: Source, shape: Option<&[usize]>) -> Result<Model, ModelError> {
        let index = Index::new(source)?;
        let file = index.source.file.clone();
        let names = |values: &[ValueInfoProto]| values.iter().map(|value| value.name.clone()).collect();
        let [input] = index.inputs.as_slice() else {
            return Err(ModelError::Inputs { file, names: names(&index.inputs) });
        };
        let [output] = index.outputs.as_slice() else {
            return Err(ModelError::Outputs { file, names: names(&index.outputs) });
        };
        let (shape, element) = input_kind(&file, input, shape)?;
        let (input, output) = (input.name.clone(), output.name.clone());
        Ok(Model { index, input, shape, element, output })
    }

    /// The name that errors give the file.
    pub fn file(&self) -> &str {
        &self.index.source.file
    }

    /// Name of the input.
    pub fn input(&self) -> &str {
        &self.input
    }

    /// Shape of the input, with numbers only.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Type of the input's elements.
    pub fn element(&self) -> Element {
        self.element
    }

    /// Name of the output.
    pub fn output(&self) -> &str {
        &self.output
    }

    /// The whole model as the inference engine simplifies it.
    pub(crate) fn declutter(&self) -> Result<TypedModel, ModelError> {
        let (proto, _) = extract::model(&self.index, &[self.start()], &[End::unknown(&self.output)])?;
        graph::declutter(proto, self.file(), &[Kind { shape: self.shape.clone(), element: self.element }])
    }

    /// The whole model, unsplit, ready to run.
    ///
    /// # Errors
    /// [`ModelError::Engine`] when the inference engine refuses the model, [`ModelError::Element`] when
    /// its output has a type that can't be sent.
    pub fn executable(&self) -> Result<Executable, ModelError> {
        Executable::between(&self.index, &[self.start()], &[End::unknown(&self.output)], None)
    }

    fn start(&self) -> End {
        End::new(&self.input, &self.shape, self.element)
    }
}

fn input_kind(
    file: &str,
    input: &ValueInfoProto,
    asked: Option<&[usize]>,
) -> Result<(Vec<usize>, Element), ModelError> {
    let kind = input.r#type.as_ref().and_then(|kind| kind.value.as_ref());
    let Some(type_proto::Value::TensorType(tensor)) = kind else {
        let (file, tensor, element) = (file.to_owned(), input.name.clone(), "no tensor".to_owned());
        return Err(ModelError::Element { file, tensor, element });
    };
    let element =
        u8::try_from(tensor.elem_type).ok().and_then(Element::from_number).ok_or_else(|| ModelError::Element {
            file: file.to_owned(),
            tensor: input.name.clone(),
            element: element_name(tensor.elem_type),
        })?;
    let dims = tensor.shape.as_ref().map(|shape| shape.dim.as_slice());
    // Exporters write an open dimension as a name, as nothing, or as a number below one.
    let known: Option<Vec<Option<usize>>> = dims.map(|dims| {
        let number = |value: &Option<Value>| match value {
            Some(Value::DimValue(number)) => usize::try_from(*number).ok().filter(|number| *number > 0),
            _ => None,
        };
        dims.iter().map(|dim| number(&dim.value)).collect()
    });
    let written = || match dims {
        None => "unknown".to_owned(),
        Some(dims) => {
            let name = |value: &Option<Value>| match value {
                Some(Value::DimValue(number)) => number.to_string(),
                Some(Value::DimParam(name)) => name.clone(),
                None => "?".to_owned(),
            };
            dims.iter().map(|dim| name(&dim.value)).collect::<Vec<_>>().join(", ")
        }
    };
    let sized = |shape: Vec<usize>| match Activation::bytes_of(&shape, element) {
        Some(bytes) if bytes <= LARGEST_INPUT => Ok((shape, element)),
        _ => {
            let (file, input) = (file.to_owned(), input.name.clone());
            Err(ModelError::TooLarge { file, input, shape, limit: LARGEST_INPUT })
        }
    };
    if let Some(asked) = asked {
        let fits = known.as_ref().is_none_or(|known| {
            known.len() == asked.len()
                && known.iter().zip(asked).all(|(known, asked)| known.is_none_or(|k| k == *asked))
        });
        if !fits || asked.contains(&0) {
            let (file, input, shape) = (file.to_owned(), input.name.clone(), written());
            return Err(ModelError::ShapeMismatch { file, input, shape, asked: asked.to_vec() });
        }
        return sized(asked.to_vec());
    }
    let batch = |(axis, dim): (usize, Option<usize>)| if axis == 0 { dim.or(Some(1)) } else { dim };
    let shape: Option<Vec<usize>> =
        known.as_ref().and_then(|known| known.iter().copied().enumerate().map(batch).collect());
    let shape = shape.ok_or_else(|| ModelError::SymbolicShape {
        file: file.to_owned(),
        input: input.name.clone(),
        shape: written(),
        known: known.clone().unwrap_or_default(),
    })?;
    sized(shape)
}

/// What ONNX calls the types that [`Element`] does not have.
fn element_name(number: i32) -> String {
    match number {
        0 => "that the file does not tell".to_owned(),
        8 => "string".to_owned(),
        14 => "complex64".to_owned(),
        15 => "complex128".to_owned(),
        16 => "bfloat16".to_owned(),
        17..=20 => "float8".to_owned(),
        number => format!("number {number} of ONNX"),
    }
}
