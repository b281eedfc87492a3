//! Lines that match, in repositories.

use super::*;

async fn shop(files: &[(&str, &[u8])]) -> Shop {
    let shop = Shop::new().await;
    for (path, text) in files {
        shop.write(path, text);
    }
    shop.commit("ann", 1, "files").await;
    shop.fetch().await;
    shop
}

async fn check(shop: &Shop, query: SearchQuery, expected: &[&str]) {
    let hits = all_hits(&shop.reading, &shop.tree(), query.clone()).await;
    assert_eq!(hits, expected, "{query:?}");
}

#[tokio::test]
async fn patterns_match_line_by_line() {
    let text = b"fn main() {\n    // LATER: fix later\n}\nLATERS\n";
    let shop = shop(&[("src/a.rs", text), ("b.txt", b"a.b\r\naxb\r\n\r\nend")]).await;
    check(&shop, search_query("LATER"), &["src/a.rs:2:7:    // LATER: fix later", "src/a.rs:4:0:LATERS"]).await;
    let words = SearchQuery { whole_words: true, ..search_query("LATER|fix") };
    check(&shop, words, &["src/a.rs:2:7:    // LATER: fix later"]).await;
    let case = SearchQuery { ignore_case: true, ..search_query("^FN") };
    check(&shop, case, &["src/a.rs:1:0:fn main() {"]).await;
    let literal = SearchQuery { literal: true, ..search_query("a.b") };
    check(&shop, literal, &["b.txt:1:0:a.b"]).await;
    check(&shop, search_query("a.b$"), &["b.txt:1:0:a.b", "b.txt:2:0:axb"]).await;
    check(&shop, search_query("d$"), &["b.txt:4:2:end"]).await;
    check(&shop, search_query("^$"), &["b.txt:3:0:"]).await;
    let globs = SearchQuery { globs: vec!["!*.rs".into()], ..search_query("[a-z]$") };
    check(&shop, globs, &["b.txt:1:2:a.b", "b.txt:2:2:axb", "b.txt:4:2:end"]).await;
}

#[tokio::test]
async fn a_pattern_that_is_none_is_refused_with_its_place() {
    let shop = shop(&[("a", b"x")]).await;
    let refused = said(shop.reading.search(shop.tree(), search_query("a(b")).await);
    assert!(
        refused.starts_with("invalid: the pattern cannot be used: ") && refused.contains("unclosed group"),
        "{refused}"
    );
    assert!(refused.contains('^'), "shows the place: {refused}");
    for bad in ["(?=a)", r"(a)\1", "a\nb", r"\w{500}{500}"] {
        let refused = said(shop.reading.search(shop.tree(), search_query(bad)).await);
        assert!(refused.starts_with("invalid: "), "{bad}: {refused}");
    }
    let long = said(shop.reading.search(shop.tree(), search_query(&"a".repeat(70_000))).await);
    assert_eq!(long, "too-large: the pattern has 70000 bytes: at most 65536 are read");
}

#[tokio::test]
async fn what_is_not_text_is_left_out() {
    let late = [vec![b'a'; 8192], b"\0 needle".to_vec()].concat();
    let early = [vec![b'a'; 8191], b"\0 needle".to_vec()].concat();
    let large = [vec![b'\n'; FILE_MAX], b"needle".to_vec()].concat();
    let bom = b"\xef\xbb\xbfneedle\n";
    let latin = b"caf\xe9 needle\xff\n";
    let files: [(&str, &[u8]); 6] =
        [("bom", bom), ("early", &early), ("large", &large), ("late", &late), ("latin", latin), ("ok", b"needle")];
    let shop = shop(&files).await;
    std::os::unix::fs::symlink("needle", shop.work().join("link")).unwrap();
    shop.commit("ann", 2, "a link whose target matches").await;
    shop.fetch().await;
    let page = shop.reading.search(shop.tree(), search_query("needle")).await.unwrap();
    let found: Vec<_> = page.hits.iter().map(|it| (it.path.as_str(), it.line, it.column)).collect();
    assert_eq!(found, [("bom", 1, 0), ("late", 1, 8194), ("latin", 1, 5), ("ok", 1, 0)]);
    assert_eq!(page.hits[2].text, "caf\u{fffd} needle\u{fffd}");
    assert!(page.hits[1].text.ends_with("needle") && page.hits[1].text.len() <= 1024);
}

#[tokio::test]
async fn context_ends_where_the_file_does() {
    let shop = shop(&[("f", b"1\n2\nhit 3\nhit 4\n5\n6\n"), ("g", b"\nhit"), ("h", b"hit")]).await;
    let page = shop.reading.search(shop.tree(), SearchQuery { context: 3, ..search_query("hit") }).await.unwrap();
    let around: Vec<_> = page.hits.iter().map(|it| (it.before.join("|"), it.after.join("|"))).collect();
    let expected = [("1|2", "hit 4|5|6"), ("1|2|hit 3", "5|6"), ("", ""), ("", "")];
    assert_eq!(around, expected.map(|(before, after)| (before.to_owned(), after.to_owned())));
    assert_eq!(page.hits[2].before, [""], "an empty line is a line");
    assert_eq!(page.hits[3].before, [""; 0]);
    let page = shop.reading.search(shop.tree(), SearchQuery { context: 1, ..search_query("hit 3") }).await.unwrap();
    assert_eq!((page.hits[0].before.join("|"), page.hits[0].after.join("|")), ("2".into(), "hit 4".into()));
}

#[tokio::test]
async fn a_long_line_is_cut_around_the_match() {
    let line = format!("{}needle{}", "ä".repeat(5_000), "ö".repeat(5_000));
    let shop = shop(&[("f", line.as_bytes())]).await;
    let page = shop.reading.search(shop.tree(), search_query("needle")).await.unwrap();
    let hit = &page.hits[0];
    assert_eq!(hit.column, 10_000);
    assert!(hit.text.len() <= 1024 && hit.text.contains("ääneedleöö"), "{}", hit.text);
    assert!(!hit.text.contains('\u{fffd}'), "cut between characters: {}", hit.text);
}

#[tokio::test]
async fn pages_give_the_same_hits_as_one() {
    let text = "hit\nno\nhit\n".repeat(5);
    let names: Vec<String> = (0..150).map(|it| format!("d{}/f{it}", it % 7)).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|it| (it.as_str(), text.as_bytes())).collect();
    let shop = shop(&files).await;
    let all = all_hits(&shop.reading, &shop.tree(), SearchQuery { limit: 10_000, ..search_query("hit") }).await;
    assert_eq!(all.len(), 1_500);
    let mut paths: Vec<&str> = all.iter().map(|it| it.split(':').next().unwrap()).collect();
    assert!(paths.is_sorted());
    paths.dedup();
    assert_eq!(paths.len(), 150);
    for limit in [1_500, 1_499, 101, 31] {
        let paged = all_hits(&shop.reading, &shop.tree(), SearchQuery { limit, ..search_query("hit") }).await;
        assert_eq!(paged, all, "{limit} a page");
    }
}

#[tokio::test]
async fn a_page_is_full_before_its_limit_when_there_is_much_text() {
    let text = format!("{}\n", "x".repeat(1023)).repeat(12 << 10);
    let shop = shop(&[("f", &text.as_bytes()[..FILE_MAX]), ("g", b"x")]).await;
    let query = SearchQuery { limit: 10_000, context: 20, ..search_query("x") };
    let page = shop.reading.search(shop.tree(), query.clone()).await.unwrap();
    let bytes: usize =
        page.hits.iter().map(|it| it.text.len() + it.before.concat().len() + it.after.concat().len()).sum();
    assert!(bytes <= PAGE_MAX && page.hits.len() > 100, "{bytes} bytes, {} hits", page.hits.len());
    let last = page.hits.last().unwrap().line;
    let next = shop.reading.search(shop.tree(), SearchQuery { cursor: page.next, ..query }).await.unwrap();
    assert_eq!(next.hits[0].line, last + 1);
}

#[tokio::test]
async fn more_than_one_answer_of_git_is_searched() {
    let text = [vec![b'\n'; FILE_MAX - 6], b"needle".to_vec()].concat();
    let names: Vec<String> = (0..7).map(|it| format!("f{it}")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|it| (it.as_str(), text.as_slice())).collect();
    let shop = shop(&files).await;
    let hits = all_hits(&shop.reading, &shop.tree(), search_query("needle")).await;
    assert_eq!(hits.len(), 7, "56 MiB in answers of 32");
}
