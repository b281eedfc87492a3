//! YAML as GitHub reads it, with the line of everything.
//!
//! A document is a list of nodes; an alias is the place of the node it stands for, so that aliases of aliases cost
//! nothing however many copies they would make. Nothing here follows a document further down than its caller asks.

use saphyr_parser::{Event, Parser, ScalarStyle};
use std::collections::{HashMap, HashSet};

/// More nodes than that are no workflow.
const NODES_MAX: usize = 100_000;

#[derive(Debug)]
pub(super) struct Document {
    nodes: Vec<Node>,
    root: usize,
}

/// What is wrong with a text, and in which line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    pub(super) line: u32,
    pub(super) text: String,
}

#[derive(Debug)]
struct Node {
    line: u32,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Scalar { text: String, is_null: bool },
    Sequence(Vec<usize>),
    Mapping(Vec<(usize, usize)>),
}

/// A place in a document.
#[derive(Clone, Copy, Debug)]
pub(super) struct At<'a> {
    document: &'a Document,
    node: usize,
}

impl Document {
    pub(super) fn parse(text: &str) -> Result<Document, Mistake> {
        let mut growing = Growing::default();
        for event in Parser::new_from_str(text) {
            let (event, span) =
                event.map_err(|error| Mistake { line: line(error.marker().line()), text: error.info().to_owned() })?;
            growing.take(event, line(span.start.line()))?;
        }
        let Growing { nodes, roots, .. } = growing;
        match roots.as_slice() {
            [root] => Ok(Document { nodes, root: *root }),
            [] => Err(Mistake { line: 1, text: "it is empty".into() }),
            [_, second, ..] => {
                Err(Mistake { line: nodes[*second].line, text: "it holds more than one document".into() })
            }
        }
    }

    pub(super) fn root(&self) -> At<'_> {
        At { document: self, node: self.root }
    }

    /// Each scalar, keys too, once, however often it is referred to, and the line it begins in.
    pub(super) fn scalars(&self) -> impl Iterator<Item = (&str, u32)> {
        self.nodes.iter().filter_map(|node| match &node.kind {
            Kind::Scalar { text, .. } => Some((text.as_str(), node.line)),
            Kind::Sequence(_) | Kind::Mapping(_) => None,
        })
    }
}

impl<'a> At<'a> {
    pub(super) fn line(self) -> u32 {
        self.document.nodes[self.node].line
    }

    pub(super) fn text(self) -> Option<&'a str> {
        match self.kind() {
            Kind::Scalar { text, .. } => Some(text),
            Kind::Sequence(_) | Kind::Mapping(_) => None,
        }
    }

    pub(super) fn is_null(self) -> bool {
        matches!(self.kind(), Kind::Scalar { is_null: true, .. })
    }

    /// The items of a sequence; of anything else, itself.
    pub(super) fn items(self) -> Vec<At<'a>> {
        match self.kind() {
            Kind::Sequence(items) => items.iter().map(|node| At { node: *node, ..self }).collect(),
            Kind::Scalar { .. } | Kind::Mapping(_) => vec![self],
        }
    }

    /// The entries of a mapping; none: it is none.
    pub(super) fn entries(self) -> Option<Vec<(At<'a>, At<'a>)>> {
        match self.kind() {
            Kind::Mapping(pairs) => {
                let at = |node| At { node, ..self };
                Some(pairs.iter().map(|(key, value)| (at(*key), at(*value))).collect())
            }
            Kind::Scalar { .. } | Kind::Sequence(_) => None,
        }
    }

    /// What a mapping has for a key.
    pub(super) fn get(self, key: &str) -> Option<At<'a>> {
        let found = self.entries()?.into_iter().find(|(name, _)| name.text() == Some(key));
        found.map(|(_, value)| value)
    }

    fn kind(self) -> &'a Kind {
        &self.document.nodes[self.node].kind
    }
}

#[derive(Default)]
struct Growing {
    nodes: Vec<Node>,
    roots: Vec<usize>,
    /// Sequences and mappings that are not over, with what they hold so far.
    open: Vec<(usize, Vec<usize>)>,
    anchors: HashMap<usize, usize>,
}

impl Growing {
    fn take(&mut self, event: Event<'_>, line: u32) -> Result<(), Mistake> {
        let empty = |text: &str| matches!(text, "" | "~" | "null" | "Null" | "NULL");
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let is_null = style == ScalarStyle::Plain && empty(&text);
                let node = self.add(anchor, line, Kind::Scalar { text: text.into_owned(), is_null })?;
                self.put(node);
            }
            Event::SequenceStart(anchor, _) => {
                let node = self.add(anchor, line, Kind::Sequence(vec![]))?;
                self.open.push((node, vec![]));
            }
            Event::MappingStart(anchor, _) => {
                let node = self.add(anchor, line, Kind::Mapping(vec![]))?;
                self.open.push((node, vec![]));
            }
            Event::SequenceEnd | Event::MappingEnd => self.end()?,
            Event::Alias(anchor) => {
                let unknown = || Mistake { line, text: "it refers to an anchor that is not there".into() };
                let node = *self.anchors.get(&anchor).ok_or_else(unknown)?;
                self.put(node);
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn add(&mut self, anchor: usize, line: u32, kind: Kind) -> Result<usize, Mistake> {
        if self.nodes.len() >= NODES_MAX {
            return Err(Mistake { line, text: format!("it has more than {NODES_MAX} values") });
        }
        self.nodes.push(Node { line, kind });
        let node = self.nodes.len() - 1;
        if anchor != 0 {
            self.anchors.insert(anchor, node);
        }
        Ok(node)
    }

    fn put(&mut self, node: usize) {
        match self.open.last_mut() {
            Some((_, held)) => held.push(node),
            None => self.roots.push(node),
        }
    }

    fn end(&mut self) -> Result<(), Mistake> {
        let Some((node, held)) = self.open.pop() else { return Ok(()) };
        let kind = match self.nodes[node].kind {
            Kind::Mapping(_) => {
                let pairs: Vec<(usize, usize)> = held.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
                self.refuse_twins(&pairs)?;
                Kind::Mapping(pairs)
            }
            Kind::Sequence(_) | Kind::Scalar { .. } => Kind::Sequence(held),
        };
        self.nodes[node].kind = kind;
        self.put(node);
        Ok(())
    }

    /// Of two values for one key readers take different ones, as they do with merged keys.
    fn refuse_twins(&self, pairs: &[(usize, usize)]) -> Result<(), Mistake> {
        let mut seen = HashSet::new();
        for Node { line, kind } in pairs.iter().map(|(key, _)| &self.nodes[*key]) {
            let Kind::Scalar { text, .. } = kind else { continue };
            if text == "<<" {
                return Err(Mistake {
                    line: *line,
                    text: "it merges mappings (`<<`), which not every reader does".into(),
                });
            }
            if !seen.insert(text) {
                return Err(Mistake { line: *line, text: format!("it has the key `{}` twice", text.escape_debug()) });
            }
        }
        Ok(())
    }
}

fn line(line: usize) -> u32 {
    u32::try_from(line).unwrap_or(u32::MAX)
}
