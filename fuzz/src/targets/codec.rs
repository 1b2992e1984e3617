//! The payload of a tensor frame.

use bytes::Bytes;
use node::wire::codec::{Tensor, decode_all, encode_all};
use planner::codec::Codec;
use planner::element::Element;

use crate::{Limit, Target};

pub struct Codecs;

impl Target for Codecs {
    fn name(&self) -> &'static str {
        "codec"
    }

    /// LZ4 makes at most 255 bytes of one, `u8+lz4` four floats of each of these; both stages of that are there at once.
    fn limit(&self) -> Limit {
        Limit { times: 255 * 5, bytes: 2 << 20 }
    }

    fn longest(&self) -> usize {
        4 << 10
    }

    fn seeds(&self) -> Vec<Vec<u8>> {
        let floats: Vec<u8> = (0..120).flat_map(|number| (number as f32 * 0.37 - 9.0).to_le_bytes()).collect();
        let tensor =
            |element, shape: &[usize], length| Tensor::new(element, shape.to_vec(), floats[..length].to_vec()).ok();
        let tensors: Vec<Tensor> = [
            tensor(Element::Float32, &[1, 3, 4, 5], 240),
            tensor(Element::Float32, &[], 4),
            tensor(Element::Float32, &[2, 0, 7], 0),
            tensor(Element::Float32, &[120], 480),
        ]
        .into_iter()
        .flatten()
        .collect();
        let encoded = |tensors: &[Tensor], codec| {
            let mut buffer = Vec::new();
            encode_all(tensors, codec, &mut buffer).ok().map(|()| buffer)
        };
        let each = |codec: Codec| {
            let all = encoded(&tensors, codec);
            tensors
                .iter()
                .filter_map(move |tensor| encoded(std::slice::from_ref(tensor), codec))
                .chain(all)
                .collect::<Vec<_>>()
        };
        Codec::ALL.into_iter().flat_map(each).collect()
    }

    fn read(&self, input: &[u8]) -> Result<bool, String> {
        let Ok(tensors) = decode_all(&Bytes::copy_from_slice(input)) else { return Ok(false) };
        // What is small enough is sent on with every codec.
        if tensors.iter().map(|tensor| tensor.data.len()).sum::<usize>() > 64 << 10 {
            return Ok(true);
        }
        let mut buffer = Vec::new();
        for codec in Codec::ALL {
            encode_all(&tensors, codec, &mut buffer).map_err(|error| format!("{codec}: can't be sent on: {error}"))?;
            let back = decode_all(&Bytes::copy_from_slice(&buffer)).map_err(|error| format!("{codec}: {error}"))?;
            let same = |(a, b): (&Tensor, &Tensor)| {
                a.shape == b.shape && a.element == b.element && a.data.len() == b.data.len()
            };
            if back.len() != tensors.len()
                || !back.iter().zip(&tensors).all(same)
                || (codec.is_lossless() && back != tensors)
            {
                return Err(format!("{codec}: other tensors arrive than were sent"));
            }
        }
        Ok(true)
    }
}
