//! Whom agentd works as, and what it is told that it lacks.

use crate::{
    Error,
    github::{
        Auth, GitHub, Label,
        scripted::{Reply, Script, TOKEN, app, reply},
    },
};

fn github(auth: &Auth, answer: impl Fn(&str) -> Option<Reply> + Send + Sync + 'static) -> (GitHub, Script) {
    Script::github(auth, move |heard, _| {
        answer(&heard.line()).unwrap_or_else(|| reply(404, r#"{"message":"Not Found"}"#))
    })
}

fn token() -> Auth {
    Auth::Token(TOKEN.into())
}

const USER: &str = r#"{"login":"mill-bot","name":"Mill","type":"User"}"#;

#[tokio::test(start_paused = true)]
async fn the_account_is_asked_once_and_tells_its_scopes() {
    let (github, script) = github(&token(), |line| match line {
        "GET user" => Some(reply(200, USER).with("x-oauth-scopes", "repo, read:org")),
        _ => None,
    });
    for _ in 0..2 {
        let account = github.account().await.unwrap();
        assert_eq!((account.login.as_str(), account.name.as_deref(), account.app), ("mill-bot", Some("Mill"), false));
        assert_eq!(account.scopes, Some(vec!["repo".to_owned(), "read:org".to_owned()]));
    }
    assert_eq!(script.lines().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_apps_account_is_its_bot() {
    let (github, _script) = github(&app(), |line| match line {
        "GET app" => Some(reply(200, r#"{"slug":"mill","name":"The Mill"}"#)),
        _ => None,
    });
    let account = github.account().await.unwrap();
    assert_eq!((account.login.as_str(), account.app, account.scopes), ("mill[bot]", true, None));
}

#[tokio::test(start_paused = true)]
async fn an_owners_repositories_are_found_whatever_the_owner_is() {
    let two = r#"[{"full_name":"acme/web"},{"full_name":"acme/api"},{"full_name":"acme/old","archived":true},
        {"full_name":"other/api"}]"#;
    let shared = "[{\"full_name\":\"acme/secret\",\"private\":true},{\"full_name\":\"other/web\"}]";
    for (owner, expected) in [
        ("orgs/acme/repos", &["acme/api", "acme/web"][..]),
        ("users/acme/repos", &["acme/api", "acme/secret", "acme/web"]),
    ] {
        let (github, _script) = github(&token(), move |line| match line {
            "GET user" => Some(reply(200, USER)),
            "GET user/repos?affiliation=collaborator&per_page=100" => Some(reply(200, shared)),
            line if line == format!("GET {owner}?per_page=100") => Some(reply(200, two)),
            _ => None,
        });
        assert_eq!(github.repositories_of("acme").await.unwrap(), expected, "{owner}");
    }
    let (github, script) = github(&token(), |line| match line {
        "GET user" => Some(reply(200, USER)),
        "GET user/repos?affiliation=owner&per_page=100" => Some(reply(200, r#"[{"full_name":"mill-bot/x"}]"#)),
        _ => None,
    });
    assert_eq!(github.repositories_of("Mill-bot").await.unwrap(), ["mill-bot/x"], "{:?}", script.lines());
    let error = github.repositories_of("nobody").await.unwrap_err();
    assert!(matches!(error, Error::Refused { status: 404, .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_apps_repositories_are_those_it_is_installed_for() {
    let (github, _script) = github(&app(), |line| match line {
        "GET orgs/acme/installation" => Some(reply(200, r#"{"id":9,"permissions":{"metadata":"read"}}"#)),
        "POST app/installations/9/access_tokens" => {
            Some(reply(201, r#"{"token":"ghs_1","expires_at":"2099-01-01T00:00:00Z"}"#))
        }
        "GET installation/repositories?per_page=100" => {
            Some(reply(200, r#"{"total_count":1,"repositories":[{"full_name":"acme/api"}]}"#))
        }
        _ => None,
    });
    assert_eq!(github.repositories_of("acme").await.unwrap(), ["acme/api"]);
}

/// What a token is told that it lacks: `scopes` of a classic one, or what a fine-grained one is answered.
async fn lacks(
    repository: &'static str,
    scopes: Option<&'static str>,
    refused: &'static [&'static str],
) -> Vec<String> {
    let (github, _script) = github(&token(), move |line| match line {
        "GET user" => Some(match scopes {
            Some(scopes) => reply(200, USER).with("x-oauth-scopes", scopes),
            None => reply(200, USER),
        }),
        "GET repos/acme/api" if !repository.is_empty() => Some(reply(200, repository)),
        line if refused.iter().any(|it| line.ends_with(it)) => {
            Some(reply(403, r#"{"message":"Resource not accessible by personal access token"}"#))
        }
        line if line.starts_with("POST") => Some(reply(422, r#"{"message":"Validation Failed"}"#)),
        _ => None,
    });
    github.missing_rights("acme/api").await.unwrap()
}

const FINE: &str = r#"{"full_name":"acme/api","default_branch":"main","private":true,"permissions":{"push":true}}"#;

#[tokio::test(start_paused = true)]
async fn what_a_token_lacks_is_listed_with_what_to_do() {
    assert_eq!(lacks(FINE, Some("repo"), &[]).await, [""; 0]);
    assert_eq!(
        lacks(FINE, Some("public_repo"), &[]).await,
        ["the token has no scope `repo`: give it one on its page on GitHub"]
    );
    let public = r#"{"full_name":"acme/api","private":false,"permissions":{"push":true}}"#;
    assert_eq!(lacks(public, Some("public_repo"), &[]).await, [""; 0]);
    let read_only = r#"{"full_name":"acme/api","private":true,"has_issues":false,"permissions":{"push":false}}"#;
    assert_eq!(
        lacks(read_only, Some("repo"), &[]).await,
        [
            "acme/api has no issues: switch them on in its settings, or use another source",
            "mill-bot may not write to acme/api: give it the role Write",
        ]
    );
    let archived = r#"{"full_name":"acme/api","archived":true}"#;
    assert_eq!(
        lacks(archived, Some("repo"), &[]).await,
        ["acme/api is archived or disabled: nothing can be written there"]
    );
    let unseen = lacks("", Some("repo"), &[]).await;
    assert!(unseen.len() == 1 && unseen[0].starts_with("there is no repository acme/api on github.com"), "{unseen:?}");
}

#[tokio::test(start_paused = true)]
async fn what_a_fine_grained_token_may_not_write_is_found_out() {
    assert_eq!(lacks(FINE, None, &[]).await, [""; 0]);
    assert_eq!(
        lacks(FINE, None, &["/pulls", "/reactions"]).await,
        [
            "the token has no permission `Pull requests: Read and write` in acme/api: give it on the token's page on \
             GitHub",
            "the token has no permission `Issues: Read and write` in acme/api: give it on the token's page on GitHub",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn what_an_app_lacks_is_listed() {
    let (github, _script) = github(&app(), |line| match line {
        "GET repos/acme/api/installation" => Some(reply(
            200,
            r#"{"id":9,"html_url":"https://github.com/orgs/acme/settings/installations/9","permissions":{"actions":"read",
            "checks":"read","contents":"read","issues":"write","metadata":"read","pull_requests":"write","statuses":"read"}}"#,
        )),
        _ => None,
    });
    assert_eq!(
        github.missing_rights("acme/api").await.unwrap(),
        [
            "the App has no permission `contents: write`: give it under Permissions & events of the App's settings, then \
             accept it at https://github.com/orgs/acme/settings/installations/9"
        ]
    );
    let lacks = github.missing_rights("acme/other").await.unwrap();
    assert!(lacks.len() == 1 && lacks[0].starts_with("agentd's App is not installed for acme/other"), "{lacks:?}");
}

#[tokio::test(start_paused = true)]
async fn labels_are_listed_and_made_once() {
    let (github, _script) = github(&token(), |line| match line {
        "GET repos/acme/api/labels?per_page=100" => Some(reply(
            200,
            r#"[{"name":"wontfix","color":"ffffff","description":null},{"name":"Bug","color":"d73a4a","description":"x"}]"#,
        )),
        "POST repos/acme/api/labels" => Some(reply(201, r#"{"name":"agentd","color":"1d76db"}"#)),
        "POST repos/acme/web/labels" => Some(reply(
            422,
            r#"{"message":"Validation Failed","errors":[{"resource":"Label","code":"already_exists","field":"name"}]}"#,
        )),
        "POST repos/acme/x/labels" => {
            Some(reply(422, r#"{"message":"Validation Failed","errors":[{"code":"invalid"}]}"#))
        }
        _ => None,
    });
    let labels: Vec<_> =
        github.labels("acme/api").await.unwrap().into_iter().map(|it| (it.name, it.description)).collect();
    assert_eq!(labels, [("Bug".to_owned(), "x".to_owned()), ("wontfix".to_owned(), String::new())]);
    let label = Label { name: "agentd".into(), color: "1d76db".into(), description: "x".into() };
    assert!(github.create_label("acme/api", &label).await.unwrap());
    assert!(!github.create_label("acme/web", &label).await.unwrap());
    let error = github.create_label("acme/x", &label).await.unwrap_err().to_string();
    assert_eq!(error, "`POST repos/acme/x/labels` was refused (422): Validation Failed; invalid");
}

#[tokio::test(start_paused = true)]
async fn the_rights_of_workflows_are_told_where_they_may_be_asked() {
    let (github, _script) = github(&token(), |line| match line {
        "GET repos/acme/api/actions/permissions/workflow" => {
            Some(reply(200, r#"{"default_workflow_permissions":"write","can_approve_pull_request_reviews":false}"#))
        }
        "GET repos/acme/web/actions/permissions/workflow" => {
            Some(reply(200, r#"{"default_workflow_permissions":"read"}"#))
        }
        "GET repos/acme/x/actions/permissions/workflow" => Some(reply(403, r#"{"message":"Must have admin rights"}"#)),
        _ => None,
    });
    for (repository, expected) in [("api", Some(true)), ("web", Some(false)), ("x", None), ("gone", None)] {
        let found = github.workflow_token_writes(&format!("acme/{repository}")).await.unwrap();
        assert_eq!(found, expected, "{repository}");
    }
}
