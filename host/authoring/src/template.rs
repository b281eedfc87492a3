//! New projects: a language's base, the example of a kind over it, and the contract.
//!
//! - Never writes over anything: a folder that holds files is left as it is.
//! - Never asks the network: all that a project begins with is in the program.

use crate::contract::{self, TEMPLATES};
use crate::{Error, bindings, project};
use agentd_plugin::Kind;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What `agentd plugin new` was asked for.
#[derive(Clone, Debug)]
pub struct New<'a> {
    /// Lower-case words with dashes.
    pub name: &'a str,
    pub language: &'a str,
    pub kind: Kind,
    /// Where the project shall lie: a folder that is empty or not there.
    pub folder: &'a Path,
}

/// Writes the project, and gives its files, relative to its folder.
///
/// # Errors
/// [`Error::Taken`] if something lies there, [`Error::Name`] and [`Error::NoTemplate`] for what there cannot be.
pub fn create(new: &New<'_>) -> Result<Vec<PathBuf>, Error> {
    let files = files(new, TEMPLATES)?;
    match fs::read_dir(new.folder).map(|mut it| it.next().is_none()) {
        Ok(true) => (),
        Ok(false) => return Err(Error::Taken(new.folder.into())),
        Err(error) if error.kind() == ErrorKind::NotFound => (),
        Err(error) if error.kind() == ErrorKind::NotADirectory => return Err(Error::Taken(new.folder.into())),
        Err(error) => return Err(Error::file("cannot look into", new.folder)(error)),
    }
    for (path, content) in &files {
        let path = new.folder.join(path);
        let parent = path.parent().unwrap_or(new.folder);
        fs::create_dir_all(parent).map_err(Error::file("cannot make", parent))?;
        fs::write(&path, content).map_err(Error::file("cannot write", &path))?;
    }
    Ok(files.into_keys().map(PathBuf::from).collect())
}

/// The files by path: what is carried, the base over it, and the kind's own over that.
fn files(new: &New<'_>, templates: &[(&str, &[u8])]) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    check_name(new.name)?;
    let of = |part: &str| {
        let prefix = format!("{}/{part}/", new.language);
        templates.iter().filter_map(move |(path, bytes)| Some((path.strip_prefix(&prefix)?.to_owned(), *bytes)))
    };
    if of(new.kind.name()).next().is_none() {
        return Err(no_template(new, templates));
    }
    let wit = contract::project_wit(new.language, new.kind);
    let bindings = if new.language == "c" { bindings::of_c(&wit) } else { vec![] };
    let mut files: BTreeMap<String, Vec<u8>> = wit.into_iter().chain(bindings).collect();
    files.extend(of("embed").map(|(path, bytes)| (path, carried(bytes))));
    let words = Words::new(new.name, new.kind);
    for (path, bytes) in of("base").chain(of(new.kind.name())) {
        let path = words.put_into(&path);
        let path = path.strip_suffix(".template").unwrap_or(&path).to_owned();
        let content = match std::str::from_utf8(bytes) {
            Ok(text) => words.put_into(text).into_bytes(),
            Err(_) => bytes.to_vec(),
        };
        files.insert(path, content);
    }
    if !files.contains_key(project::FILE) {
        return Err(no_template(new, templates));
    }
    Ok(files)
}

/// A file of an SDK. In the repository the contract lies one folder higher than in a project.
fn carried(bytes: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.replace("\"../wit/", "\"../wit/deps/").into_bytes(),
        Err(_) => bytes.to_vec(),
    }
}

fn no_template(new: &New<'_>, templates: &[(&str, &[u8])]) -> Error {
    let part = |path: &&str, at| path.split('/').nth(at).unwrap_or_default().to_owned();
    let of_language = templates.iter().map(|(path, _)| path).filter(|it| part(it, 0) == new.language);
    let kinds: BTreeSet<String> = of_language.map(|it| part(it, 1)).filter(|it| project::kind(it).is_ok()).collect();
    let known = if kinds.is_empty() {
        let languages: BTreeSet<String> = templates.iter().map(|(path, _)| part(path, 0)).collect();
        format!("the languages {}", languages.into_iter().collect::<Vec<_>>().join(", "))
    } else {
        kinds.into_iter().collect::<Vec<_>>().join(", ")
    };
    Error::NoTemplate { language: new.language.into(), kind: new.kind.name().into(), known }
}

/// Names become crates, packages and files.
fn check_name(name: &str) -> Result<(), Error> {
    let word = |it: &str| {
        it.starts_with(|it: char| it.is_ascii_lowercase())
            && it.chars().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit())
    };
    if name.len() <= 64 && name.split('-').all(word) {
        return Ok(());
    }
    Err(Error::Name(format!(
        "a plugin's name is made of lower-case words with dashes, each beginning with a letter, at most 64 bytes: \
         {name:?} is not"
    )))
}

/// What stands for `{{name}}` and its like.
struct Words([(&'static str, String); 6]);

impl Words {
    fn new(name: &str, kind: Kind) -> Words {
        let pascal = |name: &str| name.split('-').map(|it| it[..1].to_uppercase() + &it[1..]).collect::<String>();
        Words([
            ("{{name}}", name.to_owned()),
            ("{{name_snake}}", name.replace('-', "_")),
            ("{{NamePascal}}", pascal(name)),
            ("{{kind}}", kind.name().to_owned()),
            ("{{kind_snake}}", kind.name().replace('-', "_")),
            ("{{KindPascal}}", pascal(kind.name())),
        ])
    }

    fn put_into(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (mark, word)| text.replace(mark, word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATES: &[(&str, &[u8])] = &[
        ("oak/embed/sdk/lib.oak", b"{{name}} stays"),
        ("oak/base/agentd-plugin.toml", b"name = \"{{name}}\" # {{kind}} {{NamePascal}} {{name_snake}}\n"),
        ("oak/base/Cargo.toml.template", b"base"),
        ("oak/analyzer/src/{{name_snake}}.oak", b"{{KindPascal}}"),
        ("oak/analyzer/logo.png", b"\x89{{name}}\xff"),
        ("elm/notifier/agentd-plugin.toml", b""),
    ];

    fn new(name: &str, language: &str, kind: Kind) -> Result<BTreeMap<String, Vec<u8>>, Error> {
        files(&New { name, language, kind, folder: Path::new("x") }, TEMPLATES)
    }

    #[test]
    fn names_are_filled_in_and_the_contract_comes_along() {
        let files = new("to-do", "oak", Kind::Analyzer).unwrap();
        let paths: Vec<_> = files.keys().map(String::as_str).collect();
        let project = ["Cargo.toml", "agentd-plugin.toml", "logo.png", "sdk/lib.oak", "src/to_do.oak"];
        assert_eq!(paths[..5], project);
        assert_eq!(paths[5], "wit/deps/agent/agent.wit");
        assert_eq!(paths.last(), Some(&"wit/world.wit"));
        assert_eq!(files["agentd-plugin.toml"], b"name = \"to-do\" # analyzer ToDo to_do\n");
        assert_eq!(files["src/to_do.oak"], b"Analyzer");
        assert_eq!(files["sdk/lib.oak"], b"{{name}} stays");
        assert_eq!(files["logo.png"], b"\x89{{name}}\xff");
    }

    #[track_caller]
    fn refused(name: &str, language: &str, kind: Kind, text: &str) {
        assert_eq!(new(name, language, kind).unwrap_err().to_string(), text);
    }

    #[test]
    fn what_there_is_no_template_of_is_said() {
        refused(
            "a",
            "ash",
            Kind::Analyzer,
            "agentd has no template for the kind analyzer in ash: there are the languages elm, oak",
        );
        let text = "agentd has no template for the kind notifier in oak: there are analyzer";
        refused("a", "oak", Kind::Notifier, text);
    }

    #[test]
    fn names_that_nothing_can_be_called_are_refused() {
        for name in ["", "A", "a_b", "a--b", "-a", "1a", "a/b", "ä", ".."] {
            assert!(matches!(new(name, "oak", Kind::Analyzer), Err(Error::Name(_))), "{name}");
        }
    }

    #[test]
    fn nothing_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("kept"), "").unwrap();
        let new = New { name: "a", language: "rust", kind: Kind::Analyzer, folder: folder.path() };
        assert!(matches!(create(&new), Err(Error::Taken(_))));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
