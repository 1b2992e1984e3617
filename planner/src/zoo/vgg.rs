//! Simonyan and Zisserman, *Very Deep Convolutional Networks for Large-Scale Image Recognition* (2014).

use super::builder::Network;
use super::builder::integer;
use super::layers::{Conv, Padding, dense, max_pool, predict, relu};

/// VGG16, 224 × 224.
pub fn vgg16(seed: u64) -> Network {
    vgg("vgg16", seed, [2, 2, 3, 3, 3])
}

/// VGG19, 224 × 224.
pub fn vgg19(seed: u64) -> Network {
    vgg("vgg19", seed, [2, 2, 4, 4, 4])
}

fn vgg(name: &str, seed: u64, blocks: [usize; 5]) -> Network {
    let mut network = Network::new(name, seed, "input_1", &[1, 3, 224, 224]);
    let net = &mut network;
    let mut x = "input_1".to_owned();
    for (block, (convolutions, channels)) in blocks.into_iter().zip([64, 128, 256, 512, 512]).enumerate() {
        for conv in 1..=convolutions {
            let name = format!("block{}_conv{conv}", block + 1);
            let y = Conv::new(channels, 3).biased().add(net, &format!("{name}:conv"), &x);
            x = relu(net, &name, &y);
        }
        x = max_pool(net, &format!("block{}_pool", block + 1), &x, 2, 2, Padding::Valid);
    }
    x = net.node("Flatten", "flatten", &[&x], vec![integer("axis", 1)]);
    for name in ["fc1", "fc2"] {
        let y = dense(net, &format!("{name}:dense"), &x, 4096, 1.0);
        x = relu(net, name, &y);
    }
    predict(net, &x, 1000);
    network
}
