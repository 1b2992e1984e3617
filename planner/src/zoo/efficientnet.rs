//! Tan and Le, *EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks* (2019).

use super::builder::{Network, Values};
use super::layers::{Conv, Padding, RESIDUAL_GAIN, add, dropout, global_average_pool, normalise, pad, predict, swish};

const EPSILON: f32 = 1e-3;
/// A gate halves what it lets pass on average, and swish what it activates.
const GATED_GAIN: f32 = 2.0;

/// EfficientNetB1, 240 × 240.
pub fn efficientnet_b1(seed: u64) -> Network {
    let mut network = Network::new("efficientnet-b1", seed, "input_1", &[1, 3, 240, 240]);
    let net = &mut network;
    let x = rescale(net, "input_1");
    let x = pad(net, "stem_conv_pad", &x, 0, 1);
    let x = Conv::new(32, 3).stride(2).padding(Padding::Valid).add(net, "stem_conv", &x);
    let x = normalise(net, "stem_bn", &x, EPSILON, 1.0);
    let mut x = swish(net, "stem_activation", &x);
    // Kernel, repeats (those of B0 times 1.1, rounded up), channels, expansion, stride.
    let stages = [
        (3, 2, 16, 1, 1),
        (3, 3, 24, 6, 2),
        (5, 3, 40, 6, 2),
        (3, 4, 80, 6, 2),
        (5, 4, 112, 6, 1),
        (5, 5, 192, 6, 2),
        (3, 2, 320, 6, 1),
    ];
    for (stage, (kernel, repeats, channels, expansion, stride)) in (1..).zip(stages) {
        for (repeat, letter) in (0..repeats).zip('a'..) {
            let stride = if repeat == 0 { stride } else { 1 };
            x = block(net, &format!("block{stage}{letter}_"), &x, Block { kernel, channels, expansion, stride });
        }
    }
    let x = Conv::new(1280, 1).add(net, "top_conv", &x);
    let x = normalise(net, "top_bn", &x, EPSILON, 1.0);
    let x = swish(net, "top_activation", &x);
    let x = global_average_pool(net, "avg_pool", &x);
    let x = dropout(net, "top_dropout", &x);
    predict(net, &x, 1000);
    network
}

struct Block {
    kernel: usize,
    channels: usize,
    expansion: usize,
    stride: usize,
}

fn block(net: &mut Network, name: &str, input: &str, block: Block) -> String {
    let Block { kernel, channels, expansion, stride } = block;
    let inputs = net.channels(input);
    let mut x = input.to_owned();
    if expansion > 1 {
        x = Conv::new(inputs * expansion, 1).add(net, &format!("{name}expand_conv"), &x);
        x = normalise(net, &format!("{name}expand_bn"), &x, EPSILON, 1.0);
        x = swish(net, &format!("{name}expand_activation"), &x);
    }
    let mut depthwise = Conv::depthwise(kernel).stride(stride);
    if stride == 2 {
        // What Keras's `correct_pad` gives: less before than behind where the size is even.
        let (size, half) = (net.size(&x).0, kernel as i64 / 2);
        x = pad(net, &format!("{name}dwconv_pad"), &x, half - (1 - size as i64 % 2), half);
        depthwise = depthwise.padding(Padding::Valid);
    }
    x = depthwise.add(net, &format!("{name}dwconv"), &x);
    x = normalise(net, &format!("{name}bn"), &x, EPSILON, 1.0);
    x = swish(net, &format!("{name}activation"), &x);
    x = excite(net, name, &x, (inputs / 4).max(1));
    x = Conv::new(channels, 1).add(net, &format!("{name}project_conv"), &x);
    let residual = stride == 1 && inputs == channels;
    let gain = if residual { RESIDUAL_GAIN } else { GATED_GAIN };
    x = normalise(net, &format!("{name}project_bn"), &x, EPSILON, gain);
    if residual {
        x = dropout(net, &format!("{name}drop"), &x);
        x = add(net, &format!("{name}add"), &x, input);
    }
    x
}

/// Squeeze and excitation: each channel times a gate that the means of all channels decide.
fn excite(net: &mut Network, name: &str, input: &str, squeezed: usize) -> String {
    let channels = net.channels(input);
    let mean = net.node("GlobalAveragePool", &format!("{name}se_squeeze"), &[input], Vec::new());
    let mean = dropout(net, &format!("{name}se_reshape"), &mean);
    let reduced = Conv::new(squeezed, 1).biased().add(net, &format!("{name}se_reduce:conv"), &mean);
    let reduced = swish(net, &format!("{name}se_reduce"), &reduced);
    let gate = Conv::new(channels, 1).biased().add(net, &format!("{name}se_expand:conv"), &reduced);
    let gate = net.node("Sigmoid", &format!("{name}se_expand"), &[&gate], Vec::new());
    net.node("Mul", &format!("{name}se_excite"), &[input, &gate], Vec::new())
}

/// The layers `rescaling` and `normalization`. (The statistics are those of inputs between 0 and 1.)
fn rescale(net: &mut Network, input: &str) -> String {
    let scale = net.constant("rescaling/scale", &[], Values::Floats(vec![1.0]));
    let x = net.node("Mul", "rescaling", &[input, &scale], Vec::new());
    let shape = [1, 3, 1, 1];
    let mean = net.weight("normalization/mean".to_owned(), &shape, Values::Uniform { centre: 0.0, spread: 0.1 });
    let variance =
        net.weight("normalization/variance".to_owned(), &shape, Values::Uniform { centre: 1.0, spread: 0.1 });
    // Keras counts the samples, too.
    net.weight("normalization/count".to_owned(), &[1], Values::Uniform { centre: 1.0, spread: 0.0 });
    let centred = net.node("Sub", "normalization:centred", &[&x, &mean], Vec::new());
    let deviation = net.node("Sqrt", "normalization:deviation", &[&variance], Vec::new());
    net.node("Div", "normalization", &[&centred, &deviation], Vec::new())
}
