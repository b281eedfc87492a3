//! Images built from a repository's own Dockerfile, by the engine's classic builder.
//!
//! The classic builder, because its `RUN` steps can have the network of a container that exists: the sandbox whose only
//! way out is its gateway. BuildKit's cannot, so a Dockerfile that only BuildKit understands is refused with the reason.
//!
//! - Nothing of a build reaches another network: base images are pulled first, as any image is, and a Dockerfile that
//!   would have the engine itself download a file (`ADD https://…`) is refused.
//! - `context` and `dockerfile` take the tar apart; neither ever unpacks it onto this machine.
//! - What a build says is kept at its end only. Dropping the future ends the build.

mod context;
mod dockerfile;

use super::{DockerExecutor, foreign};
use crate::{Error, Executor as _, State, error::io_at};
use bollard::{Docker, errors::Error as Said, query_parameters as query};
use context::Context;
use dockerfile::Dockerfile;
use futures_util::StreamExt as _;
use std::{
    collections::{HashMap, VecDeque},
    path::{Path, PathBuf},
    time::Duration,
};
use tokio_util::io::ReaderStream;

/// What images built here are called, before the colon.
pub(super) const REPOSITORY: &str = "agentd-image";
const BUILDING: &str = "building an image";
/// Of what the build said: the last lines, and of each line its begin.
const LINES_KEPT: usize = 30;
const LINE_KEPT: usize = 400;

/// An image to be built.
#[derive(Clone, Debug)]
pub struct Build {
    /// `NAME:TAG`.
    pub tag: String,
    /// A tar file on this machine with what `COPY` sees. A `.dockerignore` in it is honoured.
    pub context: PathBuf,
    /// Path in the context.
    pub dockerfile: String,
    /// The stage to stop at; none: the last.
    pub target: Option<String>,
    /// Build arguments. All are in the environment of all `RUN` steps, whether the Dockerfile declares them or not, and
    /// not in that of the image; but the image's history shows them, so that no secret may be among them.
    pub args: Vec<(String, String)>,
    /// The running sandbox whose network `RUN` steps have: their only way out is its gateway. None: they have none.
    pub network_of: Option<String>,
    /// Bytes that each step may use; there is no swap beyond them.
    pub memory: u64,
    /// For the build itself, once its base images are there.
    pub patience: Duration,
}

impl DockerExecutor {
    /// Builds an image unless the engine has it.
    pub(super) async fn build(&self, build: &Build) -> Result<(), Error> {
        if self.has(&build.tag).await? {
            return Ok(());
        }
        // One at a time: what waited for the same image finds it, and two builds would not share the memory.
        let _one = self.building.lock().await;
        if self.has(&build.tag).await? {
            return Ok(());
        }
        let fail = |why: String| Error::Build { tag: build.tag.clone(), why };
        if let Some((name, _)) = build.args.iter().find(|(name, _)| !is_argument(name)) {
            return Err(fail(format!("`{}` is not the name of an argument", name.escape_debug())));
        }
        if let Some(holder) = &build.network_of
            && self.ours(holder).await? != State::Running
        {
            return Err(Error::NotFound { name: holder.clone() });
        }
        let context = open(build).await?;
        let dockerfile = Dockerfile::parse(&context.dockerfile, build.target.as_deref()).map_err(fail)?;
        let mut args: HashMap<_, _> = self.platform().await?.into_iter().collect();
        args.retain(|name, _| dockerfile.declares(name));
        args.extend(build.args.iter().cloned());
        let needed = dockerfile.images(&args).map_err(fail)?;
        for image in needed {
            self.fetch_image(&image).await?;
            self.check_triggers(&image).await?.map_err(|why| fail(format!("its base image {image} {why}")))?;
        }
        let names: Vec<_> = build.args.iter().map(|(name, _)| name.as_str()).collect();
        let tar = rewrite(build, context, dockerfile.with_args(&names)).await?;
        let body = tokio::fs::File::open(tar.path()).await.map_err(io_at("reading", tar.path()))?;
        let engine = with_memory(self.engine().await?.clone(), build.memory);
        tracing::info!(image = build.tag, dockerfile = build.dockerfile, "Building an image");
        let mut tail = Tail::default();
        let built = follow(engine, options(build, args), body, &mut tail);
        match tokio::time::timeout(build.patience, built).await {
            Err(_) => {
                let why = format!("it took longer than {} seconds{}", build.patience.as_secs(), tail.shown());
                Err(fail(why))
            }
            Ok(Ok(())) if self.has(&build.tag).await? => Ok(()),
            Ok(Ok(())) => Err(fail(format!("the engine ended without an image{}", tail.shown()))),
            Ok(Err(error)) => {
                let message = self.engine_words(BUILDING, error)?;
                Err(fail(format!("{}{}", dockerfile::explain(&message), tail.shown())))
            }
        }
    }

    /// The arguments that a Dockerfile may declare and every builder knows: what kind of machine this is.
    async fn platform(&self) -> Result<Vec<(String, String)>, Error> {
        let version =
            self.engine().await?.version().await.map_err(|error| match self.engine_words(BUILDING, error) {
                Ok(what) => Error::Engine { doing: BUILDING, what },
                Err(error) => error,
            })?;
        let (os, arch) = (version.os.unwrap_or_default(), version.arch.unwrap_or_default());
        let of = |kind: &str| {
            [("PLATFORM", format!("{os}/{arch}")), ("OS", os.clone()), ("ARCH", arch.clone())]
                .map(|(name, value)| (format!("{kind}{name}"), value))
        };
        Ok(of("TARGET").into_iter().chain(of("BUILD")).collect())
    }

    /// Base images may bring instructions (`ONBUILD`) of their own: these have to keep to the same rules.
    async fn check_triggers(&self, image: &str) -> Result<Result<(), String>, Error> {
        let found = match self.engine().await?.inspect_image(image).await {
            Ok(found) => found,
            Err(error) => {
                let what = self.engine_words(BUILDING, error)?;
                return Err(Error::Engine { doing: BUILDING, what });
            }
        };
        let triggers = found.config.and_then(|config| config.on_build).unwrap_or_default();
        Ok(dockerfile::check_triggers(&triggers))
    }
}

/// Names become lines of the Dockerfile: one that holds more than a name would be an instruction nobody has checked.
fn is_argument(name: &str) -> bool {
    name.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_')
        && name.chars().all(|it| it.is_ascii_alphanumeric() || it == '_')
}

fn options(build: &Build, args: HashMap<String, String>) -> query::BuildImageOptions {
    let network = build.network_of.as_ref().map_or_else(|| "none".into(), |holder| format!("container:{holder}"));
    query::BuildImageOptionsBuilder::default()
        .dockerfile(context::DOCKERFILE)
        .t(&build.tag)
        .target(build.target.as_deref().unwrap_or_default())
        .networkmode(&network)
        .buildargs(&args)
        .rm(true)
        .forcerm(true)
        .version(query::BuilderVersion::BuilderV1)
        .build()
}

/// The limit goes beside bollard's options, whose type for it ends at two gigabytes.
fn with_memory(engine: Docker, memory: u64) -> Docker {
    engine.with_request_modifier(move |mut request| {
        let limited = format!("{}&memory={memory}&memswap={memory}", request.uri());
        if let Ok(uri) = limited.parse() {
            *request.uri_mut() = uri;
        }
        request
    })
}

/// Gives the engine the context and reads what it says to its end.
async fn follow(
    engine: Docker,
    options: query::BuildImageOptions,
    body: tokio::fs::File,
    tail: &mut Tail,
) -> Result<(), Said> {
    let body = bollard::body_try_stream(ReaderStream::with_capacity(body, 64 << 10));
    let mut said = engine.build_image(options, None, Some(body)).boxed();
    while let Some(progress) = said.next().await {
        let progress = progress?;
        tail.add(&progress.stream.unwrap_or_default());
    }
    Ok(())
}

async fn open(build: &Build) -> Result<Context, Error> {
    let (path, dockerfile) = (build.context.clone(), build.dockerfile.clone());
    let context = blocking(move || Context::open(&path, &dockerfile)).await?;
    context.map_err(|error| error.of(&build.tag, &build.context))
}

/// The context without what is ignored, and with the Dockerfile as it shall be.
async fn rewrite(build: &Build, context: Context, dockerfile: String) -> Result<tempfile::NamedTempFile, Error> {
    let path = build.context.clone();
    let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
    let work = move || {
        let mut file = tempfile::Builder::new().prefix(".context-").tempfile_in(&folder)?;
        context.rewrite(&path, &dockerfile, file.as_file_mut())?;
        Ok(file)
    };
    blocking(work).await?.map_err(|error: context::Error| error.of(&build.tag, &build.context))
}

/// Runs what blocks on a thread of its own.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    let died =
        |error: tokio::task::JoinError| Error::Engine { doing: BUILDING, what: format!("a thread died: {error}") };
    tokio::task::spawn_blocking(work).await.map_err(died)
}

/// The end of what a build said.
#[derive(Default)]
struct Tail {
    lines: VecDeque<String>,
    /// The last line has not ended yet.
    open: bool,
}

impl Tail {
    fn add(&mut self, text: &str) {
        for piece in text.split_inclusive('\n') {
            let ends = piece.ends_with('\n');
            let words = piece.trim_end_matches(['\n', '\r']);
            match self.lines.back_mut().filter(|_| self.open) {
                Some(line) => line.extend(words.chars().take(LINE_KEPT.saturating_sub(line.chars().count()))),
                None => self.lines.push_back(words.chars().take(LINE_KEPT).collect()),
            }
            self.open = !ends;
        }
        let surplus = self.lines.len().saturating_sub(LINES_KEPT);
        self.lines.drain(..surplus);
    }

    /// For the end of an error's text: its lines, without colours.
    fn shown(&self) -> String {
        let lines = self.lines.iter().map(String::as_str);
        match foreign::last_lines(lines, LINES_KEPT) {
            said if said.is_empty() => said,
            said => format!("; its last words:\n{said}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_what_was_said_is_kept() {
        let mut tail = Tail::default();
        assert_eq!(tail.shown(), "");
        for number in 0..100 {
            tail.add(&format!("line {number}\n"));
        }
        tail.add("\u{1b}[31mred\u{1b}[0m and ");
        tail.add("done\r\n");
        tail.add(&"x".repeat(10_000));
        let shown = tail.shown();
        assert_eq!(shown.lines().count(), LINES_KEPT + 1, "{shown}");
        assert!(shown.contains("\nred and done\n") && !shown.contains("line 60"), "{shown}");
        assert!(shown.len() < LINES_KEPT * LINE_KEPT, "{shown}");
    }
}
