//! A model that costs next to nothing, so that what is seen is the pipeline: `y = max(x, 0)` on eight floats.

/// The model as an ONNX file: protobuf, written field by field (numbers from `onnx.proto`).
pub fn model() -> Vec<u8> {
    let value = |name: &str| {
        let dim = |value: u8| field(1, &[0x08, value]);
        let shape = [dim(1), dim(8)].concat();
        let tensor = [vec![0x08, 1], field(2, &shape)].concat();
        [field(1, name.as_bytes()), field(2, &field(1, &tensor))].concat()
    };
    let relu = [field(1, b"x"), field(2, b"y"), field(3, b"relu"), field(4, b"Relu")].concat();
    let graph = [field(1, &relu), field(2, b"trivial"), field(11, &value("x")), field(12, &value("y"))].concat();
    let opset = field(8, &[0x10, 13]);
    [vec![0x08, 8], field(7, &graph), opset].concat()
}

/// A field of bytes shorter than 128.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    assert!(bytes.len() < 128);
    [&[number << 3 | 2, bytes.len() as u8], bytes].concat()
}
