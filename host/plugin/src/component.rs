//! Reads a component's bytes before anything is compiled: is it whole, is it a component, and of which kinds?
//!
//! Never trusts the bytes and never panics on them. What is said here is what a plugin's author reads when a file is
//! refused, so it names the place and the way out; wasmtime's own checks come later and are the ones that count.

use crate::error::{Problem, readable};
use crate::kind::Kind;
use semver::Version;
use wasmparser::{Encoding, Parser, Payload, Validator};

const MANIFEST: &str = "agentd:plugin/manifest";

/// The interfaces that plugins may import, besides WASI; all at 1.0.0.
const IMPORTS: &[&str] = &[
    "agentd:types/common",
    "agentd:types/work",
    "agentd:agent/activity",
    "agentd:host/log",
    "agentd:host/entry",
    "agentd:host/clock",
    "agentd:host/kv",
    "agentd:host/http",
    "agentd:host/forge",
    "agentd:host/repository",
    "agentd:host/mail",
    "agentd:host/metrics",
];

/// The packages of WASI 0.2 that are linked.
const WASI: &[&str] = &[
    "wasi:cli/",
    "wasi:clocks/",
    "wasi:filesystem/",
    "wasi:http/outgoing-handler",
    "wasi:http/types",
    "wasi:io/",
    "wasi:random/",
    "wasi:sockets/",
];

/// What a whole component says of itself by its imports and exports.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) kinds: Vec<Kind>,
    imports: Vec<String>,
    exports: Vec<String>,
}

/// Checks the bytes from the first to the last, and says what kinds they are of.
pub(crate) fn read(bytes: &[u8]) -> Result<Shape, Problem> {
    check_head(bytes)?;
    Validator::new().validate_all(bytes).map_err(|error| damage(bytes, &error))?;
    let mut shape = names(bytes).map_err(|error| damage(bytes, &error))?;
    shape.kinds = Kind::ALL.iter().copied().filter(|it| shape.exports_at_1(it.interface())).collect();
    if shape.kinds.is_empty() {
        return Err(shape.no_kind());
    }
    if !shape.exports_at_1(MANIFEST) {
        return Err(Problem::NoManifest);
    }
    Ok(shape)
}

impl Shape {
    /// Why it could not be linked: what it imports and this agentd does not have. None: it imports what there is.
    pub(crate) fn missing(&self) -> Option<Problem> {
        let (newer, foreign): (Vec<_>, Vec<_>) =
            self.imports.iter().filter(|it| !is_known(it)).cloned().partition(|it| it.starts_with("agentd:"));
        if !newer.is_empty() {
            return Some(Problem::Newer { needs: newer });
        }
        (!foreign.is_empty()).then_some(Problem::Foreign { imports: foreign })
    }

    fn exports_at_1(&self, interface: &str) -> bool {
        self.exports.iter().any(|it| {
            let (name, version) = split(it);
            name == interface && version.is_some_and(|it| it.major == 1 && it.pre.is_empty())
        })
    }

    fn no_kind(&self) -> Problem {
        let of_later_kinds = |it: &&String| {
            let (name, version) = split(it);
            name.starts_with("agentd:") && (version.is_some_and(|it| it.major > 1) || name != MANIFEST)
        };
        let needs: Vec<String> = self.exports.iter().filter(of_later_kinds).cloned().collect();
        if !needs.is_empty() {
            return Problem::Newer { needs };
        }
        let known = Kind::ALL.map(Kind::name).join(", ");
        let exports = if self.exports.is_empty() { "nothing".into() } else { self.exports.join(", ") };
        Problem::NoKind { known, exports: readable(&exports, 512) }
    }
}

/// Whether the import is one that the host has, in the version that it has.
fn is_known(import: &str) -> bool {
    let (name, version) = split(import);
    if WASI.iter().any(|it| name.starts_with(it)) {
        return version.is_some_and(|it| (it.major, it.minor) == (0, 2));
    }
    IMPORTS.contains(&name) && version == Some(Version::new(1, 0, 0))
}

fn split(name: &str) -> (&str, Option<Version>) {
    match name.split_once('@') {
        Some((name, version)) => (name, Version::parse(version).ok()),
        None => (name, None),
    }
}

fn check_head(bytes: &[u8]) -> Result<(), Problem> {
    const MAGIC: &[u8] = b"\0asm";
    if bytes.is_empty() {
        return Err(Problem::Empty);
    }
    if !bytes.starts_with(&MAGIC[..bytes.len().min(4)]) {
        let head: String = String::from_utf8_lossy(&bytes[..bytes.len().min(16)]).escape_debug().collect();
        return Err(Problem::NotWasm(format!("`{head}`")));
    }
    if bytes.len() < 8 {
        return Err(Problem::Truncated { size: bytes.len(), offset: 8 });
    }
    if Parser::is_core_wasm(bytes) { Err(Problem::CoreModule) } else { Ok(()) }
}

fn damage(bytes: &[u8], error: &wasmparser::BinaryReaderError) -> Problem {
    let offset = error.offset() as u64;
    if error.message().contains("unexpected end") {
        return Problem::Truncated { size: bytes.len(), offset };
    }
    Problem::Damaged { offset, what: readable(error.message(), 512) }
}

/// The names of the outermost component's imports and exports.
fn names(bytes: &[u8]) -> wasmparser::Result<Shape> {
    let (mut shape, mut depth) = (Shape::default(), 0_u32);
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => break,
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    shape.imports.push(import?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    shape.exports.push(export?.name.name.to_owned());
                }
            }
            _ => (),
        }
    }
    Ok(shape)
}
