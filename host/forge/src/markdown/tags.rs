//! HTML in Markdown: a few tags stay, bare; everything else goes or is shown as it is written.
//!
//! Whatever a browser could take for the beginning of a tag is one here, whether or not Markdown says so.

use super::code;
use regex::Regex;
use std::sync::LazyLock;

/// What is longer, in bytes, is shown.
const TAG_MAX: usize = 4096;
/// Tags that change how text looks, and nothing else.
const KEPT: [&str; 13] = ["b", "i", "em", "strong", "del", "ins", "sub", "sup", "kbd", "code", "pre", "br", "hr"];
/// Those without an end.
const VOID: [&str; 2] = ["br", "hr"];
/// HTML's other elements: these go. What is in no list is no tag to whoever wrote it (`Vec<String>`), and is shown.
const GONE: &str = " a abbr acronym address animate applet area article aside audio base basefont bdi bdo bgsound big \
    blink blockquote body button canvas caption center cite col colgroup data datalist dd details dfn dialog dir div \
    dl dt embed fieldset figcaption figure font footer foreignobject form frame frameset g h1 h2 h3 h4 h5 h6 head \
    header hgroup html iframe image img input isindex keygen label legend li link listing main map mark marquee math \
    menu menuitem meta meter model nav nobr noembed noframes noscript object ol optgroup option output p param path \
    picture plaintext portal progress q rb rp rt rtc ruby s samp script search section select set slot small source \
    span strike style summary svg symbol table tbody td template textarea tfoot th thead time title tr track tt u ul \
    use var video wbr xml xmp ";

static ALT: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"(?is)\salt\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"']+))"#).expect("a fixed pattern"));
static LINK: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^<(?:https?://[^\s<>]+|(?:mailto:)?[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+)>").expect("a fixed pattern")
});
static BARE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"<(/?)([a-z]+)>").expect("a fixed pattern"));

/// The text without comments, and with no tags but bare ones of those that stay.
pub(super) fn without(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        kept.push_str(&rest[..at]);
        let (instead, length) = replacement(&rest[at..]);
        kept.push_str(&instead);
        rest = &rest[at + length..];
    }
    kept.push_str(rest);
    kept
}

/// What stands for what begins with this `<`, and how long that is.
fn replacement(text: &str) -> (String, usize) {
    const SHOWN: &str = "&lt;";
    if let Some(link) = LINK.find(text) {
        return (link.as_str().into(), link.len());
    }
    if text.starts_with("<!--") {
        // `<!-->` is a whole comment.
        return match text[2..].find("-->") {
            Some(end) => (String::new(), 2 + end + "-->".len()),
            None => (SHOWN.into(), 1),
        };
    }
    let (close, named) = match text[1..].strip_prefix('/') {
        Some(named) => ("/", named),
        None => ("", &text[1..]),
    };
    let name: String = named.chars().take_while(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    if !name.starts_with(|it: char| it.is_ascii_alphabetic()) {
        let begins = text[1..].starts_with(['!', '?', '/']);
        return if begins { (SHOWN.into(), 1) } else { ("<".into(), 1) };
    }
    let Some(length) = length(text) else { return (SHOWN.into(), 1) };
    let custom = named[name.len()..].starts_with(['-', ':', '_', '.', ',', '&', '*', '[']);
    if KEPT.contains(&name.as_str()) && !custom {
        let void_end = close == "/" && VOID.contains(&name.as_str());
        return (if void_end { String::new() } else { format!("<{close}{name}>") }, length);
    }
    if !GONE.contains(&format!(" {name} ")) || custom {
        return (SHOWN.into(), 1);
    }
    let alt = ALT.captures(&text[..length]).filter(|_| matches!(name.as_str(), "img" | "image" | "input" | "area"));
    let alt = alt.and_then(|it| it.iter().skip(1).flatten().next().map(|it| it.as_str().to_owned()));
    (alt.unwrap_or_default(), length)
}

/// The length of a tag, with a `>` in quotes being part of it; none: it has no end.
fn length(text: &str) -> Option<usize> {
    let text = &text[..text.floor_char_boundary(TAG_MAX)];
    let (mut quote, mut before) = (None, ' ');
    for (at, character) in text.char_indices() {
        match (quote, character) {
            (None, '>') => return Some(at + 1),
            (None, '"' | '\'') if before == '=' => quote = Some(character),
            (Some(open), close) if open == close => quote = None,
            _ => {}
        }
        if !character.is_whitespace() {
            before = character;
        }
    }
    text.find('>').map(|it| it + 1)
}

/// Each tag that stays has its end: ends without a beginning go, and what is open is closed.
pub(super) fn balanced(text: &str) -> String {
    let code = code::places(text);
    let mut kept = String::with_capacity(text.len());
    let mut open: Vec<&str> = vec![];
    let mut from = 0;
    for tag in BARE.captures_iter(text) {
        let (Some(place), Some(name)) = (tag.get(0), tag.get(2)) else { continue };
        let in_code = code.iter().any(|it| it.start <= place.start() && place.end() <= it.end);
        if in_code || !KEPT.contains(&name.as_str()) || VOID.contains(&name.as_str()) {
            continue;
        }
        if tag[1].is_empty() {
            open.push(name.as_str());
            continue;
        }
        kept.push_str(&text[from..place.start()]);
        from = place.end();
        if let Some(at) = open.iter().rposition(|it| *it == name.as_str()) {
            ends(&mut kept, open.drain(at..));
        }
    }
    kept.push_str(&text[from..]);
    if !open.is_empty() {
        kept.push_str("\n\n");
        ends(&mut kept, open.drain(..));
    }
    kept
}

fn ends<'a>(kept: &mut String, names: impl DoubleEndedIterator<Item = &'a str>) {
    names.rev().for_each(|name| kept.extend(["</", name, ">"]));
}
