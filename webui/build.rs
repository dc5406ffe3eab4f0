//! Turns the catalogues into static tables and the assets into compressed, hash-named ones.
//!
//! Nothing is fetched and no other program runs; both outputs are plain Rust files that the crate
//! includes.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};

#[path = "build/po.rs"]
mod po;

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    // The paths below hold it, and a target directory may be shared by several clones.
    println!("cargo::rerun-if-env-changed=CARGO_MANIFEST_DIR");
    for watched in ["assets", "i18n", "help", "build.rs", "build/po.rs"] {
        println!("cargo::rerun-if-changed={watched}");
    }
    fs::write(out.join("catalogues.rs"), catalogues(&root.join("i18n"))?)?;
    fs::write(out.join("assets.rs"), assets(&root.join("assets"), &out)?)?;
    fs::write(out.join("manual.rs"), manual(&root.join("help"))?)?;
    Ok(())
}

fn catalogues(folder: &Path) -> Result<String, Box<dyn Error>> {
    let mut text = String::from("static CATALOGUES: &[Catalogue] = &[\n");
    for file in sorted(folder)? {
        let code = stem(&file)?;
        let catalogue = po::parse(&fs::read_to_string(&file)?)
            .map_err(|error| format!("{}: {error}", file.display()))?;
        let many = po::plural_rule(&catalogue.plural).ok_or_else(|| {
            format!("{}: unknown Plural-Forms: {}", file.display(), catalogue.plural)
        })?;
        writeln!(
            text,
            "Catalogue {{ code: {code:?}, name: {:?}, plural: {many}, messages: &[",
            catalogue.name
        )?;
        // By length first: a look-up then compares numbers, and hardly ever texts.
        let mut messages: Vec<_> = catalogue.messages.iter().collect();
        messages.sort_by_key(|(id, _)| (id.len(), id.as_str()));
        // What is said as it is written needs no entry.
        for (id, forms) in messages.into_iter().filter(|(id, forms)| ***forms != [(*id).clone()]) {
            writeln!(text, "({id:?}, &{forms:?}),")?;
        }
        text.push_str("] },\n");
    }
    text.push_str("];\n");
    Ok(text)
}

fn assets(folder: &Path, out: &Path) -> Result<String, Box<dyn Error>> {
    let mut text = String::from("static ASSETS: &[Asset] = &[\n");
    for file in sorted(folder)? {
        let bytes = fs::read(&file)?;
        let (stem, extension) = (stem(&file)?, extension(&file)?);
        let hash: String =
            Sha256::digest(&bytes).iter().take(8).fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            });
        let mime = match extension.as_str() {
            "css" => "text/css; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "svg" => "image/svg+xml",
            other => return Err(format!("no media type for .{other}").into()),
        };
        let packed = out.join(format!("{stem}.{extension}.gz"));
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(&bytes)?;
        fs::write(&packed, gzip.finish()?)?;
        writeln!(
            text,
            "Asset {{ name: \"{stem}.{extension}\", path: \"/assets/{stem}-{hash}.{extension}\", mime: {mime:?}, \
             plain: include_bytes!({file:?}), gzip: include_bytes!({packed:?}) }},"
        )?;
    }
    text.push_str("];\n");
    Ok(text)
}

fn manual(folder: &Path) -> Result<String, Box<dyn Error>> {
    let mut text = String::from("static LEAVES: &[Leaf] = &[\n");
    for language in sorted(folder)? {
        for file in sorted(&language)? {
            let (language, name) = (stem(&language)?, stem(&file)?);
            // The number in front orders the pages and stays out of the address.
            let slug = name.split_once('-').map_or(name.as_str(), |(_, slug)| slug).to_owned();
            writeln!(
                text,
                "Leaf {{ language: {language:?}, slug: {slug:?}, html: include_str!({file:?}) }},"
            )?;
        }
    }
    text.push_str("];\n");
    Ok(text)
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        paths.push(entry?.path());
    }
    paths.sort();
    Ok(paths)
}

fn stem(path: &Path) -> Result<String, Box<dyn Error>> {
    Ok(path.file_stem().and_then(|stem| stem.to_str()).ok_or("a file without a name")?.to_owned())
}

fn extension(path: &Path) -> Result<String, Box<dyn Error>> {
    Ok(path
        .extension()
        .and_then(|end| end.to_str())
        .ok_or("a file without an extension")?
        .to_owned())
}
