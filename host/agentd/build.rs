//! Puts the shipped plugins and agentd-init into the program, where the build is asked to.
//!
//! `AGENTD_EMBED` names the folder that `cargo xtask plugins` fills: each plugin in it becomes an entry of `PLUGINS` in
//! `$OUT_DIR/shipped.rs`, and agentd-init becomes `INIT`. Without the variable there are none, and a plain `cargo build`
//! needs neither the compile target nor the plugins; the program then says at its start what is missing.
//!
//! It builds nothing itself, so that an edited plugin relinks nothing in an ordinary build.

use std::error::Error;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

const INIT: &str = "agentd-init";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed=AGENTD_EMBED");
    println!("cargo::rerun-if-changed=build.rs");
    let (plugins, init) = match env::var_os("AGENTD_EMBED").filter(|it| !it.is_empty()) {
        Some(folder) => carried(Path::new(&folder))?,
        None => (String::new(), "None".into()),
    };
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?).join("shipped.rs");
    let source = format!(
        "/// The plugins that the program carries, by file name.\n\
         static PLUGINS: &[(&str, &[u8])] = &[{plugins}];\n\
         /// The init of the sandbox.\n\
         static INIT: Option<&[u8]> = {init};\n"
    );
    if fs::read_to_string(&out).is_ok_and(|old| old == source) {
        return Ok(());
    }
    Ok(fs::write(out, source)?)
}

/// The entries of the plugins in order of their names, and init; a folder without init is not the right one.
fn carried(folder: &Path) -> Result<(String, String), Box<dyn Error>> {
    let not_there = |why| format!("AGENTD_EMBED={}: {why}; run `cargo xtask plugins` first", folder.display());
    let folder = folder.canonicalize().map_err(|error| not_there(error.to_string()))?;
    println!("cargo::rerun-if-changed={}", folder.display());
    let init = folder.join(INIT);
    if !init.is_file() {
        return Err(not_there(format!("no {INIT} in it")).into());
    }
    println!("cargo::rerun-if-changed={}", init.display());
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)?.map(|it| it.map(|it| it.path())).collect::<Result<_, _>>()?;
    files.retain(|it| it.extension().is_some_and(|it| it == "wasm"));
    files.sort();
    let mut plugins = String::new();
    for path in files {
        println!("cargo::rerun-if-changed={}", path.display());
        let name = path.file_name().and_then(|it| it.to_str()).unwrap_or_default();
        write!(plugins, "\n    ({name:?}, include_bytes!({path:?})),")?;
    }
    plugins.push('\n');
    Ok((plugins, format!("Some(include_bytes!({init:?}))")))
}
