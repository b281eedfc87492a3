//! What comes with the program: the plugins, and the init of the sandbox.
//!
//! A program that was built to stand alone carries both inside. Otherwise `AGENTD_SHIPPED` names the folder that
//! `cargo xtask plugins` filled, so that an edited plugin relinks nothing.

use super::misconfigured;
use anyhow::Context;
use sha2::{Digest, Sha256};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

include!(concat!(env!("OUT_DIR"), "/shipped.rs"));

const INIT_NAME: &str = "agentd-init";

/// Where plugins and init are.
#[derive(Clone)]
pub(crate) struct Shipped {
    pub(crate) plugins: agentd_plugin::Shipped,
    /// A file that a sandbox can mount.
    pub(crate) init: PathBuf,
}

impl Shipped {
    /// Looks in `AGENTD_SHIPPED`, then in the program itself, whose init is then put into the home folder.
    ///
    /// # Errors
    /// If neither has them.
    pub(crate) fn find(home: &Path) -> anyhow::Result<Shipped> {
        if let Some(folder) = std::env::var_os("AGENTD_SHIPPED").filter(|it| !it.is_empty()) {
            let folder = fs::canonicalize(&folder).with_context(|| format!("AGENTD_SHIPPED={}", folder.display()))?;
            let init = folder.join(INIT_NAME);
            if !init.is_file() {
                let text = format!("{} holds no {INIT_NAME}", folder.display());
                return Err(misconfigured(text, "run `cargo xtask plugins`, or unset AGENTD_SHIPPED"));
            }
            return Ok(Shipped { plugins: agentd_plugin::Shipped::Folder(folder), init });
        }
        let Some(init) = INIT else {
            let text = "this agentd was built without its plugins and without the init of its sandboxes";
            let hint = "build it with `cargo xtask dist`, or run `cargo xtask plugins` and set AGENTD_SHIPPED to target/shipped";
            return Err(misconfigured(text, hint));
        };
        Ok(Shipped { plugins: agentd_plugin::Shipped::Embedded(PLUGINS), init: unpack(home, init)? })
    }
}

/// Puts init into the home folder, named by its content, so that a sandbox keeps the one that it began with.
fn unpack(home: &Path, init: &[u8]) -> anyhow::Result<PathBuf> {
    let folder = home.join("toolbox");
    let path = folder.join(format!("{INIT_NAME}-{}", &hex::encode(Sha256::digest(init))[..12]));
    if fs::read(&path).is_ok_and(|there| there == init) {
        return Ok(path);
    }
    let context = || format!("{} cannot be written", path.display());
    fs::create_dir_all(&folder).with_context(context)?;
    let partial = path.with_extension("partial");
    fs::write(&partial, init).with_context(context)?;
    fs::set_permissions(&partial, fs::Permissions::from_mode(0o755)).with_context(context)?;
    fs::rename(&partial, &path).with_context(context)?;
    Ok(path)
}
