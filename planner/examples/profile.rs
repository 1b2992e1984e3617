//! Measures a model: `cargo run --release -p planner --example profile -- model.onnx [1,3,224,224]`.

use planner::codec::Codec;
use planner::onnx::Activation;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let path = arguments.first().ok_or("usage: profile FILE [SHAPE]")?;
    let shape = arguments.get(1).map(|text| text.split(',').map(str::parse).collect::<Result<Vec<usize>, _>>());
    let shape = shape.transpose()?;
    let raw = |cut: &[Activation]| cut.iter().map(|tensor| tensor.data.len()).sum();
    let start = std::time::Instant::now();
    let profile = planner::profile::measure(path.as_ref(), path, shape.as_deref(), &[(Codec::Raw, &raw)])?;
    println!(
        "{path}: measured in {:.1} s on {}, an empty process needs {}",
        start.elapsed().as_secs_f64(),
        profile.host,
        profile.process_memory
    );
    for (cut, piece) in profile.cuts.iter().zip(&profile.pieces) {
        println!(
            "{:40} {:>18} {:>9} | {:>6.2} ms {:>8.1} MFLOP {:>7.2} MiB weights {:>6.2} MiB activations {:>3} operators",
            cut.name(),
            format!("{:?}", cut.tensors.iter().map(|tensor| &tensor.shape).collect::<Vec<_>>()),
            profile_bytes(cut.encoded[&Codec::Raw]),
            piece.time.as_secs_f64() * 1e3,
            piece.flops as f64 / 1e6,
            piece.parameters.mib(),
            piece.activations.mib(),
            piece.operators.len()
        );
    }
    let whole = profile.whole();
    println!(
        "{} cuts; whole: {:.2} ms, {:.1} MiB",
        profile.cuts.len(),
        profile.time(whole).as_secs_f64() * 1e3,
        profile.memory(whole).mib()
    );
    Ok(())
}

fn profile_bytes(size: planner::units::ByteSize) -> String {
    format!("{:.0} kB", size.bytes() as f64 / 1e3)
}
