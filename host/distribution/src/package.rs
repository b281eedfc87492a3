//! Publishing: a plugin and its signature, on their way into a registry.

use crate::{Distribution, Error, Reference, Signer, Source, registry::Session, source::Version};
use sha2::{Digest, Sha256};

/// What is published.
#[derive(Debug)]
pub struct Package<'a> {
    pub bytes: &'a [u8],
    pub name: &'a str,
    /// The tag where the reference names none.
    pub version: &'a str,
    /// What it exports, for people who look at it in a registry.
    pub exports: Vec<String>,
    pub signer: Option<&'a Signer>,
    /// Milliseconds since 1970.
    pub now: i64,
}

/// What is in the registry now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// With its tag.
    pub source: Source,
    /// `sha256:…` of the manifest.
    pub manifest: String,
    /// `sha256:…` of the component.
    pub digest: String,
    pub key_id: Option<String>,
    /// It was there already, byte for byte.
    pub there: bool,
}

impl Distribution {
    /// Puts a plugin into a registry, and its signature beside it. Without a tag it gets its version for one, and a
    /// version that is there with other content is not replaced.
    ///
    /// # Errors
    /// See [`Error`]. A signature that could not be put there leaves the plugin there without one.
    pub async fn publish(&self, reference: &Reference, package: Package<'_>) -> Result<Published, Error> {
        let name = Source::Oci(reference.clone()).name();
        let work = self.publish_patiently(reference, package);
        tokio::time::timeout(self.options.patience, work)
            .await
            .unwrap_or_else(|_| Err(Error::remote(name, "it did not take all of it in time")))
    }

    async fn publish_patiently(&self, reference: &Reference, package: Package<'_>) -> Result<Published, Error> {
        let place = Source::Oci(reference.clone()).name();
        let (tag, replaces) = match &reference.version {
            Version::Tag(tag) => (tag.clone(), true),
            // A `+` is good in a version, and not in a tag.
            Version::Unsaid => (package.version.replace('+', "-"), false),
            Version::Digest(_) => {
                return Err(Error::remote(place, "what is published gets a tag, and not a digest of one's choice"));
            }
        };
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(package.bytes)));
        let signed = package
            .signer
            .map(|signer| signer.sign(package.bytes, &format!("{} {} {digest}", package.name, package.version)))
            .transpose()?;
        let mut session = Session::open(self, reference, true).await?;
        let before = session.manifest(&tag).await?;
        let same = before.as_ref().filter(|it| it.layer().is_ok_and(|layer| layer.digest == digest));
        let (manifest, there) = match (same, &before) {
            (Some(same), _) => (same.described(), true),
            (None, Some(_)) if !replaces => {
                return Err(Error::Remote {
                    place: format!("{place}:{tag}"),
                    what: "there is another plugin of that version".into(),
                    hint: Some("give it a new version, or name the tag to replace it".into()),
                });
            }
            (None, _) => (session.push(&tag, &package, &digest).await?, false),
        };
        if let Some(text) = &signed {
            session.push_signature(&manifest, text).await?;
        }
        let version = Version::Tag(tag);
        Ok(Published {
            source: Source::Oci(Reference { version, ..reference.clone() }),
            manifest: manifest.digest,
            digest,
            key_id: package.signer.map(|it| it.key().id()),
            there,
        })
    }
}
