//! Pages of the registries' indexes: read, rewritten, and kept with what they say of files.
//!
//! A page is fresh for two minutes and is asked about again afterwards, with its ETag where it has one. Where the
//! registry does not answer then, the page that is there serves on: an index that is a little old is better than none.
//! What is kept is the page as the mirror hands it out but for the reader's way to the mirror, which stands in it as
//! [`HERE`] and [`ROOT`].
//!
//! A page is in memory as a whole only while it is fetched, and few are at the same time. It is handed out from the
//! disk, piece by piece: pages are large, and readers may be many and slow.

use super::{
    Error,
    ask::Answer,
    files::Link,
    store::{self, Store},
    upstream::{Opened, Upstream},
};
use crate::answer::Body;
use aho_corasick::AhoCorasick;
use bytes::{Buf, Bytes, BytesMut};
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, HashMap},
    fs,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::Duration,
};
use tokio::{sync::Semaphore, task::spawn_blocking, time::Instant};
use url::Url;

const FRESH: Duration = Duration::from_secs(120);
/// The largest page, in bytes. npm's are the largest, and some are tens of MiB.
const PAGE_MAX: usize = 64 << 20;
/// The largest page that is read here and not only handed on, in bytes.
const SMALL_MAX: u64 = 64 << 10;
/// What a reader gets at once, in bytes.
const PIECE: usize = 64 << 10;
/// How many pages are fetched at the same time, for each is in memory as a whole.
const FETCHES_MAX: usize = 8;
/// Of so many pages it is remembered how fresh they are.
const SLOTS_MAX: usize = 20_000;

/// In a kept page: the mirror's root of this registry, for whoever reads the page.
pub(super) const HERE: &str = "agentd-mirror://here";
/// In a kept page: the public registry's root for those who replace it by the mirror themselves, [`HERE`] for others.
pub(super) const ROOT: &str = "agentd-mirror://root";

/// What a page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Form {
    Text,
    Json,
    Html,
    NpmShort,
    PypiJson,
}

impl Form {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Form::Text => "text/plain",
            Form::Json => "application/json",
            Form::Html => "text/html; charset=utf-8",
            Form::NpmShort => "application/vnd.npm.install-v1+json",
            Form::PypiJson => "application/vnd.pypi.simple.v1+json",
        }
    }
}

/// A page as it is kept.
pub(super) struct Page {
    head: Head,
    text: Text,
}

/// The first line of a kept page's file.
#[derive(Serialize, Deserialize)]
struct Head {
    form: Form,
    links: BTreeMap<String, Link>,
    etag: Option<String>,
    /// Of the text, in bytes.
    length: u64,
    /// How often [`HERE`] and [`ROOT`] are in the text.
    marks: [u64; 2],
    /// SHA-256 of the text.
    sum: String,
}

/// The rest of it.
enum Text {
    /// From where the file stands to its end.
    Kept(fs::File),
    Fetched(Bytes),
}

impl Page {
    pub(super) fn new(form: Form, text: impl Into<Bytes>, links: BTreeMap<String, Link>) -> Page {
        let text = text.into();
        let mut marks = [0; 2];
        for mark in MARKS.find_iter(&text) {
            marks[mark.pattern().as_usize()] += 1;
        }
        let (length, sum) = (text.len() as u64, hex::encode(Sha256::digest(&text)));
        Page { head: Head { form, links, etag: None, length, marks, sum }, text: Text::Fetched(text) }
    }

    /// The files that it lists, by the names under which the mirror has them.
    pub(super) fn links(&self) -> &BTreeMap<String, Link> {
        &self.head.links
    }

    /// For a reader that finds the mirror at `here`, and the public registry's root, if it writes that, at `root`.
    pub(super) fn answer(self, here: &str, root: &str) -> Answer {
        let Head { form, length, marks, sum, .. } = self.head;
        let replaced = |count: u64, with: &str| count * with.len() as u64;
        let length = length - replaced(marks[0], HERE) - replaced(marks[1], ROOT);
        let length = length + replaced(marks[0], here) + replaced(marks[1], root);
        let tag = hex::encode(&Sha256::digest(format!("{sum} {here} {root}"))[..16]);
        let with = [here.to_owned(), root.to_owned()];
        let body = Rewriting { text: self.text, rest: BytesMut::new(), with }.body();
        Answer { content_type: form.content_type(), tag, length, body }
    }

    /// The text of a small page.
    pub(super) fn read(self) -> Result<Bytes, Error> {
        match self.text {
            Text::Fetched(text) => Ok(text),
            Text::Kept(file) => {
                let mut text = Vec::new();
                file.take(SMALL_MAX).read_to_end(&mut text).map_err(|error| unreadable(&error))?;
                Ok(text.into())
            }
        }
    }

    fn open(file: fs::File) -> Option<Page> {
        let mut reader = BufReader::new(file);
        let mut head = Vec::new();
        reader.read_until(b'\n', &mut head).ok()?;
        // A page that an older agentd kept in another form is none.
        let at: Head = serde_json::from_slice(&head).ok()?;
        let mut file = reader.into_inner();
        file.seek(SeekFrom::Start(head.len() as u64)).ok()?;
        Some(Page { head: at, text: Text::Kept(file) })
    }

    fn keep(&self, store: &Store, key: &str) -> Result<(), Error> {
        let Text::Fetched(text) = &self.text else { return Ok(()) };
        let failed = |error: &dyn std::fmt::Display| Error::Here(format!("an index page was not kept: {error}"));
        let mut head = serde_json::to_vec(&self.head).map_err(|error| failed(&error))?;
        head.push(b'\n');
        let (mut temporary, mut file) = store.temporary()?;
        temporary.grow((head.len() + text.len()) as u64)?;
        file.write_all(&head).and_then(|()| file.write_all(text)).map_err(|error| failed(&error))?;
        temporary.keep(key)
    }
}

fn unreadable(error: &io::Error) -> Error {
    Error::Here(format!("an index page in the cache cannot be read: {error}"))
}

static MARKS: LazyLock<AhoCorasick> =
    LazyLock::new(|| AhoCorasick::new([HERE, ROOT]).expect("two short words are within its limits"));

/// A page on its way to a reader.
struct Rewriting {
    text: Text,
    /// Read, and perhaps the beginning of a mark.
    rest: BytesMut,
    with: [String; 2],
}

impl Rewriting {
    fn body(self) -> Body {
        let pieces = stream::try_unfold(self, |mut page| async move {
            let (page, piece) =
                spawn_blocking(move || page.next().map(|piece| (page, piece))).await.map_err(io::Error::other)??;
            Ok::<_, io::Error>(piece.map(|piece| (Frame::data(Bytes::from(piece)), page)))
        });
        StreamBody::new(pieces).boxed()
    }

    /// The next bytes; `None`: that was all.
    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let before = self.rest.len();
        match &mut self.text {
            Text::Kept(file) => {
                self.rest.resize(before + PIECE, 0);
                let count = file.read(&mut self.rest[before..])?;
                self.rest.truncate(before + count);
            }
            Text::Fetched(text) => {
                let piece = text.split_to(text.len().min(PIECE));
                self.rest.extend_from_slice(&piece);
            }
        }
        let ended = self.rest.len() == before;
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (mut piece, mut at) = (Vec::with_capacity(self.rest.len()), 0);
        for mark in MARKS.find_iter(&self.rest) {
            piece.extend_from_slice(&self.rest[at..mark.start()]);
            piece.extend_from_slice(self.with[mark.pattern().as_usize()].as_bytes());
            at = mark.end();
        }
        // What could be the beginning of a mark waits for more.
        let sure = if ended { self.rest.len() } else { at.max(self.rest.len().saturating_sub(HERE.len())) };
        piece.extend_from_slice(&self.rest[at..sure]);
        self.rest.advance(sure);
        Ok(Some(piece))
    }
}

/// When a page was last known to be what the registry has; who holds it is the one who asks.
type Slot = Arc<tokio::sync::Mutex<Option<Instant>>>;

pub(super) struct Pages {
    store: Store,
    upstream: Upstream,
    slots: Mutex<HashMap<String, Slot>>,
    permits: Semaphore,
}

impl Pages {
    pub(super) fn new(store: Store, upstream: Upstream) -> Pages {
        Pages { store, upstream, slots: Mutex::default(), permits: Semaphore::new(FETCHES_MAX) }
    }

    /// The page at `url` in the form that `accept` asks for, however old; `None`: nobody asked for it yet.
    pub(super) async fn kept(&self, url: &str, accept: &str) -> Result<Option<Page>, Error> {
        let (store, key) = (self.store.clone(), key(url, accept));
        let read = spawn_blocking(move || Ok(store.open(&key)?.and_then(|(file, _)| Page::open(file))));
        read.await.unwrap_or_else(|error| Err(Error::Here(error.to_string())))
    }

    /// The page as the registry has it now, or had it two minutes ago. `read` makes a page of an answer: its URL, its
    /// content type and its body.
    pub(super) async fn fresh<F>(&self, url: &str, accept: &str, read: F) -> Result<Page, Error>
    where
        F: FnOnce(&Url, &str, Vec<u8>) -> Result<Page, Error> + Send + 'static,
    {
        let slot = self.slot(&key(url, accept));
        let mut checked = slot.lock().await;
        let kept = self.kept(url, accept).await?;
        let kept = match kept {
            Some(kept) if checked.is_some_and(|it| it.elapsed() < FRESH) => return Ok(kept),
            kept => kept,
        };
        match self.ask(url, accept, kept.as_ref(), read).await {
            Ok(None) => {
                *checked = Some(Instant::now());
                kept.ok_or_else(|| Error::Upstream("its index says `not changed` to who has nothing yet".into()))
            }
            Ok(Some(page)) => {
                *checked = Some(Instant::now());
                Ok(page)
            }
            Err(Error::Upstream(why)) => match kept {
                Some(kept) => {
                    tracing::warn!(target: "gateway", url, why, "Index page is an old one: its registry does not answer");
                    Ok(kept)
                }
                None => Err(Error::Upstream(why)),
            },
            Err(error) => Err(error),
        }
    }

    /// Asks the registry; `None`: the page is still the one that is `kept`.
    async fn ask<F>(&self, url: &str, accept: &str, kept: Option<&Page>, read: F) -> Result<Option<Page>, Error>
    where
        F: FnOnce(&Url, &str, Vec<u8>) -> Result<Page, Error> + Send + 'static,
    {
        let _permit = self.permits.acquire().await.map_err(|_| Error::Here("the mirrors are closed".into()))?;
        let mut headers = vec![("accept", accept)];
        if let Some(etag) = kept.and_then(|it| it.head.etag.as_deref()) {
            headers.push(("if-none-match", etag));
        }
        let opened = self.upstream.get(url, &headers).await?;
        if opened.status == 304 {
            return Ok(None);
        }
        let (store, key) = (self.store.clone(), key(url, accept));
        let Answered { from, content_type, etag, body } = Answered::of(opened).await?;
        let made = spawn_blocking(move || {
            let mut page = read(&from, &content_type, body)?;
            page.head.etag = etag;
            let kept = page.keep(&store, &key).and_then(|()| store.open(&key));
            match kept {
                Ok(kept) => Ok(kept.and_then(|(file, _)| Page::open(file)).unwrap_or(page)),
                Err(error) => {
                    // The page is good all the same.
                    tracing::warn!(target: "gateway", %error, "Index page not kept");
                    Ok(page)
                }
            }
        });
        made.await.unwrap_or_else(|error| Err(Error::Here(error.to_string()))).map(Some)
    }

    fn slot(&self, key: &str) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= SLOTS_MAX {
            slots.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        Arc::clone(slots.entry(key.to_owned()).or_default())
    }
}

/// A whole answer.
struct Answered {
    from: Url,
    content_type: String,
    etag: Option<String>,
    body: Vec<u8>,
}

impl Answered {
    async fn of(opened: Opened) -> Result<Answered, Error> {
        let content_type = opened.header("content-type").unwrap_or_default().to_ascii_lowercase();
        let etag = opened.header("etag").filter(|it| it.len() < 200).map(str::to_owned);
        Ok(Answered { from: opened.url.clone(), content_type, etag, body: opened.read(PAGE_MAX).await? })
    }
}

fn key(url: &str, accept: &str) -> String {
    store::key("page", &format!("{url} {accept}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE_NOW: &str = "http://127.0.0.1:8417/npm";

    /// What a reader gets of `text`, from memory and from the disk.
    #[track_caller]
    fn check(text: &str) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().into(), 10 << 20);
        let page = || Page::new(Form::Json, text.to_owned(), BTreeMap::new());
        page().keep(&store, "page").unwrap();
        let kept = Page::open(store.open("page").unwrap().unwrap().0).unwrap();
        for page in [page(), kept] {
            let length = page.head.marks[0] * HERE_NOW.len() as u64 + page.head.marks[1] * 3 + page.head.length
                - (page.head.marks[0] + page.head.marks[1]) * HERE.len() as u64;
            let mut page = Rewriting { text: page.text, rest: BytesMut::new(), with: [HERE_NOW.into(), "r:/".into()] };
            let mut read = Vec::new();
            while let Some(piece) = page.next().unwrap() {
                read.extend(piece);
            }
            assert!(read == text.replace(HERE, HERE_NOW).replace(ROOT, "r:/").into_bytes());
            assert_eq!(read.len() as u64, length);
        }
    }

    #[test]
    fn the_way_to_the_mirror_is_put_in_wherever_a_piece_ends() {
        check("");
        check("nothing of it, agentd-mirror://her");
        check(&format!("{HERE}{ROOT}{HERE}"));
        for at in PIECE - 45..PIECE + 5 {
            check(&format!("{}{HERE}{ROOT}/x{HERE}", "x".repeat(at)));
        }
    }

    #[test]
    fn what_is_kept_in_another_form_is_no_page() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for text in ["", "\n", "{}\nbody", "{\"form\":\"Text\"}"] {
            fs::write(file.path(), text).unwrap();
            assert!(Page::open(fs::File::open(file.path()).unwrap()).is_none(), "{text}");
        }
    }
}
