//! Whether a line holds such a comment, and what that says.
//!
//! There is no parser here: a word counts when the file's language begins a comment somewhere before it in the line.
//! That misses lines inside of block comments that do not begin with `*`, and takes a comment sign in a string for one;
//! both are rare, and people see the finding before work begins.

/// A comment that asks for work.
#[derive(Debug, PartialEq)]
pub(crate) struct Comment<'a> {
    /// Which of the words marks it.
    pub(crate) word: &'a str,
    /// The comment from the word on, blanks put together, without what ends the comment: `TODO(ann): log in`.
    pub(crate) text: String,
}

/// The comment in a line, if there is one with one of the words.
pub(crate) fn find<'a>(path: &str, line: &str, words: &'a [String]) -> Option<Comment<'a>> {
    let start = comment_start(line, signs(path))?;
    let (at, word) = words.iter().filter_map(|word| Some((start + whole_word(&line[start..], word)?, word))).min()?;
    let text = line[at..].split_whitespace().collect::<Vec<_>>().join(" ");
    let text = ["*/", "-->", "\"\"\"", "'''"]
        .iter()
        .fold(text.as_str(), |text, end| text.find(end).map_or(text, |at| text[..at].trim_end()));
    Some(Comment { word, text: text.to_owned() })
}

/// Where the comment's own text begins.
fn comment_start(line: &str, signs: &[&str]) -> Option<usize> {
    let within = signs.iter().filter_map(|sign| Some(line.find(sign)? + sign.len())).min();
    let continued = signs.contains(&"/*").then(|| {
        let indent = line.len() - line.trim_start().len();
        line[indent..].starts_with('*').then_some(indent + 1)
    });
    [within, continued.flatten()].into_iter().flatten().min()
}

fn whole_word(text: &str, word: &str) -> Option<usize> {
    let inside = |it: char| it.is_alphanumeric() || it == '_';
    text.match_indices(word).map(|(at, _)| at).find(|at| {
        let (before, after) = (&text[..*at], &text[at + word.len()..]);
        !before.chars().next_back().is_some_and(inside) && !after.chars().next().is_some_and(inside)
    })
}

/// What begins a comment in a file of that name.
fn signs(path: &str) -> &'static [&'static str] {
    let name = path.rsplit('/').next().unwrap_or(path);
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    match extension.to_ascii_lowercase().as_str() {
        "rs" | "c" | "h" | "cc" | "cpp" | "hpp" | "cs" | "java" | "kt" | "kts" | "scala" | "swift" | "go" | "js"
        | "jsx" | "mjs" | "cjs" | "ts" | "tsx" | "dart" | "groovy" | "gradle" | "zig" | "proto" | "wit" | "css"
        | "scss" | "less" | "m" | "mm" | "sol" => &["//", "/*"],
        "php" => &["//", "/*", "#"],
        "tf" | "hcl" => &["//", "/*", "#"],
        "py" => &["#", "\"\"\"", "'''"],
        "rb" | "sh" | "bash" | "zsh" | "fish" | "pl" | "r" | "jl" | "yaml" | "yml" | "toml" | "mk" | "cmake"
        | "nix" | "ex" | "exs" | "cfg" | "conf" | "env" => &["#"],
        "ps1" => &["#", "<#"],
        "sql" | "lua" | "hs" | "elm" | "adb" | "ads" => &["--", "/*"],
        "lisp" | "el" | "clj" | "cljs" | "scm" | "rkt" | "asm" => &[";"],
        "ini" => &[";", "#"],
        "tex" | "erl" | "hrl" => &["%"],
        "html" | "htm" | "xml" | "svg" | "md" => &["<!--"],
        "vue" | "svelte" => &["<!--", "//", "/*"],
        _ => &["//", "/*", "#", "--", "<!--"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, line: &str, expected: Option<(&str, &str)>) {
        let words = ["FIXME", "HACK", "TODO"].map(ToOwned::to_owned);
        let found = find(path, line, &words);
        assert_eq!(found.as_ref().map(|it| (it.word, it.text.as_str())), expected, "{path}: {line}");
    }

    #[test]
    fn comments_are_found_where_the_language_has_them() {
        check("src/a.rs", "    // TODO: log in", Some(("TODO", "TODO: log in")));
        check("src/a.rs", "let a = 1; // later,   TODO(ann):  log  in ", Some(("TODO", "TODO(ann): log in")));
        check("src/a.rs", "/// FIXME says a document", Some(("FIXME", "FIXME says a document")));
        check("a.c", "/* HACK around it */ int a;", Some(("HACK", "HACK around it")));
        check("a.java", "     * TODO in a block", Some(("TODO", "TODO in a block")));
        check("a.py", "x = 1  # TODO", Some(("TODO", "TODO")));
        check("a.py", "\"\"\"TODO describe\"\"\"", Some(("TODO", "TODO describe")));
        check("a.sql", "-- FIXME: index", Some(("FIXME", "FIXME: index")));
        check("a.html", "<p><!-- TODO: text --></p>", Some(("TODO", "TODO: text")));
        check("Makefile", "# TODO: clean", Some(("TODO", "TODO: clean")));
        check("a.lisp", "(f) ; TODO more", Some(("TODO", "TODO more")));
    }

    #[test]
    fn the_first_word_in_the_comment_counts() {
        check("a.rs", "// TODO: remove the HACK", Some(("TODO", "TODO: remove the HACK")));
        check("a.rs", "let todo = \"TODO\"; // FIXME", Some(("FIXME", "FIXME")));
    }

    #[test]
    fn words_that_are_no_comment_are_left_alone() {
        check("a.rs", "let state = State::TODO;", None);
        check("a.rs", "const A: &str = \"TODO\";", None);
        check("a.rs", "// TODOS and a_TODO", None);
        check("a.rs", "TODO // nothing behind it", None);
        check("a.rs", "let a = b * TODO;", None);
        check("a.c", "#define TODO 1", None);
        check("a.js", "i--; TODO", None);
        check("a.py", "total = 4 // TODO", None);
        check("a.md", "- TODO in a list is a plan, not a comment", None);
    }

    #[test]
    fn lines_in_any_script_are_cut_at_letters() {
        check("a.rs", "// ÄTODO жTODO TODO: ж", Some(("TODO", "TODO: ж")));
    }
}
