//! What somebody asks for beyond what there is: a line for each host, method, credential, write, directory and model.

use super::{Grants, HttpGrant, place};
use crate::wit::manifest::Want;
use agentd_egress::covers;
use url::Url;

/// One line for each widening of `old` that these wants are. Reading repositories is none.
pub(crate) fn wider(old: &Grants, wants: &[Want]) -> Vec<String> {
    let new = Grants::implied(wants, vec![]);
    let mut lines: Vec<String> = new.http.iter().flat_map(|it| http(&old.http, it)).collect();
    if let Some(forge) = &new.forge {
        if old.forge.is_none() {
            lines.push("forge: read".into());
        }
        let had = |write: &&String| old.forge.as_ref().is_some_and(|it| it.writes.contains(*write));
        lines.extend(forge.writes.iter().filter(|it| !had(it)).map(|it| format!("forge: write {it}")));
    }
    let gained = |old: &[String], new: &[String]| -> Vec<String> {
        new.iter().filter(|it| !old.contains(it)).cloned().collect()
    };
    let directories = gained(&old.directories, &new.directories);
    lines.extend(directories.iter().map(|it| format!("directory: read what setting `{it}` names")));
    if old.mail.is_empty() && !new.mail.is_empty() {
        lines.push("mail: send".into());
    }
    if new.webhook && !old.webhook {
        lines.push("webhook: be called with deliveries".into());
    }
    lines.extend(gained(&old.models, &new.models).iter().map(|it| format!("model: `{it}`")));
    lines.extend(wants.iter().filter(|it| matches!(it, Want::Other(_))).map(super::line));
    lines.iter().map(|it| crate::error::readable(&it.replace('\n', " "), 512)).collect()
}

/// One line for each method that is new there; one for all if it wants all.
fn http(old: &[HttpGrant], new: &HttpGrant) -> Vec<String> {
    let any = [String::new()];
    let methods = if new.methods.is_empty() { any.as_slice() } else { new.methods.as_slice() };
    let gained = methods.iter().filter(|method| !old.iter().any(|it| includes(it, new, method)));
    let with = new.credential.as_ref().map_or(String::new(), |it| format!(" with credential `{it}`"));
    let place = if new.url_prefix.is_empty() { "the URL that is the secret".into() } else { place(&new.url_prefix) };
    let word = |method: &String| if method.is_empty() { "any method".to_owned() } else { method.clone() };
    gained.map(|method| format!("http: {} {place}{with}", word(method))).collect()
}

/// Whether the old grant has this method there already. An empty method is all of them.
fn includes(old: &HttpGrant, new: &HttpGrant, method: &str) -> bool {
    let same = old.url_prefix == new.url_prefix; // also where settings are missing: `{url}`
    let below = || Some(covers(&Url::parse(&old.url_prefix).ok()?, &Url::parse(&new.url_prefix).ok()?));
    let place = same || !old.url_prefix.contains('{') && below().unwrap_or(false);
    let methods =
        old.methods.is_empty() || !method.is_empty() && old.methods.iter().any(|it| it.eq_ignore_ascii_case(method));
    let credential = new.credential.is_none() || new.credential == old.credential;
    place && methods && credential
}
