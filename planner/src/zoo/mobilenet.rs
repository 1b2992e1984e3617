//! Sandler et al., *MobileNetV2: Inverted Residuals and Linear Bottlenecks* (2018).

use super::builder::{Network, Values};
use super::layers::{Conv, Padding, RESIDUAL_GAIN, add, classify, normalise, pad};

/// MobileNetV2 with a width of 1.0, 224 × 224.
pub fn mobilenet_v2(seed: u64) -> Network {
    const EPSILON: f32 = 1e-3;
    let mut network = Network::new("mobilenet-v2", seed, "input_1", &[1, 3, 224, 224]);
    let net = &mut network;
    let low = net.constant("relu6/min", &[], Values::Floats(vec![0.0]));
    let high = net.constant("relu6/max", &[], Values::Floats(vec![6.0]));
    let relu6 = |net: &mut Network, name: &str, input: &str| net.node("Clip", name, &[input, &low, &high], Vec::new());

    let x = Conv::new(32, 3).stride(2).add(net, "Conv1", "input_1");
    let x = normalise(net, "bn_Conv1", &x, EPSILON, 1.0);
    let mut x = relu6(net, "Conv1_relu", &x);
    let mut channels = 32;
    let mut block = 0;
    let stages =
        [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)];
    for (expansion, outputs, repeats, first_stride) in stages {
        for repeat in 0..repeats {
            let stride = if repeat == 0 { first_stride } else { 1 };
            let name = if block == 0 { "expanded_conv".to_owned() } else { format!("block_{block}") };
            let wide = channels * expansion;
            let mut y = x.clone();
            if block > 0 {
                y = Conv::new(wide, 1).add(net, &format!("{name}_expand"), &y);
                y = normalise(net, &format!("{name}_expand_BN"), &y, EPSILON, 1.0);
                y = relu6(net, &format!("{name}_expand_relu"), &y);
            }
            let mut depthwise = Conv::depthwise(3).stride(stride);
            if stride == 2 {
                y = pad(net, &format!("{name}_pad"), &y, 0, 1);
                depthwise = depthwise.padding(Padding::Valid);
            }
            y = depthwise.add(net, &format!("{name}_depthwise"), &y);
            y = normalise(net, &format!("{name}_depthwise_BN"), &y, EPSILON, 1.0);
            y = relu6(net, &format!("{name}_depthwise_relu"), &y);
            y = Conv::new(outputs, 1).add(net, &format!("{name}_project"), &y);
            let residual = channels == outputs && stride == 1;
            let gain = if residual { RESIDUAL_GAIN } else { 1.0 };
            y = normalise(net, &format!("{name}_project_BN"), &y, EPSILON, gain);
            x = if residual { add(net, &format!("{name}_add"), &x, &y) } else { y };
            channels = outputs;
            block += 1;
        }
    }
    let x = Conv::new(1280, 1).add(net, "Conv_1", &x);
    let x = normalise(net, "Conv_1_bn", &x, EPSILON, 1.0);
    let x = relu6(net, "out_relu", &x);
    classify(net, "global_average_pooling2d", &x, 1000);
    network
}
