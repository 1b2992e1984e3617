//! The seeded inputs that profile, client and reference agree on.

use rand_core::Rng;
use rand_pcg::Pcg64Mcg;

use crate::element::Element;
use crate::onnx::Activation;

/// Side of the coarse grid that an image's large shapes are drawn from.
const GRID: usize = 8;
/// Most that noise adds to or takes from a value.
const NOISE: f32 = 0.02;

/// The input with number `index` of the sequence that `seed` begins: the same on every machine.
///
/// Floats are image-like: between 0 and 1 in steps of 1/255, smooth shapes with a little noise over the
/// last two axes, so that compression finds in them what it finds in a photograph. Bytes are the same
/// image from 0 to 255. Other integers and booleans are 0 or 1, which every model's vocabulary has.
pub fn input(shape: &[usize], element: Element, seed: u64, index: u32) -> Activation {
    let mut random = Pcg64Mcg::new(u128::from(seed) << 64 | u128::from(index) << 1 | 1);
    let elements: usize = shape.iter().product();
    let mut data = Vec::with_capacity(elements * element.size());
    match element {
        Element::Float16 | Element::Float32 | Element::Float64 | Element::Uint8 => {
            let [height, width] = match shape {
                [.., height, width] => [*height, *width],
                [width] => [1, *width],
                [] => [1, 1],
            };
            for _ in 0..elements / (height * width).max(1) {
                plane(height, width, &mut random, |value| push(&mut data, element, value));
            }
        }
        _ => {
            for _ in 0..elements {
                data.push((random.next_u32() >> 31) as u8);
                data.resize(data.len() + element.size() - 1, 0);
            }
        }
    }
    Activation { shape: shape.to_vec(), element, data }
}

fn push(data: &mut Vec<u8>, element: Element, value: u8) {
    let scaled = f32::from(value) / 255.0;
    match element {
        Element::Uint8 => data.push(value),
        Element::Float16 => data.extend(half_bits(scaled).to_le_bytes()),
        Element::Float64 => data.extend(f64::from(scaled).to_le_bytes()),
        _ => data.extend(scaled.to_le_bytes()),
    }
}

/// Bits of the 16-bit float next to `value`, which must lie between 2^-14 and 1, or be 0.
fn half_bits(value: f32) -> u16 {
    if value == 0.0 {
        return 0;
    }
    // Eight bits of exponent become five; of the mantissa's 23 bits ten stay, the rest rounds.
    let bits = value.to_bits() - ((127 - 15) << 23);
    ((bits + (1 << 12)) >> 13) as u16
}

/// One channel: a coarse random grid, interpolated, and noise.
fn plane(height: usize, width: usize, random: &mut Pcg64Mcg, mut emit: impl FnMut(u8)) {
    let mut unit = move || (random.next_u32() >> 8) as f32 / (1 << 24) as f32;
    let grid: Vec<f32> = (0..(GRID + 1) * (GRID + 1)).map(|_| unit()).collect();
    let at = |row: usize, column: usize| grid[row * (GRID + 1) + column];
    for y in 0..height {
        let (row, down) = split(y, height);
        for x in 0..width {
            let (column, right) = split(x, width);
            let upper = at(row, column) * (1.0 - right) + at(row, column + 1) * right;
            let lower = at(row + 1, column) * (1.0 - right) + at(row + 1, column + 1) * right;
            let value = upper * (1.0 - down) + lower * down + (2.0 * unit() - 1.0) * NOISE;
            emit((value.clamp(0.0, 1.0) * 255.0).round() as u8);
        }
    }
}

/// The grid cell of a pixel, and how far inside it the pixel lies.
fn split(pixel: usize, pixels: usize) -> (usize, f32) {
    let place = pixel as f32 * GRID as f32 / pixels as f32;
    let cell = (place as usize).min(GRID - 1);
    (cell, place - cell as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_depends_on_seed_and_index_alone() {
        let make = |seed, index| input(&[1, 3, 16, 16], Element::Float32, seed, index).data;
        assert_eq!(make(7, 0), make(7, 0));
        assert_ne!(make(7, 0), make(7, 1));
        assert_ne!(make(7, 0), make(8, 0));
    }

    #[test]
    fn images_lie_between_zero_and_one_and_fill_the_shape() {
        for element in
            [Element::Float16, Element::Float32, Element::Float64, Element::Uint8, Element::Int64, Element::Bool]
        {
            let image = input(&[1, 3, 9, 5], element, 1, 0);
            assert_eq!(image.data.len(), 3 * 9 * 5 * element.size());
        }
        let image = input(&[1, 3, 32, 32], Element::Float32, 1, 0);
        let values = image.data.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
        assert!(values.clone().all(|value| (0.0..=1.0).contains(&value)));
        assert!(values.clone().fold(0.0, f32::max) - values.fold(1.0, f32::min) > 0.3);
    }

    #[test]
    fn half_floats_are_those_of_the_standard() {
        assert_eq!((half_bits(0.0), half_bits(1.0), half_bits(0.5), half_bits(0.25)), (0, 0x3c00, 0x3800, 0x3400));
    }
}
