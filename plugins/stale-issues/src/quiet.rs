//! Which issues are quiet, and the draft of one that is.
//!
//! The same issue gives the same draft as long as nobody touches it: dates stand in it and no ages.

use crate::Settings;
use agentd_sdk::Timestamp;
use agentd_sdk::analyzer::Draft;
use agentd_sdk::host::forge::Issue;
use agentd_sdk::markdown::{code, quoted};

pub(crate) const DAY_MS: u64 = 86_400_000;
/// How long a title may get, and how much of an issue is shown, in characters.
const TITLE: usize = 120;
const BODY: usize = 8_000;

const INSTRUCTIONS: &str = "Find out how this issue stands in the code as it is now. If what it asks for has been done, \
    or makes no sense any more, change nothing and say so, with the place in the code that shows it. If it still stands \
    and is small and clear, do it. If it still stands and is not, change nothing and say what is missing before anybody \
    could do it.";

/// What counts as quiet.
pub(crate) struct Quiet<'a> {
    pub(crate) settings: &'a Settings,
    /// Who touched an issue at this moment or later disturbed it.
    pub(crate) until: Timestamp,
}

impl Quiet<'_> {
    pub(crate) fn is(&self, issue: &Issue) -> bool {
        let exempt =
            |label: &str| self.settings.exempt_labels.iter().any(|it| it.to_lowercase() == label.to_lowercase());
        issue.state == "open"
            && issue.changed_at < self.until
            && !issue.labels.iter().any(|it| exempt(&it.name))
            && (!self.settings.exempt_assigned || issue.assignees.is_empty())
            && (!self.settings.exempt_milestones || issue.milestone.is_none())
    }

    pub(crate) fn draft(&self, issue: &Issue) -> Draft {
        let mut labels: Vec<String> = issue.labels.iter().map(|it| it.name.clone()).collect();
        labels.push("stale".into());
        labels.sort();
        labels.dedup();
        // No thread and no subject: the change must not close the issue, and whoever asks for the issue itself gets a
        // task of its own.
        Draft {
            key: format!("stale-{}#{}", issue.repository, issue.number),
            title: title(issue),
            body: self.body(issue),
            url: Some(issue.url.clone()),
            author: Some(issue.author.clone()),
            editor: issue.editor.clone(),
            labels,
            instructions: Some(INSTRUCTIONS.into()),
            // Touched and quiet again, it may be looked at again.
            requested_at: Some(issue.changed_at.saturating_add(u64::from(self.settings.days) * DAY_MS)),
            created_at: Some(issue.created_at),
            ..Draft::default()
        }
    }

    fn body(&self, issue: &Issue) -> String {
        let Issue { number, url, comments, .. } = issue;
        let comments = match comments {
            0 => "nobody has commented on it".to_owned(),
            1 => "it has 1 comment".to_owned(),
            many => format!("it has {many} comments"),
        };
        let facts = format!(
            "Issue [#{number}]({url}) was opened on {} and last touched on {}; {comments}.",
            date(issue.created_at),
            date(issue.changed_at)
        );
        let said = match issue.body.trim() {
            "" => "It has no text.".to_owned(),
            text => format!("This is its text:\n\n{}", quoted(text, BODY)),
        };
        format!("{facts} Its title is {}.\n\n{said}\n", code(&issue.title))
    }

    pub(crate) fn summary(&self, quiet: usize, looked_at: usize) -> String {
        let issues = if looked_at == 1 { "1 issue".into() } else { format!("{looked_at} issues") };
        let exempt = looked_at - quiet;
        let exempt = if exempt == 0 { String::new() } else { format!(", {exempt} of them exempt") };
        format!("{issues} untouched for {} days{exempt}", self.settings.days)
    }
}

fn title(issue: &Issue) -> String {
    let line = issue.title.split_whitespace().collect::<Vec<_>>().join(" ");
    let title: String =
        format!("How does #{} stand: {line}", issue.number).chars().filter(|it| !it.is_control()).collect();
    match title.chars().count() > TITLE {
        true => title.chars().take(TITLE - 1).chain(['…']).collect(),
        false => title,
    }
}

/// `2026-03-09`, in UTC.
fn date(at: Timestamp) -> String {
    let at = i64::try_from(at).ok().and_then(|it| jiff::Timestamp::from_millisecond(it).ok());
    at.map_or_else(|| "a day out of any calendar".into(), |it| it.strftime("%Y-%m-%d").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use agentd_sdk::host::forge::AppliedLabel;
    use agentd_sdk::work::Person;

    const NOW: Timestamp = 1_790_000_000_000; // 2026-09-21

    fn issue() -> Issue {
        Issue {
            repository: "acme/shop".into(),
            number: 12,
            title: "Login  fails".into(),
            body: "It does.\n\n> really".into(),
            url: "https://forge.example/acme/shop/issues/12".into(),
            state: "open".into(),
            author: Person { login: "mal".into(), ..Person::default() },
            created_at: NOW - 200 * DAY_MS,
            changed_at: NOW - 100 * DAY_MS,
            ..Issue::default()
        }
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut Settings, &mut Issue), expected: bool) {
        let (mut settings, mut issue) = (Settings::default(), issue());
        change(&mut settings, &mut issue);
        let until = NOW - u64::from(settings.days) * DAY_MS;
        assert_eq!(Quiet { settings: &settings, until }.is(&issue), expected, "{issue:?}");
    }

    fn label(name: &str) -> AppliedLabel {
        AppliedLabel { name: name.into(), ..AppliedLabel::default() }
    }

    #[test]
    fn an_issue_is_quiet_when_nobody_touched_it_and_nothing_exempts_it() {
        check(|_, _| (), true);
        check(|_, it| it.changed_at = NOW - 60 * DAY_MS, false);
        check(|_, it| it.changed_at = NOW - 60 * DAY_MS - 1, true);
        check(|settings, _| settings.days = 101, false);
        check(|_, it| it.state = "closed".into(), false);
        check(|_, it| it.labels = vec![label("bug"), label("Pinned")], false);
        check(|_, it| it.labels = vec![label("agentd:in-progress")], false);
        check(|_, it| it.labels = vec![label("bug")], true);
        check(|_, it| it.assignees = vec!["ann".into()], true);
        check(
            |settings, it| {
                settings.exempt_assigned = true;
                it.assignees = vec!["ann".into()];
            },
            false,
        );
        check(|_, it| it.milestone = Some("v2".into()), false);
        check(
            |settings, it| {
                settings.exempt_milestones = false;
                it.milestone = Some("v2".into());
            },
            true,
        );
    }

    #[test]
    fn the_draft_shows_the_issue_as_its_authors_word_and_closes_nothing() {
        let settings = Settings::default();
        let quiet = Quiet { settings: &settings, until: NOW };
        let draft = quiet.draft(&issue());
        assert_eq!(
            (draft.key.as_str(), draft.title.as_str()),
            ("stale-acme/shop#12", "How does #12 stand: Login fails")
        );
        assert_eq!(
            draft.body,
            "Issue [#12](https://forge.example/acme/shop/issues/12) was opened on 2026-03-05 and last touched on \
             2026-06-13; nobody has commented on it. Its title is `Login fails`.\n\nThis is its text:\n\n> It does.\n>\n\
             > > really\n"
        );
        assert_eq!((draft.thread, draft.subject, draft.requester), (None, None, None));
        assert_eq!(draft.author.map(|it| it.login).as_deref(), Some("mal"));
        assert_eq!(draft.labels, ["stale"]);
        assert_eq!(draft.requested_at, Some(NOW - 40 * DAY_MS));
    }

    #[test]
    fn the_same_issue_gives_the_same_draft_at_any_time() {
        let settings = Settings::default();
        let one = Quiet { settings: &settings, until: NOW }.draft(&issue());
        assert_eq!(one, Quiet { settings: &settings, until: NOW + 300 * DAY_MS }.draft(&issue()));
        let touched = Issue { changed_at: NOW, ..issue() };
        let later = Quiet { settings: &settings, until: NOW + 300 * DAY_MS }.draft(&touched);
        assert!(later.requested_at > one.requested_at && later.key == one.key, "it may be asked for anew");
    }

    #[test]
    fn long_titles_and_odd_texts_are_tamed() {
        let settings = Settings::default();
        let quiet = Quiet { settings: &settings, until: NOW };
        let draft = quiet.draft(&Issue { title: format!("`x`\n{}", "ж".repeat(300)), body: " ".into(), ..issue() });
        assert_eq!(draft.title.chars().count(), TITLE);
        assert!(draft.body.ends_with("It has no text.\n") && !draft.title.contains('\n'));
        assert!(draft.body.contains("Its title is `` `x` жж"), "{}", draft.body);
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (at, expected) in [
            (0, "1970-01-01"),
            (1_735_689_599_999, "2024-12-31"),
            (1_735_689_600_000, "2025-01-01"),
            (u64::MAX, "a day out of any calendar"),
        ] {
            assert_eq!(date(at), expected, "{at}");
        }
    }

    #[test]
    fn the_summary_says_how_many() {
        let settings = Settings::default();
        let quiet = Quiet { settings: &settings, until: NOW };
        assert_eq!(quiet.summary(1, 1), "1 issue untouched for 60 days");
        assert_eq!(quiet.summary(0, 0), "0 issues untouched for 60 days");
        assert_eq!(quiet.summary(3, 5), "5 issues untouched for 60 days, 2 of them exempt");
    }
}
