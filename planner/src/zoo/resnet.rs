//! He et al., *Deep Residual Learning for Image Recognition* (2015).

use super::builder::Network;
use super::layers::{Conv, Padding, RESIDUAL_GAIN, add, classify, max_pool, normalise, pad, relu};

/// ResNet50, version 1, 224 × 224.
pub fn resnet50(seed: u64) -> Network {
    const EPSILON: f32 = 1.001e-5;
    let mut network = Network::new("resnet50", seed, "input_1", &[1, 3, 224, 224]);
    let net = &mut network;
    let conv = |net: &mut Network, name: &str, input: &str, conv: Conv, gain: f32| {
        let out = conv.biased().add(net, &format!("{name}_conv"), input);
        normalise(net, &format!("{name}_bn"), &out, EPSILON, gain)
    };

    let x = pad(net, "conv1_pad", "input_1", 3, 3);
    let x = conv(net, "conv1", &x, Conv::new(64, 7).stride(2).padding(Padding::Valid), 1.0);
    let x = relu(net, "conv1_relu", &x);
    let x = pad(net, "pool1_pad", &x, 1, 1);
    let mut x = max_pool(net, "pool1_pool", &x, 3, 2, Padding::Valid);
    for (stage, (width, blocks)) in [(64, 3), (128, 4), (256, 6), (512, 3)].into_iter().enumerate() {
        for block in 1..=blocks {
            let name = format!("conv{}_block{block}", stage + 2);
            let stride = if block == 1 && stage > 0 { 2 } else { 1 };
            let shortcut = if block == 1 {
                conv(net, &format!("{name}_0"), &x, Conv::new(4 * width, 1).stride(stride), 1.0)
            } else {
                x.clone()
            };
            let y = conv(net, &format!("{name}_1"), &x, Conv::new(width, 1).stride(stride), 1.0);
            let y = relu(net, &format!("{name}_1_relu"), &y);
            let y = conv(net, &format!("{name}_2"), &y, Conv::new(width, 3), 1.0);
            let y = relu(net, &format!("{name}_2_relu"), &y);
            let y = conv(net, &format!("{name}_3"), &y, Conv::new(4 * width, 1), RESIDUAL_GAIN);
            let sum = add(net, &format!("{name}_add"), &shortcut, &y);
            x = relu(net, &format!("{name}_out"), &sum);
        }
    }
    classify(net, "avg_pool", &x, 1000);
    network
}
