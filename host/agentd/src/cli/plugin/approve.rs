//! `agentd plugin approve`: a person reads what a plugin wants, in plain words, and allows it.
//!
//! What is written is pinned to the file that was read: if another one lies there by then, it is asked for anew.

use super::{approval, install::note_grants, plugin, words};
use crate::{
    cli::{ask::Ask, client, context::Context, exit::Error, print::one_line, rehearsal::Rehearsal},
    config::Config,
};
use agentd_plugin::{Approval, Grants, Opened, line, wit::manifest::Want};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Allow what a plugin from the plugin folder wants; it serves at once, or at the next start
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  agentd plugin approve linear\n  agentd plugin approve digest-mail --mail '*@acme.com' --yes"
)]
pub(crate) struct Approve {
    /// The plugin's name, as `agentd plugin list` shows it
    name: String,
    /// Whom it may send mail to: an address, or all of a domain [default: what [mail] allows]
    #[arg(long, value_name = "PATTERN")]
    mail: Vec<String>,
    /// Approve this file and no other: its digest, or how it begins
    #[arg(long, value_name = "SHA256")]
    digest: Option<String>,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

impl Approve {
    pub(crate) async fn act(self, context: &mut Context) -> Result<(), Error> {
        let config = context.config()?;
        let listed = plugin(context, &self.name).await?;
        let file = file_of(&listed)
            .ok_or_else(|| Error::usage(format!("the plugin {} came with agentd and needs no approval", self.name)))?;
        let rehearsal = Rehearsal::load(&config).await?;
        let opened = rehearsal.plugins.open(&file).await.map_err(|error| Error::usage(error.to_string()))?;
        self.check_digest(&opened)?;
        let holds = &opened.info().name;
        if *holds != self.name {
            let text = format!("{} holds the plugin {holds} by now, and not {}", file.display(), self.name);
            return Err(Error::work(text).hint("`agentd plugin list` shows how it stands"));
        }
        let wants = wants(&config, &opened, &self.name).await?;
        let approval = self.approval(&config, &opened, &wants)?;
        if !context.out.json {
            context.out.line(&shown(&self.name, &file, &opened, &wants))?;
        }
        if !Ask::new(self.yes).agree("Allow that?")? {
            return Err(
                Error::work(format!("{} was not approved", self.name)).hint("say --yes where nobody can be asked")
            );
        }
        let place = approval::place(context, &self.name)?;
        let config = approval::write(context, &place, &self.name, &approval)?;
        let said = tell(context, &self.name).await?;
        note_grants(&config, &self.name).await?;
        let answer = json!({ "plugin": self.name, "digest": approval.digest, "file": place, "said": said });
        context.out.either(&answer, |_| format!("Written to {}. {said}", place.display()))
    }

    fn check_digest(&self, opened: &Opened) -> Result<(), Error> {
        let digest = &opened.info().digest;
        let is = |wanted: &String| {
            let wanted = wanted.strip_prefix("sha256:").unwrap_or(wanted);
            wanted.len() >= 8 && digest.strip_prefix("sha256:").is_some_and(|it| it.starts_with(wanted))
        };
        match &self.digest {
            Some(wanted) if !is(wanted) => {
                Err(Error::work(format!("the file is {digest} by now, and not {wanted}")).hint("look at it again"))
            }
            _ => Ok(()),
        }
    }

    fn approval(&self, config: &Config, opened: &Opened, wants: &[Want]) -> Result<Approval, Error> {
        let mut grants = Grants::implied(wants, vec![]);
        if wants.iter().any(|it| matches!(it, Want::Mail(_))) {
            let general = config.mail.as_ref().map(|it| it.allow.clone()).unwrap_or_default();
            grants.mail = if self.mail.is_empty() { general } else { self.mail.clone() };
            if grants.mail.is_empty() {
                return Err(Error::usage(format!("{} wants to send mail, and nobody says to whom it may", self.name))
                    .hint("--mail '*@example.org', or allow = [\"*@example.org\"] in [mail]"));
            }
        }
        let info = opened.info();
        Ok(Approval { digest: info.digest.clone(), kinds: info.kinds.clone(), grants })
    }
}

/// The file that waits, else the one that serves; none: it came with agentd.
fn file_of(plugin: &Value) -> Option<PathBuf> {
    let file = |it: &Value| it["dropped"].as_str().map(PathBuf::from);
    file(&plugin["held"]["origin"]).or_else(|| file(&plugin["origin"]))
}

/// What it wants in each section that uses it; where none does, what it wants without settings.
async fn wants(config: &Config, opened: &Opened, name: &str) -> Result<Vec<Want>, Error> {
    let mut all: Vec<Want> = Vec::new();
    let mut settings = config.settings_of(name);
    if settings.is_empty() {
        settings.push(json!({}));
    }
    for settings in settings {
        let wants = opened.wants(settings).await.map_err(|error| Error::usage(error.to_string()))?;
        all.extend(wants.into_iter().filter(|it| !all.contains(it)).collect::<Vec<_>>());
    }
    Ok(all)
}

fn shown(name: &str, file: &Path, opened: &Opened, wants: &[Want]) -> String {
    let info = opened.info();
    let kinds = info.kinds.iter().map(|it| it.name()).collect::<Vec<_>>().join(", ");
    let mut lines = vec![
        format!("{name} {}: {}", one_line(&info.version, 40), one_line(&info.summary, 400)),
        format!("{}, {}", info.digest, file.display()),
        String::new(),
        "It wants".into(),
        format!("  - to be called as {kinds}"),
    ];
    for want in wants {
        let open =
            if line(want).contains('{') { "; what is in braces is not set yet: approve it again then" } else { "" };
        lines.push(format!("  - {}{open}", line(want)));
    }
    lines.push(String::new());
    lines.join("\n")
}

/// Has the daemon read it, and says how the plugin stands then.
async fn tell(context: &Context, name: &str) -> Result<String, Error> {
    let reloaded: Result<Value, _> = context.client()?.post("/v1/reload", &json!({})).await;
    match reloaded {
        Err(client::Error::NotRunning { .. }) => Ok("It holds from the next start of agentd.".into()),
        Err(error) => Err(error.into()),
        Ok(_) => {
            // Whoever approves a version that was rolled back wants it tried again; for others nothing changes.
            context.client()?.post::<Value>(&format!("/v1/plugins/{name}/readmit"), &json!({})).await.ok();
            let plugin = plugin(context, name).await?;
            Ok(match plugin["held"]["why"].as_str().or(plugin["problem"].as_str()) {
                Some(why) => format!("It does not serve yet: {}", one_line(why, 400)),
                None => format!("{} {} serves.", name, words(&plugin["version"])),
            })
        }
    }
}
