//! Szegedy et al., *Rethinking the Inception Architecture for Computer Vision* (2015), and *Inception-v4,
//! Inception-ResNet and the Impact of Residual Connections on Learning* (2016).

use super::builder::{Network, Values};
use super::layers::{Conv, Padding, add, average_pool, classify, concatenate, max_pool, normalise_unscaled, relu};

const EPSILON: f32 = 1e-3;

/// A network whose layers are numbered by their kind, as Keras names those that have no name of their own.
struct Numbered {
    net: Network,
    convolutions: usize,
    pools: usize,
    averages: usize,
    concatenations: usize,
}

/// `name`, `name_1`, `name_2`, …
fn numbered(name: &str, count: &mut usize) -> String {
    let number = *count;
    *count += 1;
    if number == 0 { name.to_owned() } else { format!("{name}_{number}") }
}

impl Numbered {
    fn new(name: &str, seed: u64) -> Numbered {
        let net = Network::new(name, seed, "input_1", &[1, 3, 299, 299]);
        Numbered { net, convolutions: 0, pools: 0, averages: 0, concatenations: 0 }
    }

    /// A convolution, a normalisation and an activation.
    fn conv(&mut self, conv: Conv, input: &str) -> String {
        let number = self.convolutions;
        let name = |kind: &str| numbered(kind, &mut number.clone());
        self.convolutions += 1;
        let x = conv.add(&mut self.net, &name("conv2d"), input);
        let x = normalise_unscaled(&mut self.net, &name("batch_normalization"), &x, EPSILON);
        relu(&mut self.net, &name("activation"), &x)
    }

    /// Convolutions one behind the other.
    fn branch(&mut self, convolutions: &[Conv], input: &str) -> String {
        convolutions.iter().fold(input.to_owned(), |x, conv| self.conv(*conv, &x))
    }

    fn max_pool(&mut self, input: &str) -> String {
        let name = numbered("max_pooling2d", &mut self.pools);
        max_pool(&mut self.net, &name, input, 3, 2, Padding::Valid)
    }

    fn averaged(&mut self, channels: usize, input: &str) -> String {
        let name = numbered("average_pooling2d", &mut self.averages);
        let x = average_pool(&mut self.net, &name, input, 3, 1, Padding::Same);
        self.conv(square(channels, 1), &x)
    }

    fn concatenate(&mut self, name: &str, branches: &[String]) -> String {
        let branches: Vec<&str> = branches.iter().map(String::as_str).collect();
        concatenate(&mut self.net, name, &branches)
    }

    /// From 299 × 299 to 35 × 35 with 192 channels: the same in both architectures.
    fn stem(&mut self) -> String {
        let x = self.branch(&[shrinking(32), valid(32), square(64, 3)], "input_1");
        let x = self.max_pool(&x);
        let x = self.branch(&[square(80, 1), valid(192)], &x);
        self.max_pool(&x)
    }
}

fn square(channels: usize, kernel: usize) -> Conv {
    Conv::new(channels, kernel)
}

/// 3 × 3 without padding.
fn valid(channels: usize) -> Conv {
    Conv::new(channels, 3).padding(Padding::Valid)
}

/// 3 × 3 without padding, every second place.
fn shrinking(channels: usize) -> Conv {
    valid(channels).stride(2)
}

fn oblong(channels: usize, rows: usize, columns: usize) -> Conv {
    Conv::oblong(channels, rows, columns)
}

/// InceptionV3, 299 × 299.
pub fn inception_v3(seed: u64) -> Network {
    let mut numbered_net = Numbered::new("inception-v3", seed);
    let net = &mut numbered_net;
    let mut x = net.stem();
    for (block, pool) in [32, 64, 64].into_iter().enumerate() {
        let branches = [
            net.branch(&[square(64, 1)], &x),
            net.branch(&[square(48, 1), square(64, 5)], &x),
            net.branch(&[square(64, 1), square(96, 3), square(96, 3)], &x),
            net.averaged(pool, &x),
        ];
        x = net.concatenate(&format!("mixed{block}"), &branches);
    }
    let branches = [
        net.branch(&[shrinking(384)], &x),
        net.branch(&[square(64, 1), square(96, 3), shrinking(96)], &x),
        net.max_pool(&x),
    ];
    x = net.concatenate("mixed3", &branches);
    for (block, width) in [128, 160, 160, 192].into_iter().enumerate() {
        let branches = [
            net.branch(&[square(192, 1)], &x),
            net.branch(&[square(width, 1), oblong(width, 1, 7), oblong(192, 7, 1)], &x),
            net.branch(
                &[square(width, 1), oblong(width, 7, 1), oblong(width, 1, 7), oblong(width, 7, 1), oblong(192, 1, 7)],
                &x,
            ),
            net.averaged(192, &x),
        ];
        x = net.concatenate(&format!("mixed{}", block + 4), &branches);
    }
    let branches = [
        net.branch(&[square(192, 1), shrinking(320)], &x),
        net.branch(&[square(192, 1), oblong(192, 1, 7), oblong(192, 7, 1), shrinking(192)], &x),
        net.max_pool(&x),
    ];
    x = net.concatenate("mixed8", &branches);
    for block in 0..2 {
        let first = net.branch(&[square(320, 1)], &x);
        let y = net.branch(&[square(384, 1)], &x);
        let halves = [net.conv(oblong(384, 1, 3), &y), net.conv(oblong(384, 3, 1), &y)];
        let second = net.concatenate(&format!("mixed9_{block}"), &halves);
        let y = net.branch(&[square(448, 1), square(384, 3)], &x);
        let halves = [net.conv(oblong(384, 1, 3), &y), net.conv(oblong(384, 3, 1), &y)];
        let name = numbered("concatenate", &mut net.concatenations);
        let third = net.concatenate(&name, &halves);
        let fourth = net.averaged(192, &x);
        x = net.concatenate(&format!("mixed{}", block + 9), &[first, second, third, fourth]);
    }
    classify(&mut net.net, "avg_pool", &x, 1000);
    numbered_net.net
}

/// A residual block: what its branches make is scaled and added to its input.
fn residual(net: &mut Numbered, name: &str, branches: &[String], input: &str, scale: f32, active: bool) -> String {
    let mixed = net.concatenate(&format!("{name}_mixed"), branches);
    let net = &mut net.net;
    let channels = net.channels(input);
    let up = Conv::new(channels, 1).biased().linear().add(net, &format!("{name}_conv"), &mixed);
    let scale = net.constant(&format!("{name}/scale"), &[], Values::Floats(vec![scale]));
    let scaled = net.node("Mul", &format!("{name}:scaled"), &[&up, &scale], Vec::new());
    let x = add(net, name, input, &scaled);
    if active { relu(net, &format!("{name}_ac"), &x) } else { x }
}

/// InceptionResNetV2, 299 × 299.
pub fn inception_resnet_v2(seed: u64) -> Network {
    let mut numbered_net = Numbered::new("inception-resnet-v2", seed);
    let net = &mut numbered_net;
    let x = net.stem();
    let branches = [
        net.branch(&[square(96, 1)], &x),
        net.branch(&[square(48, 1), square(64, 5)], &x),
        net.branch(&[square(64, 1), square(96, 3), square(96, 3)], &x),
        net.averaged(64, &x),
    ];
    let mut x = net.concatenate("mixed_5b", &branches);
    for block in 1..=10 {
        let branches = [
            net.branch(&[square(32, 1)], &x),
            net.branch(&[square(32, 1), square(32, 3)], &x),
            net.branch(&[square(32, 1), square(48, 3), square(64, 3)], &x),
        ];
        x = residual(net, &format!("block35_{block}"), &branches, &x, 0.17, true);
    }
    let branches = [
        net.branch(&[shrinking(384)], &x),
        net.branch(&[square(256, 1), square(256, 3), shrinking(384)], &x),
        net.max_pool(&x),
    ];
    x = net.concatenate("mixed_6a", &branches);
    for block in 1..=20 {
        let branches = [
            net.branch(&[square(192, 1)], &x),
            net.branch(&[square(128, 1), oblong(160, 1, 7), oblong(192, 7, 1)], &x),
        ];
        x = residual(net, &format!("block17_{block}"), &branches, &x, 0.1, true);
    }
    let branches = [
        net.branch(&[square(256, 1), shrinking(384)], &x),
        net.branch(&[square(256, 1), shrinking(288)], &x),
        net.branch(&[square(256, 1), square(288, 3), shrinking(320)], &x),
        net.max_pool(&x),
    ];
    x = net.concatenate("mixed_7a", &branches);
    for block in 1..=10 {
        let branches = [
            net.branch(&[square(192, 1)], &x),
            net.branch(&[square(192, 1), oblong(224, 1, 3), oblong(256, 3, 1)], &x),
        ];
        // The last adds all of it and is not activated.
        let (scale, active) = if block == 10 { (1.0, false) } else { (0.2, true) };
        x = residual(net, &format!("block8_{block}"), &branches, &x, scale, active);
    }
    let net = &mut net.net;
    let x = Conv::new(1536, 1).linear().add(net, "conv_7b", &x);
    let x = normalise_unscaled(net, "conv_7b_bn", &x, EPSILON);
    let x = relu(net, "conv_7b_ac", &x);
    classify(net, "avg_pool", &x, 1000);
    numbered_net.net
}
