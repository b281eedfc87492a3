//! What a sandbox is told, so that its package managers find the mirrors.
//!
//! The proxy settings are given always: whatever else tries to get out then meets a refusal that says what would allow
//! it, instead of a name that does not resolve.

use super::Registry;
use std::collections::BTreeSet;

/// Variables and files of a sandbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    pub env: Vec<(String, String)>,
    /// Paths below the home folder, and what stands in the files.
    pub files: Vec<(String, String)>,
}

/// Settings for a sandbox that has the gateway at `port` of 127.0.0.1, and its home folder at `home`.
#[must_use]
pub fn settings(registries: &BTreeSet<Registry>, home: &str, port: u16) -> Settings {
    let mut settings = Settings::default();
    let root = format!("http://127.0.0.1:{port}");
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        settings.set(name, &root);
        settings.set(&name.to_lowercase(), &root);
    }
    for name in ["NO_PROXY", "no_proxy"] {
        settings.set(name, "127.0.0.1,localhost,::1");
    }
    for registry in registries {
        match registry {
            Registry::Npm => settings.npm(&root),
            Registry::Crates => settings.crates(&root, home),
            Registry::Pypi => settings.pypi(&root),
        }
    }
    settings
}

impl Settings {
    fn set(&mut self, name: &str, value: &str) {
        self.env.push((name.to_owned(), value.to_owned()));
    }

    /// Also for pnpm and Yarn 1, which read npm's variables.
    fn npm(&mut self, root: &str) {
        self.set("npm_config_registry", &format!("{root}/npm/"));
        for name in ["npm_config_audit", "npm_config_fund", "npm_config_update_notifier"] {
            self.set(name, "false");
        }
        self.set("COREPACK_NPM_REGISTRY", &format!("{root}/npm"));
        self.set("YARN_NPM_REGISTRY_SERVER", &format!("{root}/npm"));
        self.set("YARN_UNSAFE_HTTP_WHITELIST", "127.0.0.1");
    }

    /// The mirror stands in place of crates.io, so that `Cargo.lock` keeps saying crates.io.
    fn crates(&mut self, root: &str, home: &str) {
        self.set("CARGO_HOME", &format!("{}/.cargo", home.trim_end_matches('/')));
        let file = format!(
            "[source.crates-io]\nreplace-with = \"agentd\"\n\n[source.agentd]\nregistry = \"sparse+{root}/crates/\"\n"
        );
        self.files.push((".cargo/config.toml".into(), file));
    }

    fn pypi(&mut self, root: &str) {
        for name in ["PIP_INDEX_URL", "UV_INDEX_URL", "UV_DEFAULT_INDEX"] {
            self.set(name, &format!("{root}/pypi/simple/"));
        }
        self.set("PIP_DISABLE_PIP_VERSION_CHECK", "1");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_registry_there_is_only_the_way_to_a_refusal() {
        let settings = settings(&BTreeSet::new(), "/home/agent", 8417);
        let names: Vec<&str> = settings.env.iter().map(|(name, _)| name.as_str()).collect();
        let all = [
            "HTTP_PROXY",
            "http_proxy",
            "HTTPS_PROXY",
            "https_proxy",
            "ALL_PROXY",
            "all_proxy",
            "NO_PROXY",
            "no_proxy",
        ];
        assert_eq!(names, all);
        assert_eq!(settings.files, []);
    }

    #[test]
    fn each_package_manager_is_told_its_mirror() {
        let settings = settings(&BTreeSet::from(Registry::ALL), "/home/agent/", 8417);
        let value = |name: &str| settings.env.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str());
        assert_eq!(value("npm_config_registry"), Some("http://127.0.0.1:8417/npm/"));
        assert_eq!(value("PIP_INDEX_URL"), Some("http://127.0.0.1:8417/pypi/simple/"));
        assert_eq!(value("UV_DEFAULT_INDEX"), Some("http://127.0.0.1:8417/pypi/simple/"));
        assert_eq!(value("CARGO_HOME"), Some("/home/agent/.cargo"));
        let [(path, text)] = &settings.files[..] else { panic!("{settings:?}") };
        assert_eq!(path, ".cargo/config.toml");
        assert!(text.contains("registry = \"sparse+http://127.0.0.1:8417/crates/\""), "{text}");
    }
}
