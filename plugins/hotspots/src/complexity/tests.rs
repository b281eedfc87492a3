//! Small programs, and what they cost to read.

use super::*;

#[track_caller]
fn check(text: &str, lines: u32, branches: u32, depth: u32, deepest: (u32, u32)) {
    let found = measure(text);
    let expected = Complexity { lines, branches, depth, deepest: deepest.0, deepest_line: deepest.1 };
    assert_eq!(found, expected, "{text}");
}

#[test]
fn the_same_program_costs_the_same_however_it_is_indented() {
    let program = "def a(x):\n\tif x:\n\t\tfor y in x:\n\t\t\tif y and x:\n\t\t\t\tprint(y)\n";
    check(program, 5, 4, 3, (4, 5));
    for unit in [2, 3, 4, 8] {
        check(&program.replace('\t', &" ".repeat(unit)), 5, 4, 3, (4, 5));
    }
}

#[test]
fn empty_lines_comments_and_texts_cost_nothing() {
    check("", 0, 0, 0, (0, 0));
    check("\n\n   \n", 0, 0, 0, (0, 0));
    check("// if a && b\n# while\n/* for\n * if\n */\n-- case\n", 0, 0, 0, (0, 0));
    check("let a = \"if b && c\";\n", 1, 0, 0, (0, 0));
    check("let a = \"say \\\"if\\\"\" || b;\n", 1, 1, 0, (0, 0));
    check("fn a<'a>(b: &'a str) { if b.is_empty() {} }\n", 1, 1, 0, (0, 0));
    check("#[derive(Debug)]\n#!/bin/sh\n", 2, 0, 0, (0, 0));
}

#[test]
fn branches_are_counted_by_word_and_sign() {
    for (code, expected) in [
        ("if a { b }", 1),
        ("} else if a || b && c {", 3),
        ("while let Some(x) = y {", 1),
        ("notify(platform, format)", 0),
        ("case 3: break;", 1),
        ("x = a ? b : c;", 1),
        ("Some(x) => {", 1),
        ("a ?? b", 1),
        ("let x = f()?;", 0),
        ("rescue Error", 1),
    ] {
        assert_eq!(branches(code), expected, "{code}");
    }
}

#[test]
fn aligned_lines_do_not_make_a_level() {
    // What is lined up below a bracket goes in by whatever it is long.
    let text = "class A\n  def b\n    c(1,\n      2)\n    d\n  end\n  def e\n    f\n  end\nend\n";
    assert_eq!(unit(text), 2);
    assert_eq!(unit("/*\n * a\n * b\n */\nint a() {\n    b();\n}\n"), 4);
    assert_eq!(unit("a\nb\n"), 4);
}

#[test]
fn no_line_is_deeper_than_deep() {
    let far = format!("a\n  b\n{}c\n", " ".repeat(10_000));
    check(&far, 3, 0, 10, (12, 3));
    check(&"x".repeat(1 << 20), 1, 0, 0, (0, 0));
}

#[test]
fn programs_are_known_by_their_names() {
    for (path, expected) in [
        ("src/a.rs", true),
        ("a/b.TS", true),
        ("Cargo.lock", false),
        ("README.md", false),
        ("a.json", false),
        ("py", false),
        ("dir.py/readme", false),
        ("a.tar.gz", false),
    ] {
        assert_eq!(is_program(path), expected, "{path}");
    }
}
