//! Files of repositories, and revisions.

use super::*;

#[tokio::test]
async fn files_come_in_byte_order_page_by_page() {
    let shop = Shop::new().await;
    for (path, text) in [("a/z", "1"), ("a.rs", "22"), ("a-b", ""), ("src/deep/ü.rs", "4444"), ("B", "55555")] {
        shop.write(path, text);
    }
    std::os::unix::fs::symlink("../../etc/passwd", shop.work().join("link")).unwrap();
    shop.commit("ann", 1, "files").await;
    shop.fetch().await;
    let expected = [("B", 5), ("a-b", 0), ("a.rs", 2), ("a/z", 1), ("link", 16), ("src/deep/ü.rs", 4)];
    let expected = expected.map(|(path, size)| (path.to_owned(), size));
    for (limit, pages) in [(10_000, 1), (6, 1), (5, 2), (1, 6)] {
        let found = all_files(&shop.reading, &shop.tree(), file_query(&[], limit)).await;
        assert_eq!(found, (expected.to_vec(), pages), "{limit} a page");
    }
    let (rust, _) = all_files(&shop.reading, &shop.tree(), file_query(&["*.rs", "!a.rs"], 10)).await;
    assert_eq!(rust, [("src/deep/ü.rs".to_owned(), 4)]);
}

#[tokio::test]
async fn submodules_are_listed_and_not_read() {
    let shop = Shop::new().await;
    let commit = shop.commit("ann", 1, "nothing yet").await;
    shop.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{commit},lib/sub")]).await;
    shop.git(&["-c", "user.name=a", "-c", "user.email=a", "commit", "--quiet", "-m", "submodule"]).await;
    shop.fetch().await;
    let (files, _) = all_files(&shop.reading, &shop.tree(), file_query(&[], 10)).await;
    assert_eq!(files, [("lib/sub".to_owned(), 0)]);
    let read = shop.reading.read_file(shop.tree(), None, "lib/sub".into()).await;
    assert_eq!(said(read), "not-found: `lib/sub` is a submodule, whose files are not here");
}

#[tokio::test]
async fn content_is_text_when_it_can_be() {
    let shop = Shop::new().await;
    shop.write("text", "grüße\n");
    shop.write("bytes", b"\xff\x00\n");
    shop.write("odd *?[name]", "x");
    shop.write(":(top)x", "y");
    shop.write("large", vec![b'a'; FILE_MAX]);
    shop.write("larger", vec![b'a'; FILE_MAX + 1]);
    std::os::unix::fs::symlink("text", shop.work().join("link")).unwrap();
    shop.commit("ann", 1, "files").await;
    shop.fetch().await;
    let read = async |path: &str| shop.reading.read_file(shop.tree(), None, path.into()).await;
    assert!(matches!(read("text").await, Ok(Content::Text(text)) if text == "grüße\n"));
    assert!(matches!(read("bytes").await, Ok(Content::Bytes(bytes)) if bytes == b"\xff\x00\n"));
    assert!(matches!(read("odd *?[name]").await, Ok(Content::Text(text)) if text == "x"));
    assert!(matches!(read(":(top)x").await, Ok(Content::Text(text)) if text == "y"));
    assert!(matches!(read("large").await, Ok(Content::Text(text)) if text.len() == FILE_MAX));
    assert_eq!(said(read("larger").await), "too-large: `larger` is larger than 8 MiB");
    assert_eq!(said(read("link").await), "not-found: `link` is a symbolic link, and those are not followed");
    assert_eq!(said(read("text/x").await), "not-found: `text/x` does not exist at that revision");
    assert_eq!(said(read("nope\n").await), "not-found: `nope\\n` does not exist at that revision");
    for bad in ["", "/text", "a/../text", "./text", "a//b", "text/", "a\0b", &"x".repeat(5000)] {
        assert!(said(read(bad).await).starts_with("invalid: "), "{bad}");
    }
}

#[tokio::test]
async fn a_revision_is_a_branch_or_a_commit() {
    let shop = Shop::new().await;
    shop.write("f", "one");
    let first = shop.commit("ann", 1, "one").await;
    shop.write("f", "two");
    shop.commit("ann", 2, "two").await;
    shop.git(&["checkout", "--quiet", "-b", "feature/x"]).await;
    shop.write("f", "three");
    shop.commit("ann", 3, "three").await;
    shop.fetch().await;
    let read = async |revision: Option<&str>| {
        let content = shop.reading.read_file(shop.tree(), revision.map(Into::into), "f".into()).await?;
        Ok(match content {
            Content::Text(text) => text,
            Content::Bytes(_) => unreachable!("all are text"),
        })
    };
    assert_eq!(read(None).await.unwrap(), "two");
    assert_eq!(read(Some("feature/x")).await.unwrap(), "three");
    assert_eq!(read(Some(&first)).await.unwrap(), "one");
    assert_eq!(read(Some(&first[..10])).await.unwrap(), "one");
    let missing = said(read(Some("nope")).await);
    assert_eq!(missing, "not-found: repository `acme/shop` has no branch `nope`, as last fetched");
    let missing = said(read(Some(&"0".repeat(40))).await);
    assert!(missing.ends_with(&format!("has no commit `{}`, as last fetched", "0".repeat(40))), "{missing}");
    for bad in ["", "main~1", "main^{tree}", "--all", "main:f", "a..b", "@{1}"] {
        assert!(said(read(Some(bad)).await).starts_with("invalid: "), "{bad}");
    }
}

#[tokio::test]
async fn the_default_branch_is_configured_or_found() {
    let shop = Shop::with_base(Some("next")).await;
    shop.commit("ann", 1, "one").await;
    shop.fetch().await;
    let ids = [ID.to_owned(), "acme/other".to_owned()];
    let infos = shop.reading.repositories(&ids);
    let url = Some("https://example.org/acme/shop".to_owned());
    let expected = Info { id: ID.into(), forge: "local".into(), default_branch: "next".into(), url, extra: vec![] };
    assert_eq!(infos, [expected]);
    let missing = said(shop.reading.list_files(shop.tree(), file_query(&[], 1)).await);
    assert_eq!(missing, "not-found: repository `acme/shop` has no branch `next`, as last fetched; correct its `base`");

    let shop = Shop::new().await;
    let branch = || shop.reading.repositories(&ids)[0].default_branch.clone();
    assert_eq!(branch(), "main", "before the first fetch");
    shop.git(&["checkout", "--quiet", "-b", "trunk"]).await;
    shop.commit("ann", 1, "one").await;
    shop.fetch().await;
    shop.reading.list_files(shop.tree(), file_query(&[], 1)).await.unwrap();
    assert_eq!(branch(), "trunk", "the only one");
    shop.git(&["branch", "other"]).await;
    shop.fetch().await;
    let unclear = said(shop.reading.list_files(shop.tree(), file_query(&[], 1)).await);
    assert!(unclear.starts_with("not-found: repository `acme/shop` has several branches"), "{unclear}");
    shop.git(&["branch", "master"]).await;
    shop.fetch().await;
    shop.reading.list_files(shop.tree(), file_query(&[], 1)).await.unwrap();
    assert_eq!(branch(), "master");
}

#[tokio::test]
async fn what_is_not_there_is_said() {
    let shop = Shop::new().await;
    let list = async |tree: Tree| shop.reading.list_files(tree, file_query(&[], 1)).await;
    let unknown = said(list(Tree::Repository("x/y".into())).await);
    assert_eq!(unknown, "not-found: there is no repository `x/y`: the names are those of the configuration");
    let unfetched = said(list(shop.tree()).await);
    assert!(unfetched.starts_with("unavailable: repository `acme/shop` was not fetched yet"), "{unfetched}");
    shop.fetch().await;
    let empty = said(list(shop.tree()).await);
    assert!(empty.starts_with("not-found: repository `acme/shop` had no commit"), "{empty}");
}

#[tokio::test]
async fn limits_and_cursors_are_checked() {
    let shop = Shop::new().await;
    shop.write("f", "x");
    shop.commit("ann", 1, "one").await;
    shop.fetch().await;
    for limit in [0, 10_001] {
        let files = said(shop.reading.list_files(shop.tree(), file_query(&[], limit)).await);
        assert_eq!(files, format!("invalid: `limit` is {limit}: it has to be 1 to 10000"));
        let hits = shop.reading.search(shop.tree(), SearchQuery { limit, ..search_query("x") }).await;
        assert!(said(hits).starts_with("invalid: `limit`"));
    }
    let hits = shop.reading.search(shop.tree(), SearchQuery { context: 21, ..search_query("x") }).await;
    assert_eq!(said(hits), "invalid: `context` is 21: at most 20 lines are given");
    let query = FileQuery { cursor: Some("page two".into()), ..file_query(&[], 1) };
    let cursor = said(shop.reading.list_files(shop.tree(), query).await);
    assert!(cursor.starts_with("invalid: `page two` is no cursor of such a query"), "{cursor}");
    let glob = said(shop.reading.list_files(shop.tree(), file_query(&["{a"], 1)).await);
    assert!(glob.starts_with("invalid: glob 1 is `{a`: "), "{glob}");
}

#[tokio::test]
async fn a_cursor_goes_on_where_its_file_is_gone() {
    let shop = Shop::new().await;
    for path in ["a", "b", "c"] {
        shop.write(path, path);
    }
    shop.commit("ann", 1, "three").await;
    shop.fetch().await;
    let page = shop.reading.list_files(shop.tree(), file_query(&[], 2)).await.unwrap();
    fs::remove_file(shop.work().join("b")).unwrap();
    shop.commit("ann", 2, "one less").await;
    shop.fetch().await;
    let query = FileQuery { cursor: page.next, ..file_query(&[], 2) };
    let page = shop.reading.list_files(shop.tree(), query).await.unwrap();
    assert_eq!(page.files.iter().map(|it| it.path.as_str()).collect::<Vec<_>>(), ["c"]);
    assert_eq!(page.next, None);
}
