//! History, blame and churn.

use super::*;

const START: u64 = YEAR_2020 * 1000;

fn commits(paths: &[&str], limit: u32) -> CommitQuery {
    let paths = paths.iter().map(|it| (*it).to_owned()).collect();
    CommitQuery { tree: String::new(), revision: None, paths, since: None, cursor: None, limit, extra: vec![] }
}

fn churned(globs: &[&str], since: Option<u64>) -> ChurnQuery {
    let globs = globs.iter().map(|it| (*it).to_owned()).collect();
    ChurnQuery { tree: String::new(), revision: None, globs, since, limit: 10, extra: vec![] }
}

/// A feature merged into main: first parents are `one`, `two`, the merge, `four`.
async fn merged() -> Shop {
    let shop = Shop::new().await;
    shop.write("a", "1\n2\n3\n");
    shop.commit("ann", 1, "one").await;
    shop.git(&["checkout", "--quiet", "-b", "feature"]).await;
    shop.write("feature/f", "f\n");
    shop.commit("bob", 2, "on the feature").await;
    shop.git(&["checkout", "--quiet", "main"]).await;
    shop.write("a", "1\ntwo\n3\n");
    shop.commit("bob", 3, "two\n\nwith a body").await;
    let (name, mail) = ("user.name=cid", "user.email=cid@example.org");
    shop.git(&["-c", name, "-c", mail, "merge", "--quiet", "--no-ff", "-m", "merge", "feature"]).await;
    shop.commit("ann", 4, "four").await;
    shop.fetch().await;
    shop
}

async fn subjects(shop: &Shop, mut query: CommitQuery) -> Vec<String> {
    let mut subjects = vec![];
    loop {
        let page = shop.reading.history(shop.tree(), query.clone()).await.unwrap();
        assert!(page.commits.len() <= query.limit as usize);
        subjects.extend(page.commits.iter().map(|it| it.message.lines().next().unwrap_or_default().to_owned()));
        query.cursor = page.next;
        if query.cursor.is_none() {
            return subjects;
        }
    }
}

#[tokio::test]
async fn history_goes_along_first_parents() {
    let shop = merged().await;
    for limit in [1_000, 4, 3, 1] {
        assert_eq!(subjects(&shop, commits(&[], limit)).await, ["four", "merge", "two", "one"], "{limit} a page");
    }
    assert_eq!(subjects(&shop, commits(&["a"], 1)).await, ["two", "one"]);
    assert_eq!(subjects(&shop, commits(&["feature/"], 9)).await, ["merge"]);
    assert_eq!(subjects(&shop, commits(&["nope", "feature/f"], 9)).await, ["merge"]);
    let feature = CommitQuery { revision: Some("feature".into()), ..commits(&[], 9) };
    assert_eq!(subjects(&shop, feature).await, ["on the feature", "one"]);
    let since = CommitQuery { since: Some(START + 2_001), ..commits(&["a"], 9) };
    assert_eq!(subjects(&shop, since).await, ["two"]);
    let page = shop.reading.history(shop.tree(), commits(&["a"], 1)).await.unwrap();
    let two = &page.commits[0];
    assert_eq!((two.author.as_str(), two.author_email.as_str()), ("bob", "bob@example.org"));
    assert_eq!((two.committed_at, two.message.as_str()), (START + 3_000, "two\n\nwith a body"));
    assert_eq!(two.id.len(), 40);
}

#[tokio::test]
async fn history_refuses_what_it_cannot_follow() {
    let shop = merged().await;
    let history = async |query| said(shop.reading.history(shop.tree(), query).await);
    assert_eq!(history(commits(&[], 1_001)).await, "invalid: `limit` is 1001: it has to be 1 to 1000");
    assert!(history(commits(&["../x"], 1)).await.starts_with("invalid: `../x`"));
    let cursor = CommitQuery { cursor: Some("1:--all".into()), ..commits(&[], 1) };
    assert!(history(cursor).await.starts_with("invalid: `1:--all` is no cursor"));
    let cursor = CommitQuery { cursor: Some(format!("1:{}", "0".repeat(40))), ..commits(&[], 1) };
    assert!(history(cursor).await.starts_with("not-found: "));
}

#[tokio::test]
async fn a_long_message_is_cut() {
    let shop = Shop::new().await;
    shop.commit("ann", 1, &"ü".repeat(10_000)).await;
    shop.fetch().await;
    let page = shop.reading.history(shop.tree(), commits(&[], 1)).await.unwrap();
    assert_eq!(page.commits[0].message, "ü".repeat(4_096));
}

#[tokio::test]
async fn blame_joins_neighbours_of_one_commit() {
    let shop = Shop::new().await;
    shop.write("old", "1\n2\n3\n4\n5\n");
    let one = shop.commit("ann", 1, "one").await;
    shop.write("old", "1\n2\nthree\nfour\n5\n");
    let two = shop.commit("bob", 2, "two").await;
    shop.git(&["mv", "old", "new name"]).await;
    shop.commit("bob", 3, "moved").await;
    shop.fetch().await;
    let blame = async |path: &str, first, last| {
        let ranges = shop.reading.blame(shop.tree(), None, path.into(), first, last).await?;
        Ok(ranges.into_iter().map(|it| (it.first, it.last, it.commit, it.author)).collect::<Vec<_>>())
    };
    let range = |first, last, commit: &String, who: &str| (first, last, commit.clone(), who.to_owned());
    let all = [range(1, 2, &one, "ann"), range(3, 4, &two, "bob"), range(5, 5, &one, "ann")];
    assert_eq!(blame("new name", 1, 5).await.unwrap(), all);
    assert_eq!(blame("new name", 1, 9_000).await.unwrap(), all, "what is after the end is nobody's");
    assert_eq!(blame("new name", 2, 3).await.unwrap(), [range(2, 2, &one, "ann"), range(3, 3, &two, "bob")]);
    assert_eq!(said(blame("new name", 6, 7).await), "invalid: line 6 is after the end of `new name`");
    assert_eq!(said(blame("old", 1, 1).await), "not-found: `old` does not exist at that revision");
    assert!(said(blame("new name", 0, 1).await).starts_with("invalid: lines 0 to 1 are none"));
    assert!(said(blame("new name", 2, 1).await).starts_with("invalid: lines 2 to 1 are none"));
    assert!(said(blame("new name", 1, 10_001).await).starts_with("too-large: "));
    let ranges = shop.reading.blame(shop.tree(), Some(two), "old".into(), 3, 3).await.unwrap();
    assert_eq!((ranges[0].author_email.as_str(), ranges[0].committed_at), ("bob@example.org", START + 2_000));
}

async fn churn(shop: &Shop, query: ChurnQuery) -> Vec<String> {
    let files = shop.reading.churn(shop.tree(), query).await.unwrap();
    let shown = |it: ChurnedFile| {
        let after = (it.last_changed_at - START) / 1000;
        let ChurnedFile { path, commits, authors, added_lines, removed_lines, .. } = it;
        format!("{path}: {commits} commits by {authors}, +{added_lines} -{removed_lines}, last at {after}")
    };
    files.into_iter().map(shown).collect()
}

#[tokio::test]
async fn churn_counts_commits_and_follows_renames() {
    let shop = Shop::new().await;
    let lines = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
    shop.write("old.rs", lines);
    shop.write("gone.rs", "x\n");
    shop.write("b.bin", b"\0\0");
    shop.commit("ann", 1, "one").await;
    shop.write("old.rs", lines.replace('5', "five"));
    fs::remove_file(shop.work().join("gone.rs")).unwrap();
    shop.commit("bob", 2, "two").await;
    fs::create_dir(shop.work().join("src")).unwrap();
    shop.git(&["mv", "old.rs", "src/new.rs"]).await;
    shop.commit("ann", 3, "moved").await;
    shop.write("old.rs", "another\n");
    shop.commit("cid", 4, "the old name, used anew").await;
    shop.fetch().await;
    let new = "src/new.rs: 3 commits by 2, +10 -1, last at 3";
    let all = [new, "b.bin: 1 commits by 1, +0 -0, last at 1", "old.rs: 1 commits by 1, +1 -0, last at 4"];
    assert_eq!(churn(&shop, churned(&[], None)).await, all);
    assert_eq!(churn(&shop, churned(&["src/"], None)).await, [new]);
    assert_eq!(churn(&shop, ChurnQuery { limit: 1, ..churned(&[], None) }).await, [new]);
    let later = ["old.rs: 1 commits by 1, +1 -0, last at 4", "src/new.rs: 1 commits by 1, +0 -0, last at 3"];
    assert_eq!(churn(&shop, churned(&[], Some(START + 3_000))).await, later);
    let earlier = ChurnQuery { revision: Some("main".into()), ..churned(&["*.rs"], Some(START + 9_000)) };
    assert_eq!(churn(&shop, earlier).await, [""; 0]);
}

#[tokio::test]
async fn churn_leaves_merges_out_and_grows_with_the_history() {
    let shop = merged().await;
    let before = ["a: 2 commits by 2, +4 -1, last at 3", "feature/f: 1 commits by 1, +1 -0, last at 2"];
    assert_eq!(churn(&shop, churned(&[], None)).await, before);
    let remembered = || shop.reading.inner.churn.commits(ID);
    assert_eq!(remembered(), 4);
    shop.write("a", "all\nnew\n");
    shop.commit("dan", 9, "five").await;
    shop.fetch().await;
    let after = ["a: 3 commits by 3, +6 -4, last at 9", before[1]];
    assert_eq!(churn(&shop, churned(&[], None)).await, after);
    assert_eq!(remembered(), 5);
}
