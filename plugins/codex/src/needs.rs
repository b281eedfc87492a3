//! What a sandbox must have to run Codex: programs of one package, pinned by version and digest.

use crate::Settings;
use agentd_sdk::Error;
use agentd_sdk::agent::{Requirements, Tool};

/// The version that this adapter was written for and tried with.
const VERSION: &str = "0.169.0";

/// Per machine: its name here, in the package's version, in paths, and the digest of the archive of [`VERSION`].
const MACHINES: [(&str, &str, &str, &str); 2] = [
    (
        "x86_64",
        "linux-x64",
        "x86_64-unknown-linux-musl",
        "89801b4b97faba562eb80fe0a833159ac79399be674022f4b1a0ccab1d153faa",
    ),
    (
        "aarch64",
        "linux-arm64",
        "aarch64-unknown-linux-musl",
        "c1555c8ad3913e703d736584ff15e98eaeda685bf6eaedc83ae15943badbc1ff",
    ),
];

/// What is taken out of an archive. Codex looks for the host of its code mode beside itself: newer models work through
/// that alone, and get no tool at all without it. `rg` is what models are told to search with, and `bwrap` makes the
/// sandbox that Codex uses where agentd has none.
const PROGRAMS: [(&str, &str); 4] = [
    ("codex", "bin/codex"),
    ("codex-code-mode-host", "bin/codex-code-mode-host"),
    ("rg", "codex-path/rg"),
    ("bwrap", "codex-resources/bwrap"),
];

/// The programs, how to see that they are there, and what Codex can do.
pub(crate) fn requirements(settings: &Settings) -> Result<Requirements, Error> {
    let version = settings.version.as_deref().unwrap_or(VERSION);
    if !is_version(version) {
        return Err(Error::Invalid("the setting `version` is no version: write it as in \"0.169.0\"".into()));
    }
    let tool = |machine: &(&str, &str, &str, &str), program: &(&str, &str)| Tool {
        name: program.0.into(),
        release: format!("npm:@openai/codex@{version}-{}", machine.1),
        arch: Some(machine.0.into()),
        file: Some(format!("package/vendor/{}/{}", machine.2, program.1)),
        runtime: None,
        digest: (version == VERSION).then(|| machine.3.into()),
        extra: vec![],
    };
    Ok(Requirements {
        tools: MACHINES.iter().flat_map(|machine| PROGRAMS.map(|program| tool(machine, &program))).collect(),
        check: vec!["codex".into(), "--version".into()],
        abilities: vec!["resume".into(), "mcp".into()],
        extra: vec![],
    })
}

/// `1.2.3`, `1.2.3-alpha.4`: nothing that means something else in a package's address.
pub(crate) fn is_version(text: &str) -> bool {
    let is_part = |it: char| it.is_ascii_alphanumeric() || ".-".contains(it);
    text.starts_with(|it: char| it.is_ascii_digit()) && text.contains('.') && text.chars().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::tests::settings;

    #[test]
    fn each_machine_has_its_programs_from_one_pinned_archive() {
        let tools = requirements(&settings("{}")).expect("requirements").tools;
        for (machine, release) in [("x86_64", "linux-x64"), ("aarch64", "linux-arm64")] {
            let here: Vec<&Tool> = tools.iter().filter(|tool| tool.arch.as_deref() == Some(machine)).collect();
            let names: Vec<&str> = here.iter().map(|tool| tool.name.as_str()).collect();
            assert_eq!(names, ["codex", "codex-code-mode-host", "rg", "bwrap"]);
            assert!(here.iter().all(|tool| tool.release == format!("npm:@openai/codex@0.169.0-{release}")));
            assert!(here.iter().all(|tool| tool.digest == here[0].digest), "one archive");
            assert_eq!(here[0].digest.as_ref().map(String::len), Some(64));
            let file = format!("package/vendor/{machine}-unknown-linux-musl/bin/codex");
            assert_eq!(here[0].file.as_deref(), Some(file.as_str()));
        }
    }

    #[test]
    fn another_version_is_pinned_by_what_comes_first() {
        let tools = requirements(&settings(r#"{"version": "0.170.0"}"#)).expect("requirements").tools;
        assert!(tools.iter().all(|tool| tool.digest.is_none() && tool.release.contains("@0.170.0-linux-")));
        let error = requirements(&settings(r#"{"version": "1.0/../x"}"#));
        assert!(matches!(error, Err(Error::Invalid(text)) if text.contains("`version`")));
    }
}
