//! What agentd may do on GitHub with the access it has. Asks, and changes nothing.

use super::{check::Check, exit::Error};
use crate::{config::Config, daemon, hint};
use agentd_forge::{
    GitHub,
    github::{Account, Label, WORK_LABEL, own_labels},
};

/// So many repositories are looked at one by one; with a glob there may be hundreds.
const LOOKED_AT_MAX: usize = 50;

/// Further apart clocks make trouble.
const CLOCK_SECONDS_MAX: i64 = 30;

/// What was found.
pub(crate) struct Look {
    /// `github.com`, or the address of another server.
    pub(crate) place: String,
    pub(crate) account: Account,
    /// How many requests are left of how many, until the limit starts anew.
    allowance: Option<(u32, u32)>,
    /// How far this machine's clock is ahead of GitHub's, in milliseconds.
    clock_ahead: Option<i64>,
    pub(crate) repositories: Vec<Looked>,
    /// Found by globs, and too many to be looked at one by one.
    others: usize,
    /// Globs that name nothing.
    empty: Vec<String>,
}

/// One repository.
pub(crate) struct Looked {
    pub(crate) name: String,
    /// The configuration names it; else a glob found it.
    named: bool,
    /// What the access lacks there, and what to do.
    pub(crate) lacks: Vec<String>,
    /// Which labels it has not.
    pub(crate) without: Vec<Label>,
}

/// The client that the configuration describes, for looking only: what it wrote would bear no instance's mark.
pub(crate) fn client(config: &Config) -> Result<GitHub, Error> {
    let client = daemon::github(config, "cli", [0; 32])?;
    client.ok_or_else(|| Error::usage("the configuration has no [github]").hint("agentd auth github makes it"))
}

/// Names of the repositories that the globs of `[github]` find now.
async fn found(github: &GitHub, config: &Config) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    for owner in config.owners_with_globs() {
        match github.repositories_of(&owner).await {
            Ok(names) => found.extend(names.into_iter().filter(|it| config.is_mine(it))),
            // There is no such owner: its globs find nothing, which is told as that.
            Err(agentd_forge::Error::Refused { status: 404, .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(found)
}

/// Looks at the account and at each repository that the configuration names. `start`: the label that starts work.
pub(crate) async fn look(github: &GitHub, config: &Config, start: &str) -> Result<Look, Error> {
    let account = github.account().await?;
    let mut all = config.clone();
    all.take_found(found(github, config).await?);
    let on_github = all.repositories.values().filter(|it| it.on_github()).map(|it| it.id.clone());
    let (named, mut found): (Vec<_>, Vec<_>) = on_github.partition(|it| config.repositories.contains_key(it));
    let globs = config.github.iter().flat_map(|it| &it.repositories);
    let empty = globs.filter(|it| all.repositories_of(&[(*it).clone()]).is_empty()).cloned().collect();
    let others = found.split_off(found.len().min(LOOKED_AT_MAX.saturating_sub(named.len()))).len();
    let mut repositories = Vec::new();
    for (name, named) in named.into_iter().map(|it| (it, true)).chain(found.into_iter().map(|it| (it, false))) {
        repositories.push(one(github, name, named, start).await?);
    }
    let place = config.github.as_ref().and_then(|it| it.url.clone()).unwrap_or_else(|| "github.com".into());
    let usage = github.usage();
    let allowances = usage.allowances.into_iter().filter(|it| it.resource == "core");
    let (allowance, clock_ahead) = (allowances.map(|it| (it.left, it.limit)).min(), usage.clock_ahead);
    Ok(Look { place, account, allowance, clock_ahead, repositories, others, empty })
}

async fn one(github: &GitHub, name: String, named: bool, start: &str) -> Result<Looked, Error> {
    let lacks = github.missing_rights(&name).await?;
    // Where the repository cannot be seen at all, its labels cannot either.
    let labels = match github.labels(&name).await {
        Ok(labels) => Some(labels),
        Err(_) if !lacks.is_empty() => None,
        Err(error) => return Err(error.into()),
    };
    let there = |it: &str| labels.iter().flatten().any(|label| label.name.eq_ignore_ascii_case(it));
    let wanted = own_labels().map(|it| match it.name == WORK_LABEL {
        true => Label { name: start.to_owned(), ..it },
        false => it,
    });
    let without = wanted.into_iter().filter(|it| labels.is_some() && !there(&it.name)).collect();
    Ok(Looked { name, named, lacks, without })
}

impl Look {
    /// The account, and each repository.
    pub(crate) fn checks(&self) -> Vec<Check> {
        let mut checks = vec![self.whom()];
        for glob in &self.empty {
            let text = "no repository of that owner is seen with this access";
            let hint = "see the owner's name, and which repositories the token or the App was given";
            checks.push(Check::warn(format!("repository {glob}"), text, hint));
        }
        for it in &self.repositories {
            let name = format!("repository {}", it.name);
            if it.lacks.is_empty() {
                checks.push(Check::ok(name, format!("on {}, with all rights that agentd needs", self.place)));
                continue;
            }
            let text = it.lacks.join("\n");
            let hint = "agentd auth github tells whether it works now";
            checks.push(match it.named {
                true => Check::fail(name, text, hint),
                false => Check::warn(name, text, hint),
            });
        }
        if self.others > 0 {
            checks.push(Check::ok("repositories", format!("{} more were found and not looked at", self.others)));
        }
        checks
    }

    fn whom(&self) -> Check {
        let Account { login, name, app, scopes } = &self.account;
        let who = name.as_ref().filter(|it| *it != login).map(|it| format!(" ({it})")).unwrap_or_default();
        let kind = if *app { "a GitHub App" } else { "a token" };
        let scopes = scopes.as_ref().filter(|it| !it.is_empty());
        let scopes = scopes.map(|it| format!(" with the scopes {}", it.join(", "))).unwrap_or_default();
        let left = self.allowance.map(|(left, limit)| format!(", {left} of {limit} requests left"));
        let left = left.unwrap_or_default();
        Check::ok("github", format!("{} knows agentd as {login}{who}, by {kind}{scopes}{left}", self.place))
    }

    /// Whether this machine's clock agrees with GitHub's.
    pub(crate) fn clock(&self) -> Option<Check> {
        let ahead = self.clock_ahead? / 1000;
        if ahead.abs() <= CLOCK_SECONDS_MAX {
            return None;
        }
        let word = if ahead > 0 { "ahead of" } else { "behind" };
        let text = format!("this machine's clock is {} s {word} GitHub's", ahead.abs());
        let hint = "set the clock, by NTP best: an App gets no token with a wrong one, and waits are wrong too";
        Some(Check::warn("clock", text, hint))
    }

    /// Repositories that lack some of the labels, with those.
    pub(crate) fn without_labels(&self) -> impl Iterator<Item = &Looked> {
        self.repositories.iter().filter(|it| !it.without.is_empty())
    }
}

impl From<agentd_forge::Error> for Error {
    fn from(error: agentd_forge::Error) -> Error {
        let (text, hint) = hint::apart(&error.to_string());
        Error { hint, ..Error::work(text) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::Level;

    fn looked(name: &str, named: bool, lacks: &[&str], without: &[&str]) -> Looked {
        let label = |it: &&str| Label { name: (*it).into(), color: String::new(), description: String::new() };
        let lacks = lacks.iter().map(|it| (*it).to_owned()).collect();
        Looked { name: name.into(), named, lacks, without: without.iter().map(label).collect() }
    }

    fn look(repositories: Vec<Looked>) -> Look {
        let scopes = Some(vec!["repo".into()]);
        let account = Account { login: "bot".into(), name: Some("The bot".into()), app: false, scopes };
        let (place, empty) = ("github.com".into(), vec!["acmee/*".into()]);
        let allowance = Some((4_998, 5_000));
        Look { place, account, allowance, clock_ahead: None, repositories, others: 3, empty }
    }

    #[test]
    fn each_repository_says_what_it_lacks() {
        let push = "it may not push: give it `Contents: write`";
        let look = look(vec![
            looked("acme/api", true, &[], &[]),
            looked("acme/web", true, &[push, "it may not label"], &[]),
            looked("acme/old", false, &[push], &[]),
        ]);
        let lines: Vec<_> = look.checks().iter().map(|it| format!("{:?} {}: {}", it.level, it.name, it.text)).collect();
        assert_eq!(
            lines,
            [
                "Ok github: github.com knows agentd as bot (The bot), by a token with the scopes repo, 4998 of 5000 requests left",
                "Warn repository acmee/*: no repository of that owner is seen with this access",
                "Ok repository acme/api: on github.com, with all rights that agentd needs",
                "Fail repository acme/web: it may not push: give it `Contents: write`\nit may not label",
                "Warn repository acme/old: it may not push: give it `Contents: write`",
                "Ok repositories: 3 more were found and not looked at",
            ]
        );
    }

    #[test]
    fn a_clock_that_is_wrong_is_told() {
        let told = |clock_ahead| Look { clock_ahead, ..look(vec![]) }.clock().map(|it| (it.level, it.text));
        for ahead in [None, Some(0), Some(30_999), Some(-30_999)] {
            assert_eq!(told(ahead), None, "{ahead:?}");
        }
        let warned = |text: &str| Some((Level::Warn, text.to_owned()));
        assert_eq!(told(Some(90_400)), warned("this machine's clock is 90 s ahead of GitHub's"));
        assert_eq!(told(Some(-31_000)), warned("this machine's clock is 31 s behind GitHub's"));
    }
}
