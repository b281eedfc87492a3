//! `[plugins]` and `[approvals.NAME]`: where plugins of one's own lie, how much they may use, and what each may do.
//!
//! An approval is for one file, by its digest: what a person has not seen has no right by it.

use super::{
    credential, mail,
    section::{Bad, Section, list},
    tree::{Node, Value},
    value,
};
use agentd_plugin::{Approval, ForgeGrant, Grants, HttpGrant, Kind, OnDrop, PluginLimits};
use serde_json::json;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

const MIB: u64 = 1 << 20;
/// More than the longest call that makes sense.
const WALL_MAX: Duration = Duration::from_secs(60 * 60);
/// What a plugin can have written on a forge.
const WRITES: [&str; 3] = ["comment", "label", "reaction"];

/// What `[plugins]` says.
#[derive(Clone, Debug)]
pub(crate) struct Dropped {
    /// The folder. Absolute.
    pub(crate) folder: PathBuf,
    /// What becomes of a file that wants more than every plugin may.
    pub(crate) on_drop: OnDrop,
    /// By plugin.
    pub(crate) limits: BTreeMap<String, PluginLimits>,
    /// By the beginning of the source: the minisign key that what is installed from there has to be signed with.
    pub(crate) signed_by: BTreeMap<String, String>,
}

impl Dropped {
    pub(super) fn read(section: &mut Section<'_, '_>, home: &Path) -> Dropped {
        Dropped {
            folder: section.path("folder", &home.join("plugins"), home),
            on_drop: on_drop(section),
            limits: section.named("limits", value::name, |section, _| limits(section)).into_iter().collect(),
            signed_by: section.value("signed_by", BTreeMap::new(), |_, node| keys(node), |it| json!(it)),
        }
    }
}

fn on_drop(section: &mut Section<'_, '_>) -> OnDrop {
    let read = |_: &mut _, node: &Node| match &node.value {
        Value::Text(text) if text == "hold" => Ok(OnDrop::Hold),
        Value::Text(text) if text == "grant" => Ok(OnDrop::Grant),
        Value::Text(text) => Err(vec![Bad(node.at, format!("must be hold or grant, is {text:?}"))]),
        other => Err(vec![Bad(node.at, format!("must be a text, is {}", other.kind()))]),
    };
    let word = |it: &OnDrop| match it {
        OnDrop::Hold => json!("hold"),
        OnDrop::Grant => json!("grant"),
    };
    section.value("on_drop", OnDrop::Hold, read, word)
}

fn limits(section: &mut Section<'_, '_>) -> PluginLimits {
    let least = Duration::from_millis(10);
    let wall = section.duration_if_any("wall", least);
    if wall.is_some_and(|it| it > WALL_MAX) {
        section.problem("wall", format!("must be at most {}", value::duration_text(WALL_MAX)));
    }
    let cpu = section.duration_if_any("cpu", least);
    let memory = section.size_if_any("memory", 4 * MIB);
    PluginLimits { wall, cpu, memory: memory.and_then(|it| usize::try_from(it).ok()) }
}

/// Source prefixes with public keys.
fn keys(node: &Node) -> Result<BTreeMap<String, String>, Vec<Bad>> {
    let Value::Table(table) = &node.value else {
        return Err(vec![Bad(node.at, format!("must be a table, is {}", node.value.kind()))]);
    };
    let (mut keys, mut bad) = (BTreeMap::new(), Vec::new());
    for (prefix, entry) in &table.entries {
        let known = ["oci://", "https://", "http://", "file:"].iter().any(|it| prefix.starts_with(it));
        if !known {
            let what = format!("{prefix:?} is not where plugins come from, as \"oci://registry.acme.com/\"");
            bad.push(Bad(entry.at, what));
        }
        match &entry.node.value {
            Value::Text(key) if key.starts_with("RW") && key.len() == 56 => {
                keys.insert(prefix.clone(), key.clone());
            }
            _ => bad.push(Bad(entry.node.at, format!("{prefix:?} needs a minisign public key: 56 letters from RW on"))),
        }
    }
    if bad.is_empty() { Ok(keys) } else { Err(bad) }
}

/// By plugin; those that are whole.
pub(super) fn approvals(root: &mut Section<'_, '_>) -> BTreeMap<String, Approval> {
    let all = root.named("approvals", value::name, |section, _| approval(section));
    all.into_iter().filter_map(|(name, approval)| Some((name, approval?))).collect()
}

fn approval(section: &mut Section<'_, '_>) -> Option<Approval> {
    let digest = section.required_text("digest", "\"sha256:…\"; `agentd plugin approve NAME` writes the section");
    let hex = digest.strip_prefix("sha256:").unwrap_or_default();
    let whole = hex.len() == 64 && hex.bytes().all(|it| it.is_ascii_digit() || matches!(it, b'a'..=b'f'));
    if !whole && !digest.is_empty() {
        section.problem("digest", "is not the digest of a file, which is \"sha256:\" and 64 hexadecimal digits");
    }
    let words = || list(Kind::ALL.iter().map(|it| it.name()));
    let kind = |text: &str| Kind::ALL.into_iter().find(|it| it.name() == text);
    let kinds = section.texts("kinds", &[], |text| match kind(text) {
        Some(_) => Ok(()),
        None => Err(format!("`{text}` is no kind of plugin: take {}", words())),
    });
    if !section.flag("repository", true) {
        let what = "is false, and every plugin may read the repositories that the section which uses it names: name \
                    fewer there";
        section.problem("repository", what);
    }
    let grants = Grants {
        repositories: vec![],
        directories: section.texts("directories", &[], |_| Ok(())),
        http: section.tables("http", http),
        forge: forge(section),
        mail: section.texts("mail", &[], mail::pattern),
        webhook: section.flag("webhook", false),
        models: section.texts("models", &[], |_| Ok(())),
    };
    whole.then(|| Approval { digest, kinds: kinds.iter().filter_map(|it| kind(it)).collect(), grants })
}

fn http(section: &mut Section<'_, '_>) -> HttpGrant {
    let method = |text: &str| match !text.is_empty() && text.bytes().all(|it| it.is_ascii_uppercase()) {
        true => Ok(()),
        false => Err(format!("`{text}` is not a method, which looks like \"POST\"")),
    };
    let methods = section.texts("methods", &[], method);
    let credential = section.text("credential");
    let url = section.text("url").unwrap_or_default();
    // A credential that is a whole address has no other place.
    if url.is_empty() && credential.is_none() {
        section.missing("url", "is missing: say url = \"https://…/\", what addresses begin with");
    } else if !url.is_empty()
        && let Err(what) = credential::url(&url)
    {
        section.problem("url", what);
    }
    HttpGrant { methods, url_prefix: url, credential }
}

/// Absent: nothing. An empty list: reading.
fn forge(section: &mut Section<'_, '_>) -> Option<ForgeGrant> {
    let asked = section.has("forge");
    let writes = section.texts("forge", &[], |text| match WRITES.contains(&text) {
        true => Ok(()),
        false => Err(format!("`{text}` is nothing that a plugin can write: take {}", list(WRITES.into_iter()))),
    });
    asked.then(|| ForgeGrant { writes: writes.into_iter().collect() })
}
