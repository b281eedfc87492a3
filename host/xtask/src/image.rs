//! The images that the end-to-end tests work in: a developer's Debian, and a database like the well-known one.
//!
//! Both are made once, by `dev-image.sh`, and named after the recipe and the toolchain that go in, so that a machine
//! that has them makes nothing, and a changed recipe makes new ones. The engine keeps them until somebody removes them.

use crate::process;
use crate::say::Say;
use anyhow::{Context, Result};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::process::{Command, Stdio};

const RECIPE: &str = "host/xtask/dev-image.sh";

/// The names of both images, as the engine knows them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Images {
    pub(crate) dev: String,
    pub(crate) postgres: String,
}

/// Makes what is not there yet.
pub(crate) fn for_tests(root: &Path, say: Say) -> Result<Images> {
    let toolchain = process::rustc(root, &["-vV"])?;
    let recipe = root.join(RECIPE);
    let text = fs::read_to_string(&recipe).with_context(|| format!("reading {}", recipe.display()))?;
    let images = Images::of(&text, &toolchain);
    if images.all().into_iter().all(is_there) {
        return Ok(images);
    }
    say.line("  made once, from Debian's packages; this takes about a minute");
    let sysroot = process::rustc(root, &["--print", "sysroot"])?;
    let mut make = Command::new(&recipe);
    process::run(make.current_dir(root).args(images.all()).arg(sysroot), "making the images of the tests")?;
    Ok(images)
}

/// For who runs a test by hand.
pub(crate) fn print(root: &Path) -> Result<()> {
    let images = for_tests(root, Say::Stderr)?;
    for (variable, image) in images.variables() {
        Say::Stdout.line(format_args!("{variable}={image}"));
    }
    Ok(())
}

impl Images {
    /// What the tests know them by.
    pub(crate) fn variables(&self) -> [(&'static str, &str); 2] {
        [("AGENTD_TEST_DEV_IMAGE", &self.dev), ("AGENTD_TEST_POSTGRES_IMAGE", &self.postgres)]
    }

    fn of(recipe: &str, toolchain: &str) -> Images {
        // Only this machine has to know the names again, so that a change of the hash with a compiler costs one build.
        let mut hash = DefaultHasher::new();
        (recipe, toolchain).hash(&mut hash);
        let tag = format!("{:012x}", hash.finish() >> 16);
        Images { dev: format!("agentd-test-dev:{tag}"), postgres: format!("agentd-test-postgres:{tag}") }
    }

    fn all(&self) -> [&str; 2] {
        [&self.dev, &self.postgres]
    }
}

fn is_there(image: &str) -> bool {
    let mut docker = Command::new("docker");
    docker.args(["image", "inspect", image]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    docker.status().is_ok_and(|it| it.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_recipe_or_toolchain_is_another_image() {
        let of = Images::of;
        assert_eq!(of("recipe", "rustc 1"), of("recipe", "rustc 1"));
        assert_ne!(of("recipe", "rustc 1"), of("recipe", "rustc 2"));
        assert_ne!(of("recipe", "rustc 1"), of("other", "rustc 1"));
        assert!(of("", "").postgres.starts_with("agentd-test-postgres:"));
    }
}
