//! What an operator allows a plugin, and what a new version asks beyond it.
//!
//! A shipped plugin has what the section that uses it implies. A dropped one reads repositories; anything more, and a
//! shipped plugin's name, needs a person's word, which is pinned to the digest that the person saw. A later version
//! needs no new word as long as it wants no more than that, or than what serves. Being of a kind is a want.
//!
//! - Never widens anything: rights are what is wanted *and* allowed here, whatever is decided.

use crate::error::{Error, Problem};
use crate::generation::Loaded;
use crate::grants::{self, Grants};
use crate::kind::Kind;
use crate::wit::manifest::Want;

/// A person's word on a plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Approval {
    /// `sha256:…` of the file that the person saw.
    pub digest: String,
    pub kinds: Vec<Kind>,
    pub grants: Grants,
}

/// What happens to a dropped plugin that wants more than reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDrop {
    /// It waits for `agentd plugin approve`.
    #[default]
    Hold,
    /// It gets what it declares. One that has a shipped plugin's name waits all the same.
    Grant,
}

/// What all entries of a plugin may have, before what each wants is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Allowance {
    /// What it wants: it is shipped, or the operator grants what is dropped.
    Wanted,
    /// Repositories, and that is all.
    Reading,
    Approved(Box<Grants>),
}

/// Why a version may not serve (yet).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hold {
    pub(crate) why: String,
    /// One line for each widening.
    pub(crate) wider: Vec<String>,
}

/// What there is to compare with.
pub(crate) struct Case<'a> {
    pub(crate) approval: Option<&'a Approval>,
    pub(crate) on_drop: OnDrop,
    /// The name is a shipped plugin's.
    pub(crate) shipped: bool,
    /// A dropped version that serves now.
    pub(crate) serving: Option<&'a Loaded>,
}

impl Allowance {
    /// What an entry with these wants is granted. Fails where nobody has allowed what it wants.
    pub(crate) fn grants(&self, plugin: &str, wants: &[Want], repositories: Vec<String>) -> Result<Grants, Error> {
        match self {
            Allowance::Wanted => Ok(Grants::implied(wants, repositories)),
            Allowance::Approved(grants) => Ok(Grants { repositories, ..(**grants).clone() }),
            Allowance::Reading => {
                let more = more_than_reading(wants);
                if more.is_empty() {
                    return Ok(Grants { repositories, ..Grants::default() });
                }
                let why = Problem::Wants { name: plugin.into(), wants: more }.to_string();
                Err(Error::Held { plugin: plugin.into(), why })
            }
        }
    }

    /// These wants, and of models only those that are allowed. Fails where it cannot work without another one.
    pub(crate) fn models(&self, plugin: &str, mut wants: Vec<Want>) -> Result<Vec<Want>, Error> {
        let allowed: &[String] = match self {
            Allowance::Wanted => return Ok(wants),
            Allowance::Reading => &[],
            Allowance::Approved(grants) => &grants.models,
        };
        let refused = |it: &Want| matches!(it, Want::Model(model) if !allowed.contains(&model.name));
        let needed = |it: &&Want| refused(it) && matches!(it, Want::Model(model) if model.required);
        let missing: Vec<String> = wants.iter().filter(needed).map(grants::line).collect();
        if !missing.is_empty() {
            let why = Problem::Wants { name: plugin.into(), wants: missing }.to_string();
            return Err(Error::Held { plugin: plugin.into(), why });
        }
        wants.retain(|it| !refused(it));
        Ok(wants)
    }
}

impl Case<'_> {
    pub(crate) fn allowance(&self) -> Allowance {
        match (self.approval, self.on_drop) {
            (Some(approval), _) => Allowance::Approved(Box::new(approval.grants.clone())),
            (None, OnDrop::Grant) => Allowance::Wanted,
            (None, OnDrop::Hold) => Allowance::Reading,
        }
    }

    /// Whether a dropped version may serve, as far as its wants without settings say.
    pub(crate) fn judge(&self, candidate: &Loaded) -> Result<(), Hold> {
        let info = &candidate.info;
        if let Some(approval) = self.approval.filter(|it| it.digest == info.digest) {
            // Narrower grants narrow its rights; a kind that was not approved could not be told apart later.
            return hold(&info.name, gained(&approval.kinds, &info.kinds).collect());
        }
        if self.shipped {
            let why = Problem::Replaces(info.name.clone()).to_string();
            let kinds = info.kinds.iter().map(|it| format!("kind: {it}, in place of the shipped plugin"));
            return Err(Hold { why, wider: kinds.chain(candidate.wants.iter().map(grants::line)).collect() });
        }
        let wider = match (self.approval, self.serving, self.on_drop) {
            (None, _, OnDrop::Grant) => return Ok(()),
            (None, None, OnDrop::Hold) => more_than_reading(&candidate.wants),
            (None, Some(serving), OnDrop::Hold) => {
                gained(&serving.info.kinds, &info.kinds).chain(more_than_reading(&candidate.wants)).collect()
            }
            (Some(approval), serving, _) => {
                let beyond = beyond(&approval.kinds, &approval.grants, candidate);
                let served = serving.map(|it| beyond_serving(it, candidate));
                // It is a widening only if it is one against both.
                beyond.into_iter().filter(|it| served.as_ref().is_none_or(|served| served.contains(it))).collect()
            }
        };
        hold(&info.name, wider)
    }

    /// Whether what serves may go on. A word about any version of it is enough, for that narrows its rights; one about
    /// this very version also says of which kinds it may be.
    pub(crate) fn keeps(&self, serving: &Loaded) -> Result<(), Hold> {
        match (self.approval, self.on_drop) {
            (Some(approval), _) if approval.digest == serving.info.digest => self.judge(serving),
            (Some(_), _) if !self.shipped => Ok(()),
            (None, OnDrop::Grant) if !self.shipped => Ok(()),
            _ if self.shipped => self.judge(serving),
            _ => hold(&serving.info.name, more_than_reading(&serving.wants)),
        }
    }
}

/// Holds a version if there is something to hold it for.
fn hold(plugin: &str, wider: Vec<String>) -> Result<(), Hold> {
    if wider.is_empty() {
        return Ok(());
    }
    let why = Problem::Wants { name: plugin.into(), wants: wider.clone() }.to_string();
    Err(Hold { why, wider })
}

/// What nobody has to allow is left out.
fn more_than_reading(wants: &[Want]) -> Vec<String> {
    wants.iter().filter(|it| !matches!(it, Want::Repository(_))).map(grants::line).collect()
}

fn beyond_serving(serving: &Loaded, candidate: &Loaded) -> Vec<String> {
    beyond(&serving.info.kinds, &Grants::implied(&serving.wants, vec![]), candidate)
}

fn beyond(kinds: &[Kind], grants: &Grants, candidate: &Loaded) -> Vec<String> {
    gained(kinds, &candidate.info.kinds).chain(grants::wider(grants, &candidate.wants)).collect()
}

fn gained(old: &[Kind], new: &[Kind]) -> impl Iterator<Item = String> {
    new.iter().filter(|it| !old.contains(it)).map(|it| format!("kind: {it}"))
}
