//! GitHub for one test: the fake with a repository, the people around it, and the account that agentd works as.

use super::{Home, Judge, Model, home::FILES, toolbox, wait_for};
use agentd_fake_github::{Comment, Fake, PullRequest, Repository, Right};
use serde_json::Value;
use std::{
    fs, io,
    ops::Deref,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

/// What a person sets on an issue to have it done.
pub(crate) const LABEL: &str = "agentd";
pub(crate) const IN_PROGRESS: &str = "agentd:in-progress";
pub(crate) const BLOCKED: &str = "agentd:blocked";
/// The account that agentd works as.
pub(crate) const BOT: &str = "agentd-bot";

/// GitHub with the repository `acme/api`, in which the greeting is wrong and the gate says so.
pub(crate) struct Hub {
    fake: Fake,
    /// `acme/api`: `ann` may write there, `mal` may set labels and no more.
    pub(crate) api: Repository,
    /// The bot's, with which it may write.
    pub(crate) token: String,
}

impl Deref for Hub {
    type Target = Fake;

    fn deref(&self) -> &Fake {
        &self.fake
    }
}

impl Hub {
    pub(crate) fn start() -> Hub {
        let fake = Fake::start();
        let token = fake.token_of(BOT);
        let api = fake.repository("acme/api");
        let hub = Hub { fake, api, token };
        hub.furnish(&hub.api);
        hub
    }

    /// One more repository with the same files, people and labels.
    pub(crate) fn another(&self, full_name: &str) -> Repository {
        let repository = self.fake.repository(full_name);
        self.furnish(&repository);
        repository
    }

    fn furnish(&self, repository: &Repository) {
        repository.push_files(&FILES);
        repository.give("ann", Right::Write).give("mal", Right::Triage).give(BOT, Right::Write);
        for label in [LABEL, IN_PROGRESS, BLOCKED] {
            repository.create_label(label);
        }
    }

    /// `url` and `token` of `[github]`: the token stands in a file beside the home.
    pub(crate) fn access(&self, home: &Home) -> String {
        let file = write_secret(home.root(), "github-token", &self.token);
        format!("url = \"{}\"\ntoken = \"file:{}\"", self.url(), file.display())
    }

    /// An issue of ann's that she asks agentd to do; its number.
    pub(crate) fn ask_for(&self, title: &str, body: &str) -> u32 {
        let number = self.api.open_issue("ann", title, body);
        self.api.label("ann", number, LABEL);
        number
    }

    /// agentd's comments on a thread.
    pub(crate) fn said_on(&self, number: u32) -> Vec<Comment> {
        self.api.comments(number).into_iter().filter(|it| it.author.starts_with("agentd")).collect()
    }

    /// agentd's only comment on a thread.
    #[track_caller]
    pub(crate) fn comment_on(&self, number: u32) -> Comment {
        let mut said = self.said_on(number);
        assert_eq!(said.len(), 1, "one living comment: {said:#?}");
        said.remove(0)
    }

    /// Waits until agentd's only comment on a thread has these words.
    #[track_caller]
    pub(crate) fn wait_for_comment(&self, number: u32, words: &str) -> Comment {
        wait_for(&format!("the comment on #{number} says: {words}"), || {
            self.said_on(number).into_iter().any(|it| it.body.contains(words)).then_some(())
        });
        self.comment_on(number)
    }

    /// The only pull request there is.
    #[track_caller]
    pub(crate) fn only_pull(&self) -> PullRequest {
        let mut pulls = self.api.pulls();
        assert_eq!(pulls.len(), 1, "one pull request: {pulls:#?}");
        pulls.remove(0)
    }

    /// The tasks that have a branch, `t-1`. Instances share a repository, so each has its name in its branches.
    #[track_caller]
    pub(crate) fn branches(&self, home: &Home) -> Vec<String> {
        let start = format!("agentd/{}-", Judge::new(home).instance().unwrap());
        let branches = self.api.branches().into_keys().filter(|it| it.starts_with("agentd/"));
        let task = |it: String| it.strip_prefix(&start).map(str::to_owned).expect("no other instance's");
        branches.map(task).collect()
    }

    /// What a file holds on a task's branch.
    #[track_caller]
    pub(crate) fn file(&self, home: &Home, task: &str, file: &str) -> Option<String> {
        self.api.file(&home.branch(task), file)
    }

    /// Numbers of the threads that are claimed.
    pub(crate) fn claims(&self) -> Vec<String> {
        let place = "refs/agentd/claims/";
        self.api.refs(place).into_keys().map(|it| it.trim_start_matches(place).to_owned()).collect()
    }

    /// Waits until a thread shows nothing any more of a run: no claim, no lock, nobody but people assigned.
    #[track_caller]
    pub(crate) fn wait_until_free(&self, number: u32) {
        wait_for(&format!("#{number} is given back"), || {
            let issue = self.api.issue(number);
            let locked = issue.labels.iter().any(|it| it == IN_PROGRESS) || issue.assignees.iter().any(|it| it == BOT);
            (!locked && !self.claims().contains(&number.to_string())).then_some(())
        });
    }

    /// Whatever the story was: GitHub was asked as its description says, the daemon's home is in order, and the token
    /// is nowhere.
    #[track_caller]
    pub(crate) fn all_is_well(&self, home: &Home, tasks: &[i64]) {
        assert_eq!(self.violations(), Vec::<String>::new());
        let judge = Judge::new(home);
        wait_for("nothing is left to be sent", || {
            let left = judge.outbox().into_iter().filter(|(state, _)| !["done", "dropped"].contains(&state.as_str()));
            (left.count() == 0).then_some(())
        });
        judge.all_is_tidy(tasks);
        is_nowhere(home, &self.token);
    }

    /// Nothing at all was written to GitHub. (What a token may do is found out by writes that GitHub cannot carry out.)
    #[track_caller]
    pub(crate) fn is_untouched(&self) {
        let writes: Vec<_> = self.writes().into_iter().filter(|it| it.status < 400).collect();
        assert_eq!(writes, vec![]);
    }
}

impl Home {
    /// One that takes its work from the hub's issues and works on `acme/api` there.
    pub(crate) fn on(hub: &Hub) -> Home {
        Home::without_network(hub).more(&format!("[network]\nprivate = [\"{}\"]\n", Model::NETWORK))
    }

    /// The same for real agents: with their programs and the models' key.
    pub(crate) fn for_agents_on(hub: &Hub) -> Home {
        Home::without_network(hub).with_toolbox().env(Model::KEY_VARIABLE, Model::KEY).more(&toolbox::network())
    }

    fn without_network(hub: &Hub) -> Home {
        let home = Home::on_github("acme/api");
        let access = hub.access(&home);
        home.github(&access)
    }
}

/// Writes a secret as the configuration wants to find it.
pub(crate) fn write_secret(folder: &Path, name: &str, secret: &str) -> PathBuf {
    let file = folder.join(name);
    fs::write(&file, secret).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    file
}

/// What must be in no file of the home's, as it is or as git sends it, and in no container.
#[track_caller]
pub(crate) fn is_nowhere(home: &Home, secret: &str) {
    let sent = base64(format!("x-access-token:{secret}").as_bytes());
    let forms = [secret, sent.as_str()];
    Judge::new(home).nobody_wrote(secret);
    let shows = |bytes: &[u8]| forms.iter().any(|it| bytes.windows(it.len()).any(|window| window == it.as_bytes()));
    let mut folders = vec![home.home()];
    while let Some(folder) = folders.pop() {
        for path in entries(&folder) {
            // What a run leaves may go while it is looked at; programs of agents are none of agentd's writing.
            if path.ends_with("toolbox") || path.is_symlink() {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.is_file() && fs::read(&path).is_ok_and(|bytes| shows(&bytes)) {
                panic!("the secret is in {}", path.display());
            }
        }
    }
    for name in Judge::new(home).containers() {
        let seen = Command::new("docker").args(["inspect", &name]).output().unwrap();
        assert!(!shows(&seen.stdout), "the secret is in the container {name}");
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let read = fs::read_dir(folder).and_then(|it| it.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>());
    read.unwrap_or_default()
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |three: &[u8]| {
        let number = three.iter().enumerate().fold(0u32, |sum, (at, byte)| sum | u32::from(*byte) << (16 - 8 * at));
        let letter = |at: usize| match at <= three.len() {
            true => char::from(LETTERS[(number >> (18 - 6 * at)) as usize & 63]),
            false => '=',
        };
        (0..4).map(letter).collect::<String>()
    };
    bytes.chunks(3).map(group).collect()
}

/// The data block of a pull request's text.
#[track_caller]
pub(crate) fn data_of(body: &str) -> Value {
    let block = body.split("```json\n").nth(1).and_then(|it| it.split("\n```").next());
    let block = block.unwrap_or_else(|| panic!("no block for machines: {body}"));
    serde_json::from_str(block).unwrap()
}
