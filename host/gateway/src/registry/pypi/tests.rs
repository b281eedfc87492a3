//! Paths of PyPI's, and pages in both forms.

use super::*;

#[track_caller]
fn check(rest: &str, expected: Option<Ask>) {
    assert_eq!(parse(rest), expected, "{rest}");
}

#[test]
fn paths_are_those_of_the_simple_index() {
    let project = |name: &str| Some(Ask::Project { name: name.into() });
    check("simple/six/", project("six"));
    check("simple/six", project("six"));
    check("simple/Zope.Interface/", project("zope-interface"));
    check("simple/a-_.b/", project("a-b"));
    let file = |name: &str, file: &str| Some(Ask::File { name: name.into(), file: file.into() });
    check("files/six/six-1.0.tar.gz", file("six", "six-1.0.tar.gz"));
    check("files/torch/torch-2.0%2Bcpu-cp311.whl.metadata", file("torch", "torch-2.0+cpu-cp311.whl.metadata"));
    let long = format!("simple/{}/", "a".repeat(129));
    for bad in
        ["", "simple/-x/", "simple/a/b/", "simple/../", "simple/a%2fb/", "files/six/..", "files/six/a%2fb", &long]
    {
        check(bad, None);
    }
}

fn at() -> Url {
    Url::parse("https://index.test/simple/six/").unwrap()
}

#[test]
fn a_page_of_html_is_written_again_from_its_links() {
    let sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let body = format!(
        "<html><script>x</script><h1>Links</h1>\n\
         <A class=x href='../../p/six-1.0.tar.gz#sha256={sum}' data-requires-python=\">=3.6, <4\" data-yanked>six</a>\n\
         <a rel=\"internal\" href=\"https://files.test/six-2.0+x.whl#md5=abc\" data-dist-info-metadata=true>\n six-2 </a>\n\
         <a href=\"https://files.test/\">up</a> <a href=\"javascript:x\">no</a> <abbr>y</abbr></html>"
    );
    let page = read_html("six", &at(), body.as_bytes()).unwrap();
    let (links, text) = (page.links().clone(), page.read().unwrap());
    let lines: Vec<&str> = std::str::from_utf8(&text).unwrap().lines().filter(|it| it.contains("<a")).collect();
    assert_eq!(
        lines,
        [
            format!(
                "<a href=\"/pypi/files/six/six-1.0.tar.gz#sha256={sum}\" data-requires-python=\"&gt;=3.6, &lt;4\" \
                 data-yanked=\"\">six-1.0.tar.gz</a><br>"
            ),
            "<a href=\"/pypi/files/six/six-2.0+x.whl#md5=abc\" data-dist-info-metadata=\"true\">six-2.0+x.whl</a><br>"
                .into(),
        ]
    );
    let urls: Vec<(&str, &str, bool)> =
        links.iter().map(|(name, it)| (name.as_str(), it.url.as_str(), it.digest.is_some())).collect();
    let sdist = format!("https://index.test/p/six-1.0.tar.gz#sha256={sum}");
    assert_eq!(
        urls,
        [
            ("six-1.0.tar.gz", sdist.as_str(), true),
            ("six-2.0+x.whl", "https://files.test/six-2.0+x.whl#md5=abc", false),
            ("six-2.0+x.whl.metadata", "https://files.test/six-2.0+x.whl.metadata", false),
        ]
    );
}

#[test]
fn a_page_of_json_keeps_what_it_says() {
    let sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let body = serde_json::json!({
        "meta": { "api-version": "1.3" }, "name": "six", "versions": ["1.0"],
        "files": [
            { "filename": "six-1.0.whl", "url": "../../p/six-1.0.whl", "hashes": { "sha256": sum }, "yanked": "broken",
              "core-metadata": { "sha256": sum }, "provenance": "https://index.test/p" },
            { "filename": "x", "url": "https://files.test/a b" },
        ],
    });
    let page = read_json("six", &at(), body.to_string().as_bytes()).unwrap();
    let (links, text) = (page.links().clone(), page.read().unwrap());
    let read: Value = serde_json::from_slice(&text).unwrap();
    let file = serde_json::json!({
        "filename": "six-1.0.whl", "url": "/pypi/files/six/six-1.0.whl", "hashes": { "sha256": sum }, "yanked": "broken",
        "core-metadata": { "sha256": sum },
    });
    assert_eq!(read["files"], serde_json::json!([file]));
    assert_eq!((&read["versions"], &read["meta"]), (&body["versions"], &body["meta"]));
    assert_eq!(links["six-1.0.whl"].url, "https://index.test/p/six-1.0.whl");
    assert_eq!(links["six-1.0.whl.metadata"].url, "https://index.test/p/six-1.0.whl.metadata");
    assert!(links.values().all(|it| it.digest.is_some()));
    for bad in ["", "[]", "{}", r#"{"files":{}}"#] {
        assert!(read_json("six", &at(), bad.as_bytes()).is_err(), "{bad}");
    }
}
