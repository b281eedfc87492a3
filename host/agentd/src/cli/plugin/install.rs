//! `agentd plugin install`: fetch, look, put in place; and what `update` and `publish` do in the same way.
//!
//! The file gets its name only after it has been found to be a plugin. Serving is the daemon's business, which sees the
//! folder; here only the same question is asked, so that a person hears at once whether it waits for an approval.

use crate::{
    cli::{
        context::Context,
        exit::Error,
        print::{now, one_line, say},
        rehearsal::Rehearsal,
    },
    config::{Config, size_text},
    hint,
};
use agentd_distribution::{Distribution, Fetched, Key, Login, Logins, Options, Put, Source};
use agentd_executor::Found;
use agentd_plugin::Info;
use async_trait::async_trait;
use indicatif::{ProgressBar, ProgressStyle};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::{io::IsTerminal as _, path::Path, sync::Arc};

/// Install a plugin from a file, a URL or an OCI registry
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  agentd plugin install build/triage.wasm\n  agentd plugin install oci://ghcr.io/acme/triage:1.2.0"
)]
pub(crate) struct Install {
    /// PATH, https://HOST/FILE.wasm, or oci://HOST/NAME[:TAG|@sha256:DIGEST]
    source: String,
    /// The minisign public key that it has to be signed by, where [plugins.signed_by] names none
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Also in place of a plugin of that name that came from elsewhere
    #[arg(long)]
    replace: bool,
}

impl Install {
    pub(crate) async fn act(self, context: &mut Context) -> Result<(), Error> {
        let config = context.config()?;
        let distribution = distribution(&config)?;
        let here = std::env::current_dir();
        let here = here.map_err(|error| Error::usage(format!("the folder that this is run in is gone: {error}")))?;
        let source = Source::parse(&self.source, &here)?;
        let key = self.key.as_deref().map(Key::parse).transpose()?;
        if let (Some(own), Some(policy)) = (&key, distribution.key_of(&source))
            && own.to_string() != policy.to_string()
        {
            let text = format!("what comes from {} has to be signed by the key {}", source.name(), policy.id());
            return Err(Error::usage(text).hint("[plugins.signed_by] is over --key"));
        }
        let fetched = fetch(context, &distribution, &source, key.as_ref()).await?;
        let rehearsal = context.progress.during("loading the plugins", Rehearsal::load(&config)).await?;
        let info =
            context.progress.during("looking at the plugin", inspect(&rehearsal, fetched.path(), &source)).await?;
        let done = put(&config, &distribution, &rehearsal, fetched, &info, self.replace).await?;
        context.out.either(&done.to_json(), |_| done.to_text())
    }
}

/// What came of installing one plugin.
pub(super) struct Done {
    pub(super) put: Put,
    pub(super) info: Info,
    source: String,
    key_id: Option<String>,
    /// How it stands in the folder now; none: nothing is known of it.
    stands: Option<Info>,
}

impl Done {
    fn to_json(&self) -> Value {
        json!({
            "name": self.info.name,
            "version": self.info.version,
            "digest": self.info.digest,
            "source": self.source,
            "signed_by": self.key_id,
            "changed": self.put != Put::There,
            "held": self.stands.as_ref().and_then(|it| it.held.as_ref()).map(|it| it.why.clone()),
        })
    }

    fn to_text(&self) -> String {
        let Info { name, version, digest, .. } = &self.info;
        let (name, version) = (one_line(name, 80), one_line(version, 40));
        let signed = match &self.key_id {
            Some(id) => format!("signed by {id}"),
            None => "not signed".to_owned(),
        };
        let mut lines = vec![match &self.put {
            Put::There => format!("{name} {version} is there already ({})", short(digest)),
            Put::New => format!("{name} {version} is installed ({}, {signed})", short(digest)),
            Put::Replaced(Some(before)) if before.digest != *digest => {
                let (old, new) = (short(&before.digest), short(digest));
                format!("{name} {} is replaced by {version} ({old} by {new}, {signed})", one_line(&before.version, 40))
            }
            Put::Replaced(_) => format!("{name} {version} is in its place ({}, {signed})", short(digest)),
        }];
        lines.extend(self.waiting());
        lines.join("\n")
    }

    /// What it waits for, if it does.
    pub(super) fn waiting(&self) -> Vec<String> {
        let Some(stands) = &self.stands else { return Vec::new() };
        let name = one_line(&self.info.name, 80);
        match (&stands.held, &stands.problem) {
            (Some(held), _) => {
                // What to do is said below.
                let (why, _) = hint::apart(&held.why);
                let mut lines = vec![format!("it does not serve yet: {}", one_line(&why, 400))];
                lines.extend(held.wider.iter().map(|it| format!("  {}", one_line(it, 400))));
                lines.push(format!("agentd plugin approve {name} shows what it wants, and allows it"));
                lines
            }
            (None, Some(problem)) => vec![format!("it does not serve: {}", one_line(problem, 400))],
            (None, None) => Vec::new(),
        }
    }
}

/// The way from sources into this configuration's plugin folder.
pub(super) fn distribution(config: &Config) -> Result<Distribution, Error> {
    let options = Options {
        folder: config.plugins.clone(),
        network: config.network.egress(),
        logins: Arc::new(UserLogins),
        signed_by: config.signed_by.clone(),
        patience: Options::PATIENCE,
    };
    Ok(Distribution::new(options)?)
}

/// Fetches, and shows on stderr how far it is.
pub(super) async fn fetch(
    context: &Context,
    distribution: &Distribution,
    source: &Source,
    key: Option<&Key>,
) -> Result<Fetched, Error> {
    let shown = !context.global.quiet && !matches!(source, Source::Path(_));
    let on_terminal = std::io::stderr().is_terminal();
    if shown && !on_terminal {
        say(&format!("fetching {} …", source.name()));
    }
    let bar = (shown && on_terminal).then(|| bar(&source.name()));
    let mut told = |done: u64, total: Option<u64>| {
        if let Some(bar) = &bar {
            total.into_iter().for_each(|it| bar.set_length(it));
            bar.set_position(done);
        }
    };
    let fetched = distribution.fetch(source, key, &mut told).await;
    if let Some(bar) = &bar {
        bar.finish_and_clear();
    }
    let fetched = fetched?;
    tracing::debug!(digest = fetched.digest, "Fetched {}", size_text(fetched.size));
    Ok(fetched)
}

/// Looks whether a file is a plugin, and what it is called.
pub(super) async fn inspect(rehearsal: &Rehearsal, file: &Path, source: &Source) -> Result<Info, Error> {
    let place = source.name();
    match rehearsal.plugins.inspect(file).await {
        Ok(info) => Ok(info),
        // The path is that of a file that is gone when this is read.
        Err(agentd_plugin::Error::File { problem, .. }) => {
            let (text, hint) = hint::apart(&problem.to_string());
            let error = Error::work(format!("{place} is no plugin that works here: {text}"));
            Err(hint.into_iter().fold(error, Error::hint))
        }
        Err(error) => Err(Error::work(format!("{place}: {error}"))),
    }
}

/// Gives the file its name and its line in the lock file, and looks how it stands then.
pub(super) async fn put(
    config: &Config,
    distribution: &Distribution,
    rehearsal: &Rehearsal,
    fetched: Fetched,
    info: &Info,
    replace: bool,
) -> Result<Done, Error> {
    let (source, key_id) = (fetched.source.name(), fetched.signed.as_ref().map(|it| it.key_id.clone()));
    let grants = grants(config, &info.name);
    let put = distribution.folder().put(fetched, &info.name, &info.version, grants, replace, now()).await?;
    rehearsal.plugins.look().await;
    let stands = rehearsal.plugins.list().into_iter().find(|it| it.name == info.name);
    Ok(Done { put, info: info.clone(), source, key_id, stands })
}

/// Has the lock file say what a plugin that was installed is allowed by now.
pub(super) async fn note_grants(config: &Config, name: &str) -> Result<(), Error> {
    Ok(distribution(config)?.folder().note_grants(name, grants(config, name), now()).await?)
}

/// What a plugin is allowed by the configuration, one line each, for the lock file.
fn grants(config: &Config, name: &str) -> Vec<String> {
    let Some(approval) = config.approvals.get(name) else { return Vec::new() };
    let mut lines = vec![format!("approved {}", approval.digest)];
    lines.extend(approval.kinds.iter().map(|it| format!("kind {}", it.name())));
    let grants = &approval.grants;
    for it in &grants.http {
        let methods = if it.methods.is_empty() { "any method".to_owned() } else { it.methods.join(", ") };
        let with = it.credential.as_ref().map(|it| format!(" with {it}")).unwrap_or_default();
        lines.push(format!("http {methods} {}{with}", it.url_prefix));
    }
    if let Some(forge) = &grants.forge {
        lines.push(format!("forge read, write [{}]", forge.writes.iter().cloned().collect::<Vec<_>>().join(", ")));
    }
    lines.extend(grants.directories.iter().map(|it| format!("directory {it}")));
    lines.extend(grants.mail.iter().map(|it| format!("mail {it}")));
    lines.extend(grants.models.iter().map(|it| format!("model {it}")));
    lines.extend(grants.webhook.then(|| "webhook".to_owned()));
    lines
}

/// `sha256:` and its first digits.
pub(super) fn short(digest: &str) -> String {
    digest.chars().take("sha256:".len() + 12).collect()
}

fn bar(name: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {bytes} of {total_bytes}, {binary_bytes_per_sec} {wide_bar}");
    ProgressBar::no_length().with_style(style.expect("the template is right")).with_message(name.to_owned())
}

/// The logins that the user's docker has.
struct UserLogins;

#[async_trait]
impl Logins for UserLogins {
    async fn of(&self, registry: &str) -> Result<Option<Login>, String> {
        match agentd_executor::user_logins().of(registry).await {
            Found::Nothing => Ok(None),
            Found::Failed(why) => Err(why),
            Found::Login(login) => {
                let secret = login.identity_token.or(login.password).map(SecretString::from);
                Ok(secret.map(|secret| Login { user: login.user, secret }))
            }
        }
    }
}

impl From<agentd_distribution::Error> for Error {
    fn from(error: agentd_distribution::Error) -> Error {
        use agentd_distribution::Error as E;
        let (text, hint) = hint::apart(&error.to_string());
        let error = match &error {
            E::Source { .. } | E::Key(_) | E::Network(_) => Error::usage(text),
            _ => Error::work(text),
        };
        hint.into_iter().fold(error, Error::hint)
    }
}
