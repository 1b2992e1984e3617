//! `emu model`: the zoo, and what the planner sees in a model.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use comfy_table::{CellAlignment, Table, presets};
use planner::codec::Codec;
use planner::profile::ModelProfile;
use planner::zoo::Layer;

use crate::exit::Exit;
use crate::model::{self, Inputs, ModelError, Prepared};
use crate::report::numbers::grouped;
use crate::scenario::ModelSource;

/// Arguments of `emu model`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  emu model list
  emu model make resnet50
  emu model inspect resnet50.onnx")]
pub struct ModelArgs {
    #[command(subcommand)]
    command: ModelCommand,
}

#[derive(Debug, Subcommand)]
enum ModelCommand {
    /// Lists the models of the zoo.
    #[command(after_help = "\
Examples:
  emu model list")]
    List,
    /// Writes a model of the zoo as an ONNX file.
    #[command(after_help = "\
Examples:
  emu model make mobilenet-v2
  emu model make tiny-cnn model.onnx --seed 2")]
    Make {
        /// Its name.
        name: String,
        /// The file to write; `NAME.onnx` if not given.
        file: Option<PathBuf>,
        /// Seed of its weights.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Shows where a model can be cut, and what lies between the cuts.
    #[command(after_help = "\
Examples:
  emu model inspect resnet50
  emu model inspect detector.onnx --shape 1,3,320,320 --operators")]
    Inspect {
        /// A model of the zoo, or an ONNX file.
        model: String,
        /// Shape of the file's input, such as `1,3,48,320`, where the file leaves more open than the batch.
        #[arg(long, value_delimiter = ',')]
        shape: Option<Vec<usize>>,
        /// Also list what the inference engine runs, operator by operator, and how long each takes here.
        #[arg(long)]
        operators: bool,
    },
    /// Puts a model, its profile and its reference outputs into the cache.
    #[command(hide = true)]
    Prepare {
        /// A model of the zoo, or with `--file` an ONNX file.
        model: String,
        /// Take the model for a file.
        #[arg(long)]
        file: bool,
        /// Shape of the file's input.
        #[arg(long, value_delimiter = ',')]
        shape: Option<Vec<usize>>,
        /// How many inputs.
        #[arg(long)]
        inputs: u32,
        /// Seed of the inputs.
        #[arg(long)]
        seed: u64,
    },
}

/// Runs it.
pub fn run(arguments: ModelArgs) -> Exit {
    let outcome = match arguments.command {
        ModelCommand::List => {
            list();
            Ok(())
        }
        ModelCommand::Make { name, file, seed } => make(&name, file, seed),
        ModelCommand::Inspect { model, shape, operators } => {
            let file = !planner::zoo::NAMES.contains(&model.as_str())
                && (shape.is_some() || model.contains(['/', '.']) || Path::new(&model).exists());
            let source = source(&model, file, shape);
            model::prepare_here(&source, Inputs { count: 1, seed: 1 }).map(|prepared| inspect(&prepared, operators))
        }
        ModelCommand::Prepare { model, file, shape, inputs, seed } => {
            model::prepare_here(&source(&model, file, shape), Inputs { count: inputs, seed }).map(|_| ())
        }
    };
    match outcome {
        Ok(()) => Exit::Success,
        Err(error) => {
            super::complain(&error);
            if let ModelError::Model(planner::onnx::ModelError::SymbolicShape { known, .. }) = &error {
                let shape = model::shape_to_fill_in(known).replace(' ', "");
                eprintln!("  help: --shape {shape}, with a number of your choice for each `?`");
            }
            Exit::SetupFailed
        }
    }
}

fn source(model: &str, file: bool, shape: Option<Vec<usize>>) -> ModelSource {
    if file { ModelSource::File { path: PathBuf::from(model), shape } } else { ModelSource::Zoo(model.to_owned()) }
}

/// The zoo, by its architectures alone: nothing is built.
fn list() {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["model", "input", "layers", "parameters", "weights", "GFLOP", "points"]);
    for layers in planner::zoo::NAMES.iter().filter_map(|name| planner::zoo::layers(name).ok()) {
        let sum = |what: fn(&Layer) -> u64| layers.layers.iter().map(what).sum::<u64>();
        let parameters = sum(|layer| layer.parameters);
        table.add_row([
            layers.name.clone(),
            layers.layers.first().map_or_else(String::new, |input| dimensions(&input.shape)),
            layers.layers.len().to_string(),
            grouped(parameters),
            format!("{:.0} MiB", parameters as f64 * 4.0 / f64::from(1 << 20)),
            format!("{:.2}", sum(|layer| layer.flops) as f64 / 1e9),
            planner::seifer::points(&layers).len().to_string(),
        ]);
    }
    right(&mut table, &[2, 3, 4, 5, 6]);
    println!(
        "{table}\n\npoints: where SEIFER would cut, the input included; `emu model inspect NAME` shows where this project can."
    );
}

fn dimensions(shape: &[usize]) -> String {
    shape.iter().map(usize::to_string).collect::<Vec<_>>().join("×")
}

fn right(table: &mut Table, columns: &[usize]) {
    for column in columns {
        if let Some(column) = table.column_mut(*column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

fn make(name: &str, file: Option<PathBuf>, seed: u64) -> Result<(), ModelError> {
    let path = file.unwrap_or_else(|| PathBuf::from(format!("{name}.onnx")));
    planner::zoo::write(name, seed, &path)?;
    eprintln!("wrote {}", path.display());
    Ok(())
}

fn inspect(prepared: &Prepared, operators: bool) {
    let profile: &ModelProfile = &prepared.profile;
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["cut", "tensor", "shape", "raw", "lz4", "operators", "parameters", "MFLOP", "ms"]);
    for (index, cut) in profile.cuts.iter().enumerate() {
        let shapes: Vec<String> = cut.tensors.iter().map(|tensor| dimensions(&tensor.shape)).collect();
        let size = |codec| format!("{:.1} KiB", profile.transfer(index, codec).bytes() as f64 / 1024.0);
        let mut row = vec![index.to_string(), cut.name(), shapes.join(" + "), size(Codec::Raw), size(Codec::Lz4)];
        if let Some(piece) = index.checked_sub(1).and_then(|before| profile.pieces.get(before)) {
            row.push(piece.operators.len().to_string());
            row.push(format!("{:.2} MiB", piece.parameters.mib()));
            row.push(format!("{:.1}", piece.flops as f64 / 1e6));
            row.push(format!("{:.3}", piece.time.as_secs_f64() * 1e3));
        }
        table.add_row(row);
    }
    right(&mut table, &[0, 3, 4, 5, 6, 7, 8]);
    println!("{table}");
    if operators {
        println!("\n{}", operator_table(profile));
    }
    let whole = profile.whole();
    println!(
        "\n{}: {} cuts, {:.1} ms on {}, {:.0} MiB in one process",
        profile.model,
        profile.cuts.len(),
        profile.time(whole).as_secs_f64() * 1e3,
        profile.host,
        profile.memory(whole).mib()
    );
}

/// What the inference engine runs. The piece is told by the cut behind it, as in the table of cuts.
fn operator_table(profile: &ModelProfile) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["cut", "the engine's operator", "kind", "ms"]);
    for (piece, timing) in (profile.pieces.iter().enumerate())
        .flat_map(|(piece, held)| held.timings.iter().map(move |timing| (piece, timing)))
    {
        let millis = format!("{:.3}", timing.time.as_secs_f64() * 1e3);
        table.add_row([(piece + 1).to_string(), timing.name.clone(), timing.kind.clone(), millis]);
    }
    right(&mut table, &[0, 3]);
    table
}
