//! An OCI registry: the few requests of its protocol that plugins need, made by hand.
//!
//! A client library (`oci-client`) would bring an HTTP client of its own, whose resolver knows no filter of addresses,
//! which follows redirects with whatever it was given, and which would need the proxy and the authorities a second time.
//! What is needed is a dozen requests, so they go through `agentd-egress` like everything else.
//!
//! - A login goes to the registry, and to the place that the registry names for tokens; a redirect never gets one.
//! - Everything that is named by a digest is hashed, and refused if it is something else.
//! - TLS always, except for a registry on loopback, or one that was written `oci+http:`, within the networks that the
//!   operator named.

mod auth;
mod manifest;
mod push;

pub(crate) use manifest::Manifest;

use crate::{
    Distribution, Error, Reference, Source,
    fetch::{CALLER, PATIENCE, Taking, check_scheme, follow, rule, small},
    signature::SIGNATURE_BYTES_MAX,
};
use agentd_egress::{Egress, Patience, Request, Streamed};
use manifest::{INDEX, MANIFEST, MANIFEST_BYTES_MAX};
use std::{net::IpAddr, time::Duration};
use url::Url;

/// For a body on its way there: the answer begins when all of it has arrived.
const UPLOAD: Duration = Duration::from_secs(15 * 60);

/// One conversation with one repository of one registry.
pub(crate) struct Session<'a> {
    distribution: &'a Distribution,
    /// With the login, as soon as the registry has asked for one.
    egress: Egress,
    /// The name of the credential in there.
    credential: Option<&'static str>,
    asked: bool,
    registry: String,
    repository: String,
    /// `https://HOST/v2/REPOSITORY/`.
    base: Url,
    /// For people.
    place: String,
    pushes: bool,
}

impl<'a> Session<'a> {
    pub(crate) async fn open(
        distribution: &'a Distribution,
        reference: &Reference,
        pushes: bool,
    ) -> Result<Session<'a>, Error> {
        let place = Source::Oci(reference.clone()).name();
        let base = base(&distribution.egress, reference, &place).await?;
        Ok(Session {
            distribution,
            egress: distribution.egress.clone(),
            credential: None,
            asked: false,
            registry: reference.registry.clone(),
            repository: reference.repository.clone(),
            base,
            place,
            pushes,
        })
    }

    /// A manifest by tag or digest; none: there is none.
    pub(crate) async fn manifest(&mut self, version: &str) -> Result<Option<Manifest>, Error> {
        let url = self.at(&format!("manifests/{version}"))?;
        let accept = vec![("accept".to_owned(), format!("{MANIFEST}, {INDEX}"))];
        let mut answer = self.send("GET", &url, &accept, &[]).await?;
        match answer.status {
            200 => {}
            404 => return Ok(None),
            _ => return Err(self.refused("a manifest", answer).await),
        }
        let place = format!("{}:{version}", self.place);
        let bytes = small(&mut answer, &place, MANIFEST_BYTES_MAX).await?;
        let manifest = Manifest::read(&bytes).map_err(|what| Error::remote(&place, what))?;
        if version.starts_with("sha256:") && manifest.digest != version {
            return Err(Error::Digest { place, told: version.to_owned(), found: manifest.digest });
        }
        Ok(Some(manifest))
    }

    /// Takes a plugin's file, and gives the digest of its manifest.
    pub(crate) async fn pull(
        &mut self,
        reference: &Reference,
        taking: &mut Taking,
        told: &mut (dyn FnMut(u64, Option<u64>) + Send),
    ) -> Result<String, Error> {
        let asked = reference.asked();
        let missing = || Error::Remote {
            place: format!("{}:{asked}", Source::Oci(reference.clone()).name()),
            what: "there is no such plugin, or it wants a login".into(),
            hint: Some("check name and tag; `docker login` stores a login that is used here too".into()),
        };
        let top = self.manifest(asked).await?.ok_or_else(missing)?;
        let manifest = match top.only_child().map_err(|what| Error::remote(&self.place, what))? {
            Some(child) => self.manifest(&child).await?.ok_or_else(missing)?,
            None => top.clone(),
        };
        let layer = manifest.layer().map_err(|what| Error::NotWasm { place: self.place.clone(), what })?;
        taking.expect(layer.size)?;
        let mut answer = self.blob(&layer.digest).await?;
        taking.stream(&mut answer, told).await?;
        taking.check(&layer.digest, layer.size)?;
        Ok(top.digest)
    }

    /// The signature that belongs to a manifest; none: there is none.
    pub(crate) async fn signature(&mut self, manifest: &str) -> Result<Option<String>, Error> {
        let Some(found) = self.manifest(&manifest::signature_tag(manifest)).await? else { return Ok(None) };
        let layer = found.signature_layer().map_err(|what| Error::remote(&self.place, what))?;
        let mut answer = self.blob(&layer.digest).await?;
        let bytes = small(&mut answer, &self.place, SIGNATURE_BYTES_MAX).await?;
        // The signature itself says whether it is good; its digest says nothing more.
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Where a registry keeps its blobs elsewhere, it sends there: then without a login.
    async fn blob(&mut self, digest: &str) -> Result<Streamed, Error> {
        let url = self.at(&format!("blobs/{digest}"))?;
        let mut answer = self.send("GET", &url, &[], &[]).await?;
        if matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
            let to = header(&answer, "location").and_then(|it| url.join(it).ok());
            let to = to.ok_or_else(|| Error::remote(&self.place, "it sends elsewhere and does not say where"))?;
            if url.scheme() == "https" && to.scheme() != "https" {
                return Err(Error::remote(&self.place, "it sends from https: to something that is not"));
            }
            answer = follow(&self.distribution.egress, to, &self.place).await?;
        }
        match answer.status {
            200 => Ok(answer),
            _ => Err(self.refused("a blob", answer).await),
        }
    }

    /// Sends, and where the registry asks for a login, logs in and sends once more.
    async fn send(
        &mut self,
        method: &str,
        url: &Url,
        headers: &[(String, String)],
        body: &[u8],
    ) -> Result<Streamed, Error> {
        let answer = self.once(method, url, headers, body).await?;
        if answer.status != 401 || self.asked {
            return Ok(answer);
        }
        self.asked = true;
        let challenges: Vec<String> =
            answer.headers.iter().filter(|(name, _)| name == "www-authenticate").map(|(_, it)| it.clone()).collect();
        drop(answer);
        self.log_in(&challenges).await?;
        self.once(method, url, headers, body).await
    }

    async fn once(
        &self,
        method: &str,
        url: &Url,
        headers: &[(String, String)],
        body: &[u8],
    ) -> Result<Streamed, Error> {
        // An upload may go on at another host, which gets no login of this one's.
        let credential = self.credential.filter(|_| self.is_own(url)).map(str::to_owned);
        let mut rule = rule(method, url);
        rule.credential.clone_from(&credential);
        let request = Request {
            method: method.into(),
            url: url.to_string(),
            headers: headers.to_vec(),
            body: body.to_vec(),
            credential,
            ..Request::default()
        };
        let patience = if body.is_empty() { PATIENCE } else { Patience { head: UPLOAD, ..PATIENCE } };
        let answer = self.egress.open(CALLER, &[rule], request, patience).await;
        answer.map_err(|error| Error::egress(&self.place, &error))
    }

    fn is_own(&self, url: &Url) -> bool {
        url.origin() == self.base.origin() && url.path().starts_with("/v2/")
    }

    fn at(&self, path: &str) -> Result<Url, Error> {
        self.base.join(path).map_err(|_| Error::remote(&self.place, "that makes no URL"))
    }

    /// What an answer means that is none of the good ones.
    async fn refused(&self, what: &str, mut answer: Streamed) -> Error {
        let status = answer.status;
        let said = small(&mut answer, &self.place, 64 << 10).await.ok();
        let code = said.and_then(|it| manifest::error_code(&it)).map(|it| format!(" ({it})")).unwrap_or_default();
        let hint = match status {
            401 | 403 => {
                let host = if self.registry == "docker.io" { String::new() } else { format!(" {}", self.registry) };
                let right = if self.pushes { ", by somebody who may write there" } else { "" };
                Some(format!("`docker login{host}` stores a login that is used here too{right}"))
            }
            429 => Some("these are too many requests for it: try again later, or log in".into()),
            _ => None,
        };
        Error::Remote { place: self.place.clone(), what: format!("asked for {what}, it answers {status}{code}"), hint }
    }
}

pub(crate) fn header<'a>(answer: &'a Streamed, name: &str) -> Option<&'a str> {
    answer.headers.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
}

/// Where the registry's own requests begin. A registry on loopback may speak TLS or not: it is asked.
async fn base(egress: &Egress, reference: &Reference, place: &str) -> Result<Url, Error> {
    let host = if reference.registry == "docker.io" { "registry-1.docker.io" } else { &reference.registry };
    let at = |scheme: &str, path: &str| {
        Url::parse(&format!("{scheme}://{host}/v2/{path}")).map_err(|_| Error::remote(place, "its registry is no host"))
    };
    let path = format!("{}/", reference.repository);
    if reference.plain {
        let base = at("http", &path)?;
        check_scheme(egress, &base, place).await?;
        return Ok(base);
    }
    let secure = at("https", &path)?;
    let name = secure.host_str().unwrap_or_default();
    let loopback =
        name == "localhost" || name.trim_matches(['[', ']']).parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    if !loopback || !egress.is_private(name).await {
        return Ok(secure);
    }
    let url = at("https", "")?;
    let request = Request { method: "GET".into(), url: url.to_string(), ..Request::default() };
    match egress.open(CALLER, &[rule("GET", &url)], request, PATIENCE).await {
        Err(agentd_egress::Error::Unavailable { .. } | agentd_egress::Error::Cut { .. }) => at("http", &path),
        Ok(_) | Err(_) => Ok(secure),
    }
}
