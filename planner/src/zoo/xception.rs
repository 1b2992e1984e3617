//! Chollet, *Xception: Deep Learning with Depthwise Separable Convolutions* (2016).

use super::builder::Network;
use super::layers::{Conv, Padding, RESIDUAL_GAIN, add, classify, max_pool, normalise, relu};

const EPSILON: f32 = 1e-3;

/// A convolution of each channel, then one across them: one layer of Keras.
fn separable(net: &mut Network, name: &str, input: &str, channels: usize, gain: f32) -> String {
    let x = Conv::depthwise(3).linear().add(net, &format!("{name}:depthwise"), input);
    let x = Conv::new(channels, 1).add(net, name, &x);
    normalise(net, &format!("{name}_bn"), &x, EPSILON, gain)
}

/// `name`, `name_1`, `name_2`, …
fn numbered(name: &str, number: usize) -> String {
    if number == 0 { name.to_owned() } else { format!("{name}_{number}") }
}

/// Xception, 299 × 299.
pub fn xception(seed: u64) -> Network {
    let mut network = Network::new("xception", seed, "input_1", &[1, 3, 299, 299]);
    let net = &mut network;
    let mut x = "input_1".to_owned();
    for (name, channels, stride) in [("block1_conv1", 32, 2), ("block1_conv2", 64, 1)] {
        let y = Conv::new(channels, 3).stride(stride).padding(Padding::Valid).add(net, name, &x);
        let y = normalise(net, &format!("{name}_bn"), &y, EPSILON, 1.0);
        x = relu(net, &format!("{name}_act"), &y);
    }
    let mut additions = 0;
    for (shortcut, (block, first, last)) in
        [(2, 128, 128), (3, 256, 256), (4, 728, 728), (13, 728, 1024)].into_iter().enumerate()
    {
        if block == 13 {
            for middle in 5..=12 {
                let mut y = x.clone();
                for index in 1..=3 {
                    let name = format!("block{middle}_sepconv{index}");
                    y = relu(net, &format!("{name}_act"), &y);
                    y = separable(net, &name, &y, 728, if index == 3 { RESIDUAL_GAIN } else { 1.0 });
                }
                x = add(net, &numbered("add", additions), &y, &x);
                additions += 1;
            }
        }
        let residual = Conv::new(last, 1).stride(2).linear().add(net, &numbered("conv2d", shortcut), &x);
        let residual = normalise(net, &numbered("batch_normalization", shortcut), &residual, EPSILON, 1.0);
        let mut y = x;
        for (index, channels) in [(1, first), (2, last)] {
            let name = format!("block{block}_sepconv{index}");
            if block > 2 || index > 1 {
                y = relu(net, &format!("{name}_act"), &y);
            }
            y = separable(net, &name, &y, channels, 1.0);
        }
        let y = max_pool(net, &format!("block{block}_pool"), &y, 3, 2, Padding::Same);
        x = add(net, &numbered("add", additions), &y, &residual);
        additions += 1;
    }
    for (name, channels, gain) in [("block14_sepconv1", 1536, 1.0), ("block14_sepconv2", 2048, RESIDUAL_GAIN)] {
        let y = separable(net, name, &x, channels, gain);
        x = relu(net, &format!("{name}_act"), &y);
    }
    classify(net, "avg_pool", &x, 1000);
    network
}
