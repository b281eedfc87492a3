//! Gets a plugin's file from its source: bounded, hashed on its way, and its signature looked at.
//!
//! The file lies in the plugin folder under a name that is no plugin's, so that giving it its name is a rename. It goes
//! away with [`Fetched`] unless [`Folder::put`](crate::Folder::put) takes it.
//!
//! A redirect is followed by hand, a few times, and each hop is a request of its own: its address is checked again, and
//! no login goes along. From `https:` none leads to `http:`.

use crate::{
    Distribution, Error, Key, PLUGIN_BYTES_MAX, Signed, Source, registry::Session, signature::SIGNATURE_BYTES_MAX,
};
use agentd_egress::{Egress, Patience, Request, Rule, Streamed};
use sha2::{Digest, Sha256};
use std::{
    fs,
    io::{self, Read, Write},
    path::Path,
    time::Duration,
};
use tempfile::NamedTempFile;
use tokio::task::spawn_blocking;
use url::Url;

/// Whom the audit lines name.
pub(crate) const CALLER: &str = "agentd plugin";
const REDIRECTS_MAX: usize = 5;
const WASM_MAGIC: &[u8; 4] = b"\0asm";
const HEAD: Duration = Duration::from_secs(60);
const IDLE: Duration = Duration::from_secs(60);

/// A file that came, with no name yet.
#[derive(Debug)]
pub struct Fetched {
    pub(crate) file: NamedTempFile,
    /// `sha256:…` of the file.
    pub digest: String,
    /// In bytes.
    pub size: u64,
    pub source: Source,
    /// Of a registry: the manifest's digest.
    pub manifest: Option<String>,
    /// None: no key was named for its source.
    pub signed: Option<Signed>,
}

impl Fetched {
    /// Where it lies, for whoever looks at it.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.file.path()
    }
}

/// Takes bytes one after the other into a file of the plugin folder.
pub(crate) struct Taking {
    place: String,
    file: NamedTempFile,
    hash: Sha256,
    size: u64,
    limit: u64,
    total: Option<u64>,
}

impl Distribution {
    /// Gets the file of a source, and checks it against `key`, or against the policy's key for the source if there is
    /// none. `told` hears how many bytes have come, and how many there will be where that is known.
    ///
    /// # Errors
    /// See [`Error`]; nothing is left behind.
    pub async fn fetch(
        &self,
        source: &Source,
        key: Option<&Key>,
        told: &mut (dyn FnMut(u64, Option<u64>) + Send),
    ) -> Result<Fetched, Error> {
        let work = self.fetch_patiently(source, key, told);
        tokio::time::timeout(self.options.patience, work).await.unwrap_or_else(|_| {
            let what = format!("it did not come whole within {} s", self.options.patience.as_secs());
            Err(Error::remote(source.name(), what))
        })
    }

    /// Whether a registry still has at that name what came from there before: its manifest has this digest. Costs no
    /// download. `None`: that cannot be told without one.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn is_current(&self, source: &Source, manifest: Option<&str>) -> Result<Option<bool>, Error> {
        let (Source::Oci(reference), Some(known)) = (source, manifest) else { return Ok(None) };
        let work = async {
            let mut session = Session::open(self, reference, false).await?;
            Ok(Some(session.manifest(reference.asked()).await?.is_some_and(|it| it.digest == known)))
        };
        tokio::time::timeout(self.options.patience, work)
            .await
            .unwrap_or_else(|_| Err(Error::remote(source.name(), "it did not answer in time")))
    }

    async fn fetch_patiently(
        &self,
        source: &Source,
        key: Option<&Key>,
        told: &mut (dyn FnMut(u64, Option<u64>) + Send),
    ) -> Result<Fetched, Error> {
        let key = key.or_else(|| self.key_of(source)).cloned();
        let folder = self.folder();
        folder.prepare()?;
        let place = source.name();
        let partial = folder.partial()?;
        let (taking, manifest, signature) = match source {
            Source::Path(path) => {
                let mut taking = Taking::new(&place, partial, PLUGIN_BYTES_MAX);
                let path = path.clone();
                let taking = blocking(move || taking.copy(&path).map(|()| taking)).await?;
                (taking, None, key.is_some().then(|| signature_beside(&place)).transpose()?.flatten())
            }
            Source::Url(url) => {
                let mut answer = self.get(url, &place).await?;
                let mut taking = Taking::new(&place, partial, PLUGIN_BYTES_MAX);
                taking.stream(&mut answer, told).await?;
                let signature = if key.is_some() { self.signature_of(url, &place).await? } else { None };
                (taking, None, signature)
            }
            Source::Oci(reference) => {
                let mut session = Session::open(self, reference, false).await?;
                let mut taking = Taking::new(&place, partial, PLUGIN_BYTES_MAX);
                let digest = session.pull(reference, &mut taking, told).await?;
                let signature = if key.is_some() { session.signature(&digest).await? } else { None };
                (taking, Some(digest), signature)
            }
        };
        finish(taking, source.clone(), manifest, key, signature).await
    }

    /// A file of the web, after redirects.
    async fn get(&self, url: &Url, place: &str) -> Result<Streamed, Error> {
        let answer = follow(&self.egress, url.clone(), place).await?;
        match answer.status {
            200 => Ok(answer),
            401 | 403 => Err(Error::Remote {
                place: place.to_owned(),
                what: format!("it answers {}", answer.status),
                hint: Some("no login is sent to a URL: fetch the file yourself, and install it from its path".into()),
            }),
            404 => Err(Error::remote(place, "there is nothing there (404)")),
            status => Err(Error::remote(place, format!("it answers {status}"))),
        }
    }

    /// What lies beside a URL with `.minisig` behind its path; none: nothing does.
    async fn signature_of(&self, url: &Url, place: &str) -> Result<Option<String>, Error> {
        let mut beside = url.clone();
        beside.set_path(&format!("{}.minisig", url.path()));
        let mut answer = follow(&self.egress, beside, place).await?;
        match answer.status {
            200 => {
                let bytes = small(&mut answer, place, SIGNATURE_BYTES_MAX).await?;
                Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
            }
            403 | 404 | 410 => Ok(None),
            status => Err(Error::remote(format!("{place}.minisig"), format!("it answers {status}"))),
        }
    }
}

/// Looks at what came as a whole.
async fn finish(
    taking: Taking,
    source: Source,
    manifest: Option<String>,
    key: Option<Key>,
    signature: Option<String>,
) -> Result<Fetched, Error> {
    let Taking { place, file, hash, size, .. } = taking;
    let digest = format!("sha256:{}", hex::encode(hash.finalize()));
    blocking(move || {
        let bytes = fs::read(file.path()).map_err(Error::io("reading", file.path()))?;
        if !bytes.starts_with(WASM_MAGIC) {
            let what = if bytes.trim_ascii_start().starts_with(b"<") {
                "that is a page, and not the file: is there another address behind its button?"
            } else {
                "that is no WebAssembly"
            };
            return Err(Error::NotWasm { place, what: what.into() });
        }
        let signed = match (key, signature) {
            (None, _) => None,
            (Some(key), Some(text)) => Some(key.verify(&bytes, &text).map_err(|what| {
                let hint = "whoever made it signs with `agentd plugin publish --sign`, or with minisign";
                Error::Signature { place: place.clone(), what, hint: hint.into() }
            })?),
            (Some(key), None) => {
                let hint = "what comes from there has to be: see [plugins.signed_by]; a signature of a file is beside it, \
                            with .minisig behind its name";
                let what = format!("it is not signed, and has to be by the key {}", key.id());
                return Err(Error::Signature { place, what, hint: hint.into() });
            }
        };
        file.as_file().sync_all().map_err(Error::io("writing", file.path()))?;
        Ok(Fetched { file, digest, size, source, manifest, signed })
    })
    .await
}

/// Requests, and follows where it is sent: a few hops, each checked like the first, none with a secret.
pub(crate) async fn follow(egress: &Egress, url: Url, place: &str) -> Result<Streamed, Error> {
    let mut url = url;
    for _ in 0..=REDIRECTS_MAX {
        check_scheme(egress, &url, place).await?;
        let answer = open(egress, &url, place).await?;
        if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
            return Ok(answer);
        }
        let to = answer.headers.iter().find(|(name, _)| name == "location").map(|(_, value)| value.as_str());
        let next = to.and_then(|it| url.join(it).ok());
        let next = next.ok_or_else(|| Error::remote(place, "it sends elsewhere and does not say where"))?;
        if url.scheme() == "https" && next.scheme() != "https" {
            return Err(Error::remote(place, "it sends from https: to something that is not"));
        }
        url = next;
    }
    Err(Error::remote(place, format!("it sends elsewhere more than {REDIRECTS_MAX} times")))
}

/// `http:` only within networks that the operator named.
pub(crate) async fn check_scheme(egress: &Egress, url: &Url, place: &str) -> Result<(), Error> {
    match url.scheme() {
        "https" => Ok(()),
        "http" if egress.is_private(url.host_str().unwrap_or_default()).await => Ok(()),
        "http" => Err(Error::Remote {
            place: place.to_owned(),
            what: "anybody on the way could change what comes by http:".into(),
            hint: Some("use https:; http: is for hosts whose network [network] private names".into()),
        }),
        _ => Err(Error::remote(place, "it sends to something that is neither https: nor http:")),
    }
}

async fn open(egress: &Egress, url: &Url, place: &str) -> Result<Streamed, Error> {
    let headers = vec![("accept".to_owned(), "application/wasm, application/octet-stream, */*;q=0.1".to_owned())];
    let request = Request { method: "GET".into(), url: url.to_string(), headers, ..Request::default() };
    let rules = [rule("GET", url)];
    egress.open(CALLER, &rules, request, PATIENCE).await.map_err(|error| Error::egress(place, &error))
}

pub(crate) const PATIENCE: Patience = Patience { head: HEAD, idle: IDLE };

/// What allows one request and no other.
pub(crate) fn rule(method: &str, url: &Url) -> Rule {
    let mut prefix = url.clone();
    prefix.set_query(None);
    Rule { methods: vec![method.to_owned()], url_prefix: prefix.into(), credential: None }
}

/// A short answer as a whole.
pub(crate) async fn small(answer: &mut Streamed, place: &str, limit: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(|error| Error::egress(place, &error))? {
        if (bytes.len() + piece.len()) as u64 > limit {
            return Err(Error::TooLarge { place: place.to_owned(), limit });
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

impl Taking {
    pub(crate) fn new(place: &str, file: NamedTempFile, limit: u64) -> Taking {
        Taking { place: place.to_owned(), file, hash: Sha256::new(), size: 0, limit, total: None }
    }

    /// How many bytes there will be.
    pub(crate) fn expect(&mut self, total: u64) -> Result<(), Error> {
        if total > self.limit {
            return Err(Error::TooLarge { place: self.place.clone(), limit: self.limit });
        }
        self.total = Some(total);
        Ok(())
    }

    pub(crate) async fn stream(
        &mut self,
        answer: &mut Streamed,
        told: &mut (dyn FnMut(u64, Option<u64>) + Send),
    ) -> Result<(), Error> {
        let length = answer.headers.iter().find(|(name, _)| name == "content-length");
        if let Some(length) = length.and_then(|(_, value)| value.parse().ok()) {
            self.expect(length)?;
        }
        told(0, self.total);
        while let Some(piece) = answer.chunk().await.map_err(|error| Error::egress(&self.place, &error))? {
            self.take(&piece)?;
            told(self.size, self.total);
        }
        Ok(())
    }

    /// Refuses what is not of this digest and length; `sha256:…`.
    pub(crate) fn check(&self, told: &str, length: u64) -> Result<(), Error> {
        let found = format!("sha256:{}", hex::encode(self.hash.clone().finalize()));
        if found == told && self.size == length {
            return Ok(());
        }
        let (told, found) = (format!("{told} ({length} bytes)"), format!("{found} ({} bytes)", self.size));
        Err(Error::Digest { place: self.place.clone(), told, found })
    }

    fn take(&mut self, piece: &[u8]) -> Result<(), Error> {
        self.size += piece.len() as u64;
        if self.size > self.limit {
            return Err(Error::TooLarge { place: self.place.clone(), limit: self.limit });
        }
        self.hash.update(piece);
        self.file.write_all(piece).map_err(Error::io("writing", self.file.path()))
    }

    fn copy(&mut self, path: &Path) -> Result<(), Error> {
        let mut file = open_regular(path)?;
        let mut piece = vec![0; 1 << 16];
        loop {
            match file.read(&mut piece) {
                Ok(0) => return Ok(()),
                Ok(length) => self.take(&piece[..length])?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io("reading", path)(error)),
            }
        }
    }
}

fn open_regular(path: &Path) -> Result<fs::File, Error> {
    let metadata = fs::metadata(path).map_err(Error::io("reading", path))?;
    if !metadata.is_file() {
        return Err(Error::io("reading", path)(io::Error::other("it is no regular file")));
    }
    fs::File::open(path).map_err(Error::io("reading", path))
}

fn signature_beside(path: &str) -> Result<Option<String>, Error> {
    let beside = format!("{path}.minisig");
    match fs::metadata(&beside) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("reading", &beside)(error)),
        Ok(_) => {}
    }
    let mut text = String::new();
    let file = open_regular(Path::new(&beside))?;
    file.take(SIGNATURE_BYTES_MAX).read_to_string(&mut text).map_err(Error::io("reading", &beside))?;
    Ok(Some(text))
}

/// Work with the disk, which may be slow.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(Error::remote("agentd", format!("gave up on the way: {error}"))))
}
