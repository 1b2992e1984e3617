//! Writes a model of the zoo: `cargo run --release -p planner --example zoo -- resnet50 42 resnet50.onnx`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, seed, path] = arguments.as_slice() else {
        return Err("usage: zoo NAME SEED FILE".into());
    };
    Ok(planner::zoo::write(name, seed.parse()?, path.as_ref())?)
}
