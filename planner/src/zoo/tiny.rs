//! A network of our own, for tests.

use super::builder::Network;
use super::layers::{Conv, add, classify, normalise, relu};

/// Eight convolutions on 32 × 32: for tests, and for more requests per second than a real model allows.
pub fn tiny_cnn(seed: u64) -> Network {
    const EPSILON: f32 = 1e-3;
    let mut network = Network::new("tiny-cnn", seed, "input_1", &[1, 3, 32, 32]);
    let net = &mut network;
    let mut x = "input_1".to_owned();
    let layers = [(8, 1), (16, 2), (16, 1), (24, 1), (24, 2), (32, 1), (32, 2), (48, 1)];
    for (layer, (outputs, stride)) in layers.into_iter().enumerate() {
        let name = format!("conv{}", layer + 1);
        let y = Conv::new(outputs, 3).stride(stride).add(net, &format!("{name}_conv"), &x);
        let y = normalise(net, &format!("{name}_bn"), &y, EPSILON, 1.0);
        // One residual connection, so that not every tensor is a place to cut.
        let y = if layer == 2 { add(net, "conv3_add", &x, &y) } else { y };
        x = relu(net, &format!("{name}_relu"), &y);
    }
    classify(net, "avg_pool", &x, 10);
    network
}
