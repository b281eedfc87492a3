//! `agentd plugin publish`: puts a plugin into an OCI registry, signed if a key is named.

use super::install::{distribution, inspect, short};
use crate::cli::{
    context::Context,
    exit::Error,
    print::{now, one_line},
    rehearsal::Rehearsal,
};
use agentd_distribution::{PLUGIN_BYTES_MAX, Package, Signer, Source};
use secrecy::SecretString;
use serde_json::json;
use std::{
    io::IsTerminal as _,
    path::{Path, PathBuf},
};

/// Where the password of a key is looked for before a person is asked.
const PASSWORD: &str = "AGENTD_SIGN_PASSWORD";

/// Put a plugin into an OCI registry
///
/// The login is docker's (`docker login`). A key with a password asks for it, or takes it from AGENTD_SIGN_PASSWORD.
/// Without a tag the plugin's version is the tag.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  agentd plugin publish oci://ghcr.io/acme/triage --sign minisign.key build/triage.wasm"
)]
pub(crate) struct Publish {
    /// oci://HOST/NAME[:TAG]
    to: String,
    /// The plugin's .wasm file
    file: PathBuf,
    /// Sign it with this minisign secret key
    #[arg(long, value_name = "KEYFILE")]
    sign: Option<PathBuf>,
}

impl Publish {
    pub(crate) async fn act(self, context: &mut Context) -> Result<(), Error> {
        let Source::Oci(reference) = Source::parse(&self.to, Path::new("/"))? else {
            return Err(Error::usage(format!("{} is no registry", self.to)).hint("one is oci://ghcr.io/acme/triage"));
        };
        let config = context.config()?;
        let distribution = distribution(&config)?;
        let here = Source::Path(self.file.clone());
        let signer = self.sign.as_deref().map(signer).transpose()?;
        let rehearsal = context.progress.during("loading the plugins", Rehearsal::load(&config)).await?;
        let info = context.progress.during("looking at the plugin", inspect(&rehearsal, &self.file, &here)).await?;
        let bytes = read(&self.file, PLUGIN_BYTES_MAX)?;
        let package = Package {
            bytes: &bytes,
            name: &info.name,
            version: &info.version,
            exports: info.kinds.iter().map(|it| format!("agentd:{0}/{0}@1.0.0", it.name())).collect(),
            signer: signer.as_ref(),
            now: now(),
        };
        let done = context.progress.during("publishing", distribution.publish(&reference, package)).await?;
        let shown = json!({
            "source": done.source.to_string(),
            "manifest": done.manifest,
            "digest": done.digest,
            "signed_by": done.key_id,
            "changed": !done.there,
        });
        context.out.either(&shown, |_| {
            let there = if done.there { "was there already" } else { "is published" };
            let mut text = format!("{} {there} ({})", one_line(&done.source.to_string(), 300), short(&done.digest));
            if let Some(signer) = &signer {
                let key = signer.key();
                text.push_str(&format!("\nsigned by {}; who installs it writes into [plugins.signed_by]:", key.id()));
                text.push_str(&format!("\n  \"{}\" = \"{key}\"", done.source.name()));
            }
            text
        })
    }
}

fn signer(path: &Path) -> Result<Signer, Error> {
    let bytes = read(path, 64 << 10)?;
    let text = String::from_utf8(bytes).map_err(|_| Error::usage(format!("{} holds no key", path.display())))?;
    let password = || match std::env::var(PASSWORD) {
        Ok(password) => Ok(SecretString::from(password)),
        Err(_) if std::io::stdin().is_terminal() => {
            let asked = rpassword::prompt_password(format!("Password of {}: ", path.display()));
            asked.map(SecretString::from).map_err(|error| format!("the password could not be read: {error}"))
        }
        Err(_) => Err(format!("{} has a password, and nobody is there to ask: set {PASSWORD}", path.display())),
    };
    Ok(Signer::open(&text, password)?)
}

fn read(path: &Path, most: u64) -> Result<Vec<u8>, Error> {
    use std::io::Read as _;
    let failed = |error: std::io::Error| Error::usage(format!("{} cannot be read: {error}", path.display()));
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    let size = file.take(most + 1).read_to_end(&mut bytes).map_err(failed)?;
    if size as u64 > most {
        return Err(Error::usage(format!("{} is larger than {most} bytes", path.display())));
    }
    Ok(bytes)
}
