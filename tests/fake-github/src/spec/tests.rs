//! What the description lets through and what it does not.

use super::*;
use serde_json::json;

#[track_caller]
fn check(method: &str, path: &str, query: &[(&str, &str)], body: &str, expected: &str) {
    let spec = Spec::get();
    let found = spec.find(path).unwrap_or_else(|| panic!("no route for {path}"));
    let query: Vec<_> = query.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
    let said = spec.check_request(method, &found, &query, body.as_bytes()).err().unwrap_or_default();
    assert!(said.contains(expected) && said.is_empty() == expected.is_empty(), "{method} {path}: {said:?}");
}

#[test]
fn requests_are_what_the_description_says() {
    let issues = "/repos/acme/api/issues";
    check("GET", issues, &[("state", "open"), ("per_page", "100")], "", "");
    check("GET", issues, &[("state", "opened")], "", "`state`: at");
    check("GET", issues, &[("per_page", "many")], "", "`per_page` is no number");
    check("GET", issues, &[("lables", "x")], "", "no query parameter `lables`");
    check("GET", issues, &[], "{}", "takes no body");
    check("POST", issues, &[], r#"{"title":"x"}"#, "");
    check("POST", issues, &[], r#"{"body":"x"}"#, "\"title\" is a required property");
    check("POST", issues, &[], r#"{"title":"x","labelled":[]}"#, "no property `labelled`");
    check("POST", issues, &[], "title=x", "not JSON");
    check("POST", issues, &[], "", "needs a body");
    check("PUT", issues, &[], "", "no PUT for this path");
    check("GET", "/repos/acme/api/issues/seven", &[], "", "`issue_number` is no number");
    check("POST", "/repos/acme/api/issues/comments/7", &[], r#"{"body":"x"}"#, "no POST for this path");
    check("GET", "/search/issues", &[], "", "parameter `q` is missing");
}

#[test]
fn answers_are_what_the_description_says() {
    let spec = Spec::get();
    let label = json!({
        "id": 1, "node_id": "x", "url": "https://example.com/1", "name": "bug", "description": null, "color": "ff0000",
        "default": false,
    });
    let route = "/repos/{owner}/{repo}/labels/{name}";
    assert_eq!(spec.check_answer("GET", route, 200, &label), Ok(()));
    let said = spec.check_answer("GET", route, 200, &json!({ "id": "one" })).unwrap_err();
    assert!(said.contains("required") || said.contains("integer"), "{said}");
    assert_eq!(spec.check_answer("GET", route, 404, &json!({ "message": "Not Found" })), Ok(()));
    assert_eq!(spec.check_answer("GET", route, 201, &label), Err("it never answers 201".to_owned()));
    assert_eq!(spec.check_answer("DELETE", route, 204, &Value::Null), Ok(()));
    assert_eq!(spec.check_answer("DELETE", route, 204, &label), Err("an answer 204 has no body".to_owned()));
}
