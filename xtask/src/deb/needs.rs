//! Which packages the programs need, by what the linker wrote into them: each library, and the newest version of the C library of
//! which something is used. A system with an older one could not start them.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use crate::run::{Failed, read};

/// A library's file and Debian's package of it.
const PACKAGES: [(&str, &str); 7] = [
    ("libc.so.6", "libc6"),
    ("libm.so.6", "libc6"),
    ("libdl.so.2", "libc6"),
    ("libpthread.so.0", "libc6"),
    ("librt.so.1", "libc6"),
    ("ld-linux", "libc6"),
    ("libgcc_s.so.1", "libgcc-s1"),
];

/// The packages, as `Depends` lists them.
///
/// # Errors
/// When a program can't be read, or needs a library whose package is not known here.
pub fn needs(programs: &[PathBuf]) -> Result<String, Failed> {
    let (mut packages, mut newest) = (BTreeSet::new(), Vec::new());
    for program in programs {
        let told = read(Command::new("readelf").args(["--wide", "--dynamic", "--version-info"]).arg(program))?;
        packages.extend(libraries(&told)?);
        newest = newest.max(newest_libc(&told));
    }
    let version: Vec<String> = newest.iter().map(u32::to_string).collect();
    let with_version = |package: &str| match package {
        "libc6" if !version.is_empty() => format!("libc6 (>= {})", version.join(".")),
        package => package.to_owned(),
    };
    Ok(packages.into_iter().map(with_version).collect::<Vec<_>>().join(", "))
}

/// The packages of the libraries in `readelf --dynamic`'s words: `(NEEDED) Shared library: [libc.so.6]`.
fn libraries(told: &str) -> Result<BTreeSet<&'static str>, Failed> {
    let needed = told.lines().filter(|line| line.contains("(NEEDED)"));
    needed
        .filter_map(|line| line.split_once('[')?.1.split_once(']'))
        .map(|(library, _)| {
            let known = PACKAGES.iter().find(|(name, _)| library.starts_with(name));
            known.map(|(_, package)| *package).ok_or_else(|| {
                Failed(format!("the programs need {library}, and it is not known here which package that is in"))
            })
        })
        .collect()
}

/// The highest `GLIBC_2.34` among the versions that are used.
fn newest_libc(told: &str) -> Vec<u32> {
    let words = told.split(|c: char| c.is_whitespace() || "()@".contains(c));
    let versions = words.filter_map(|word| word.strip_prefix("GLIBC_"));
    versions.filter_map(|version| version.split('.').map(|part| part.parse().ok()).collect()).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLD: &str = "\
 0x0000000000000001 (NEEDED)             Shared library: [libgcc_s.so.1]
 0x0000000000000001 (NEEDED)             Shared library: [ld-linux-x86-64.so.2]
 0x0000000000000001 (NEEDED)             Shared library: [libc.so.6]
  0x0010:   Name: GLIBC_2.9  Flags: none  Version: 12
  0x0020:   Name: GLIBC_2.34  Flags: none  Version: 11
  0x0030:   Name: GLIBC_PRIVATE  Flags: none  Version: 3
  004:   4 (GLIBC_2.2.5)     2 (GCC_3.0)";

    #[test]
    fn versions_are_compared_as_numbers_and_every_library_has_a_package() {
        assert_eq!(newest_libc(TOLD), [2, 34]);
        assert_eq!(libraries(TOLD).unwrap().into_iter().collect::<Vec<_>>(), ["libc6", "libgcc-s1"]);
        let other = " 0x0000000000000001 (NEEDED)             Shared library: [libssl.so.3]";
        assert!(libraries(other).unwrap_err().0.contains("libssl.so.3"));
    }
}
