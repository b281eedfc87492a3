//! `services` of a repository: containers beside the sandbox, in its network.

use super::{
    section::{Bad, Reading, Section},
    tree::{Node, Value},
};
use serde_json::json;

/// A container that agent and gates reach on 127.0.0.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Service {
    pub(crate) image: String,
    /// Name and value, added to the image's own environment.
    pub(crate) env: Vec<(String, String)>,
    /// Instead of the image's command; empty: the image's.
    pub(crate) command: Vec<String>,
    /// A shell command that succeeds in the container once the service is ready; none: it is when one of its ports
    /// answers.
    pub(crate) ready: Option<String>,
}

impl Service {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Service {
        let image = section.required_text("image", "\"postgres:16\"");
        if image.starts_with('-') || image.contains(char::is_whitespace) {
            section.problem("image", "is not the name of an image, which looks like \"postgres:16\"");
        }
        Service {
            image,
            env: section.value("env", Vec::new(), variables, |it| {
                json!(it.iter().cloned().collect::<std::collections::BTreeMap<String, String>>())
            }),
            command: section.texts("command", &[], |_| Ok(())),
            ready: section.text("ready"),
        }
    }
}

/// A table of texts. What looks like a reference to a secret is refused: whatever works beside the service can read
/// its environment, so that no secret belongs there.
fn variables(_: &mut Reading<'_>, node: &Node) -> Result<Vec<(String, String)>, Vec<Bad>> {
    let Value::Table(table) = &node.value else {
        return Err(vec![Bad(node.at, format!("must be a table of texts, is {}", node.value.kind()))]);
    };
    let (mut variables, mut bad) = (Vec::new(), Vec::new());
    for (name, entry) in &table.entries {
        let at = entry.node.at;
        if name.is_empty() || name.contains(['=', '\0', ' ']) {
            bad.push(Bad(at, format!("{name:?} is not the name of a variable")));
        }
        match &entry.node.value {
            Value::Text(text) if text.starts_with("${") && text.ends_with('}') => bad.push(Bad(
                at,
                format!("{name}: secrets do not belong into a service, which agents can reach: write a test value"),
            )),
            Value::Text(text) if text.contains('\0') => bad.push(Bad(at, format!("{name} contains a NUL"))),
            Value::Text(text) => variables.push((name.clone(), text.clone())),
            other => bad.push(Bad(at, format!("{name}: must be a text, is {}", other.kind()))),
        }
    }
    if bad.is_empty() { Ok(variables) } else { Err(bad) }
}
