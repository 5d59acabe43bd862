//! Writes the CRDs into `charts/crds`, or into the folder that is named: `cargo run -p ferrolb-api --example crds`.

mod render;

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = env::args_os().nth(1).map_or_else(render::committed, PathBuf::from);
    fs::create_dir_all(&folder)?;
    for (name, text) in render::files()? {
        fs::write(folder.join(name), text)?;
    }
    Ok(())
}
