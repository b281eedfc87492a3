//! Files as editors' templates have them.

use super::*;

fn image(name: &str) -> Result<Says, String> {
    Ok(Says::Image(name.into()))
}

fn build(folder: &str, dockerfile: &str, target: Option<&str>, args: &[(&str, &str)]) -> Result<Says, String> {
    let args = args.iter().map(|&(name, value)| (name.into(), value.into())).collect();
    let target = target.map(Into::into);
    Ok(Says::Build(Recipe { folder: folder.into(), dockerfile: dockerfile.into(), target, args }))
}

#[track_caller]
fn check(text: &str, expected: Result<Says, String>) {
    assert_eq!(says(text, ".devcontainer"), expected, "{text}");
}

#[test]
fn it_names_an_image_or_says_how_to_build_it() {
    check(r#"{"image": "a:1", "features": {}, "forwardPorts": [1], "remoteUser": "x"}"#, image("a:1"));
    check(r#"{"image": "a:${localEnv:TAG:2}${localEnv:HOME}"}"#, image("a:2"));
    check(r#"{"build": {"dockerfile": "D"}}"#, build(".devcontainer", ".devcontainer/D", None, &[]));
    check(r#"{"image": "x", "build": {"dockerfile": "D"}}"#, build(".devcontainer", ".devcontainer/D", None, &[]));
    check(r#"{"dockerFile": "../D", "context": ".."}"#, build("", "D", None, &[]));
    check(
        r#"{"build": {"dockerfile": "D", "context": "../a", "target": "t", "args": {"B": "2", "A": "${localEnv:A:1}"}}}"#,
        build("a", ".devcontainer/D", Some("t"), &[("A", "1"), ("B", "2")]),
    );
}

#[track_caller]
fn refused(text: &str, words: &str) {
    let why = says(text, ".devcontainer").unwrap_err();
    assert!(why.contains(words), "{text}: {why}");
}

#[test]
fn what_is_not_done_is_said() {
    refused("{}", "it names neither `image` nor `build.dockerfile`");
    refused("[", "it is no JSON");
    refused(r#"{"image": 1}"#, "`image` has to be a string");
    refused(r#"{"dockerComposeFile": ["a.yml"], "service": "x"}"#, "it has `dockerComposeFile`, and compose files");
    refused(r#"{"image": "a", "features": {"x": {}}}"#, "features are not installed");
    refused(r#"{"build": {"dockerfile": "D", "options": ["--network=host"]}}"#, "`build.options`");
    refused(r#"{"build": {"dockerfile": "../../D"}}"#, "`../../D` leads out of the repository");
    refused(r#"{"build": {"dockerfile": "/etc/D"}}"#, "leads out of the repository");
    refused(r#"{"build": {"dockerfile": "D", "args": {"A": 1}}}"#, "`build.args.A` has to be a string");
    refused(r#"{"image": "${containerWorkspaceFolder}"}"#, "`${containerWorkspaceFolder}` is not known here");
    refused(r#"{"image": "${"}"#, "without its `}`");
}
