//! The architectures. Sources: He et al., *Deep Residual Learning for Image Recognition* (2015);
//! Sandler et al., *MobileNetV2: Inverted Residuals and Linear Bottlenecks* (2018); layer names,
//! paddings and epsilons as in `keras.applications`.

use super::builder::{Network, Values, float, integer, integers};

/// Scale of a normalisation that feeds an addition. Small, so that a long chain of residual blocks
/// with random weights keeps its activations in range.
const RESIDUAL_GAIN: f32 = 0.25;

/// A convolution: output channels, square kernel, stride, and padding before and behind each axis.
#[derive(Clone, Copy)]
struct Conv {
    inputs: usize,
    outputs: usize,
    kernel: usize,
    stride: usize,
    pads: (i64, i64),
    depthwise: bool,
    bias: bool,
}

impl Conv {
    fn new(inputs: usize, outputs: usize, kernel: usize) -> Conv {
        let pad = (kernel / 2) as i64;
        Conv { inputs, outputs, kernel, stride: 1, pads: (pad, pad), depthwise: false, bias: false }
    }

    fn stride(self, stride: usize) -> Conv {
        Conv { stride, ..self }
    }

    fn pads(self, before: i64, behind: i64) -> Conv {
        Conv { pads: (before, behind), ..self }
    }

    fn add(self, net: &mut Network, name: &str, input: &str) -> String {
        let group = if self.depthwise { self.inputs } else { 1 };
        let fan_in = self.inputs / group * self.kernel * self.kernel;
        // He initialisation: the variance is 2 / fan-in, so a uniform draw reaches sqrt(6 / fan-in).
        let spread = (6.0 / fan_in as f32).sqrt();
        let kernel = net.weight(
            format!("{name}/kernel"),
            &[self.outputs, self.inputs / group, self.kernel, self.kernel],
            Values::Uniform { centre: 0.0, spread },
        );
        let mut inputs = vec![input.to_owned(), kernel];
        if self.bias {
            let values = Values::Uniform { centre: 0.0, spread: 0.05 };
            inputs.push(net.weight(format!("{name}/bias"), &[self.outputs], values));
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let (side, stride, (before, behind)) = (self.kernel as i64, self.stride as i64, self.pads);
        let mut attributes = vec![
            integers("kernel_shape", &[side, side]),
            integers("strides", &[stride, stride]),
            integers("pads", &[before, before, behind, behind]),
        ];
        if self.depthwise {
            attributes.push(integer("group", group as i64));
        }
        net.node("Conv", name, &inputs, attributes)
    }
}

fn normalise(net: &mut Network, name: &str, input: &str, channels: usize, epsilon: f32, gain: f32) -> String {
    let values =
        [("gamma", gain, 0.2 * gain), ("beta", 0.0, 0.1), ("moving_mean", 0.0, 0.1), ("moving_variance", 1.0, 0.2)];
    let mut inputs = vec![input.to_owned()];
    for (part, centre, spread) in values {
        inputs.push(net.weight(format!("{name}/{part}"), &[channels], Values::Uniform { centre, spread }));
    }
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    net.node("BatchNormalization", name, &inputs, vec![float("epsilon", epsilon)])
}

/// Zeros around each channel.
fn pad(net: &mut Network, name: &str, input: &str, before: i64, behind: i64) -> String {
    let pads = vec![0, 0, before, before, 0, 0, behind, behind];
    let pads = net.constant(&format!("{name}/pads"), &[8], Values::Integers(pads));
    net.node("Pad", name, &[input, &pads], Vec::new())
}

/// Average of each channel, a dense layer and the probabilities.
fn classify(net: &mut Network, pool: &str, input: &str, features: usize, classes: usize) {
    let mean = net.node("GlobalAveragePool", &format!("{pool}/mean"), &[input], Vec::new());
    let flat = net.node("Flatten", pool, &[&mean], vec![integer("axis", 1)]);
    let spread = (6.0 / features as f32).sqrt() * 2.0;
    let kernel =
        net.weight("predictions/kernel".to_owned(), &[features, classes], Values::Uniform { centre: 0.0, spread });
    let bias = net.weight("predictions/bias".to_owned(), &[classes], Values::Uniform { centre: 0.0, spread: 0.05 });
    let logits = net.node("Gemm", "predictions/logits", &[&flat, &kernel, &bias], Vec::new());
    let output = net.node("Softmax", "predictions", &[&logits], vec![integer("axis", -1)]);
    net.output(&output, &[1, classes]);
}

/// ResNet50, version 1, 224 × 224.
pub fn resnet50(seed: u64) -> Network {
    const EPSILON: f32 = 1.001e-5;
    let mut network = Network::new("resnet50", seed, "input_1", &[1, 3, 224, 224]);
    let net = &mut network;
    let conv = |net: &mut Network, name: &str, input: &str, conv: Conv, gain: f32| {
        let out = Conv { bias: true, ..conv }.add(net, &format!("{name}_conv"), input);
        normalise(net, &format!("{name}_bn"), &out, conv.outputs, EPSILON, gain)
    };
    let relu = |net: &mut Network, name: &str, input: &str| net.node("Relu", name, &[input], Vec::new());

    let x = pad(net, "conv1_pad", "input_1", 3, 3);
    let x = conv(net, "conv1", &x, Conv::new(3, 64, 7).stride(2).pads(0, 0), 1.0);
    let x = relu(net, "conv1_relu", &x);
    let x = pad(net, "pool1_pad", &x, 1, 1);
    let window = vec![integers("kernel_shape", &[3, 3]), integers("strides", &[2, 2])];
    let mut x = net.node("MaxPool", "pool1_pool", &[&x], window);
    let mut channels = 64;
    for (stage, (width, blocks)) in [(64, 3), (128, 4), (256, 6), (512, 3)].into_iter().enumerate() {
        for block in 1..=blocks {
            let name = format!("conv{}_block{block}", stage + 2);
            let stride = if block == 1 && stage > 0 { 2 } else { 1 };
            let shortcut = if block == 1 {
                conv(net, &format!("{name}_0"), &x, Conv::new(channels, 4 * width, 1).stride(stride), 1.0)
            } else {
                x.clone()
            };
            let y = conv(net, &format!("{name}_1"), &x, Conv::new(channels, width, 1).stride(stride), 1.0);
            let y = relu(net, &format!("{name}_1_relu"), &y);
            let y = conv(net, &format!("{name}_2"), &y, Conv::new(width, width, 3), 1.0);
            let y = relu(net, &format!("{name}_2_relu"), &y);
            let y = conv(net, &format!("{name}_3"), &y, Conv::new(width, 4 * width, 1), RESIDUAL_GAIN);
            let sum = net.node("Add", &format!("{name}_add"), &[&shortcut, &y], Vec::new());
            x = relu(net, &format!("{name}_out"), &sum);
            channels = 4 * width;
        }
    }
    classify(net, "avg_pool", &x, channels, 1000);
    network
}

/// MobileNetV2 with a width of 1.0, 224 × 224.
pub fn mobilenet_v2(seed: u64) -> Network {
    const EPSILON: f32 = 1e-3;
    let mut network = Network::new("mobilenet-v2", seed, "input_1", &[1, 3, 224, 224]);
    let net = &mut network;
    let low = net.constant("relu6/min", &[], Values::Floats(vec![0.0]));
    let high = net.constant("relu6/max", &[], Values::Floats(vec![6.0]));
    let relu6 = |net: &mut Network, name: &str, input: &str| net.node("Clip", name, &[input, &low, &high], Vec::new());

    // 'same' padding of a stride of two on an even size: nothing before, one behind.
    let x = Conv::new(3, 32, 3).stride(2).pads(0, 1).add(net, "Conv1", "input_1");
    let x = normalise(net, "bn_Conv1", &x, 32, EPSILON, 1.0);
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
                y = Conv::new(channels, wide, 1).add(net, &format!("{name}_expand"), &y);
                y = normalise(net, &format!("{name}_expand_BN"), &y, wide, EPSILON, 1.0);
                y = relu6(net, &format!("{name}_expand_relu"), &y);
            }
            let mut depthwise = Conv { depthwise: true, ..Conv::new(wide, wide, 3).stride(stride) };
            if stride == 2 {
                y = pad(net, &format!("{name}_pad"), &y, 0, 1);
                depthwise = depthwise.pads(0, 0);
            }
            y = depthwise.add(net, &format!("{name}_depthwise"), &y);
            y = normalise(net, &format!("{name}_depthwise_BN"), &y, wide, EPSILON, 1.0);
            y = relu6(net, &format!("{name}_depthwise_relu"), &y);
            y = Conv::new(wide, outputs, 1).add(net, &format!("{name}_project"), &y);
            let residual = channels == outputs && stride == 1;
            let gain = if residual { RESIDUAL_GAIN } else { 1.0 };
            y = normalise(net, &format!("{name}_project_BN"), &y, outputs, EPSILON, gain);
            x = if residual { net.node("Add", &format!("{name}_add"), &[&x, &y], Vec::new()) } else { y };
            channels = outputs;
            block += 1;
        }
    }
    let x = Conv::new(channels, 1280, 1).add(net, "Conv_1", &x);
    let x = normalise(net, "Conv_1_bn", &x, 1280, EPSILON, 1.0);
    let x = relu6(net, "out_relu", &x);
    classify(net, "global_average_pooling2d", &x, 1280, 1000);
    network
}

/// Eight convolutions on 32 × 32: for tests, and for more requests per second than a real model allows.
pub fn tiny_cnn(seed: u64) -> Network {
    const EPSILON: f32 = 1e-3;
    let mut network = Network::new("tiny-cnn", seed, "input_1", &[1, 3, 32, 32]);
    let net = &mut network;
    let mut x = "input_1".to_owned();
    let mut channels = 3;
    let layers = [(8, 1), (16, 2), (16, 1), (24, 1), (24, 2), (32, 1), (32, 2), (48, 1)];
    for (layer, (outputs, stride)) in layers.into_iter().enumerate() {
        let name = format!("conv{}", layer + 1);
        let y = Conv::new(channels, outputs, 3).stride(stride).add(net, &format!("{name}_conv"), &x);
        let y = normalise(net, &format!("{name}_bn"), &y, outputs, EPSILON, 1.0);
        // One residual connection, so that not every tensor is a place to cut.
        let y = if layer == 2 { net.node("Add", "conv3_add", &[&x, &y], Vec::new()) } else { y };
        x = net.node("Relu", &format!("{name}_relu"), &[&y], Vec::new());
        channels = outputs;
    }
    classify(net, "avg_pool", &x, channels, 10);
    network
}
