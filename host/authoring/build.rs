//! Puts the contract and the templates of new projects into the program, so that `agentd plugin new` needs no network.
//!
//! Writes `$OUT_DIR/carried.rs` with two lists of path and content: `WIT`, the packages of `wit/`, and `TEMPLATES`,
//! whose paths begin with the language; and `IMPORTS`, by language. A language's `base/.embed` names more of the
//! repository to be carried, such as its SDK, and what its projects import beside the contract
//! (`import = wasi:random/random@0.2.0`). What tools leave behind in a template's folder is passed over.

use std::error::Error;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

type Carried = Vec<(String, PathBuf)>;

/// What tools make, and nobody wants in a new project.
const LEFT_BEHIND: [&str; 7] = ["node_modules", "target", ".venv", "build", "dist", "__pycache__", "Cargo.lock"];

fn main() -> Result<(), Box<dyn Error>> {
    let room = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo sets CARGO_MANIFEST_DIR")?);
    let top = room.ancestors().nth(2).ok_or("the room lies two folders below the repository's top")?;
    let (wit, templates) = (top.join("wit"), top.join("plugin-sdk/templates"));
    println!("cargo::rerun-if-changed=build.rs");
    let mut packages = files(&wit, "")?;
    packages.retain(|(path, _)| path.ends_with(".wit"));
    let (mut projects, mut imports) = (vec![], String::new());
    if templates.is_dir() {
        println!("cargo::rerun-if-changed={}", templates.display());
        for language in folders(&templates)? {
            projects.extend(of_language(top, &templates.join(&language), &language)?);
            for (_, import) in embedded(&templates.join(&language))?.iter().filter(|(what, _)| what == "import") {
                writeln!(imports, "    ({language:?}, {import:?}),")?;
            }
        }
    }
    let mut source = String::new();
    list(&mut source, "WIT", &packages)?;
    list(&mut source, "TEMPLATES", &projects)?;
    writeln!(source, "pub(crate) static IMPORTS: &[(&str, &str)] = &[\n{imports}];")?;
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?).join("carried.rs");
    if fs::read_to_string(&out).is_ok_and(|old| old == source) {
        return Ok(());
    }
    Ok(fs::write(out, source)?)
}

/// The files of one language's templates, and under `embed/` what its `.embed` names.
fn of_language(top: &Path, folder: &Path, language: &str) -> Result<Carried, Box<dyn Error>> {
    let mut found = vec![];
    for (destination, source) in embedded(folder)?.into_iter().filter(|(what, _)| what != "import") {
        let destination = format!("{language}/embed/{}", destination.trim_end_matches('/'));
        let source = top.join(source);
        if source.is_file() {
            println!("cargo::rerun-if-changed={}", source.display());
            found.push((destination, source));
        } else {
            let tests = [format!("{destination}/test/"), format!("{destination}/tests/")];
            let all = files(&source, &format!("{destination}/"))?.into_iter();
            found.extend(all.filter(|(path, _)| !tests.iter().any(|it| path.starts_with(it))));
        }
    }
    found.extend(files(folder, &format!("{language}/"))?.into_iter().filter(|(path, _)| !path.ends_with("/.embed")));
    Ok(found)
}

/// What `.embed` says: a word before `=`, and one behind it, for each line.
fn embedded(folder: &Path) -> Result<Vec<(String, String)>, Box<dyn Error>> {
    let file = folder.join("base/.embed");
    println!("cargo::rerun-if-changed={}", file.display());
    let text = if file.is_file() { fs::read_to_string(&file)? } else { String::new() };
    let lines = text.lines().map(str::trim).filter(|it| !it.is_empty() && !it.starts_with('#'));
    let pair = |line: &str| {
        let (one, other) = line.split_once('=').ok_or_else(|| format!("{}: {line}: no `=`", file.display()))?;
        Ok((one.trim().to_owned(), other.trim().to_owned()))
    };
    lines.map(pair).collect()
}

fn folders(folder: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let mut names = vec![];
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// All files below a folder, by path, with `prefix` before each.
fn files(folder: &Path, prefix: &str) -> Result<Carried, Box<dyn Error>> {
    println!("cargo::rerun-if-changed={}", folder.display());
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut paths = entries.map(|it| it.map(|it| it.path())).collect::<Result<Vec<_>, _>>()?;
    paths.sort();
    let mut found = vec![];
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if LEFT_BEHIND.contains(&name.as_str()) || name.ends_with(".wasm") {
            continue;
        }
        if path.is_dir() {
            found.extend(files(&path, &format!("{prefix}{name}/"))?);
        } else {
            println!("cargo::rerun-if-changed={}", path.display());
            found.push((format!("{prefix}{name}"), path));
        }
    }
    Ok(found)
}

fn list(source: &mut String, name: &str, files: &Carried) -> std::fmt::Result {
    writeln!(source, "pub(crate) static {name}: &[(&str, &[u8])] = &[")?;
    for (path, file) in files {
        writeln!(source, "    ({path:?}, include_bytes!({file:?})),")?;
    }
    writeln!(source, "];")
}
