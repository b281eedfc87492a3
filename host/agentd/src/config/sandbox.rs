//! `[sandbox]`, `[network]` and `[registries]`: where agents run, where agentd's own requests may go and how, and where
//! packages come from.

use super::{
    account::base_url,
    section::{Bad, Reading, Section},
    tree::{Node, Value},
    value,
};
use secrecy::ExposeSecret as _;
use serde_json::json;
use std::{fmt, net::IpAddr, path::PathBuf, str::FromStr};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Where agents run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ExecutorKind {
    /// In a locked container.
    Docker,
    /// As a child process without walls: to try things out, never for other people's text.
    Local,
}

impl FromStr for ExecutorKind {
    type Err = String;

    fn from_str(text: &str) -> Result<ExecutorKind, String> {
        match text {
            "docker" => Ok(ExecutorKind::Docker),
            "local" => Ok(ExecutorKind::Local),
            _ => Err(format!("`{text}` is no executor: take docker or local")),
        }
    }
}

impl fmt::Display for ExecutorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ExecutorKind::Docker => "docker",
            ExecutorKind::Local => "local",
        })
    }
}

/// What a sandbox is and how much it may use. Sizes are bytes.
#[derive(Clone, Debug)]
pub(crate) struct Sandbox {
    pub(crate) executor: ExecutorKind,
    /// The engine's socket; none: `DOCKER_HOST`, else the default one.
    pub(crate) socket: Option<String>,
    /// For repositories that name none.
    pub(crate) image: Option<String>,
    pub(crate) memory: u64,
    pub(crate) cpus: f64,
    pub(crate) pids: u32,
    /// Size of `/tmp` in it.
    pub(crate) tmp: u64,
    /// Bytes on the disk in the checkout and the agent's home together.
    pub(crate) disk: u64,
    /// How much of what the agent says is kept.
    pub(crate) output: u64,
}

impl Sandbox {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Sandbox {
        Sandbox {
            executor: section.word("executor", ExecutorKind::Docker, "docker or local"),
            socket: section.text("socket"),
            image: section.text("image"),
            memory: section.size("memory", 4 * GIB, 64 * MIB),
            cpus: section.decimal("cpus", 2.0, 0.1..=1024.0),
            pids: section.number("pids", 512, 16..=1_000_000),
            tmp: section.size("tmp", GIB, MIB),
            disk: section.size("disk", 10 * GIB, 16 * MIB),
            output: section.size("output", GIB, 64 << 10),
        }
    }
}

/// agentd's own way out.
#[derive(Clone)]
pub(crate) struct Network {
    /// Private networks that plugins' requests may go to: address and number of leading bits.
    pub(crate) private: Vec<(IpAddr, u8)>,
    /// All of agentd's requests go through it. May hold a password.
    pub(crate) proxy: Option<String>,
    /// Certificates of authorities that are trusted beside the system's, as PEM. Absolute.
    pub(crate) ca: Option<PathBuf>,
}

/// The proxy may have a password.
impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let proxy = self.proxy.as_ref().map(|_| "…");
        f.debug_struct("Network").field("private", &self.private).field("proxy", &proxy).field("ca", &self.ca).finish()
    }
}

impl Network {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Network {
        let folder = section.reading.folder.clone();
        let texts = section.texts("private", &[], |text| value::network(text).map(|_| ()));
        let shown = |it: &Option<(String, String)>| json!(it.as_ref().map(|(written, _)| written));
        let proxy = section.value("proxy", None, |reading, node| proxy(reading, node).map(Some), shown);
        Network {
            private: texts.iter().filter_map(|text| value::network(text).ok()).collect(),
            proxy: proxy.map(|(_, url)| url),
            ca: section.path_if_any("ca", &folder),
        }
    }

    /// What holds for every request of agentd's.
    #[must_use]
    pub(crate) fn egress(&self) -> agentd_egress::Options {
        agentd_egress::Options {
            allow_private: self.private.iter().map(|(address, bits)| format!("{address}/{bits}")).collect(),
            proxy: self.proxy.clone(),
            ca: self.ca.clone(),
            ..agentd_egress::Options::default()
        }
    }
}

/// A proxy's address as it is written and as it is: one with a password is a secret, and is written as one.
fn proxy(reading: &mut Reading<'_>, node: &Node) -> Result<(String, String), Vec<Bad>> {
    let bad = |what: String| vec![Bad(node.at, what)];
    let Value::Text(text) = &node.value else {
        return Err(bad(format!("must be a text, is {}", node.value.kind())));
    };
    if text.contains("://") {
        let hint = "there is a password in it: say \"${NAME}\" or \"file:PATH\", where the whole address stands";
        let url = value::base_url(text).map_err(|what| {
            let secret = url::Url::parse(text).is_ok_and(|it| !it.username().is_empty() || it.password().is_some());
            bad(if secret { hint.to_owned() } else { what })
        })?;
        return Ok((text.clone(), url));
    }
    if !(text.starts_with("${") || text.starts_with("file:") || text.starts_with("cmd:")) {
        return Err(bad("is not the address of a proxy, which looks like \"http://proxy.acme.com:3128\"".into()));
    }
    let secret = reading.secret(text).map_err(bad)?;
    let value = secret.value.expose_secret();
    let fits = url::Url::parse(value).is_ok_and(|it| matches!(it.scheme(), "http" | "https") && it.has_host());
    if !fits {
        return Err(bad(format!("{text} holds no address, which looks like \"http://proxy.acme.com:3128\"")));
    }
    Ok((secret.reference.clone(), value.to_owned()))
}

/// Where packages come from, for sandboxes and for the toolbox.
#[derive(Clone, Debug)]
pub(crate) struct Registries {
    /// None: the public one, as for the others.
    pub(crate) npm: Option<String>,
    pub(crate) crates: Option<String>,
    pub(crate) pypi: Option<String>,
    /// How many bytes of packages are kept.
    pub(crate) cache: u64,
}

impl Registries {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Registries {
        let mut url = |key| section.value(key, None, |_, node| base_url(node).map(Some), |it| json!(it));
        let (npm, crates, pypi) = (url("npm"), url("crates"), url("pypi"));
        Registries { npm, crates, pypi, cache: section.size("cache", 5 * GIB, 16 * MIB) }
    }
}
