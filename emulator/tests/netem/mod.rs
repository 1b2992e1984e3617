//! Whether this kernel has netem.

use emulator::fabric::probe;

/// Whether netem works here; says so if not, and fails if it is required.
pub fn works() -> bool {
    match probe::netem(true) {
        Ok(()) => true,
        Err(error) if std::env::var_os("EMU_NETEM").is_some() => panic!("netem is required: {error}"),
        Err(error) => {
            eprintln!("skipped: {error}");
            false
        }
    }
}
