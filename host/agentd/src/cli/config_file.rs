//! The configuration's files as texts that commands write: `agentd auth`, `init`, `plugin approve` and `plugin use`.
//!
//! - What is written was read before by the same reader, at the same place, with the same fragments beside it; or it is
//!   read right after, and the old text is put back if something is wrong ([`change`]).
//! - The old file is there until the new one is: a crash leaves one of them whole.
//! - Everything in it that a command does not change stays as it is, comments too. No secret is ever written into it.

use super::{Global, context::Context, exit::Error};
use crate::config::{Config, Environment, file_to_write};
use secrecy::{ExposeSecret, SecretString};
use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};
use toml_edit::{DocumentMut, InlineTable, Item, Table, TableLike, Value};

/// A variable that only this process knows, for a token that was typed in and is not kept yet.
const TYPED: &str = "AGENTD_TYPED_TOKEN";

/// Where the configuration is, or would be.
pub(crate) fn place(global: &Global) -> Result<PathBuf, Error> {
    Ok(file_to_write(global.config.as_deref(), global.home.as_deref(), &Environment::of_process())?)
}

/// How agentd gets into GitHub, as the configuration says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// A reference to a token.
    Token(String),
    /// An App's id, and a reference to its key.
    App { id: u64, key: String },
}

/// What is to stand in `[github]`, and in `[network]` for its sake. What is not said stays.
#[derive(Clone, Debug, Default)]
pub(crate) struct GitHubLines {
    pub(crate) access: Option<Access>,
    pub(crate) url: Option<String>,
    /// Added to those that are there.
    pub(crate) repositories: Vec<String>,
    /// `[network] private`, added to those that are there: the server stands in these networks.
    pub(crate) private: Vec<String>,
}

impl GitHubLines {
    /// The sections alone, for people who write their files themselves. Empty: nothing is to be said.
    pub(crate) fn section(&self) -> Result<String, Error> {
        self.with_text("")
    }

    fn is_empty(&self) -> bool {
        self.access.is_none() && self.url.is_none() && self.repositories.is_empty() && self.private.is_empty()
    }

    /// The text with the sections brought up to date.
    pub(crate) fn with_text(&self, text: &str) -> Result<String, Error> {
        if self.is_empty() {
            return Ok(text.to_owned());
        }
        let mut document: DocumentMut = text.parse().map_err(|error| {
            Error::usage(format!("the configuration cannot be read: {error}")).hint("agentd config check says where")
        })?;
        let table = section(&mut document, "github")?;
        match &self.access {
            Some(Access::Token(reference)) => {
                table.remove("app");
                set(table, "token", reference.into());
            }
            Some(Access::App { id, key }) => {
                table.remove("token");
                let mut app = InlineTable::new();
                app.insert("id", i64::try_from(*id).unwrap_or(i64::MAX).into());
                app.insert("key", key.into());
                set(table, "app", Value::InlineTable(app));
            }
            None => {}
        }
        if let Some(url) = &self.url {
            set(table, "url", url.into());
        }
        if !self.repositories.is_empty() {
            add(table, "repositories", &self.repositories);
        }
        if !self.private.is_empty() {
            add(section(&mut document, "network")?, "private", &self.private);
        }
        Ok(document.to_string())
    }
}

/// A table at the top, made at the end of the file if it is not there.
fn section<'a>(document: &'a mut DocumentMut, name: &str) -> Result<&'a mut dyn TableLike, Error> {
    if document.get(name).is_none() {
        let mut table = Table::new();
        // What stands at the end of a file are comments, and belongs before what is added.
        let before = document.trailing().as_str().unwrap_or_default().to_owned();
        let gap = if before.is_empty() && document.is_empty() { "" } else { "\n" };
        table.decor_mut().set_prefix(format!("{before}{gap}"));
        document.set_trailing("");
        document.insert(name, Item::Table(table));
    }
    document[name].as_table_like_mut().ok_or_else(|| {
        Error::usage(format!("{name} in the configuration is not a table")).hint("agentd config check says where")
    })
}

/// Adds to a list what it lacks.
fn add(table: &mut dyn TableLike, key: &str, texts: &[String]) {
    let mut list = table.get(key).and_then(Item::as_array).cloned().unwrap_or_default();
    for text in texts {
        if !list.iter().any(|it| it.as_str() == Some(text)) {
            list.push(text);
        }
    }
    set(table, key, Value::Array(list));
}

/// Sets a key, and leaves the comments around one that is there.
fn set(table: &mut dyn TableLike, key: &str, mut value: Value) {
    match table.get_mut(key) {
        Some(item) => {
            if let Some(old) = item.as_value() {
                *value.decor_mut() = old.decor().clone();
            }
            *item = Item::Value(value);
        }
        None => drop(table.insert(key, Item::Value(value))),
    }
}

/// A text as TOML writes it.
pub(crate) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// A configuration that is to be written, and the token that goes with it if somebody typed one in.
pub(crate) struct Candidate {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    pub(crate) typed: Option<SecretString>,
}

impl Candidate {
    /// How the configuration names a token that was typed in: a file beside it.
    pub(crate) const TYPED_REFERENCE: &'static str = "file:secrets/github-token";

    pub(crate) fn secret_file(&self) -> PathBuf {
        self.folder().join("secrets").join("github-token")
    }

    fn folder(&self) -> PathBuf {
        self.path.parent().map_or_else(|| PathBuf::from("/"), Path::to_owned)
    }

    /// Reads it as it would be read at its place. Nothing stays behind.
    pub(crate) fn check(&self, home: Option<&Path>) -> Result<Config, Error> {
        let text = match &self.typed {
            Some(_) => self.text.replace(&quoted(Self::TYPED_REFERENCE), &quoted(&format!("${{{TYPED}}}"))),
            None => self.text.clone(),
        };
        let typed = self.typed.iter().map(|it| (TYPED.to_owned(), it.expose_secret().to_owned()));
        let variables = std::env::vars_os();
        let variables = variables.filter_map(|(name, it)| Some((name.into_string().ok()?, it.into_string().ok()?)));
        let environment: Environment = variables.chain(typed).collect();
        let folder = self.folder();
        let made = make_folders(&folder)?;
        let temporary = folder.join(format!(".agentd.toml.check-{}", std::process::id()));
        let loaded = write_new(&temporary, &text).map(|()| Config::load_in(Some(&temporary), home, environment));
        fs::remove_file(&temporary).ok();
        // Those that were made for this are empty again.
        made.iter().rev().for_each(|it| drop(fs::remove_dir(it)));
        let config = loaded.map_err(|error| cannot(&self.path, &error))?.map_err(|problems| {
            let error = Error::from(problems);
            let (as_read, as_it_is) = (temporary.display().to_string(), self.path.display().to_string());
            Error { text: error.text.replace(&as_read, &as_it_is).replace(TYPED, "the token"), ..error }
        })?;
        Ok(Config { file: Some(self.path.clone()), ..config })
    }

    /// Writes it, and the token before it.
    pub(crate) fn write(&self) -> Result<(), Error> {
        make_folders(&self.folder())?;
        if let Some(token) = &self.typed {
            let file = self.secret_file();
            make_folders(file.parent().unwrap_or(&file))?;
            replace(&file, token.expose_secret(), 0o600).map_err(|error| cannot(&file, &error))?;
        }
        put(&self.path, &self.text)
    }
}

/// Puts a text into a file of the configuration, in one move; it is for its owner alone if it is new.
pub(crate) fn put(path: &Path, text: &str) -> Result<(), Error> {
    if let Some(folder) = path.parent() {
        make_folders(folder)?;
    }
    // A link goes on pointing to where the file is.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mode = fs::metadata(&path).map_or(0o600, |it| std::os::unix::fs::PermissionsExt::mode(&it.permissions()));
    replace(&path, text, mode & 0o777).map_err(|error| cannot(&path, &error))
}

/// Changes one file of the configuration (none: it is not there yet), and gives back the whole with it. If something is
/// wrong with that, the old text is put back.
pub(crate) fn change(
    context: &Context,
    file: &Path,
    change: impl FnOnce(Option<&str>) -> Result<String, Error>,
) -> Result<Config, Error> {
    let old = match fs::read_to_string(file) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => {
            let text = format!("{} cannot be read, and is not written over: {error}", file.display());
            return Err(Error::work(text).hint("check its owner and mode"));
        }
    };
    put(file, &change(old.as_deref())?)?;
    context.config().inspect_err(|_| {
        match &old {
            Some(old) => put(file, old).ok(),
            None => fs::remove_file(file).ok(),
        };
    })
}

/// The folders that were missing, from the top.
fn make_folders(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let missing: Vec<_> = folder.ancestors().take_while(|it| !it.exists()).map(Path::to_owned).collect();
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| cannot(folder, &error))?;
    Ok(missing.into_iter().rev().collect())
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

/// Puts a file in another's place, in one move.
fn replace(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let new = path.with_file_name(format!(".{name}.new-{}", std::process::id()));
    write_new(&new, text)?;
    fs::set_permissions(&new, std::os::unix::fs::PermissionsExt::from_mode(mode))?;
    fs::File::open(&new)?.sync_all()?;
    fs::rename(&new, path)
}

fn cannot(path: &Path, error: &io::Error) -> Error {
    Error::work(format!("{} cannot be written: {error}", path.display()))
        .hint("check the folder's owner and mode, or name another file")
}

#[cfg(test)]
mod tests;
