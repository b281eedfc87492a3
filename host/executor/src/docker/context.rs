//! The engine that the operator's docker context names, as the docker command keeps it in its configuration folder.
//!
//! `config.json` holds the name in use, and `contexts/meta/SHA-256 OF THE NAME/meta.json` the address. See docker's own
//! documentation of `docker context`. Only reads; nobody's credentials are touched.

use crate::{Error, error::io_at};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::{
    io,
    path::{Path, PathBuf},
};

/// The address of the context in use; none: it is the default one. `chosen` is what `DOCKER_CONTEXT` says.
pub(super) fn address(folder: &Path, chosen: Option<&str>) -> Result<Option<String>, Error> {
    let of_file = match chosen {
        Some(_) => None,
        None => read(&folder.join("config.json"))?.and_then(|it| it["currentContext"].as_str().map(str::to_owned)),
    };
    let Some(name) = chosen.or(of_file.as_deref()).filter(|it| !it.is_empty() && *it != "default") else {
        return Ok(None);
    };
    let path = folder.join("contexts/meta").join(hex::encode(Sha256::digest(name))).join("meta.json");
    let meta = read(&path)?.unwrap_or_default();
    match meta["Endpoints"]["docker"]["Host"].as_str() {
        Some(host) => Ok(Some(host.into())),
        None => Err(Error::Unfit {
            what: format!("the docker context `{name}` is not known in {}: see `docker context ls`", folder.display()),
        }),
    }
}

/// The folder of the docker command's configuration.
pub(super) fn folder() -> Option<PathBuf> {
    let named = std::env::var_os("DOCKER_CONFIG").filter(|it| !it.is_empty()).map(PathBuf::from);
    named.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".docker")))
}

fn read(path: &Path) -> Result<Option<Value>, Error> {
    match std::fs::read(path) {
        Ok(text) => match serde_json::from_slice(&text) {
            Ok(value) => Ok(Some(value)),
            Err(error) => Err(Error::Unfit { what: format!("{} cannot be read: {error}", path.display()) }),
        },
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(io_at("reading", path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_context_in_use_is_found_as_docker_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        let address = |chosen| address(folder.path(), chosen);
        assert_eq!(address(None).unwrap(), None, "no configuration at all");
        fs::write(folder.path().join("config.json"), r#"{"auths": {}, "currentContext": "colima"}"#).unwrap();
        assert!(address(None).unwrap_err().to_string().contains("`colima` is not known"));
        // The name's hash as the docker command writes it.
        let meta = folder.path().join("contexts/meta").join(hex::encode(Sha256::digest("colima")));
        fs::create_dir_all(&meta).unwrap();
        let text = r#"{"Name": "colima", "Endpoints": {"docker": {"Host": "unix:///run/colima.sock"}}}"#;
        fs::write(meta.join("meta.json"), text).unwrap();
        assert_eq!(address(None).unwrap().as_deref(), Some("unix:///run/colima.sock"));
        assert_eq!(address(Some("default")).unwrap(), None, "DOCKER_CONTEXT is over the file");
        fs::write(folder.path().join("config.json"), "{").unwrap();
        assert!(address(None).unwrap_err().to_string().contains("cannot be read"));
    }
}
