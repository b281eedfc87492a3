//! `[sandbox]` and `[network]`: where agents run, and where agentd's own requests may go.

use super::{section::Section, value};
use std::{fmt, net::IpAddr, str::FromStr};

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
#[derive(Clone, Debug)]
pub(crate) struct Network {
    /// Private networks that plugins' requests may go to: address and number of leading bits.
    pub(crate) private: Vec<(IpAddr, u8)>,
}

impl Network {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Network {
        let texts = section.texts("private", &[], |text| value::network(text).map(|_| ()));
        Network { private: texts.iter().filter_map(|text| value::network(text).ok()).collect() }
    }
}
