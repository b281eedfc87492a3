//! Tars in, tars out.

use super::*;
use std::collections::BTreeMap;

fn tar(path: &Path, files: &[(&str, &str)]) {
    let mut out = Builder::new(File::create(path).unwrap());
    for (name, text) in files {
        add(&mut out, name, text).unwrap();
    }
    let mut link = Header::new_gnu();
    link.set_entry_type(EntryType::Symlink);
    link.set_size(0);
    link.set_mode(0o777);
    link.set_mtime(0);
    out.append_link(&mut link, "link", "/elsewhere").unwrap();
    let mut folder = Header::new_gnu();
    folder.set_entry_type(EntryType::Directory);
    folder.set_size(0);
    folder.set_mode(0o755);
    folder.set_mtime(0);
    out.append_data(&mut folder, "empty", io::empty()).unwrap();
    out.finish().unwrap();
}

/// What is in a context after it was rewritten.
fn rewritten(files: &[(&str, &str)], dockerfile: &str) -> Result<BTreeMap<String, String>, Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("context.tar");
    tar(&path, files);
    let mut to = tempfile::tempfile().unwrap();
    Context::open(&path, dockerfile)?.rewrite(&path, "FROM b", &mut to)?;
    io::Seek::rewind(&mut to).unwrap();
    let mut found = BTreeMap::new();
    for entry in Archive::new(to).entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().to_string_lossy().into_owned();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        if let Some(target) = entry.link_name().unwrap() {
            text = format!("-> {}", target.display());
        }
        found.insert(name, text);
    }
    Ok(found)
}

#[test]
fn the_dockerfile_stands_beside_and_is_ignored() {
    let found = rewritten(&[("Dockerfile", "FROM a"), ("src/main.c", "x")], "Dockerfile").unwrap();
    let expected = [
        (".agentd.Dockerfile", "FROM b"),
        (".dockerignore", ".agentd.Dockerfile\n.dockerignore\n"),
        ("Dockerfile", "FROM a"),
        ("empty", ""),
        ("link", "-> /elsewhere"),
        ("src/main.c", "x"),
    ];
    assert_eq!(found, expected.map(|(name, text)| (name.to_owned(), text.to_owned())).into());
}

#[test]
fn what_is_ignored_stays_out() {
    let files = [
        ("a/Dockerfile", "FROM a"),
        (".dockerignore", "*.log\n# c\nDockerfile\n"),
        ("x.log", ""),
        ("a/x.log", ""),
        (".agentd.Dockerfile", "not ours"),
    ];
    let found = rewritten(&files, "./a/Dockerfile").unwrap();
    let names: Vec<_> = found.keys().map(String::as_str).collect();
    assert_eq!(names, [".agentd.Dockerfile", ".dockerignore", "a/Dockerfile", "a/x.log", "empty", "link"]);
    assert_eq!(found[".dockerignore"], "*.log\n# c\nDockerfile\n.agentd.Dockerfile\n");
    assert_eq!(found[".agentd.Dockerfile"], "FROM b");
    let own = [files[0], files[1], ("a/Dockerfile.dockerignore", "a\nlink\nempty"), ("b", "")];
    let found = rewritten(&own, "a/Dockerfile").unwrap();
    let names: Vec<_> = found.keys().map(String::as_str).collect();
    assert_eq!(names, [".agentd.Dockerfile", ".dockerignore", "b"], "its own ignore file counts");
}

#[test]
fn a_dockerfile_has_to_be_a_text_in_it() {
    let error = |name| rewritten(&[("Dockerfile", "FROM a")], name).unwrap_err().to_string();
    assert_eq!(error("docker/Dockerfile"), "there is no `docker/Dockerfile` in what it is built from");
    assert_eq!(error("link"), "`link` is no plain file");
    assert_eq!(error("empty"), "`empty` is no plain file");
}

#[track_caller]
fn check(patterns: &str, out: &[&str], stays: &[&str]) {
    let ignored = Ignored::parse(patterns).unwrap();
    for path in out {
        assert!(ignored.has(Path::new(path)), "{path} stays out by {patterns:?}");
    }
    for path in stays {
        assert!(!ignored.has(Path::new(path)), "{path} stays in by {patterns:?}");
    }
}

#[test]
fn patterns_mean_what_they_mean_to_docker() {
    check("", &[], &["a", ".a"]);
    check("/a/\n", &["a", "a/b/c"], &["b/a", "ab"]);
    check("*.md\n!README.md", &["x.md"], &["README.md", "docs/x.md", "x.mdx"]);
    check("**/node_modules\n./x", &["node_modules/a", "a/b/node_modules/c", "x"], &["node_modules2"]);
    check("*\n!src\n!a/b\n", &["x", ".git/config", "a/c"], &["src/main.rs", "a/b/c"]);
    check("a?c\n[x-z]1\n", &["abc", "y1"], &["abbc", "w1", "a/c"]);
    check("  spaced  \n#no\n.\n", &["spaced"], &["no", "a"]);
    check("a{b,c}", &["a{b,c}"], &["ab", "ac"]);
    check("docs/**/*.md", &["docs/a.md", "docs/a/b.md"], &["a.md"]);
    assert!(Ignored::parse("a[").unwrap_err().to_string().starts_with("`.dockerignore`: `a[`: "));
}
