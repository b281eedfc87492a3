//! What is wrong with a configuration: every mistake at once, each as `file:line: key: what`.
//!
//! Never holds a value that could be a secret: what a problem quotes is chosen where it is found.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// A line of one of the files, by the file's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct At {
    pub(crate) file: usize,
    /// From 1; 0: the file as a whole.
    pub(crate) line: usize,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Problem {
    /// None: it is about no file, but about the environment or the command line.
    pub(crate) file: Option<PathBuf>,
    /// From 1; none: the file as a whole.
    pub(crate) line: Option<usize>,
    /// The key with its sections, as in `limits.concurrent`; empty: the text as a whole.
    pub(crate) key: String,
    pub(crate) what: String,
}

/// All mistakes of a configuration, in the order of files and lines.
#[derive(Clone, Debug, Default)]
pub(crate) struct Problems {
    files: Vec<PathBuf>,
    found: Vec<Problem>,
}

impl Problems {
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    #[must_use]
    pub(crate) fn as_slice(&self) -> &[Problem] {
        &self.found
    }

    /// Numbers a file, for the places in it.
    pub(crate) fn file(&mut self, path: &Path) -> usize {
        self.files.push(path.to_owned());
        self.files.len() - 1
    }

    pub(crate) fn add(&mut self, at: At, key: &str, what: impl Into<String>) {
        let line = (at.line > 0).then_some(at.line);
        self.push(Problem { file: self.files.get(at.file).cloned(), line, key: key.to_owned(), what: what.into() });
    }

    /// A mistake that stands in no file.
    pub(crate) fn add_elsewhere(&mut self, key: &str, what: impl Into<String>) {
        self.push(Problem { file: None, line: None, key: key.to_owned(), what: what.into() });
    }

    /// `file:line`, for a text that names a second place.
    pub(crate) fn place(&self, at: At) -> String {
        let file = self.files.get(at.file).map(|it| it.display().to_string()).unwrap_or_default();
        if at.line > 0 { format!("{file}:{}", at.line) } else { file }
    }

    /// Brings them into the order in which a person goes through the files.
    pub(crate) fn sort(&mut self) {
        self.found
            .sort_by_key(|it| (it.file.as_ref().map(|file| self.files.iter().position(|it| it == file)), it.line));
    }

    /// A value that several sections inherit is read once for each, and is still one mistake.
    fn push(&mut self, problem: Problem) {
        if !self.found.contains(&problem) {
            self.found.push(problem);
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}:", file.display())?;
            if let Some(line) = self.line {
                write!(f, "{line}:")?;
            }
            f.write_str(" ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.what)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.found.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
