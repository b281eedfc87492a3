//! Questions to the person at the terminal.
//!
//! - A secret is not shown while it is typed, and never repeated.
//! - Where nobody can be asked, nothing waits: a default is taken if that was agreed to, and else the command ends with
//!   the options that would have said it.

use super::{exit::Error, print::one_line};
use secrecy::SecretString;
use std::io::{self, BufRead, IsTerminal, Write};

/// So often an answer may make no sense.
const TRIES_MAX: usize = 5;

/// Who can be asked.
pub(crate) struct Ask {
    person: Option<Person>,
    /// What has a default takes it.
    yes: bool,
}

struct Person {
    answers: Box<dyn BufRead + Send>,
    prompts: Box<dyn Write + Send>,
    /// The answers come from a terminal, which shows what is typed.
    terminal: bool,
}

impl Ask {
    /// Somebody sits there if both what is read and where it is asked is a terminal.
    pub(crate) fn new(yes: bool) -> Ask {
        let terminal = io::stdin().is_terminal() && io::stderr().is_terminal();
        let person = || Person {
            answers: Box::new(io::BufReader::new(io::stdin())),
            prompts: Box::new(io::stderr()),
            terminal: true,
        };
        Ask { person: terminal.then(person), yes }
    }

    #[cfg(test)]
    pub(crate) fn scripted(answers: &'static str, prompts: Box<dyn Write + Send>) -> Ask {
        Ask { person: Some(Person { answers: Box::new(answers.as_bytes()), prompts, terminal: false }), yes: false }
    }

    #[cfg(test)]
    pub(crate) fn nobody(yes: bool) -> Ask {
        Ask { person: None, yes }
    }

    /// Whether somebody would answer.
    pub(crate) fn can(&self) -> bool {
        self.person.is_some()
    }

    /// A line of text; empty is the default. `check` says what is wrong with an answer; `options` would have said it.
    pub(crate) fn text(
        &mut self,
        question: &str,
        default: Option<&str>,
        options: &str,
        check: impl Fn(&str) -> Result<(), String>,
    ) -> Result<String, Error> {
        if let Some(default) = default.filter(|_| self.yes || self.person.is_none()) {
            return Ok(default.to_owned());
        }
        let shown = match default.filter(|it| !it.is_empty()) {
            Some(default) => format!("{question} [{default}]: "),
            None => format!("{question}: "),
        };
        for _ in 0..TRIES_MAX {
            let person = self.person.as_mut().ok_or_else(|| nobody(options))?;
            let answer = person.line(&shown)?;
            let answer = if answer.is_empty() { default.unwrap_or_default().to_owned() } else { answer };
            match check(&answer) {
                Ok(()) => return Ok(answer),
                Err(what) => person.show(&format!("  {what}\n"))?,
            }
        }
        Err(Error::usage(format!("{TRIES_MAX} answers made no sense")).hint(format!("say it with {options}")))
    }

    /// One of a few words, of which the first is the default.
    pub(crate) fn one_of(&mut self, question: &str, words: &[&str], options: &str) -> Result<String, Error> {
        let known = words.join(", ");
        let check = |answer: &str| match words.contains(&answer) {
            true => Ok(()),
            false => Err(format!("{:?} is none of {known}", one_line(answer, 60))),
        };
        self.text(&format!("{question} ({known})"), words.first().copied(), options, check)
    }

    /// Yes or no. Without anybody to ask it is no, unless defaults were agreed to.
    pub(crate) fn agree(&mut self, question: &str) -> Result<bool, Error> {
        if self.yes || self.person.is_none() {
            return Ok(self.yes);
        }
        let check = |answer: &str| match answer.to_lowercase().as_str() {
            "y" | "yes" | "n" | "no" => Ok(()),
            _ => Err("say y or n".to_owned()),
        };
        let answer = self.text(question, Some("y"), "--yes", check)?;
        Ok(answer.to_lowercase().starts_with('y'))
    }

    /// Something that must not be seen.
    pub(crate) fn secret(&mut self, question: &str, options: &str) -> Result<SecretString, Error> {
        let person = self.person.as_mut().ok_or_else(|| nobody(options))?;
        for _ in 0..TRIES_MAX {
            let shown = format!("{question} (not shown): ");
            let answer = if person.terminal {
                person.show(&shown)?;
                rpassword::read_password()
                    .map_err(|error| Error::work(format!("the terminal cannot be read: {error}")))?
            } else {
                person.line(&shown)?
            };
            let answer = answer.trim();
            if !answer.is_empty() && !answer.contains(char::is_whitespace) {
                return Ok(SecretString::from(answer));
            }
            person.show("  that is none: it is one word\n")?;
        }
        Err(Error::usage(format!("{TRIES_MAX} answers made no sense")).hint(format!("say it with {options}")))
    }
}

impl Person {
    fn show(&mut self, text: &str) -> Result<(), Error> {
        self.prompts.write_all(text.as_bytes())?;
        Ok(self.prompts.flush()?)
    }

    fn line(&mut self, question: &str) -> Result<String, Error> {
        self.show(question)?;
        let mut line = String::new();
        let read = self.answers.read_line(&mut line);
        match read.map_err(|error| Error::work(format!("the terminal cannot be read: {error}")))? {
            0 => Err(Error::work("the answers ended before the questions; nothing was written")),
            _ => Ok(line.trim().to_owned()),
        }
    }
}

/// What is missing, where nobody can say it.
pub(crate) fn nobody(options: &str) -> Error {
    Error::usage(format!("there is no terminal to ask on, and {options} is missing"))
        .hint("give it as an option; --help lists all of them")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(answers: &'static str, ask: impl Fn(&mut Ask) -> Result<String, Error>, expected: &str) {
        let mut scripted = Ask::scripted(answers, Box::new(io::sink()));
        assert_eq!(ask(&mut scripted).unwrap_or_else(|error| error.to_string()), expected);
    }

    fn any(_: &str) -> Result<(), String> {
        Ok(())
    }

    #[test]
    fn an_answer_is_asked_for_until_it_makes_sense() {
        let mode = |ask: &mut Ask| ask.one_of("Mode", &["ask", "auto"], "--mode");
        check("auto\n", mode, "auto");
        check("\n", mode, "ask");
        check("atuo\nauto\n", mode, "auto");
        check("1\n2\n3\n4\n5\nauto\n", mode, "error: 5 answers made no sense\nhint: say it with --mode");
        check("", mode, "error: the answers ended before the questions; nothing was written");
        let secret = |ask: &mut Ask| {
            use secrecy::ExposeSecret;
            ask.secret("Token", "--token-file").map(|it| it.expose_secret().to_owned())
        };
        check("\n two words\n one \n", secret, "one");
        let agree = |ask: &mut Ask| ask.agree("Really?").map(|it| it.to_string());
        check("\n", agree, "true");
        check("what\nNo\n", agree, "false");
    }

    #[test]
    fn without_anybody_to_ask_nothing_waits() {
        let missing = "error: there is no terminal to ask on, and --repository is missing\n\
                       hint: give it as an option; --help lists all of them";
        for yes in [false, true] {
            let mut ask = Ask::nobody(yes);
            assert_eq!(ask.text("Which", None, "--repository", any).unwrap_err().to_string(), missing);
            assert_eq!(ask.text("Which", Some("it"), "--which", any).unwrap(), "it");
            assert_eq!(ask.agree("Really?").unwrap(), yes);
            assert_eq!(ask.secret("Token", "--token-file").unwrap_err().kind, crate::cli::exit::Kind::Usage);
        }
    }
}
