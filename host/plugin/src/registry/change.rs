//! The one place where what serves changes: a new version, a way back, a file that is gone, a person's word.
//!
//! A change first makes everything that it needs: each living entry is made anew on the new generation, by its own
//! settings, its own wants and the plugin's own check. Only when all of them fit, all of them move, at once; calls under
//! way hold on to what they began with. Where there is nothing better to keep (the file is gone), those that fit move,
//! and the others say why they do not answer.

use super::{Plugin, Registry, Serving, Table, Waiting};
use crate::approval::{Allowance, Approval, OnDrop};
use crate::breaker::{Breaker, Change};
use crate::entry::{Face, Handle};
use crate::error::{Error, Problem};
use crate::generation::{Generation, Loaded};
use crate::kind::Kind;
use crate::news::What;
use crate::registry::{Info, Origin};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Weak};

/// How long after a swap a breaker that opens brings the version before back.
const TRIAL_MS: u64 = 60_000;

/// What a change has to leave behind.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Aim {
    /// Every entry fits, or nothing changes; the version before is kept.
    Forward,
    /// Every entry fits, or nothing changes; the version that is left is not kept.
    Back,
    /// There is nothing to stay with.
    BestEffort,
}

/// What came of an offer.
pub(super) enum Fate {
    /// It serves, or waits.
    Known,
    Twice(Problem),
}

impl Registry {
    /// A file of the folder holds this version now.
    pub(super) async fn offer(&self, path: &Path, loaded: Arc<Loaded>) -> Fate {
        let _turn = self.turn.lock().await;
        let fate = self.consider(path, loaded).await;
        self.remember();
        fate
    }

    /// The file is gone, or holds another plugin. What it brought before goes too, and with it what waited in it.
    pub(super) async fn withdraw(&self, path: &Path) {
        let _turn = self.turn.lock().await;
        let (names, how) = {
            let mut table = self.table();
            let Table { plugins, seen, .. } = &mut *table;
            let holds = seen.get(path).map(|it| it.name.clone());
            let how = if holds.is_some() { "holds another one now" } else { "is gone" };
            let holds = holds.unwrap_or_default();
            for plugin in plugins.iter_mut().filter(|it| *it.0 != holds).map(|it| it.1) {
                plugin.waiting.take_if(|it| it.path == path);
            }
            let served = plugins.iter().filter(|it| *it.0 != holds && it.1.comes_from(path));
            (served.map(|it| it.0.clone()).collect::<Vec<_>>(), how)
        };
        for name in names {
            let why = format!("its file {} {how}; it answers again when a file brings it back", path.display());
            let (what, text) = match self.vacate(&name, &why).await {
                true => (What::Restored, format!("The file of plugin {name} {how}; the shipped one serves again")),
                false => (What::Removed, format!("The file of plugin {name} {how}; nothing serves under that name")),
            };
            self.tell(&name, what, text, json!({ "path": path.to_string_lossy() }));
        }
        self.remember();
    }

    /// Back to the version before. The one that is left waits until its file changes or a person approves it.
    /// `only`: if this generation still serves.
    pub(crate) async fn rollback(&self, plugin: &str, why: &str, only: Option<u32>) -> Result<Info, Error> {
        let _turn = self.turn.lock().await;
        let (from, origin, back) = {
            let table = self.table();
            let known = table.plugins.get(plugin).ok_or_else(|| table.absent(plugin))?;
            let serving = known.serving.as_ref().ok_or_else(|| table.absent(plugin))?;
            if only.is_some_and(|it| it != serving.generation.number) {
                drop(table);
                return self.info(plugin); // somebody was quicker
            }
            let back = known.previous.clone().ok_or_else(|| Error::NoPrevious { plugin: plugin.into() })?;
            (serving.generation.loaded.clone(), serving.origin.clone(), back)
        };
        let version = back.0.info.version.clone();
        let number = self.swap(plugin, back.0, back.1, Aim::Back).await?;
        let held = format!(
            "version {} was rolled back: {why}\nhint: it waits until its file changes, or until a person approves it \
             again: `agentd plugin approve {plugin}`",
            from.info.version
        );
        let digest = from.info.digest.clone();
        {
            let mut table = self.table();
            let known = table.plugins.entry(plugin.into()).or_default();
            known.rejected.insert(digest.clone(), held.clone());
            if let Origin::Dropped(path) = origin {
                known.waiting = Some(Waiting { loaded: from, path, why: held, wider: vec![], misfit: false });
            }
        }
        let text = format!("Plugin {plugin} is back at version {version}: {why}");
        self.remember();
        self.tell(plugin, What::RolledBack, text, json!({ "from": digest, "generation": number, "why": why }));
        self.info(plugin)
    }

    /// Lifts the hold on versions that were rolled back, and looks again at what waits.
    pub(crate) async fn retry(&self, plugin: &str) -> Result<Info, Error> {
        let _turn = self.turn.lock().await;
        if let Some(known) = self.table().plugins.get_mut(plugin) {
            known.rejected.clear();
        }
        self.reconsider(plugin).await;
        self.remember();
        self.info(plugin)
    }

    /// What people allow from now on. What serves loses at once what it may not have any more.
    pub(crate) async fn set_approvals(&self, approvals: BTreeMap<String, Approval>, on_drop: OnDrop) {
        let _turn = self.turn.lock().await;
        let names = {
            let mut table = self.table();
            table.on_drop = on_drop;
            let before = std::mem::replace(&mut table.approvals, approvals);
            let Table { plugins, approvals, .. } = &mut *table;
            for (name, plugin) in plugins.iter_mut() {
                // A word that is new is about the version that was rolled back, if it names it.
                if let Some(approval) = approvals.get(name).filter(|it| before.get(name) != Some(*it)) {
                    plugin.rejected.remove(&approval.digest);
                }
            }
            plugins.keys().cloned().collect::<Vec<_>>()
        };
        for name in names {
            // First what waits: it may be what the word is about, and take the place of what serves.
            self.reconsider(&name).await;
            self.recheck(&name).await;
        }
        self.remember();
    }

    /// Looks again at versions that did not fit an entry: it may be gone.
    pub(super) async fn reconsider_misfits(&self) {
        let _turn = self.turn.lock().await;
        let misfits = {
            let table = self.table();
            let waits = table.plugins.iter().filter(|it| it.1.waiting.as_ref().is_some_and(|it| it.misfit));
            waits.map(|it| it.0.clone()).collect::<Vec<_>>()
        };
        for name in misfits {
            self.reconsider(&name).await;
        }
        self.remember();
    }

    /// A breaker for an entry on one generation.
    pub(super) fn breaker(&self, plugin: &str, entry: &str, generation: u32) -> Breaker {
        let (registry, plugin, entry) = (self.myself.clone(), plugin.to_owned(), entry.to_owned());
        Breaker::watched(move |change| {
            if let Some(registry) = registry.upgrade() {
                registry.turned(&plugin, &entry, generation, &change);
            }
        })
    }

    async fn consider(&self, path: &Path, loaded: Arc<Loaded>) -> Fate {
        let name = loaded.info.name.clone();
        let verdict = self.table().verdict(path, &loaded);
        match verdict {
            Verdict::Same => Fate::Known,
            Verdict::Twice(other) => Fate::Twice(Problem::Twice { name, other }),
            Verdict::Hold { why, wider } => {
                let text = format!("Version {} of plugin {name} does not serve: {why}", loaded.info.version);
                let wait = Waiting { loaded, path: path.into(), why, wider, misfit: false };
                self.wait(&name, What::Held, text, wait);
                Fate::Known
            }
            Verdict::Serve { first } => {
                self.take_up(path, loaded, first).await;
                Fate::Known
            }
        }
    }

    async fn reconsider(&self, name: &str) {
        let waiting = self.table().plugins.get(name).and_then(|it| it.waiting.as_ref()).map(Waiting::offer);
        if let Some((path, loaded)) = waiting {
            // It is the only file that waits under its name, so nothing is refused here.
            self.consider(&path, loaded).await;
        }
    }

    async fn take_up(&self, path: &Path, loaded: Arc<Loaded>, first: bool) {
        let info = &loaded.info;
        let (name, version, digest) = (info.name.clone(), info.version.clone(), info.digest.clone());
        let aim = if first { Aim::BestEffort } else { Aim::Forward };
        match self.swap(&name, loaded.clone(), Origin::Dropped(path.into()), aim).await {
            Ok(number) => {
                let (what, verb) = if first { (What::Loaded, "serves") } else { (What::Swapped, "serves now") };
                let text = format!("Plugin {name} {version} {verb}, from {}", path.display());
                self.tell(&name, what, text, json!({ "digest": digest, "version": version, "generation": number }));
            }
            Err(error) => {
                let why = error.to_string();
                let text = format!("Version {version} of plugin {name} does not serve: {why}");
                let wait = Waiting { loaded, path: path.into(), why, wider: vec![], misfit: true };
                self.wait(&name, What::Refused, text, wait);
            }
        }
    }

    /// Remembers what waits, and tells of it if it is something new.
    fn wait(&self, name: &str, what: What, text: String, waiting: Waiting) {
        let held = waiting.held();
        {
            let mut table = self.table();
            let place = &mut table.plugins.entry(name.into()).or_default().waiting;
            if place.replace(waiting).is_some_and(|it| it.held() == held) {
                return;
            }
        }
        let data = json!({ "digest": held.digest, "version": held.version, "why": held.why, "wider": held.wider });
        self.tell(name, what, text, data);
    }

    /// What serves, under the approvals of now: with other rights, or not any more.
    async fn recheck(&self, name: &str) {
        let (serving, allowance, verdict) = {
            let table = self.table();
            let Some(serving) = table.plugins.get(name).and_then(|it| it.serving.as_ref()) else { return };
            let Origin::Dropped(path) = &serving.origin else { return };
            let case = table.case(name);
            let loaded = serving.generation.loaded.clone();
            let verdict = case.keeps(&loaded);
            ((path.clone(), loaded), case.allowance(), verdict)
        };
        let Err(hold) = verdict else { return self.renew(name, &allowance).await };
        let (path, loaded) = serving;
        let text = format!("Plugin {name} does not serve any more: {}", hold.why);
        self.vacate(name, &hold.why).await;
        // A later version of the same file may wait already.
        if self.table().plugins.get(name).is_some_and(|it| it.waiting.is_none()) {
            let waiting = Waiting { loaded, path, why: hold.why, wider: hold.wider, misfit: false };
            self.wait(name, What::Held, text, waiting);
        }
    }

    /// Gives all entries the rights of now; some may not have been able to serve with those before.
    async fn renew(&self, name: &str, allowance: &Allowance) {
        let (handles, serving) = {
            let table = self.table();
            (table.living(name), table.serving(name).map(|it| it.0))
        };
        let Ok(generation) = serving else { return };
        for handle in handles {
            let face = match handle.face() {
                Ok(face) => handle.face_with(&face, allowance),
                Err(_) => self.fit(&handle, &generation, allowance, &[]).await,
            };
            handle.point(face.map_err(|error| error.to_string()));
        }
    }

    /// What serves goes; true: the shipped one took its place.
    async fn vacate(&self, name: &str, why: &str) -> bool {
        let shipped = self.table().plugins.get(name).and_then(|it| it.shipped.clone());
        if let Some(shipped) = shipped {
            return self.swap(name, shipped, Origin::Shipped, Aim::BestEffort).await.is_ok();
        }
        let mut table = self.table();
        let handles = table.living(name);
        let plugin = table.plugins.entry(name.into()).or_default();
        plugin.previous = None;
        plugin.serving = None;
        plugin.move_to(handles.into_iter().map(|it| (it, Err(why.to_owned()))));
        false
    }

    /// Lets this version serve, and all entries with it.
    async fn swap(&self, name: &str, loaded: Arc<Loaded>, origin: Origin, aim: Aim) -> Result<u32, Error> {
        let (handles, had, number, allowance) = {
            let table = self.table();
            let plugin = table.plugins.get(name);
            let had = plugin.and_then(|it| it.serving.as_ref()).map(|it| it.generation.loaded.info.kinds.clone());
            let number = plugin.map_or(0, |it| it.number) + 1;
            (table.living(name), had.unwrap_or_default(), number, table.allowance(name, &origin))
        };
        let generation = Arc::new(Generation { loaded, number, since: self.shared.host.now() });
        let mut faces = vec![];
        for handle in handles {
            match self.fit(&handle, &generation, &allowance, &had).await {
                Err(error) if aim != Aim::BestEffort => return Err(error),
                face => faces.push((handle, face.map_err(|error| error.to_string()))),
            }
        }
        let left = {
            let mut table = self.table();
            let plugin = table.plugins.entry(name.into()).or_default();
            let path = if let Origin::Dropped(path) = &origin { Some(path.clone()) } else { None };
            let serving = Serving { generation: generation.clone(), origin, replaced: aim == Aim::Forward };
            let before = plugin.serving.replace(serving).map(|it| (it.generation.loaded.clone(), it.origin));
            plugin.number = number;
            plugin.waiting.take_if(|it| {
                it.loaded.info.digest == generation.loaded.info.digest || Some(it.path.as_path()) == path.as_deref()
            });
            plugin.move_to(faces);
            let left = std::mem::replace(&mut plugin.previous, before.filter(|_| aim == Aim::Forward));
            left.filter(|it| !table.uses(&it.0.info.digest))
        };
        if let Some((left, _)) = left {
            self.shared.cache.release(left.info.digest.trim_start_matches("sha256:"));
        }
        Ok(number)
    }

    /// The entry on another generation.
    async fn fit(
        &self,
        handle: &Handle,
        generation: &Generation,
        allowance: &Allowance,
        had: &[Kind],
    ) -> Result<Arc<Face>, Error> {
        let info = &generation.loaded.info;
        let misfit = |why| Error::Misfit { plugin: info.name.clone(), entry: handle.name().into(), why };
        if let Some(lost) = handle.misses(had, &info.kinds).first() {
            return Err(misfit(format!("version {} is no {lost} any more", info.version)));
        }
        let breaker = self.breaker(&info.name, handle.name(), generation.number);
        let face = handle.face_of(&self.shared, generation, allowance, breaker).await;
        face.map_err(|error| misfit(error.to_string()))
    }

    /// A breaker of an entry changed.
    fn turned(&self, plugin: &str, entry: &str, generation: u32, change: &Change) {
        let (what, text, mut data) = match change {
            Change::Opened { until, failures, last } => (
                What::Opened,
                format!("Entry {entry} of plugin {plugin} rests, after {failures} failures in a row; the last: {last}"),
                json!({ "until": until, "failures": failures, "last": last }),
            ),
            Change::HalfOpen => (What::HalfOpen, format!("Entry {entry} of plugin {plugin} is tried again"), json!({})),
            Change::Closed => (What::Closed, format!("Entry {entry} of plugin {plugin} works again"), json!({})),
        };
        data["entry"] = entry.into();
        data["generation"] = generation.into();
        self.tell(plugin, what, text, data);
        let Change::Opened { last, .. } = change else { return };
        if !self.is_on_trial(plugin, generation) {
            return;
        }
        let Some(registry) = self.myself.upgrade() else { return };
        let why = format!("its entry {entry} failed again and again right after the swap; the last: {last}");
        let plugin = plugin.to_owned();
        self.chores.spawn(async move {
            if let Err(error) = registry.rollback(&plugin, &why, Some(generation)).await {
                let text = format!("Plugin {plugin} should go back to the version before, and cannot: {error}");
                registry.tell(&plugin, What::Refused, text, json!({ "why": why }));
            }
        });
    }

    fn is_on_trial(&self, plugin: &str, generation: u32) -> bool {
        let table = self.table();
        let Some(known) = table.plugins.get(plugin) else { return false };
        let young = |it: &Serving| {
            let same = it.replaced && it.generation.number == generation;
            same && self.shared.host.now() <= it.generation.since.saturating_add(TRIAL_MS)
        };
        known.previous.is_some() && known.serving.as_ref().is_some_and(young)
    }
}

/// What is to be done with a version.
enum Verdict {
    Same,
    Twice(std::path::PathBuf),
    Hold {
        why: String,
        wider: Vec<String>,
    },
    /// `first`: nothing of its name serves.
    Serve {
        first: bool,
    },
}

impl Table {
    fn verdict(&mut self, path: &Path, loaded: &Loaded) -> Verdict {
        let (name, digest) = (loaded.info.name.as_str(), &loaded.info.digest);
        let brings = |other: &Path| other != path && self.seen.get(other).is_some_and(|it| it.name == *name);
        let Some(plugin) = self.plugins.get(name) else { return self.judged(loaded) };
        let of_serving = plugin.serving.as_ref().and_then(|it| it.path());
        let of_waiting = plugin.waiting.as_ref().map(|it| it.path.as_path());
        if let Some(other) = [of_serving, of_waiting].into_iter().flatten().find(|it| brings(it)) {
            return Verdict::Twice(other.into());
        }
        let serves = plugin.serving.as_ref().is_some_and(|it| it.generation.loaded.info.digest == *digest);
        if serves && of_serving.is_some() {
            // The file may have another name now, and what waited is gone from it.
            let plugin = self.plugins.entry(name.into()).or_default();
            plugin.waiting = None;
            if let Some(serving) = &mut plugin.serving {
                serving.origin = Origin::Dropped(path.into());
            }
            return Verdict::Same;
        }
        if let Some(why) = plugin.rejected.get(digest) {
            return Verdict::Hold { why: why.clone(), wider: vec![] };
        }
        self.judged(loaded)
    }

    fn judged(&self, loaded: &Loaded) -> Verdict {
        match self.case(&loaded.info.name).judge(loaded) {
            Err(hold) => Verdict::Hold { why: hold.why, wider: hold.wider },
            Ok(()) => {
                let serves = self.plugins.get(&loaded.info.name).is_some_and(|it| it.serving.is_some());
                Verdict::Serve { first: !serves }
            }
        }
    }

    fn living(&self, plugin: &str) -> Vec<Arc<Handle>> {
        let entries = self.plugins.get(plugin).map(|it| it.entries.iter());
        entries.into_iter().flatten().filter_map(Weak::upgrade).collect()
    }

    fn uses(&self, digest: &str) -> bool {
        let of = |it: &Plugin| {
            let serving = it.serving.as_ref().map(|it| &it.generation.loaded);
            let previous = it.previous.as_ref().map(|it| &it.0);
            let waiting = it.waiting.as_ref().map(|it| &it.loaded);
            [it.shipped.as_ref(), serving, previous, waiting].into_iter().flatten().any(|it| it.info.digest == digest)
        };
        self.plugins.values().any(of)
    }
}

impl Plugin {
    fn comes_from(&self, path: &Path) -> bool {
        self.serving.as_ref().and_then(Serving::path) == Some(path)
    }

    /// Points all handles at their new faces; calls under way keep the old ones.
    fn move_to(&mut self, faces: impl IntoIterator<Item = (Arc<Handle>, Result<Arc<Face>, String>)>) {
        for (handle, face) in faces {
            if let Some(old) = handle.point(face) {
                self.draining.push(Arc::downgrade(&old));
            }
        }
        self.draining.retain(|it| it.strong_count() > 0);
    }
}

impl Serving {
    pub(super) fn path(&self) -> Option<&Path> {
        match &self.origin {
            Origin::Dropped(path) => Some(path),
            Origin::Shipped => None,
        }
    }
}

impl Waiting {
    fn offer(&self) -> (std::path::PathBuf, Arc<Loaded>) {
        (self.path.clone(), self.loaded.clone())
    }
}
