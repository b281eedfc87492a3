//! Putting a plugin into a registry: its blobs, then the manifest that names them, then its signature.

use super::{
    Session, header,
    manifest::{self, Described, Descriptor, EMPTY_BYTES, MANIFEST},
};
use crate::{Error, Package};
use url::Url;

impl Session<'_> {
    pub(crate) async fn push(&mut self, tag: &str, package: &Package<'_>, digest: &str) -> Result<Described, Error> {
        let created = jiff::Timestamp::from_millisecond(package.now / 1000 * 1000).unwrap_or_default().to_string();
        let layer = Descriptor { digest: digest.to_owned(), size: package.bytes.len() as u64 };
        let config = manifest::config(digest, &package.exports, &created);
        self.put_blob(package.bytes, digest).await?;
        self.put_blob(&config, &manifest::digest(&config)).await?;
        let bytes = manifest::of_plugin(package.name, package.version, &config, &layer, &created);
        self.put_manifest(tag, &bytes).await
    }

    pub(crate) async fn push_signature(&mut self, of: &Described, text: &str) -> Result<(), Error> {
        self.put_blob(EMPTY_BYTES, &manifest::digest(EMPTY_BYTES)).await?;
        self.put_blob(text.as_bytes(), &manifest::digest(text.as_bytes())).await?;
        let bytes = manifest::of_signature(text, of);
        self.put_manifest(&manifest::signature_tag(&of.digest), &bytes).await?;
        Ok(())
    }

    /// Puts a blob there unless it is.
    async fn put_blob(&mut self, bytes: &[u8], digest: &str) -> Result<(), Error> {
        let there = self.at(&format!("blobs/{digest}"))?;
        // Also one that sends elsewhere has it.
        if matches!(self.send("HEAD", &there, &[], &[]).await?.status, 200 | 307) {
            return Ok(());
        }
        let start = self.at("blobs/uploads/")?;
        let answer = self.send("POST", &start, &[], &[]).await?;
        if answer.status != 202 {
            return Err(self.refused("a place for a blob", answer).await);
        }
        let to = header(&answer, "location").and_then(|it| start.join(it).ok());
        let mut to: Url = to.ok_or_else(|| Error::remote(&self.place, "it does not say where a blob goes"))?;
        if start.scheme() == "https" && to.scheme() != "https" {
            return Err(Error::remote(&self.place, "it wants a blob somewhere that is not https:"));
        }
        drop(answer);
        to.query_pairs_mut().append_pair("digest", digest);
        let kind = [("content-type".to_owned(), "application/octet-stream".to_owned())];
        let answer = self.send("PUT", &to, &kind, bytes).await?;
        match answer.status {
            201 | 204 => Ok(()),
            _ => Err(self.refused("a blob to be kept", answer).await),
        }
    }

    async fn put_manifest(&mut self, tag: &str, bytes: &[u8]) -> Result<Described, Error> {
        let url = self.at(&format!("manifests/{tag}"))?;
        let kind = [("content-type".to_owned(), MANIFEST.to_owned())];
        let answer = self.send("PUT", &url, &kind, bytes).await?;
        if !matches!(answer.status, 200 | 201) {
            return Err(self.refused("a manifest to be kept", answer).await);
        }
        let made = Described { digest: manifest::digest(bytes), size: bytes.len() };
        match header(&answer, "docker-content-digest") {
            Some(other) if other != made.digest => {
                let other: String = other.chars().filter(char::is_ascii_graphic).take(80).collect();
                Err(Error::Digest { place: self.place.clone(), told: made.digest, found: other })
            }
            _ => Ok(made),
        }
    }
}
