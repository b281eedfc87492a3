//! Words of others in Markdown, so that they cannot pass for the plugin's own.
//!
//! Mentions, images and the like are the host's to take out.

/// A quotation, in which the text stays whatever Markdown it holds. After `most` characters it ends, and says so.
pub fn quoted(text: &str, most: usize) -> String {
    let text = text.trim();
    let mut shown: String = text.chars().take(most).collect();
    if shown.len() < text.len() {
        shown.push_str("\n\n(and more)");
    }
    shown.lines().map(|line| format!("> {line}").trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// One line in which nothing is Markdown: code, between more backticks than it holds in a row.
pub fn code(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line: String = line.chars().filter(|it| !it.is_control()).collect();
    let longest = line.split(|it| it != '`').map(str::len).max().unwrap_or(0);
    let ticks = "`".repeat(longest + 1);
    match line.starts_with('`') || line.ends_with('`') {
        true => format!("{ticks} {line} {ticks}"),
        false => format!("{ticks}{line}{ticks}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quotation_holds_what_it_quotes() {
        assert_eq!(quoted(" one\n\n# two\r\n> three \n", 100), "> one\n>\n> # two\n> > three");
        assert_eq!(quoted("ÿÿÿ", 2), "> ÿÿ\n>\n> (and more)");
        assert_eq!(quoted("ÿÿÿ", 3), "> ÿÿÿ");
    }

    #[test]
    fn no_backtick_ends_code_early() {
        assert_eq!(code("a\n b\u{7}"), "`a b`");
        assert_eq!(code("a `b` ``c`` d"), "```a `b` ``c`` d```");
        assert_eq!(code("`a`"), "`` `a` ``");
        assert_eq!(code("<img src=x>\u{7}\n@ann"), "`<img src=x> @ann`");
    }
}
