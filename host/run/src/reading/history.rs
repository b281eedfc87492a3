//! Pages of commits.

use super::{cursor, git_said, millis, of_git, plain, revision::Mirrored, since};
use agentd_plugin::wit::{
    common::Error,
    repository::{Commit, CommitPage, CommitQuery},
};

/// The most commits of a page.
pub(super) const PAGE: u32 = 1_000;
const PATHS_MAX: usize = 1_000;
/// What is given of a message, in bytes.
const MESSAGE_MAX: usize = 8 << 10;
/// Id, author, address, seconds, message.
const FORMAT: &str = "--format=tformat:%H%x00%aN%x00%aE%x00%ct%x00%B";
const FIELDS: usize = 5;

pub(super) async fn page(mirror: &Mirrored<'_>, query: CommitQuery) -> Result<CommitPage, Error> {
    if query.paths.len() > PATHS_MAX {
        return Err(Error::TooLarge(format!("{} paths were given: at most {PATHS_MAX} are read", query.paths.len())));
    }
    let paths: Vec<&str> = query.paths.iter().map(|it| it.trim_end_matches('/')).collect();
    paths.iter().try_for_each(|it| plain(it))?;
    // A page begins where the last one ended: with a commit that is not in it yet, further along first parents.
    let start = match cursor::commit(&query.cursor)? {
        Some(id) => mirror.commit(&Some(id.to_owned())).await?,
        None => mirror.commit(&query.revision).await?,
    };
    let (most, since) = (format!("--max-count={}", query.limit + 1), query.since.map(since));
    let mut args = vec!["log", "-z", "--first-parent", "--encoding=UTF-8", "--no-show-signature", FORMAT, &most];
    args.extend(since.as_deref());
    args.extend([start.as_str(), "--"]);
    args.extend(paths);
    let doing = || format!("reading the history of `{}`", mirror.known.id);
    let output = mirror.git.run(&args).await.map_err(of_git(doing()))?;
    if output.cut {
        return Err(Error::TooLarge(format!("{}: the messages are too long; ask for fewer commits", doing())));
    }
    if !output.success() {
        return Err(git_said(doing(), &output.stderr));
    }
    let mut commits = parse(&output.stdout);
    let next = match commits.len() > query.limit as usize {
        true => commits.pop().map(|it| cursor::write_commit(&it.id)),
        false => None,
    };
    Ok(CommitPage { commits, next, extra: vec![] })
}

fn parse(log: &[u8]) -> Vec<Commit> {
    let fields: Vec<&[u8]> = log.split(|it| *it == 0).collect();
    let text = |field: &[u8]| String::from_utf8_lossy(field).into_owned();
    let commit = |fields: &[&[u8]]| {
        let mut message = text(fields[4]).trim_end().to_owned();
        message.truncate(message.floor_char_boundary(MESSAGE_MAX));
        Commit {
            id: text(fields[0]),
            author: text(fields[1]),
            author_email: text(fields[2]),
            committed_at: millis(&text(fields[3])),
            message,
            extra: vec![],
        }
    };
    fields.chunks_exact(FIELDS).map(commit).collect()
}
