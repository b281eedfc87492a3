//! What an agent's instance was given since its start: what a trace of it needs, for the same again.

use crate::json;
use crate::wit::activity::Run;
use crate::wit::agent::{Exit, Line, Order};
use serde_json::{Map, Value, json};

/// How much of it is kept. A run says more than that; then there is no trace of it.
const BYTES: usize = 4 << 20;

#[derive(Default)]
pub(super) struct Life {
    run: Value,
    lines: Vec<Value>,
    orders: Vec<Value>,
    exit: Value,
    used: usize,
}

impl Life {
    /// A run begins: whatever was before belongs to another one.
    pub(super) fn begin(&mut self, run: &Run) {
        *self = Life::default();
        if self.fits(run.prompt.len()) {
            self.run = json::value(run);
        }
    }

    pub(super) fn read(&mut self, lines: &[Line]) {
        if self.fits(lines.iter().map(|it| it.text.len() + 64).sum()) {
            self.lines.extend(lines.iter().map(json::value));
        }
    }

    pub(super) fn order(&mut self, order: &Order) {
        if self.fits(order.text.len() + 64) {
            self.orders.push(json!({ "after": self.lines.len(), "order": json::value(order) }));
        }
    }

    pub(super) fn end(&mut self, exit: &Exit) {
        if self.fits(exit.stderr.len()) {
            self.exit = json::value(exit);
        }
    }

    /// None: it is too much.
    pub(super) fn arguments(&self) -> Option<Value> {
        if !self.is_whole() {
            return None;
        }
        let mut life = Map::new();
        life.insert("run".into(), self.run.clone());
        life.insert("lines".into(), self.lines.clone().into());
        life.insert("orders".into(), self.orders.clone().into());
        if !self.exit.is_null() {
            life.insert("exit".into(), self.exit.clone());
        }
        Some(life.into())
    }

    fn fits(&mut self, bytes: usize) -> bool {
        let was_whole = self.is_whole();
        self.used = self.used.saturating_add(bytes);
        if was_whole && !self.is_whole() {
            (self.lines, self.orders) = (vec![], vec![]);
        }
        self.is_whole()
    }

    fn is_whole(&self) -> bool {
        self.used <= BYTES
    }
}
