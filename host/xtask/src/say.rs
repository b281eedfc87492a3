//! Where words for people go: stdout, or stderr where stdout belongs to a program that reads it.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

#[derive(Clone, Copy)]
pub(crate) enum Say {
    Stdout,
    Stderr,
}

impl Say {
    /// One line. A reader that has gone away is no reason to stop.
    pub(crate) fn line(self, text: impl Display) {
        match self {
            Say::Stdout => writeln!(io::stdout(), "{text}").ok(),
            Say::Stderr => writeln!(io::stderr(), "{text}").ok(),
        };
    }

    /// A headline: bold where a terminal shows it.
    pub(crate) fn headline(self, text: impl Display) {
        let terminal = match self {
            Say::Stdout => io::stdout().is_terminal(),
            Say::Stderr => io::stderr().is_terminal(),
        };
        if terminal {
            self.line(format_args!("\x1b[1m{text}\x1b[0m"));
        } else {
            self.line(text);
        }
    }
}
