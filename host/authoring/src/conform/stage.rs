//! The host that plugins meet in a conformance test: one small repository, two issues, a server that says `{}`.

use agentd_plugin::wit::common::{Content, Error as Answer};
use agentd_plugin::wit::work::{Comment, Person, Thread};
use agentd_plugin::wit::{forge, http, log, repository as files};
use agentd_plugin::{Host, HttpCall, Tree};
use async_trait::async_trait;

pub(super) const REPOSITORY: &str = "acme/shop";
pub(super) const COMMIT: &str = "7b18f0a1b2c3d4e5f60718293a4b5c6d7e8f9012";

const FILES: [(&str, &str); 4] = [
    ("README.md", "# Shop\n\nGröße 日本語 🚀\n"),
    ("src/main.rs", "fn main() {\n    // TODO: say more\n    println!(\"hello\"); // FIXME(ann): wrong\n}\n"),
    ("src/price.py", "# HACK: until the new tables come\ndef price(x):\n    return x * 1.19\n"),
    ("Cargo.lock", "version = 4\n\n[[package]]\nname = \"shop\"\nversion = \"0.1.0\"\n"),
];

const DAY: u64 = 86_400_000;

pub(super) struct Stage;

fn not_found<T>(what: &str) -> Result<T, Answer> {
    Err(Answer::NotFound(format!("there is no {what} on the stage")))
}

fn ann() -> Person {
    Person { login: "ann".into(), name: Some("Ann Other".into()), bot: false, extra: vec![] }
}

fn issue(number: u32, labels: &[String]) -> forge::Issue {
    let at = super::sample::NOW - u64::from(number) * DAY;
    let labels = labels.iter().cloned().chain(["bug".into()]);
    let label = |name| forge::AppliedLabel { name, by: Some(ann()), at: Some(at), extra: vec![] };
    forge::Issue {
        repository: REPOSITORY.into(),
        number,
        title: format!("Issue {number}"),
        body: super::sample::FOREIGN.into(),
        url: format!("https://example.com/{REPOSITORY}/issues/{number}"),
        state: "open".into(),
        state_reason: String::new(),
        author: ann(),
        editor: None,
        labels: labels.map(label).collect(),
        assignees: vec![],
        milestone: None,
        comments: 1,
        created_at: at,
        changed_at: at,
        extra: vec![],
    }
}

fn comment(number: u32) -> Comment {
    let at = super::sample::NOW - DAY;
    Comment {
        id: format!("c-{number}"),
        author: ann(),
        body: "/code please\n".into(),
        url: Some("https://example.com/c".into()),
        thread: Some(Thread { repository: REPOSITORY.into(), number, extra: vec![] }),
        location: None,
        created_at: at,
        updated_at: at,
        extra: vec![],
    }
}

/// The lines that match, in a file whose name may be asked for.
fn hits(query: &files::SearchQuery) -> Result<Vec<files::Hit>, Answer> {
    let pattern = if query.literal { regex::escape(&query.pattern) } else { query.pattern.clone() };
    let pattern = if query.whole_words { format!(r"\b(?:{pattern})\b") } else { pattern };
    let pattern = regex::RegexBuilder::new(&pattern).case_insensitive(query.ignore_case).build();
    let pattern = pattern.map_err(|error| Answer::Invalid(error.to_string()))?;
    let mut hits = vec![];
    for (path, text) in FILES {
        for (line, text) in (1..).zip(text.lines()) {
            if let Some(found) = pattern.find(text) {
                let column = u32::try_from(found.start()).unwrap_or(0);
                let (before, after) = (vec![], vec![]);
                hits.push(files::Hit {
                    path: path.into(),
                    line,
                    column,
                    text: text.into(),
                    before,
                    after,
                    extra: vec![],
                });
            }
        }
    }
    hits.sort_by(|one, other| (&one.path, one.line).cmp(&(&other.path, other.line)));
    hits.truncate(query.limit as usize);
    Ok(hits)
}

#[async_trait]
impl Host for Stage {
    fn now(&self) -> u64 {
        super::sample::NOW
    }

    fn log(&self, _: &str, _: &str, _: log::Level, _: &str, _: &[(String, String)]) {}

    async fn kv_get(&self, _: &str, _: &str) -> Result<Option<String>, Answer> {
        Ok(None)
    }

    async fn kv_keys(&self, _: &str, _: &str, _: Option<&str>) -> Result<Vec<String>, Answer> {
        Ok(vec![])
    }

    async fn http(&self, _: HttpCall) -> Result<http::Response, Answer> {
        let headers = vec![("content-type".into(), "application/json".into())];
        Ok(http::Response { status: 200, headers, body: Content::Text("{}".into()), extra: vec![] })
    }

    fn repositories(&self, ids: &[String]) -> Vec<files::Info> {
        let known = ids.iter().filter(|it| *it == REPOSITORY);
        let info = |id: &String| files::Info {
            id: id.clone(),
            forge: "github".into(),
            default_branch: "main".into(),
            url: Some(format!("https://example.com/{id}")),
            extra: vec![],
        };
        known.map(info).collect()
    }

    async fn list_files(&self, _: Tree, _: files::FileQuery) -> Result<files::FilePage, Answer> {
        let file = |(path, text): (&str, &str)| files::File {
            path: path.into(),
            size: u32::try_from(text.len()).unwrap_or(u32::MAX),
            extra: vec![],
        };
        let mut all: Vec<_> = FILES.into_iter().map(file).collect();
        all.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(files::FilePage { files: all, next: None, extra: vec![] })
    }

    async fn read_file(&self, _: Tree, _: Option<String>, path: String) -> Result<Content, Answer> {
        match FILES.into_iter().find(|(it, _)| *it == path) {
            Some((_, text)) => Ok(Content::Text(text.into())),
            None => not_found(&path),
        }
    }

    async fn search(&self, _: Tree, query: files::SearchQuery) -> Result<files::SearchPage, Answer> {
        Ok(files::SearchPage { hits: hits(&query)?, next: None, extra: vec![] })
    }

    async fn history(&self, _: Tree, _: files::CommitQuery) -> Result<files::CommitPage, Answer> {
        let commit = files::Commit {
            id: COMMIT.into(),
            author: "Ann Other".into(),
            author_email: "ann@example.com".into(),
            committed_at: super::sample::NOW - DAY,
            message: "Begin\n".into(),
            extra: vec![],
        };
        Ok(files::CommitPage { commits: vec![commit], next: None, extra: vec![] })
    }

    async fn blame(
        &self,
        _: Tree,
        _: Option<String>,
        _: String,
        first: u32,
        last: u32,
    ) -> Result<Vec<files::BlameRange>, Answer> {
        Ok(vec![files::BlameRange {
            first,
            last,
            commit: COMMIT.into(),
            author: "Ann Other".into(),
            author_email: "ann@example.com".into(),
            committed_at: super::sample::NOW - 400 * DAY,
            extra: vec![],
        }])
    }

    async fn churn(&self, _: Tree, _: files::ChurnQuery) -> Result<Vec<files::ChurnedFile>, Answer> {
        let churned = |(path, _): (&str, &str)| files::ChurnedFile {
            path: path.into(),
            commits: 12,
            authors: 3,
            added_lines: 400,
            removed_lines: 200,
            last_changed_at: super::sample::NOW - DAY,
            extra: vec![],
        };
        Ok(FILES.into_iter().map(churned).collect())
    }

    async fn list_issues(&self, _: &[String], query: forge::IssueQuery) -> Result<forge::IssuePage, Answer> {
        let since = query.changed_since.unwrap_or(0);
        let mut issues: Vec<_> = [1, 2].map(|it| issue(it, &query.labels)).into();
        issues.retain(|it| it.changed_at >= since && query.state != "closed");
        Ok(forge::IssuePage { issues, next: None, extra: vec![] })
    }

    async fn get_issue(&self, _: &str, number: u32) -> Result<forge::Issue, Answer> {
        if (1..=2).contains(&number) { Ok(issue(number, &["agentd".into()])) } else { not_found("such issue") }
    }

    async fn list_comments(&self, _: &[String], query: forge::CommentQuery) -> Result<forge::CommentPage, Answer> {
        let mut comments = vec![comment(query.number.unwrap_or(1))];
        comments.retain(|it| it.updated_at >= query.changed_since.unwrap_or(0));
        Ok(forge::CommentPage { comments, next: None, extra: vec![] })
    }

    async fn list_pull_requests(&self, _: forge::PullRequestQuery) -> Result<forge::PullRequestPage, Answer> {
        Ok(forge::PullRequestPage { pull_requests: vec![], next: None, extra: vec![] })
    }

    async fn get_pull_request(&self, _: &str, _: u32) -> Result<forge::PullRequest, Answer> {
        not_found("such pull request")
    }

    async fn list_labels(&self, _: &str) -> Result<Vec<forge::Label>, Answer> {
        Ok(vec![forge::Label { name: "bug".into(), description: String::new(), extra: vec![] }])
    }

    async fn list_checks(&self, _: &str, _: &str) -> Result<Vec<forge::Check>, Answer> {
        Ok(vec![])
    }
}
