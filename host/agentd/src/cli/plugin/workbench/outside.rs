//! As much of the outside as an author gives a plugin that is tried: HTTP on request, folders as repositories.
//!
//! Everything else is answered as if there were nothing: no issues, no mail, no other files. A folder that is a git
//! repository is read as the daemon would read it, from a mirror that is made for this call: commits count, what lies
//! uncommitted does not. Any other folder is read as it lies there, and has no history.

use super::present;
use crate::{
    cli::{context::Context, exit::Error},
    config::Config,
    way_out,
};
use agentd_authoring::Offline;
use agentd_egress::Egress;
use agentd_plugin::{Host, HttpCall, Tree, wit};
use agentd_run::{Known, Layout, Reading};
use async_trait::async_trait;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
};
use tempfile::TempDir;
use wit::common::{Content, Error as Answer};
use wit::repository as files;

/// What a plugin that is tried may reach
#[derive(Clone, Debug, Default, clap::Args)]
pub(in crate::cli::plugin) struct Outside {
    /// Let its requests out, with the network and the credentials of the configuration
    #[arg(long)]
    pub(in crate::cli::plugin) live: bool,
    /// A folder that it may read as the repository ID; may be given again
    #[arg(long, value_name = "ID=PATH")]
    pub(in crate::cli::plugin) repository: Vec<String>,
}

impl Outside {
    pub(in crate::cli::plugin) fn repositories(&self) -> Result<Vec<String>, Error> {
        self.repository.iter().map(|it| Ok(pair(it)?.0.to_owned())).collect()
    }

    /// The host that gives that much.
    pub(in crate::cli::plugin) async fn host(&self, context: &Context) -> Result<Arc<dyn Host>, Error> {
        let egress = if self.live { Some(egress(&context.config()?)?) } else { None };
        let home = TempDir::with_prefix("agentd-plugin-")?;
        let layout = Layout::new(home.path().to_owned());
        let (mut known, mut folders) = (vec![], BTreeMap::new());
        for given in &self.repository {
            let (id, path) = pair(given)?;
            let path = Path::new(path).canonicalize();
            let path = path.map_err(|error| Error::usage(format!("--repository {given}: {error}")))?;
            if path.join(".git").exists() || path.join("HEAD").is_file() {
                mirror(&path, &layout.mirror(id)).await?;
            } else {
                folders.insert(id.to_owned(), path);
            }
            known.push(Known { id: id.to_owned(), forge: "local".into(), base: None, url: None });
        }
        let reading = Reading::new(layout, known);
        Ok(Arc::new(Given { egress, reading, folders, nothing: Offline { now: present() }, _home: home }))
    }
}

fn egress(config: &Config) -> Result<Egress, Error> {
    // A refresh token that a service changes is the daemon's to keep.
    let credentials = way_out::credentials(config, |_, token| token.clone());
    Egress::new(config.network.egress(), credentials)
        .map_err(|error| Error::usage(error.to_string()).hint("see [network] and [credentials] in the configuration"))
}

fn pair(given: &str) -> Result<(&str, &str), Error> {
    let pair = given.split_once('=').filter(|(id, path)| !id.is_empty() && !path.is_empty());
    pair.ok_or_else(|| Error::usage(format!("--repository {given}: it has the form ID=PATH, as shop=../shop")))
}

async fn mirror(path: &Path, to: &Path) -> Result<(), Error> {
    let mut git = tokio::process::Command::new("git");
    git.args(["clone", "--quiet", "--mirror", "--"]).arg(path).arg(to).stdin(Stdio::null()).kill_on_drop(true);
    let output = git.output().await.map_err(|error| Error::work(format!("cannot run git: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Error::work(format!("git cannot read {}: {}", path.display(), said.trim())))
}

struct Given {
    egress: Option<Egress>,
    reading: Reading,
    /// Those that are no git repositories, by id.
    folders: BTreeMap<String, PathBuf>,
    nothing: Offline,
    /// Holds the mirrors.
    _home: TempDir,
}

impl Given {
    fn tree(&self, tree: Tree) -> Tree {
        match &tree {
            Tree::Repository(id) => self.folders.get(id).map_or(tree.clone(), |it| Tree::Directory(it.clone())),
            Tree::Directory(_) => tree,
        }
    }

    /// A folder without history has no other state than that of now.
    fn revision(&self, tree: &Tree, revision: Option<String>) -> Option<String> {
        revision.filter(|_| matches!(self.tree(tree.clone()), Tree::Repository(_)))
    }
}

#[async_trait]
impl Host for Given {
    fn now(&self) -> u64 {
        present()
    }

    fn log(&self, _: &str, _: &str, _: wit::log::Level, _: &str, _: &[(String, String)]) {}

    async fn kv_get(&self, entry: &str, key: &str) -> Result<Option<String>, Answer> {
        self.nothing.kv_get(entry, key).await
    }

    async fn kv_keys(&self, entry: &str, prefix: &str, after: Option<&str>) -> Result<Vec<String>, Answer> {
        self.nothing.kv_keys(entry, prefix, after).await
    }

    async fn http(&self, call: HttpCall) -> Result<wit::http::Response, Answer> {
        match &self.egress {
            Some(egress) => way_out::send(egress, call, crate::cli::print::now()).await,
            None => self.nothing.http(call).await,
        }
    }

    fn repositories(&self, ids: &[String]) -> Vec<files::Info> {
        self.reading.repositories(ids)
    }

    async fn list_files(&self, tree: Tree, mut query: files::FileQuery) -> Result<files::FilePage, Answer> {
        query.revision = self.revision(&tree, query.revision);
        self.reading.list_files(self.tree(tree), query).await
    }

    async fn read_file(&self, tree: Tree, revision: Option<String>, path: String) -> Result<Content, Answer> {
        let revision = self.revision(&tree, revision);
        self.reading.read_file(self.tree(tree), revision, path).await
    }

    async fn search(&self, tree: Tree, mut query: files::SearchQuery) -> Result<files::SearchPage, Answer> {
        query.revision = self.revision(&tree, query.revision);
        self.reading.search(self.tree(tree), query).await
    }

    async fn history(&self, tree: Tree, query: files::CommitQuery) -> Result<files::CommitPage, Answer> {
        self.reading.history(self.tree(tree), query).await
    }

    async fn blame(
        &self,
        tree: Tree,
        revision: Option<String>,
        path: String,
        first: u32,
        last: u32,
    ) -> Result<Vec<files::BlameRange>, Answer> {
        self.reading.blame(self.tree(tree), revision, path, first, last).await
    }

    async fn churn(&self, tree: Tree, query: files::ChurnQuery) -> Result<Vec<files::ChurnedFile>, Answer> {
        self.reading.churn(self.tree(tree), query).await
    }

    async fn list_issues(
        &self,
        ids: &[String],
        query: wit::forge::IssueQuery,
    ) -> Result<wit::forge::IssuePage, Answer> {
        self.nothing.list_issues(ids, query).await
    }

    async fn get_issue(&self, repository: &str, number: u32) -> Result<wit::forge::Issue, Answer> {
        self.nothing.get_issue(repository, number).await
    }

    async fn list_comments(
        &self,
        ids: &[String],
        query: wit::forge::CommentQuery,
    ) -> Result<wit::forge::CommentPage, Answer> {
        self.nothing.list_comments(ids, query).await
    }

    async fn list_pull_requests(
        &self,
        query: wit::forge::PullRequestQuery,
    ) -> Result<wit::forge::PullRequestPage, Answer> {
        self.nothing.list_pull_requests(query).await
    }

    async fn get_pull_request(&self, repository: &str, number: u32) -> Result<wit::forge::PullRequest, Answer> {
        self.nothing.get_pull_request(repository, number).await
    }

    async fn list_labels(&self, repository: &str) -> Result<Vec<wit::forge::Label>, Answer> {
        self.nothing.list_labels(repository).await
    }

    async fn list_checks(&self, repository: &str, commit: &str) -> Result<Vec<wit::forge::Check>, Answer> {
        self.nothing.list_checks(repository, commit).await
    }
}
