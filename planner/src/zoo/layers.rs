//! Layers that several architectures have: operators with their weights, drawn so that activations keep their scale.

use tract_onnx::pb::AttributeProto;

use super::builder::{Network, Values, float, integer, integers};

/// Scale of a normalisation that feeds an addition. Small, so that a long chain of residual blocks
/// with random weights keeps its activations in range.
pub const RESIDUAL_GAIN: f32 = 0.25;

/// Padding of a window: zeros before and behind each axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// None.
    Valid,
    /// So that the output is the input divided by the stride, rounded up; what is uneven goes behind.
    Same,
}

impl Padding {
    /// Before and behind an axis of `size`.
    fn of(self, size: usize, kernel: usize, stride: usize) -> (i64, i64) {
        match self {
            Padding::Valid => (0, 0),
            Padding::Same => {
                let total = ((size.div_ceil(stride) - 1) * stride + kernel).saturating_sub(size) as i64;
                (total / 2, total - total / 2)
            }
        }
    }
}

/// A convolution: output channels, kernel, stride and padding.
#[derive(Debug, Clone, Copy)]
pub struct Conv {
    outputs: usize,
    kernel: (usize, usize),
    stride: usize,
    padding: Padding,
    /// Each channel on its own; there are as many outputs as inputs then.
    depthwise: bool,
    /// Whether it has a bias.
    pub bias: bool,
    /// Whether its output goes on without an activation.
    linear: bool,
}

impl Conv {
    /// A convolution with a square kernel, a stride of 1 and an output as large as its input.
    pub fn new(outputs: usize, kernel: usize) -> Conv {
        Conv::oblong(outputs, kernel, kernel)
    }

    /// A convolution whose kernel has rows and columns.
    pub fn oblong(outputs: usize, rows: usize, columns: usize) -> Conv {
        Conv {
            outputs,
            kernel: (rows, columns),
            stride: 1,
            padding: Padding::Same,
            depthwise: false,
            bias: false,
            linear: false,
        }
    }

    /// A convolution of each channel on its own.
    pub fn depthwise(kernel: usize) -> Conv {
        Conv { depthwise: true, ..Conv::new(0, kernel) }
    }

    pub fn stride(self, stride: usize) -> Conv {
        Conv { stride, ..self }
    }

    pub fn padding(self, padding: Padding) -> Conv {
        Conv { padding, ..self }
    }

    pub fn biased(self) -> Conv {
        Conv { bias: true, ..self }
    }

    pub fn linear(self) -> Conv {
        Conv { linear: true, ..self }
    }

    pub fn add(self, net: &mut Network, name: &str, input: &str) -> String {
        let (channels, size) = (net.channels(input), net.size(input));
        let (outputs, group) = if self.depthwise { (channels, channels) } else { (self.outputs, 1) };
        let (rows, columns) = self.kernel;
        let fan_in = channels / group * rows * columns;
        // He initialisation: the variance is 2 / fan-in, so a uniform draw reaches sqrt(6 / fan-in). The 2 makes up for what
        // an activation cuts off; where there is none, it would double the variance layer by layer.
        let spread = (if self.linear { 3.0 } else { 6.0 } / fan_in as f32).sqrt();
        let layer = name.split(':').next().unwrap_or(name);
        let kind = if self.depthwise && name != layer { "depthwise_kernel" } else { "kernel" };
        let kernel = net.weight(
            format!("{layer}/{kind}"),
            &[outputs, channels / group, rows, columns],
            Values::Uniform { centre: 0.0, spread },
        );
        let mut inputs = vec![input.to_owned(), kernel];
        if self.bias {
            let values = Values::Uniform { centre: 0.0, spread: 0.05 };
            inputs.push(net.weight(format!("{layer}/bias"), &[outputs], values));
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let mut attributes = window(self.kernel, self.stride, self.padding, size);
        if self.depthwise {
            attributes.push(integer("group", group as i64));
        }
        net.node("Conv", name, &inputs, attributes)
    }
}

/// The attributes of a window over an input of `size`.
fn window(kernel: (usize, usize), stride: usize, padding: Padding, size: (usize, usize)) -> Vec<AttributeProto> {
    let (rows, columns) = (padding.of(size.0, kernel.0, stride), padding.of(size.1, kernel.1, stride));
    vec![
        integers("kernel_shape", &[kernel.0 as i64, kernel.1 as i64]),
        integers("strides", &[stride as i64, stride as i64]),
        integers("pads", &[rows.0, columns.0, rows.1, columns.1]),
    ]
}

/// A normalisation by the statistics of training; `gain` is the mean of its scale.
pub fn normalise(net: &mut Network, name: &str, input: &str, epsilon: f32, gain: f32) -> String {
    let channels = net.channels(input);
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
pub fn pad(net: &mut Network, name: &str, input: &str, before: i64, behind: i64) -> String {
    let pads = vec![0, 0, before, before, 0, 0, behind, behind];
    let pads = net.constant(&format!("{name}/pads"), &[8], Values::Integers(pads));
    net.node("Pad", name, &[input, &pads], Vec::new())
}

/// A normalisation without a scale of its own, as `scale=False` in Keras.
pub fn normalise_unscaled(net: &mut Network, name: &str, input: &str, epsilon: f32) -> String {
    let channels = net.channels(input);
    let one = net.constant(&format!("{name}/gamma"), &[channels], Values::Floats(vec![1.0; channels]));
    let mut inputs = vec![input.to_owned(), one];
    for (part, centre, spread) in [("beta", 0.0, 0.1), ("moving_mean", 0.0, 0.1), ("moving_variance", 1.0, 0.2)] {
        inputs.push(net.weight(format!("{name}/{part}"), &[channels], Values::Uniform { centre, spread }));
    }
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    net.node("BatchNormalization", name, &inputs, vec![float("epsilon", epsilon)])
}

pub fn relu(net: &mut Network, name: &str, input: &str) -> String {
    net.node("Relu", name, &[input], Vec::new())
}

/// x · sigmoid(x).
pub fn swish(net: &mut Network, name: &str, input: &str) -> String {
    let gate = net.node("Sigmoid", &format!("{name}:sigmoid"), &[input], Vec::new());
    net.node("Mul", name, &[input, &gate], Vec::new())
}

pub fn add(net: &mut Network, name: &str, a: &str, b: &str) -> String {
    net.node("Add", name, &[a, b], Vec::new())
}

/// Channels one behind the other.
pub fn concatenate(net: &mut Network, name: &str, inputs: &[&str]) -> String {
    net.node("Concat", name, inputs, vec![integer("axis", 1)])
}

pub fn max_pool(net: &mut Network, name: &str, input: &str, kernel: usize, stride: usize, padding: Padding) -> String {
    let attributes = window((kernel, kernel), stride, padding, net.size(input));
    net.node("MaxPool", name, &[input], attributes)
}

/// Averages, of what lies within the input only.
pub fn average_pool(
    net: &mut Network,
    name: &str,
    input: &str,
    kernel: usize,
    stride: usize,
    padding: Padding,
) -> String {
    let attributes = window((kernel, kernel), stride, padding, net.size(input));
    net.node("AveragePool", name, &[input], attributes)
}

/// The mean of each channel, as a vector.
pub fn global_average_pool(net: &mut Network, name: &str, input: &str) -> String {
    let mean = net.node("GlobalAveragePool", &format!("{name}:mean"), &[input], Vec::new());
    net.node("Flatten", name, &[&mean], vec![integer("axis", 1)])
}

/// A dense layer.
pub fn dense(net: &mut Network, name: &str, input: &str, outputs: usize, spread: f32) -> String {
    let features = net.channels(input);
    let layer = name.split(':').next().unwrap_or(name);
    let kernel = net.weight(
        format!("{layer}/kernel"),
        &[features, outputs],
        Values::Uniform { centre: 0.0, spread: (6.0 / features as f32).sqrt() * spread },
    );
    let bias = net.weight(format!("{layer}/bias"), &[outputs], Values::Uniform { centre: 0.0, spread: 0.05 });
    net.node("Gemm", name, &[input, &kernel, &bias], Vec::new())
}

/// What is left out in training only.
pub fn dropout(net: &mut Network, name: &str, input: &str) -> String {
    net.node("Identity", name, &[input], Vec::new())
}

/// A dense layer and its probabilities: the network's output.
pub fn predict(net: &mut Network, input: &str, classes: usize) {
    let logits = dense(net, "predictions:logits", input, classes, 2.0);
    let output = net.node("Softmax", "predictions", &[&logits], vec![integer("axis", -1)]);
    net.output(&output, &[1, classes]);
}

/// Average of each channel, a dense layer and the probabilities.
pub fn classify(net: &mut Network, pool: &str, input: &str, classes: usize) {
    let features = global_average_pool(net, pool, input);
    predict(net, &features, classes);
}
