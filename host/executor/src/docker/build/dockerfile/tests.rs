//! Dockerfiles as people write them.

use super::*;

fn args(list: &[(&str, &str)]) -> HashMap<String, String> {
    list.iter().map(|&(name, value)| (name.into(), value.into())).collect()
}

#[track_caller]
fn check(text: &str, target: Option<&str>, expected: &[&str]) {
    let dockerfile = Dockerfile::parse(text, target).unwrap_or_else(|why| panic!("{text}: {why}"));
    assert_eq!(dockerfile.images(&args(&[("GIVEN", "2")])).unwrap(), expected, "{text}");
}

#[test]
fn the_images_it_starts_from_are_found() {
    check("FROM debian", None, &["debian"]);
    check("# syntax=docker/dockerfile:1\nfrom debian:12 as base\nFROM base\nFROM scratch\n", None, &["debian:12"]);
    check("FROM a\nFROM b AS B\nFROM c\nFROM b", None, &["a", "b", "c"]);
    check("FROM a AS one\nFROM b AS two\nFROM c", Some("ONE"), &["a"]);
    check("FROM a AS one\nFROM b AS two\nFROM c", Some("1"), &["a", "b"]);
    check("FROM --platform=$BUILDPLATFORM \\\n  # why\n\n  a AS x\n", None, &["a"]);
    check(
        "FROM a AS x\nFROM b\nCOPY --from=x /a /b\nCOPY --from=0 /a /b\nCOPY --from=c:1 /a /b",
        None,
        &["a", "b", "c:1"],
    );
    check("# escape=`\nFROM `\n  a\nRUN dir C:\\\nFROM b", None, &["a", "b"]);
}

#[test]
fn arguments_before_the_first_stage_are_put_in() {
    check("ARG V=1\nFROM a:$V", None, &["a:1"]);
    check("ARG V=\"1\" W='2'\nFROM a:${V}-$W", None, &["a:1-2"]);
    check("ARG GIVEN=1\nFROM a:$GIVEN", None, &["a:2"]);
    check("ARG V=1\nARG W=${V}.5\nFROM a:${W}", None, &["a:1.5"]);
    check("ARG R\nFROM ${R:-docker.io/x}/a${R:+b}", None, &["docker.io/x/a"]);
    check("FROM ${NO-a:${NO:-1}}", None, &["a:1"]);
    check("ARG V=1\nFROM a:$V\nARG V=2\nFROM b:$V", None, &["a:1", "b:1"]);
    let error = Dockerfile::parse("ARG V\n\nFROM $V AS x", None).unwrap().images(&args(&[])).unwrap_err();
    assert_eq!(error, "line 3 of its Dockerfile: `$V AS x` names no image: give its ARG a default");
}

#[track_caller]
fn refused(text: &str, words: &str) {
    let error = Dockerfile::parse(text, None).expect_err(text);
    assert!(error.contains(words), "{text}: {error}");
}

#[test]
fn what_only_buildkit_does_is_refused_in_words() {
    refused(
        "FROM a\nRUN --mount=type=cache,target=/x make",
        "line 2 of its Dockerfile: `RUN --mount` is something only",
    );
    refused("FROM a\nRUN --network=host make", "`RUN --network`");
    refused("FROM a\nCOPY --chown=a --link . .", "`COPY --link`");
    refused("FROM a\nONBUILD RUN --mount=type=ssh make", "`RUN --mount`");
    refused("FROM a\nRUN <<EOF\nmake\nEOF\n", "the text up to `EOF` (a heredoc)");
    refused("FROM a\nRUN cat <<-'END' > x\n\tFROM b\n\tEND\n", "the text up to `END`");
    refused("FROM a\nCOPY <<x y /z\n1\nx\n2\ny", "a heredoc");
    for fine in ["RUN cat <<< x", "RUN echo $((1 << EOF))\nRUN EOF", "RUN echo --mount=x", "COPY --from=b a c"] {
        Dockerfile::parse(&format!("FROM a\n{fine}"), None).expect(fine);
    }
    let later = "FROM a AS dev\nRUN make\nFROM a\nRUN --mount=type=cache,target=/x make";
    Dockerfile::parse(later, Some("dev")).expect("what comes after the stage does not matter");
}

#[test]
fn the_engine_downloads_nothing() {
    for source in [
        "http://x/y /z",
        "HTTPS://x/y /z",
        "--chown=1 a https://x/y /z",
        "[\"http://x\", \"/z\"]",
        "[\"\\u0068ttp://x\", \"/z\"]",
        "[\"http://x\", \"/z\"] and more",
        "[\"\\u0068ttp:\\u002f\\u002fx/\\ud800\", \"/z\"]",
        "ht\"tp:/\"/x/y /z",
        "ht\\\ntp://x /z",
        "h\\ttp://x /z",
        "$URL /z",
        "${SCHEME}://x /z",
        "http$S://x /z",
        "git@x:y.git /z",
    ] {
        refused(&format!("FROM a\nADD {source}"), "through the gateway");
    }
    refused("FROM a AS b\nONBUILD ADD https://x /y\nFROM b", "through the gateway");
    for fine in ["a.tar.gz /", "target/$V.jar /app", "./$V /app", "[\"a\", \"/b\"]"] {
        Dockerfile::parse(&format!("FROM a\nADD {fine}"), None).expect(fine);
    }
    assert!(check_triggers(&["COPY . /app".into(), "RUN make".into()]).is_ok());
    assert!(check_triggers(&["ADD http://x /y".into()]).unwrap_err().contains("brings an `ONBUILD`"));
}

#[test]
fn each_stage_knows_the_arguments() {
    let text = "# syntax=x\nARG V=1\nFROM --platform=${BUILDPLATFORM} \\\n a:$V AS one\nRUN make\r\nFROM --platform=linux/amd64 one\nRUN b \\\n  # why\n  c\n";
    let dockerfile = Dockerfile::parse(text, None).unwrap();
    assert_eq!(
        dockerfile.with_args(&["HTTP_PROXY", "npm_config_registry"]),
        "# escape=\\\nARG V=1\nFROM a:$V AS one\nARG HTTP_PROXY\nARG npm_config_registry\nRUN make\n\
         FROM --platform=linux/amd64 one\nARG HTTP_PROXY\nARG npm_config_registry\nRUN b   c\n"
    );
    let first = Dockerfile::parse(text, Some("one")).unwrap();
    assert_eq!(first.with_args(&[]), "# escape=\\\nARG V=1\nFROM a:$V AS one\nRUN make\n");
    assert!(dockerfile.declares("V") && !dockerfile.declares("make"));
}

/// Engines differ in where a line ends that is followed by more: what was one instruction here is one line there.
#[test]
fn no_engine_sees_an_instruction_that_was_not_checked() {
    for between in ["RUN echo \\\\", "RUN echo \\\u{a0}", "RUN echo \\\u{b}", "RUN echo \\\n  # why", "RUN echo \\\n\n"]
    {
        let text = format!("FROM a\n{between}\nADD https://x /y\nRUN make");
        let made = Dockerfile::parse(&text, None).unwrap().with_args(&[]);
        assert!(made.lines().all(|line| !line.starts_with("ADD")), "{text}: {made}");
        assert!(made.ends_with("ADD https://x /y\nRUN make\n"), "{text}: {made}");
    }
    // Only what stands at the very top says what ends a line: here the engine would not have heeded the second.
    let made = Dockerfile::parse("# a=b\n# escape=`\nFROM a\nRUN echo `\nADD https://x /y", None).unwrap();
    assert_eq!(made.with_args(&[]), "# escape=`\nFROM a\nRUN echo ADD https://x /y\n");
}

#[test]
fn a_stage_that_is_not_there_is_said_with_those_that_are() {
    let error = |text: &str, target| Dockerfile::parse(text, Some(target)).unwrap_err();
    assert_eq!(error("FROM a AS x\nFROM b AS y", "z"), "its Dockerfile has no stage `z`; there are: x, y");
    assert_eq!(error("FROM a", "1"), "its Dockerfile has no stage `1`; none has a name");
    assert_eq!(Dockerfile::parse("RUN x", None).unwrap_err(), "its Dockerfile has no FROM");
    assert_eq!(Dockerfile::parse("", None).unwrap_err(), "its Dockerfile has no FROM");
}

#[test]
fn the_engines_riddles_are_explained() {
    assert!(explain("Unknown flag: mount").contains("only BuildKit"));
    assert_eq!(
        explain("The command '/bin/sh -c x' returned a non-zero code: 3\n"),
        "The command '/bin/sh -c x' returned a non-zero code: 3"
    );
}
