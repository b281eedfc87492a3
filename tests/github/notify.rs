//! Who is told what: a channel of Slack's, and the pull request.

use crate::support::{Daemon, Home, Hub, Judge, Listener, github::is_nowhere, wait_for};

/// Slack's first answer is that it is enough for now.
const SLACK: [&str; 2] = ["HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\n", "HTTP/1.1 200 OK\r\n"];
const TEAM: &str =
    "[credentials.slack]\nurl = \"${SLACK}\"\n[notifiers.team]\nplugin = \"slack\"\nevents = [\"task.in-review\"]\n";
/// Who knows it may write to the channel.
const HOOK: &str = "services/T0001/B0001/hook-secret-4711";

#[test]
fn slack_is_told_with_a_link_and_nothing_in_a_title_rings() {
    let hub = Hub::start();
    let slack = Listener::answering(&SLACK);
    let home = Home::on(&hub).env("SLACK", format!("{}/{HOOK}", slack.url())).more(TEAM);
    hub.ask_for("Mend <!channel> & the *greeting*", "It says helo.");
    let daemon = Daemon::start(&home);
    daemon.wait_for_state("t-1", &["in-review"]);
    let told = wait_for("Slack takes it", || Some(slack.bodies()).filter(|it| it.len() == SLACK.len()));
    assert_eq!(told[0], told[1], "the same again");
    let text = told[1].to_string();
    let link = format!("{}/acme/api/pull/{}", hub.url(), hub.only_pull().issue.number);
    assert!(text.contains(&link), "{text}");
    assert!(text.contains("&lt;!channel&gt; &amp; the") && !text.contains("<!channel>"), "{text}");
    hub.all_is_well(&home, &[1]);
    assert_eq!(slack.bodies().len(), SLACK.len(), "and no more than that");
    is_nowhere(&home, "hook-secret-4711");
    assert_eq!(daemon.stop(&[]), Some(0));
}

#[test]
fn slack_that_is_gone_holds_up_nothing() {
    let hub = Hub::start();
    let slack = Listener::answering(&["HTTP/1.1 404 Not Found\r\n"]);
    let home = Home::on(&hub).env("SLACK", format!("{}/{HOOK}", slack.url())).more(TEAM);
    let issue = hub.ask_for("Mend the greeting", "It says helo.");
    let daemon = Daemon::start(&home);
    daemon.wait_for_state("t-1", &["in-review"]);
    hub.wait_for_comment(issue, "ready for review");
    let judge = Judge::new(&home);
    wait_for("it is given up", || (judge.outbox().get("failed") == Some(&1)).then_some(()));
    let list = home.ok(&["outbox", "list", "--all"]);
    assert!(list.contains("404") && !list.contains("hook-secret"), "{list}");
    is_nowhere(&home, "hook-secret-4711");
    assert_eq!(slack.bodies().len(), 1);
}

/// Mends the greeting, and says it louder when it is asked to.
const LOUDER: &str = "p=$(cat); echo hello > greeting.txt; \
    case \"$p\" in *LOUDER*) echo HELLO > louder.txt;; esac; echo done";

#[test]
fn a_pull_request_can_have_a_comment_that_says_the_newest() {
    let hub = Hub::start();
    let notifier = "[notifiers.comments]\nplugin = \"github-comment\"\nevents = [\"task.in-review\"]\n\
                    settings = { living = true }\n";
    let home = Home::on(&hub).agent(LOUDER).more(notifier);
    let issue = hub.ask_for("Mend the greeting", "It says helo.");
    let daemon = Daemon::start(&home);
    daemon.wait_for_state("t-1", &["in-review"]);
    let pull = hub.only_pull().issue.number;
    let comment = hub.wait_for_comment(pull, "Task `t-1`");
    assert!(!comment.edited, "{comment:?}");
    hub.comment_on(issue);

    home.ok(&["task", "reject", "t-1", "--comment", "Say it LOUDER"]);
    wait_for("the second run is published", || hub.file(&home, "t-1", "louder.txt"));
    daemon.wait_for_state("t-1", &["in-review"]);
    hub.all_is_well(&home, &[1]);
    assert_eq!(hub.comment_on(pull).id, comment.id);
}
