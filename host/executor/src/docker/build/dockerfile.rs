//! A Dockerfile, read as far as a build needs it: which images it starts from, and what it may not do.
//!
//! - Refuses what the classic builder does not understand, in words that say so: the engine's own often do not.
//! - Refuses to have the engine itself fetch a file: that would be the engine's network and not the gateway's.
//! - The engine gets it written anew, an instruction in a line: were its reader to end a line elsewhere than this one, it
//!   would do what was not looked at.

use std::collections::HashMap;

mod word;

use word::{adds_url, expand};

const ONLY_BUILDKIT: &str = "only BuildKit understands, and BuildKit's steps cannot be kept to the gateway's network: \
                             do without it, or name an image that was built elsewhere";

/// Its instructions.
#[derive(Debug)]
pub(super) struct Dockerfile {
    escape: char,
    instructions: Vec<Instruction>,
}

#[derive(Debug)]
struct Instruction {
    /// In capitals.
    word: String,
    /// `--name=value` before the rest.
    flags: Vec<String>,
    rest: String,
    /// All of it, in one line.
    text: String,
    /// Where it begins, counted from 0.
    line: usize,
}

/// A `FROM`, read.
struct Stage<'a> {
    image: &'a str,
    name: Option<&'a str>,
}

impl Dockerfile {
    /// Reads it up to the end of a stage, and checks what it asks for. What comes after that stage is dropped.
    pub(super) fn parse(text: &str, target: Option<&str>) -> Result<Dockerfile, String> {
        let mut lines: Vec<_> = text.trim_start_matches('\u{feff}').lines().collect();
        let escape = escape(&lines);
        let mut instructions = instructions(&lines, escape);
        if !instructions.iter().any(|it| it.word == "FROM") {
            return Err("its Dockerfile has no FROM".into());
        }
        if let Some(end) = target.map(|target| end(&instructions, target)).transpose()?.flatten() {
            lines.truncate(instructions[end].line);
            instructions.truncate(end);
        }
        for it in &instructions {
            it.check(&lines).map_err(|why| it.at(&why))?;
        }
        Ok(Dockerfile { escape, instructions })
    }

    /// Whether there is an `ARG` of that name anywhere.
    pub(super) fn declares(&self, name: &str) -> bool {
        let args = self.instructions.iter().filter(|it| it.word == "ARG");
        args.flat_map(|it| it.rest.split_whitespace()).any(|it| it.split('=').next() == Some(name))
    }

    /// The images that it takes something from.
    pub(super) fn images(&self, args: &HashMap<String, String>) -> Result<Vec<String>, String> {
        let (mut images, mut names) = (Vec::<String>::new(), Vec::<String>::new());
        let mut known = HashMap::<String, String>::new();
        let mut need = |image: String| {
            if image != "scratch" && !images.contains(&image) {
                images.push(image);
            }
        };
        for it in &self.instructions {
            match it.word.as_str() {
                // Before the first FROM, an ARG is for the FROMs.
                "ARG" if names.is_empty() => {
                    for arg in word::split(&it.rest) {
                        let (name, default) = arg.split_once('=').unwrap_or((&arg, ""));
                        let value = args.get(name).cloned().unwrap_or_else(|| expand(default, &known));
                        known.insert(name.into(), value);
                    }
                }
                "FROM" => {
                    let stage = it.stage();
                    let image = expand(stage.image, &known);
                    if image.is_empty() {
                        return Err(it.at(&format!("`{}` names no image: give its ARG a default", it.rest)));
                    }
                    if !names.contains(&image.to_ascii_lowercase()) {
                        need(image);
                    }
                    names.push(stage.name.map(str::to_ascii_lowercase).unwrap_or_default());
                }
                "COPY" => {
                    let from = it.flags.iter().find_map(|flag| flag.strip_prefix("--from="));
                    let is_stage = |it: &str| {
                        names.contains(&it.to_ascii_lowercase()) || it.parse::<usize>().is_ok_and(|n| n < names.len())
                    };
                    if let Some(image) = from.filter(|it| !is_stage(it)) {
                        need(image.into());
                    }
                }
                _ => (),
            }
        }
        Ok(images)
    }

    /// The text for the engine, in which each stage knows the arguments of these names.
    pub(super) fn with_args(&self, names: &[&str]) -> String {
        let args: String = names.iter().map(|name| format!("ARG {name}\n")).collect();
        let line = |it: &Instruction| match it.word.as_str() {
            "FROM" => format!("FROM {}\n{args}", it.without_own_platform()),
            _ => format!("{}\n", it.text),
        };
        format!("# escape={}\n", self.escape) + &self.instructions.iter().map(line).collect::<String>()
    }
}

/// The index of the instruction that begins the stage after `target`, a name or a number; none: it is the last.
fn end(instructions: &[Instruction], target: &str) -> Result<Option<usize>, String> {
    let froms = || instructions.iter().enumerate().filter(|(_, it)| it.word == "FROM");
    let named = |it: &Instruction| it.stage().name.is_some_and(|name| name.eq_ignore_ascii_case(target));
    let place = froms().position(|(_, it)| named(it)).or(target.parse().ok().filter(|&it| it < froms().count()));
    let Some(place) = place else {
        let names: Vec<_> = froms().filter_map(|(_, it)| it.stage().name).collect();
        let there =
            if names.is_empty() { "none has a name".into() } else { format!("there are: {}", names.join(", ")) };
        return Err(format!("its Dockerfile has no stage `{target}`; {there}"));
    };
    Ok(froms().nth(place + 1).map(|(index, _)| index))
}

impl Instruction {
    /// One instruction's text, in one line.
    fn of(text: &str, line: usize) -> Instruction {
        let cut = |text: &str| {
            let text = text.trim();
            let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
            (first.to_owned(), rest.trim().to_owned())
        };
        let (word, mut rest) = cut(text);
        let mut flags = Vec::new();
        while rest.starts_with("--") {
            let (flag, more) = cut(&rest);
            flags.push(flag);
            rest = more;
        }
        Instruction { word: word.to_ascii_uppercase(), flags, rest, text: text.trim().into(), line }
    }

    /// Why something is wrong with it, and where it is.
    fn at(&self, why: &str) -> String {
        format!("line {} of its Dockerfile: {why}", self.line + 1)
    }

    fn stage(&self) -> Stage<'_> {
        let mut words = self.rest.split_whitespace();
        let image = words.next().unwrap_or_default();
        let name = words.next().filter(|it| it.eq_ignore_ascii_case("as")).and_then(|_| words.next());
        Stage { image, name }
    }

    /// A `FROM` without `--platform=$BUILDPLATFORM`, which only BuildKit sets; it is this machine's.
    fn without_own_platform(&self) -> String {
        let own = |flag: &&String| flag.starts_with("--platform=") && flag.contains('$');
        let flags = self.flags.iter().filter(|flag| !own(flag)).map(|flag| format!("{flag} "));
        flags.chain([self.rest.clone()]).collect()
    }

    /// Whether the classic builder can do it, and the engine may.
    fn check(&self, lines: &[&str]) -> Result<(), String> {
        if self.word == "ONBUILD" {
            return Instruction::of(&self.rest, self.line).check(lines);
        }
        let foreign: &[&str] = match self.word.as_str() {
            "RUN" => &["--mount", "--network", "--security", "--device"],
            "COPY" | "ADD" => {
                &["--link", "--chmod", "--parents", "--exclude", "--checksum", "--keep-git-dir", "--unpack"]
            }
            _ => return Ok(()),
        };
        let name = |flag: &str| flag.split('=').next().unwrap_or_default().to_owned();
        if let Some(flag) = self.flags.iter().map(|it| name(it)).find(|it| foreign.contains(&it.as_str())) {
            return Err(format!("`{} {flag}` is something {ONLY_BUILDKIT}", self.word));
        }
        if let Some(mark) = word::heredocs(&self.rest).into_iter().find(|mark| self.ends_below(mark, lines)) {
            return Err(format!("the text up to `{mark}` (a heredoc) is something {ONLY_BUILDKIT}"));
        }
        if self.word == "ADD" && adds_url(&self.rest) {
            return Err(
                "`ADD` of an address would use the engine's own network: fetch it in a `RUN` step, which goes \
                        through the gateway; what is no address, `COPY` it"
                    .into(),
            );
        }
        Ok(())
    }

    fn ends_below(&self, mark: &str, lines: &[&str]) -> bool {
        lines.iter().skip(self.line + 1).any(|line| line.trim() == mark)
    }
}

/// Joins lines that go on in the next one, and leaves comments out.
fn instructions(lines: &[&str], escape: char) -> Vec<Instruction> {
    let (mut found, mut open) = (Vec::new(), None::<(usize, String)>);
    for (at, line) in lines.iter().enumerate() {
        if line.trim_start().starts_with('#') || line.trim().is_empty() {
            continue;
        }
        let (begin, mut text) = open.take().unwrap_or_else(|| (at, String::new()));
        match line.trim_end().strip_suffix(escape) {
            Some(line) => {
                text.push_str(line);
                open = Some((begin, text));
            }
            None => {
                text.push_str(line);
                found.push(Instruction::of(&text, begin));
            }
        }
    }
    found.extend(open.map(|(begin, text)| Instruction::of(&text, begin)));
    found
}

/// What a line that goes on ends with: a backslash, unless a directive at the top says otherwise.
fn escape(lines: &[&str]) -> char {
    let directives = lines.iter().map_while(|line| line.trim().strip_prefix('#')?.split_once('='));
    let named = directives.filter(|(name, _)| name.trim().eq_ignore_ascii_case("escape"));
    named.filter_map(|(_, value)| value.trim().chars().next()).next().unwrap_or('\\')
}

/// Whether what a base image does to those that are built on it keeps to the rules.
pub(super) fn check_triggers(triggers: &[String]) -> Result<(), String> {
    let check = |text: &String| Instruction::of(text, 0).check(&[text]);
    triggers.iter().try_for_each(check).map_err(|why| format!("brings an `ONBUILD`: {why}"))
}

/// The engine's words, with what they mean where they do not say it.
pub(super) fn explain(message: &str) -> String {
    let said = message.to_ascii_lowercase();
    let foreign = ["requires buildkit", "unknown flag", "unknown instruction"];
    match foreign.iter().any(|it| said.contains(it)) {
        true => format!("{}: that is something {ONLY_BUILDKIT}", message.trim()),
        false => message.trim().to_owned(),
    }
}

#[cfg(test)]
mod tests;
