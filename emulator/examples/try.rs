use clap::Parser;
#[derive(Parser)]
enum C {
    Check(emulator::cli::check::CheckArgs),
    Schema(emulator::cli::schema::SchemaArgs),
    Reference,
    Dump(emulator::cli::check::CheckArgs),
}
fn main() -> std::process::ExitCode {
    match C::parse() {
        C::Check(a) => emulator::cli::check::run(&a),
        C::Schema(a) => emulator::cli::schema::run(&a),
        C::Reference => {
            print!("{}", emulator::scenario::schema::reference());
            std::process::ExitCode::SUCCESS
        }
        C::Dump(a) => {
            for f in &a.files {
                let s =
                    emulator::scenario::load(f, &emulator::scenario::Overrides { set: a.set.clone(), seed: a.seed });
                if let Ok(s) = s {
                    println!("{:#?}\n{:#?}", s.nodes, s.faults);
                    for (d, p) in s.network.directions().take(30) {
                        println!("{d:?} {:?} {:?}", p.rate.map(|r| r.to_string()), p.delay);
                    }
                }
            }
            std::process::ExitCode::SUCCESS
        }
    }
}
