//! Lists the hardware profiles, so that a new board is a new folder and nothing else.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("no manifest directory")?);
    let folder = here.join("../../hw-profiles").canonicalize()?;
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut profiles = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let file = entry?.path().join("profile.toml");
        if file.is_file() {
            println!("cargo::rerun-if-changed={}", file.display());
            profiles.push(file);
        }
    }
    profiles.sort();
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("no output directory")?);
    fs::write(out.join("profiles.rs"), list(&profiles)?)?;
    Ok(())
}

fn list(profiles: &[PathBuf]) -> Result<String, Box<dyn Error>> {
    let mut rows = String::new();
    for file in profiles {
        let folder = file.parent().and_then(Path::file_name).ok_or("a profile without a folder")?;
        let text = fs::read_to_string(file)?;
        rows.push_str(&format!("    ({:?}, {text:?}),\n", folder.to_string_lossy()));
    }
    Ok(format!("&[\n{rows}]\n"))
}
