//! Huang et al., *Densely Connected Convolutional Networks* (2016).

use super::builder::Network;
use super::layers::{Conv, Padding, average_pool, classify, concatenate, max_pool, normalise, pad, relu};

const EPSILON: f32 = 1.001e-5;
/// Channels that each layer adds.
const GROWTH: usize = 32;

/// DenseNet121, 224 × 224.
pub fn densenet121(seed: u64) -> Network {
    densenet("densenet121", seed, [6, 12, 24, 16])
}

/// DenseNet169, 224 × 224.
pub fn densenet169(seed: u64) -> Network {
    densenet("densenet169", seed, [6, 12, 32, 32])
}

/// DenseNet201, 224 × 224.
pub fn densenet201(seed: u64) -> Network {
    densenet("densenet201", seed, [6, 12, 48, 32])
}

fn densenet(name: &str, seed: u64, blocks: [usize; 4]) -> Network {
    let mut network = Network::new(name, seed, "input_1", &[1, 3, 224, 224]);
    let net = &mut network;
    let x = pad(net, "zero_padding2d", "input_1", 3, 3);
    let x = Conv::new(64, 7).stride(2).padding(Padding::Valid).add(net, "conv1/conv", &x);
    let x = normalise(net, "conv1/bn", &x, EPSILON, 1.0);
    let x = relu(net, "conv1/relu", &x);
    let x = pad(net, "zero_padding2d_1", &x, 1, 1);
    let mut x = max_pool(net, "pool1", &x, 3, 2, Padding::Valid);
    for (block, layers) in blocks.into_iter().enumerate() {
        if block > 0 {
            // Half the channels, half the size.
            let name = format!("pool{}", block + 1);
            let y = normalise(net, &format!("{name}_bn"), &x, EPSILON, 1.0);
            let y = relu(net, &format!("{name}_relu"), &y);
            let channels = net.channels(&y) / 2;
            let y = Conv::new(channels, 1).add(net, &format!("{name}_conv"), &y);
            x = average_pool(net, &format!("{name}_pool"), &y, 2, 2, Padding::Valid);
        }
        for layer in 1..=layers {
            let name = format!("conv{}_block{layer}", block + 2);
            let y = normalise(net, &format!("{name}_0_bn"), &x, EPSILON, 1.0);
            let y = relu(net, &format!("{name}_0_relu"), &y);
            let y = Conv::new(4 * GROWTH, 1).add(net, &format!("{name}_1_conv"), &y);
            let y = normalise(net, &format!("{name}_1_bn"), &y, EPSILON, 1.0);
            let y = relu(net, &format!("{name}_1_relu"), &y);
            let y = Conv::new(GROWTH, 3).add(net, &format!("{name}_2_conv"), &y);
            x = concatenate(net, &format!("{name}_concat"), &[&x, &y]);
        }
    }
    let x = normalise(net, "bn", &x, EPSILON, 1.0);
    let x = relu(net, "relu", &x);
    classify(net, "avg_pool", &x, 1000);
    network
}
