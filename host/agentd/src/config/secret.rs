//! Secrets by reference: `${NAME}`, `file:PATH`, `cmd:PROGRAM ARGS`; and the environment they are looked up in.
//!
//! - A secret written in the clear is refused, and never repeated in the message.
//! - A file that others can read is refused.
//! - Neither `Debug` nor any error shows a value.

use secrecy::SecretString;
use std::{
    collections::BTreeMap,
    fs::File,
    io::{ErrorKind, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

const SECRET_BYTES_MAX: u64 = 64 << 10;
const COMMAND_LIMIT: Duration = Duration::from_secs(10);

/// A secret and how the configuration names it.
#[derive(Clone, Debug)]
pub(crate) struct Secret {
    /// As written in the file; safe to show.
    pub(crate) reference: String,
    pub(crate) value: SecretString,
}

/// The variables that a configuration may use, and the folder that `~` stands for.
#[derive(Clone, Default)]
pub(crate) struct Environment {
    variables: BTreeMap<String, String>,
}

impl Environment {
    /// That of this process.
    #[must_use]
    pub(crate) fn of_process() -> Environment {
        Environment::from_iter(
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
        )
    }

    #[must_use]
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|it| !it.is_empty())
    }

    /// `text` as a path: `~/` is the user's home folder, a relative path starts from `from`.
    pub(crate) fn expand(&self, text: &str, from: &Path) -> Result<PathBuf, String> {
        if text == "~" || text.starts_with("~/") {
            let home = self.get("HOME").ok_or("begins with ~, but the variable HOME is not set")?;
            return Ok(Path::new(home).join(text.trim_start_matches('~').trim_start_matches('/')));
        }
        Ok(from.join(text))
    }

    /// Adds what the file `.env` says; what is set already stays. No file is no mistake. Gives the names that the file
    /// sets otherwise than they are.
    pub(crate) fn read_dotenv(&mut self, path: &Path) -> Result<Vec<String>, Vec<(usize, String)>> {
        let text = match private_file(path) {
            Ok(text) => text,
            Err(FileProblem::Missing(_)) => return Ok(Vec::new()),
            Err(problem) => return Err(vec![(0, problem.text())]),
        };
        let (mut bad, mut over) = (Vec::new(), Vec::new());
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match line.strip_prefix("export ").unwrap_or(line).split_once('=') {
                Some((name, value)) if is_variable(name.trim_end()) => {
                    let (name, value) = (name.trim_end(), unquoted(value.trim()));
                    if self.variables.entry(name.to_owned()).or_insert_with(|| value.to_owned()) != value {
                        over.push(name.to_owned());
                    }
                }
                _ => bad.push((index + 1, "is not NAME=value".to_owned())),
            }
        }
        if bad.is_empty() { Ok(over) } else { Err(bad) }
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Environment {
        Environment { variables: variables.into_iter().collect() }
    }
}

/// Names only: the values may be secrets.
impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

impl Secret {
    /// The file that a reference names.
    pub(crate) fn file(reference: &str, folder: &Path, environment: &Environment) -> Option<PathBuf> {
        environment.expand(reference.strip_prefix("file:")?, folder).ok()
    }

    /// Looks a reference up. The error says what is wrong with it, without what was found.
    pub(crate) fn resolve(reference: &str, folder: &Path, environment: &Environment) -> Result<Secret, String> {
        let value = if let Some(name) = reference.strip_prefix("${").and_then(|it| it.strip_suffix('}')) {
            variable(name, environment)?
        } else if let Some(path) = reference.strip_prefix("file:") {
            private_file(&environment.expand(path, folder)?).map_err(FileProblem::text)?
        } else if let Some(command) = reference.strip_prefix("cmd:") {
            output_of(command, folder)?
        } else {
            return Err("is a secret written in the clear: say \"${NAME}\", \"file:PATH\" or \"cmd:PROGRAM\", and \
                        change the secret if this file was ever shared"
                .into());
        };
        let value = value.trim_end_matches(['\r', '\n']);
        if value.is_empty() {
            return Err(format!("{reference} is empty"));
        }
        Ok(Secret { reference: reference.to_owned(), value: SecretString::from(value) })
    }
}

fn variable(name: &str, environment: &Environment) -> Result<String, String> {
    if !is_variable(name) {
        return Err("is not the name of a variable, which looks like \"${API_TOKEN}\"".into());
    }
    let value = environment.get(name).map(str::to_owned);
    value.ok_or_else(|| {
        format!("the variable {name} is not set: export it, or write {name}=… into .env beside this file")
    })
}

enum FileProblem {
    Missing(PathBuf),
    Other(String),
}

impl FileProblem {
    fn text(self) -> String {
        match self {
            FileProblem::Missing(path) => {
                let path = path.display();
                format!("the file {path} does not exist: write the secret into it, and chmod 600 {path}")
            }
            FileProblem::Other(text) => text,
        }
    }
}

/// The text of a file that only its owner can read.
fn private_file(path: &Path) -> Result<String, FileProblem> {
    let shown = path.display();
    let other = |what: String| FileProblem::Other(what);
    let file = File::open(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => FileProblem::Missing(path.to_owned()),
        _ => other(format!("{shown} cannot be read: {error}")),
    })?;
    let data = file.metadata().map_err(|error| other(format!("{shown} cannot be read: {error}")))?;
    if !data.is_file() {
        return Err(other(format!("{shown} is not a regular file")));
    }
    if data.mode() & 0o077 != 0 {
        let mode = data.mode() & 0o777;
        return Err(other(format!("{shown} can be read by others (mode {mode:03o}): chmod 600 {shown}")));
    }
    let mut text = String::new();
    file.take(SECRET_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(|_| other(format!("{shown} cannot be read as UTF-8 text")))?;
    Ok(text)
}

/// What a program prints, within a time and a size. Its arguments are split at spaces; no shell is involved.
fn output_of(command: &str, folder: &Path) -> Result<String, String> {
    let mut words = command.split_whitespace();
    let program = words.next().ok_or("names no program: say \"cmd:PROGRAM ARGS\"")?;
    let mut child = Command::new(program)
        .args(words)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("the program {program} cannot be started: {error}"))?;
    let output = child.stdout.take().expect("the output was asked to be a pipe");
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let mut text = String::new();
        let read = output.take(SECRET_BYTES_MAX).read_to_string(&mut text).map(|_| text);
        // Nobody listens any more if it took too long.
        send.send(read).ok();
    });
    let text = match receive.recv_timeout(COMMAND_LIMIT) {
        Ok(Ok(text)) => text,
        Ok(Err(_)) => return Err(end(child, &format!("the program {program} printed no UTF-8 text"))),
        Err(_) => return Err(end(child, &format!("the program {program} did not end within 10 s"))),
    };
    // It has closed its output, and may still not end.
    let until = Instant::now() + COMMAND_LIMIT;
    loop {
        match child.try_wait() {
            Ok(None) if Instant::now() < until => thread::sleep(Duration::from_millis(5)),
            Ok(Some(status)) if status.success() => return Ok(text),
            Ok(Some(status)) => return Err(format!("the program {program} failed: {status}")),
            Ok(None) => return Err(end(child, &format!("the program {program} did not end within 10 s"))),
            Err(error) => return Err(end(child, &format!("the program {program} failed: {error}"))),
        }
    }
}

fn end(mut child: Child, what: &str) -> String {
    // It may have ended by itself meanwhile; either way it is waited for.
    child.kill().ok();
    child.wait().ok();
    what.to_owned()
}

fn is_variable(name: &str) -> bool {
    name.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_')
        && name.chars().all(|it| it.is_ascii_alphanumeric() || it == '_')
}

fn unquoted(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inner) = value.strip_prefix(quote).and_then(|it| it.strip_suffix(quote)) {
            return inner;
        }
    }
    value
}
