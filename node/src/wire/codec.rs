//! Tensors as payloads. The payload says itself how it is encoded, so decoding needs no context:
//!
//! ```text
//! offset  0         1        2     3     4              4 + 4·rank
//!         encoding  element  rank  more  dims (u32)…    data…
//! ```
//!
//! `more` is the number of tensors that follow this one, where several cross a cut together. All but the last have the
//! length of their data (u32) between dimensions and data. Integers are little endian.
//!
//! | codec | data | error of a value `x` |
//! |---|---|---|
//! | `raw` | the tensor's bytes, little endian | none |
//! | `f16` | IEEE 754 half floats | at most 2⁻¹¹·abs(x) + 2⁻²⁵ |
//! | `lz4` | one LZ4 block of the tensor's bytes | none |
//! | `u8+lz4` | minimum (f32), step (f64), one LZ4 block of one byte per value: x ≈ minimum + step·byte | at most (maximum − minimum) / 510, and rounding to f32 |
//!
//! Where a lossy codec does not fit, the tensor falls back to the lossless one beside it: `f16` to `raw` for
//! elements other than f32 and for tensors with a finite value beyond ±65504; `u8+lz4` to `lz4` for elements
//! other than f32 and for tensors with a value that is infinite or not a number.

use bytes::Bytes;
use half::f16;
use half::slice::HalfFloatSliceExt;
use planner::codec::Codec;
use planner::element::Element;

use super::frame::MAX_PAYLOAD;

/// Most tensors of a payload.
pub const MAX_TENSORS: usize = 256;
/// Most dimensions of a tensor.
pub const MAX_RANK: usize = 16;
/// LZ4 can't make more than this of one byte, so a payload that claims more is malformed.
const LZ4_RATIO: usize = 255;
/// Bytes of the length of data that other tensors follow.
const LENGTH: usize = 4;

/// A tensor as it is between two stages: its bytes, shared, in row-major order and little endian.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    /// Type of the elements.
    pub element: Element,
    /// Shape.
    pub shape: Vec<usize>,
    /// The elements' bytes.
    pub data: Bytes,
}

impl Tensor {
    /// A tensor of these bytes.
    ///
    /// # Errors
    /// [`CodecError::WrongLength`] when the shape and the bytes disagree, [`CodecError::TooLarge`] when it can't be sent.
    pub fn new(element: Element, shape: Vec<usize>, data: impl Into<Bytes>) -> Result<Tensor, CodecError> {
        let data = data.into();
        let expected = byte_length(element, &shape)?;
        if data.len() != expected {
            return Err(CodecError::WrongLength { expected, found: data.len() });
        }
        Ok(Tensor { element, shape, data })
    }
}

/// Why a payload is no tensor, or a tensor can't be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The payload ends before the tensor does.
    #[error("the payload ends inside the tensor's header")]
    Truncated,
    /// The encoding is not known.
    #[error("encoding {0} is not known")]
    UnknownEncoding(u8),
    /// The element type is not known.
    #[error("element type {0} is not known")]
    UnknownElement(u8),
    /// More elements or dimensions than can be sent.
    #[error("a tensor of shape {shape:?} is too large to be sent")]
    TooLarge {
        /// Its shape.
        shape: Vec<usize>,
    },
    /// The data is longer or shorter than shape and element type say.
    #[error("the tensor's shape asks for {expected} bytes, there are {found}")]
    WrongLength {
        /// Bytes by the shape.
        expected: usize,
        /// Bytes there are.
        found: usize,
    },
    /// Another number of tensors than was expected.
    #[error("the payload holds {found} tensors where one was expected")]
    NotOne {
        /// How many it holds.
        found: usize,
    },
    /// More tensors than a payload can count.
    #[error("{0} tensors are more than can be sent together ({MAX_TENSORS})")]
    TooMany(usize),
    /// The LZ4 block is malformed.
    #[error("the compressed data is malformed")]
    Compressed,
}

/// Encodes `tensor` with `codec` into `buffer`, which is cleared first and may be reused.
///
/// # Errors
/// As [`Tensor::new`].
pub fn encode(tensor: &Tensor, codec: Codec, buffer: &mut Vec<u8>) -> Result<(), CodecError> {
    encode_all(std::slice::from_ref(tensor), codec, buffer)
}

/// Encodes the tensors of a cut with `codec` into `buffer`, which is cleared first and may be reused.
///
/// # Errors
/// As [`Tensor::new`]; [`CodecError::TooMany`].
pub fn encode_all(tensors: &[Tensor], codec: Codec, buffer: &mut Vec<u8>) -> Result<(), CodecError> {
    if tensors.len() > MAX_TENSORS {
        return Err(CodecError::TooMany(tensors.len()));
    }
    buffer.clear();
    for (index, tensor) in tensors.iter().enumerate() {
        append(tensor, codec, (tensors.len() - 1 - index) as u8, buffer)?;
    }
    Ok(())
}

fn append(tensor: &Tensor, codec: Codec, more: u8, buffer: &mut Vec<u8>) -> Result<(), CodecError> {
    let expected = byte_length(tensor.element, &tensor.shape)?;
    if tensor.data.len() != expected {
        return Err(CodecError::WrongLength { expected, found: tensor.data.len() });
    }
    let floats = match tensor.element {
        Element::Float32 => Some(floats_of(&tensor.data)),
        _ => None,
    };
    let encoding = match (codec, &floats) {
        (Codec::F16, Some(floats)) if fits_f16(floats) => Codec::F16,
        (Codec::U8Lz4, Some(floats)) if floats.iter().all(|value| value.is_finite()) => Codec::U8Lz4,
        (Codec::Raw | Codec::F16, _) => Codec::Raw,
        (Codec::Lz4 | Codec::U8Lz4, _) => Codec::Lz4,
    };
    begin(tensor, encoding, more, buffer);
    let start = buffer.len();
    match (encoding, floats) {
        (Codec::F16, Some(floats)) => {
            buffer.reserve(floats.len() * 2);
            let mut halves = [f16::ZERO; 512];
            for floats in floats.chunks(halves.len()) {
                let halves = &mut halves[..floats.len()];
                halves.convert_from_f32_slice(floats);
                buffer.extend_from_slice(bytemuck::cast_slice(halves));
            }
        }
        (Codec::U8Lz4, Some(floats)) => {
            let (minimum, step, quantised) = quantise(&floats);
            buffer.extend_from_slice(&minimum.to_le_bytes());
            buffer.extend_from_slice(&step.to_le_bytes());
            compress(&quantised, buffer)?;
        }
        (Codec::Lz4, _) => compress(&tensor.data, buffer)?,
        _ => buffer.extend_from_slice(&tensor.data),
    }
    if more > 0 {
        let length = (buffer.len() - start) as u32;
        buffer[start - LENGTH..start].copy_from_slice(&length.to_le_bytes());
    }
    Ok(())
}

/// Decodes a payload of one tensor. What was encoded `raw` shares the payload's bytes, uncopied.
///
/// # Errors
/// See [`CodecError`]; memory is taken only for what the payload can really hold.
pub fn decode(payload: &Bytes) -> Result<Tensor, CodecError> {
    let mut tensors = decode_all(payload)?;
    match (tensors.pop(), tensors.len()) {
        (Some(tensor), 0) => Ok(tensor),
        (_, others) => Err(CodecError::NotOne { found: others + 1 }),
    }
}

/// Decodes a payload: one tensor or several. What was encoded `raw` shares the payload's bytes, uncopied.
///
/// # Errors
/// As [`decode`].
pub fn decode_all(payload: &Bytes) -> Result<Vec<Tensor>, CodecError> {
    let (mut tensors, mut rest) = (Vec::new(), payload.clone());
    loop {
        let [encoding, element, rank, more] = *rest.first_chunk().ok_or(CodecError::Truncated)?;
        let start = 4 + 4 * usize::from(rank);
        let dims = rest.get(4..start).ok_or(CodecError::Truncated)?;
        let shape: Vec<usize> = dims.as_chunks().0.iter().map(|dim| u32::from_le_bytes(*dim) as usize).collect();
        let codec = *Codec::ALL.get(usize::from(encoding)).ok_or(CodecError::UnknownEncoding(encoding))?;
        let element = Element::from_number(element).ok_or(CodecError::UnknownElement(element))?;
        if more == 0 {
            tensors.push(decode_data(codec, element, shape, rest.slice(start..))?);
            return Ok(tensors);
        }
        let length = rest.get(start..).and_then(<[u8]>::first_chunk).ok_or(CodecError::Truncated)?;
        let (start, length) = (start + LENGTH, u32::from_le_bytes(*length) as usize);
        if rest.len() - start < length {
            return Err(CodecError::Truncated);
        }
        tensors.push(decode_data(codec, element, shape, rest.slice(start..start + length))?);
        rest = rest.slice(start + length..);
        // The first one's count holds; a payload whose counts don't fall could claim tensors without end.
        if rest.get(3).is_some_and(|next| *next != more - 1) {
            return Err(CodecError::Truncated);
        }
    }
}

fn decode_data(codec: Codec, element: Element, shape: Vec<usize>, data: Bytes) -> Result<Tensor, CodecError> {
    let expected = byte_length(element, &shape)?;
    let data = match codec {
        Codec::Raw => data,
        Codec::Lz4 => decompress(&data, expected)?.into(),
        Codec::F16 | Codec::U8Lz4 if element != Element::Float32 => {
            return Err(CodecError::UnknownEncoding(encoding_number(codec)));
        }
        Codec::F16 if data.len() * 2 != expected => {
            return Err(CodecError::WrongLength { expected: expected / 2, found: data.len() });
        }
        Codec::F16 => {
            let halves: Vec<f16> = data.as_chunks().0.iter().map(|bytes| f16::from_le_bytes(*bytes)).collect();
            let mut floats = vec![0f32; halves.len()];
            halves.convert_to_f32_slice(&mut floats);
            bytes_of(floats)
        }
        Codec::U8Lz4 => {
            let minimum = f32::from_le_bytes(*data.first_chunk().ok_or(CodecError::Truncated)?);
            let step = f64::from_le_bytes(*data[4..].first_chunk().ok_or(CodecError::Truncated)?);
            let quantised = decompress(&data[12..], expected / 4)?;
            bytes_of(quantised.iter().map(|byte| (f64::from(minimum) + step * f64::from(*byte)) as f32).collect())
        }
    };
    Tensor::new(element, shape, data)
}

/// Bytes of a tensor.
fn byte_length(element: Element, shape: &[usize]) -> Result<usize, CodecError> {
    let size = shape.iter().try_fold(element.size(), |size, dim| size.checked_mul(*dim));
    match size {
        // Room is left for what any codec adds in the worst case.
        Some(size) if size <= MAX_PAYLOAD / 2 && shape.len() <= MAX_RANK && shape.iter().all(fits_u32) => Ok(size),
        _ => Err(CodecError::TooLarge { shape: shape[..shape.len().min(MAX_RANK)].to_vec() }),
    }
}

fn fits_u32(dim: &usize) -> bool {
    u32::try_from(*dim).is_ok()
}

fn encoding_number(codec: Codec) -> u8 {
    Codec::ALL.iter().position(|known| *known == codec).unwrap_or_default() as u8
}

/// Everything before the data; the length of data that others follow is filled in when it is known.
fn begin(tensor: &Tensor, codec: Codec, more: u8, buffer: &mut Vec<u8>) {
    buffer.extend_from_slice(&[encoding_number(codec), tensor.element.number(), tensor.shape.len() as u8, more]);
    tensor.shape.iter().for_each(|dim| buffer.extend_from_slice(&(*dim as u32).to_le_bytes()));
    if more > 0 {
        buffer.extend_from_slice(&[0; LENGTH]);
    }
}

/// The bytes as floats; they are copied only where they are not aligned.
fn floats_of(data: &[u8]) -> std::borrow::Cow<'_, [f32]> {
    match bytemuck::try_cast_slice(data) {
        Ok(floats) => floats.into(),
        Err(_) => data.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect::<Vec<f32>>().into(),
    }
}

/// The floats' bytes. `Bytes` keeps the vector of floats itself, uncopied.
fn bytes_of(floats: Vec<f32>) -> Bytes {
    struct Floats(Vec<f32>);
    impl AsRef<[u8]> for Floats {
        fn as_ref(&self) -> &[u8] {
            bytemuck::cast_slice(&self.0)
        }
    }
    Bytes::from_owner(Floats(floats))
}

fn fits_f16(floats: &[f32]) -> bool {
    floats.iter().all(|value| value.abs() <= f16::MAX.to_f32() || !value.is_finite())
}

/// Minimum, step and one byte for each value.
fn quantise(floats: &[f32]) -> (f32, f64, Vec<u8>) {
    let minimum = floats.iter().copied().reduce(f32::min).unwrap_or_default();
    let maximum = floats.iter().copied().reduce(f32::max).unwrap_or_default();
    let step = (f64::from(maximum) - f64::from(minimum)) / 255.0;
    let inverse = if step > 0.0 { 1.0 / step } else { 0.0 };
    let byte = |value: &f32| ((f64::from(*value) - f64::from(minimum)) * inverse).round() as u8;
    (minimum, step, floats.iter().map(byte).collect())
}

fn compress(data: &[u8], buffer: &mut Vec<u8>) -> Result<(), CodecError> {
    let start = buffer.len();
    buffer.resize(start + lz4_flex::block::get_maximum_output_size(data.len()), 0);
    let length = lz4_flex::block::compress_into(data, &mut buffer[start..]).map_err(|_| CodecError::Compressed)?;
    buffer.truncate(start + length);
    Ok(())
}

fn decompress(block: &[u8], expected: usize) -> Result<Vec<u8>, CodecError> {
    if expected > block.len().saturating_mul(LZ4_RATIO) {
        return Err(CodecError::WrongLength { expected, found: block.len() });
    }
    let mut data = vec![0; expected];
    match lz4_flex::block::decompress_into(block, &mut data) {
        Ok(length) if length == expected => Ok(data),
        _ => Err(CodecError::Compressed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn elements() -> impl Strategy<Value = Element> {
        prop::sample::select(Element::ALL.to_vec())
    }

    fn tensors() -> impl Strategy<Value = Tensor> {
        (elements(), prop::collection::vec(0..7usize, 0..5)).prop_flat_map(|(element, shape)| {
            let length = byte_length(element, &shape).unwrap();
            prop::collection::vec(any::<u8>(), length)
                .prop_map(move |data| Tensor::new(element, shape.clone(), data).unwrap())
        })
    }

    fn float_tensors(range: impl Strategy<Value = f32>) -> impl Strategy<Value = (Vec<f32>, Tensor)> {
        prop::collection::vec(range, 1..300).prop_map(|floats| {
            let tensor = Tensor::new(Element::Float32, vec![floats.len()], bytes_of(floats.clone())).unwrap();
            (floats, tensor)
        })
    }

    fn round_trip(tensor: &Tensor, codec: Codec) -> Tensor {
        let mut buffer = vec![9; 5];
        encode(tensor, codec, &mut buffer).unwrap();
        decode(&buffer.into()).unwrap()
    }

    proptest! {
        #[test]
        fn lossless_codecs_give_back_the_same_bits(tensor in tensors()) {
            prop_assert_eq!(&round_trip(&tensor, Codec::Raw), &tensor);
            prop_assert_eq!(&round_trip(&tensor, Codec::Lz4), &tensor);
        }

        #[test]
        fn lossy_codecs_keep_what_they_cannot_represent(tensor in tensors()) {
            for codec in [Codec::F16, Codec::U8Lz4] {
                let back = round_trip(&tensor, codec);
                prop_assert_eq!((back.element, &back.shape, back.data.len()), (tensor.element, &tensor.shape, tensor.data.len()));
                if tensor.element != Element::Float32 {
                    prop_assert_eq!(&back, &tensor);
                }
            }
        }

        #[test]
        fn half_floats_stay_within_their_bound((floats, tensor) in float_tensors(prop_oneof![-1e-6f32..1e-6, -70000f32..70000.0])) {
            let back = round_trip(&tensor, Codec::F16);
            for (x, y) in floats.iter().zip(floats_of(&back.data).iter()) {
                let bound = x.abs() * 2f32.powi(-11) + 2f32.powi(-25);
                prop_assert!((x - y).abs() <= bound, "{x} became {y}");
            }
        }

        #[test]
        fn quantised_floats_stay_within_their_bound((floats, tensor) in float_tensors(prop_oneof![-1e-44f32..1e-44, -1f32..1.0, any::<f32>()])) {
            let back = round_trip(&tensor, Codec::U8Lz4);
            if floats.iter().all(|x| x.is_finite()) {
                let (low, high) = floats.iter().fold((f64::MAX, f64::MIN), |(low, high), x| (low.min(f64::from(*x)), high.max(f64::from(*x))));
                for (x, y) in floats.iter().zip(floats_of(&back.data).iter()) {
                    let bound = (high - low) / 510.0 * 1.000001 + f64::from(y.abs()) * 2f64.powi(-24) + f64::from(f32::from_bits(1));
                    prop_assert!((f64::from(*x) - f64::from(*y)).abs() <= bound, "{x} became {y}");
                }
            } else {
                prop_assert_eq!(back, tensor);
            }
        }

        #[test]
        fn several_tensors_travel_together(tensors in prop::collection::vec(tensors(), 1..5), codec in prop::sample::select(vec![Codec::Raw, Codec::Lz4])) {
            let mut buffer = Vec::new();
            encode_all(&tensors, codec, &mut buffer).unwrap();
            let payload = Bytes::from(buffer);
            prop_assert_eq!(&decode_all(&payload).unwrap(), &tensors);
            match decode(&payload) {
                Ok(tensor) => prop_assert_eq!(&[tensor], tensors.as_slice()),
                Err(error) => prop_assert_eq!(error, CodecError::NotOne { found: tensors.len() }),
            }
            for end in 0..payload.len() {
                let cut = decode_all(&payload.slice(..end));
                prop_assert!(cut.is_err(), "{} of {} bytes are no payload", end, payload.len());
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = decode_all(&bytes.into());
        }

        #[test]
        fn a_plausible_header_over_arbitrary_bytes_never_panics(codec in 0..4u8, more in 0..3u8, element in elements(), dims in prop::collection::vec(any::<u32>(), 0..4), data in prop::collection::vec(any::<u8>(), 0..80)) {
            let mut payload = vec![codec, element.number(), dims.len() as u8, more];
            dims.iter().for_each(|dim| payload.extend_from_slice(&dim.to_le_bytes()));
            payload.extend_from_slice(&data);
            let _ = decode_all(&payload.into());
        }
    }

    #[test]
    fn a_small_payload_that_claims_a_huge_tensor_is_refused() {
        for codec in 0..4 {
            let mut payload = vec![codec, Element::Float32.number(), 1, 0];
            payload.extend_from_slice(&(100u32 << 20).to_le_bytes());
            payload.extend_from_slice(&[0; 40]);
            assert!(decode(&payload.into()).is_err());
        }
    }

    #[test]
    fn raw_shares_the_payload() {
        let tensor = Tensor::new(Element::Uint8, vec![2, 3], vec![1, 2, 3, 4, 5, 6]).unwrap();
        let mut buffer = Vec::new();
        encode(&tensor, Codec::Raw, &mut buffer).unwrap();
        let payload = Bytes::from(buffer);
        let end = payload.as_ptr_range().end;
        assert_eq!(decode(&payload).unwrap().data.as_ptr_range().end, end);
    }
}
