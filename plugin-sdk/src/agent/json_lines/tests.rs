//! Lines as they should be, and as they come.

use super::*;

fn shown(piece: Piece) -> String {
    match piece {
        Piece::Object { object, whole } => format!("{}{}", Value::Object(object), if whole { "" } else { " …" }),
        Piece::Text(text) => format!("text {text}"),
    }
}

fn read(lines: &[&str]) -> Vec<String> {
    let mut reader = JsonLines::of(|kind| kind.starts_with("e"));
    let mut pieces: Vec<Piece> = lines.iter().flat_map(|line| reader.line(line, false)).collect();
    pieces.extend(reader.end());
    pieces.into_iter().map(shown).collect()
}

#[track_caller]
fn check(lines: &[&str], expected: &[&str]) {
    assert_eq!(read(lines), expected, "{lines:?}");
}

#[test]
fn a_line_is_an_object() {
    check(&[r#"{"type":"e"}"#, "", r#" {"n":1} "#], &[r#"{"type":"e"}"#, r#"{"n":1}"#]);
}

#[test]
fn other_lines_are_text() {
    check(
        &["a banner", "[1]", "7", "{not json}", "} {"],
        &["text a banner", "text [1]", "text 7", "text {not json}", "text } {"],
    );
    check(&[r#"{"n":1} {"n":2}"#], &[r#"text {"n":1} {"n":2}"#]);
}

#[test]
fn events_are_found_beside_other_things() {
    check(&[r#"{"type":"e1"}{"type":"e2"}"#], &[r#"{"type":"e1"}"#, r#"{"type":"e2"}"#]);
    check(&[r#"[info] {"type":"e"} bye"#], &["text [info]", r#"{"type":"e"}"#, "text bye"]);
    check(&[r#"{broken: {"type":"e"}"#], &["text {broken:", r#"{"type":"e"}"#]);
    check(&["\u{1b}[1m{\"type\":\u{0}\"e\"}\u{1b}[0m"], &[r#"{"type":"e"}"#]);
}

const OUTER: &str =
    r#"{"type":"e1","list":[{"type":"part","text":"a \"{b}\" \\ ж"},[],{},12.5,true,null],"n":{"type":"x"}}"#;
const INNER: &str = r#"{"type":"e2","of":{"type":"part"}}"#;

/// The inner event's line break splits the outer one.
#[test]
fn an_event_inside_of_another_leaves_both() {
    let [outer, inner] = [OUTER, INNER].map(|it| read(&[it]).remove(0));
    for at in (1..OUTER.len()).filter(|it| OUTER.is_char_boundary(*it)) {
        let (first, rest) = OUTER.split_at(at);
        check(&[&format!("{first}{INNER}"), rest], &[&inner, &outer]);
        check(&[first, INNER, rest], &[&inner, &outer]);
        check(&[&format!("{first}{INNER}"), INNER, &format!("{rest}{INNER}")], &[&inner, &inner, &outer, &inner]);
    }
}

#[test]
fn and_on_one_line_as_well_where_it_is_no_value_of_the_outer_one() {
    let [outer, inner] = [OUTER, INNER].map(|it| read(&[it]).remove(0));
    for at in (1..OUTER.len()).filter(|it| OUTER.is_char_boundary(*it)) {
        let (first, rest) = OUTER.split_at(at);
        if !first.ends_with('[') || !rest.starts_with(']') {
            check(&[&format!("{first}{INNER}{rest}")], &[&inner, &outer]);
        }
    }
}

#[test]
fn an_object_in_three_pieces_is_one() {
    let outer = read(&[OUTER]).remove(0);
    check(&[&OUTER[..20], &OUTER[20..50], &OUTER[50..]], &[&outer]);
}

#[test]
fn a_rest_that_never_comes_is_not_waited_for_for_ever() {
    let begun = r#"{"type":"e1","text":"beg"#;
    let event = r#"{"type":"e2"}"#;
    let mut lines = vec![begun];
    lines.extend([event; PATIENCE as usize + 2]);
    let pieces = read(&lines);
    assert_eq!(pieces.len(), lines.len());
    let place = pieces.iter().position(|it| it.ends_with('…')).expect("what there is of it");
    assert_eq!(place, PATIENCE as usize - 1);
    assert!(pieces[place].contains(r#""text":"beg""#), "{}", pieces[place]);
}

#[track_caller]
fn check_cut(line: &str, expected: &str) {
    let pieces = JsonLines::default().line(line, true);
    assert_eq!(pieces.into_iter().map(shown).collect::<Vec<_>>(), [expected], "{line}");
}

#[test]
fn what_was_cut_off_is_had_as_far_as_it_came() {
    check_cut(r#"{"type":"e","a":[1,{"b":"long te"#, r#"{"a":[1,{"b":"long te"}],"type":"e"} …"#);
    check_cut(r#"{"type":"e","a":[1,2"#, r#"{"a":[1],"type":"e"} …"#);
    check_cut(r#"{"type":"e","key"#, r#"{"type":"e"} …"#);
    check_cut(r#"{"type":"e","key":"#, r#"{"type":"e"} …"#);
    check_cut(r#"{"type":"e","key":tr"#, r#"{"type":"e"} …"#);
    check_cut(r#"{"type":"e","a":"x\"#, r#"{"a":"x","type":"e"} …"#);
    check_cut(r#"{"type":"e","a":"x\u00"#, r#"{"a":"x","type":"e"} …"#);
    check_cut(r#"{"type":"e","a":["x","y"#, r#"{"a":["x","y"],"type":"e"} …"#);
    check_cut(r#"{"type":"e","a":{}"#, r#"{"a":{},"type":"e"} …"#);
    check_cut(r#"{"typ"#, r#"text {"typ"#);
}

#[test]
fn depth_and_length_do_no_harm() {
    let deep = "{\"a\":".repeat(10_000);
    assert_eq!(read(&[&deep]).len(), 1);
    let long = format!(r#"{{"type":"e","a":"{}"}}"#, "ж".repeat(5 << 20));
    assert_eq!(read(&[&long[..1_000_001], &long[1_000_001..]]).len(), 1);
    assert_eq!(read(&[&"{\"".repeat(100_000)]).len(), 1);
}
