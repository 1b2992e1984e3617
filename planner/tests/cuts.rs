//! Where models can be cut: one tensor between blocks, several inside them, and never a bit of difference.

use planner::codec::Codec;
use planner::onnx::{Activation, Executable, Model, write_segment};
use planner::profile::{ModelProfile, Segment, input, measure};
use planner::zoo;
use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64;

fn bytes(cut: &[Activation]) -> usize {
    cut.iter().map(|tensor| tensor.data.len()).sum()
}

struct Measured {
    _folder: tempfile::TempDir,
    path: std::path::PathBuf,
    profile: ModelProfile,
    image: Activation,
    output: Activation,
}

fn measured(name: &str) -> Measured {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.onnx");
    zoo::write(name, 1, &path).expect("a model");
    let profile = measure(&path, name, None, &[(Codec::Raw, &bytes)]).expect("a profile");
    let model = Model::open(&path, None).expect("a model");
    let image = input(model.shape(), model.element(), 5, 0);
    let output = model.executable().and_then(|mut unsplit| unsplit.run(std::slice::from_ref(&image)));
    let output = output.expect("an output").remove(0);
    Measured { _folder: folder, path, profile, image, output }
}

/// Runs the segments between some cuts, one after the other, each as a device gets it that does not have the model.
fn run(measured: &Measured, cuts: &[usize]) -> Vec<Activation> {
    let mut values = vec![measured.image.clone()];
    for ends in cuts.windows(2) {
        let segment = Segment { from: ends[0], to: ends[1] };
        let mut file = Vec::new();
        write_segment(&measured.path, &measured.profile, segment, &mut file).expect("a segment");
        let loaded = Executable::from_bytes(file, &measured.profile, segment);
        values = loaded.and_then(|mut segment| segment.run(&values)).expect("values");
    }
    values
}

#[test]
fn a_model_split_at_all_its_cuts_or_at_any_gives_the_unsplit_models_bytes() {
    for name in ["tiny-cnn", "mobilenet-v2", "resnet50"] {
        let measured = measured(name);
        let (last, whole) = (measured.profile.pieces.len(), std::slice::from_ref(&measured.output));
        let several = measured.profile.cuts.iter().filter(|cut| cut.tensors.len() > 1).count();
        println!("{name}: {} cuts, {several} of them of several tensors", last + 1);
        assert!(several > 0 || name == "tiny-cnn", "{name} has residual blocks");
        assert_eq!(run(&measured, &(0..=last).collect::<Vec<_>>()), whole, "{name}, every piece");
        for cut in (1..last).step_by(last / 5) {
            assert_eq!(run(&measured, &[0, cut, last]), whole, "{name}, cut {cut}");
        }
    }
}

#[test]
fn a_cut_inside_a_block_makes_room_for_small_devices() {
    let profile = measured("resnet50").profile;
    let most = |pieces: &mut dyn Iterator<Item = u64>| pieces.max().expect("a piece");
    let finest = most(&mut profile.pieces.iter().map(|piece| piece.parameters.bytes()));
    let single: Vec<usize> = (0..profile.cuts.len()).filter(|cut| profile.cuts[*cut].tensors.len() == 1).collect();
    let held = |ends: &[usize]| profile.pieces[ends[0]..ends[1]].iter().map(|piece| piece.parameters.bytes()).sum();
    let coarse = most(&mut single.windows(2).map(held));
    println!("largest piece: {} MiB, between single tensors {} MiB", finest >> 20, coarse >> 20);
    assert!(finest * 2 <= coarse, "{finest} of {coarse}");
}

#[test]
fn a_bit_that_flips_anywhere_in_the_file_is_noticed_or_changes_nothing() {
    let measured = measured("tiny-cnn");
    let last = measured.profile.pieces.len();
    let segments = [Segment { from: 0, to: last / 2 }, Segment { from: last / 2, to: last }];
    let whole = std::fs::read(&measured.path).expect("a model");
    let spoilt = measured.path.with_extension("spoilt");
    let mut random = Pcg64::seed_from_u64(7);
    let mut noticed = 0;
    for _ in 0..400 {
        let (at, bit) = (random.next_u64() as usize % whole.len(), random.next_u64() % 8);
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << bit;
        std::fs::write(&spoilt, &bytes).expect("a file");
        let mut values = vec![measured.image.clone()];
        let mut wrong = false;
        for segment in segments {
            match Executable::load(&spoilt, &measured.profile, segment) {
                Ok(mut loaded) => values = loaded.run(&values).expect("what was loaded runs"),
                Err(error) => {
                    assert!(error.is_of_the_file(), "bit {bit} of byte {at}: {error}");
                    let mut sent = Vec::new();
                    let sent = write_segment(&spoilt, &measured.profile, segment, &mut sent);
                    assert!(sent.is_err(), "bit {bit} of byte {at}: what is spoilt is not sent");
                    wrong = true;
                    break;
                }
            }
        }
        noticed += u32::from(wrong);
        assert!(wrong || values == [measured.output.clone()], "bit {bit} of byte {at} went unnoticed");
    }
    println!("{noticed} of 400 were noticed");
    assert!(noticed > 300, "nearly all of the file is weights");
}
