//! An App: its JWT, its installation tokens, and what they may do.

use super::client::Client;
use crate::{Fake, KeyPair};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::time::Duration;

fn jwt(key: &KeyPair, claims: &Value) -> String {
    let encoded = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", encoded(&json!({ "alg": "RS256", "typ": "JWT" })), encoded(claims));
    let lines: String = key.private.lines().filter(|it| !it.starts_with("-----")).collect();
    let pair = RsaKeyPair::from_pkcs8(&BASE64_STANDARD.decode(lines).unwrap()).unwrap();
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
    format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}

#[test]
fn an_app_gets_tokens_for_what_it_asks_and_no_more() {
    let fake = Fake::start();
    let (api, web) = (fake.repository("acme/api"), fake.repository("acme/web"));
    api.open_issue("ann", "A bug", "");
    let key = KeyPair::generate();
    let app = fake.app("agentd", &key.public, &[("issues", "write"), ("contents", "read")]);
    let installation = fake.install(app, "acme", Some(&[&api]));
    let now = fake.now() / 1000;
    let own = Client::new(fake.url(), &jwt(&key, &json!({ "iss": app, "iat": now - 60, "exp": now + 540 })));
    assert_eq!(own.get("/app").is(200).json()["slug"], "agentd");
    assert_eq!(own.get("/repos/acme/api/installation").is(200).json()["id"], installation);
    own.get("/repos/acme/web/installation").is(404);
    own.get("/repos/acme/api").is(401);
    let tokens = format!("/app/installations/{installation}/access_tokens");
    own.post(&tokens, &json!({ "repositories": ["web"] })).is(422);
    own.post(&tokens, &json!({ "permissions": { "contents": "write" } })).is(422);
    let asked = json!({ "repositories": ["api"], "permissions": { "issues": "write" } });
    let token = own.post(&tokens, &asked).is(201).json();
    assert_eq!(token["repositories"][0]["full_name"], "acme/api");
    let client = Client::new(fake.url(), token["token"].as_str().unwrap());
    client.post("/repos/acme/api/issues/1/comments", &json!({ "body": "hello" })).is(201);
    assert_eq!(api.comments(1)[0].author, "agentd[bot]");
    client.get("/repos/acme/api/contents/README.md").is(403);
    client.get("/repos/acme/web").is(404);
    client.get("/user").is(403);
    assert_eq!(client.get("/installation/repositories").is(200).json()["total_count"], 1);
    fake.advance(Duration::from_secs(3600));
    client.get("/repos/acme/api").is(401);
    drop(web);
    assert_eq!(fake.violations(), [""; 0]);
}

#[test]
fn a_jwt_must_be_right_and_short() {
    let fake = Fake::start();
    let (key, other) = (KeyPair::generate(), KeyPair::generate());
    let app = fake.app("agentd", &key.public, &[]);
    let now = fake.now() / 1000;
    let check = |key: &KeyPair, claims: Value, status: u16, expected: &str| {
        let response = Client::new(fake.url(), &jwt(key, &claims)).get("/app").is(status);
        assert!(response.text.contains(expected), "{}", response.text);
    };
    check(&key, json!({ "iss": app.to_string(), "iat": now - 60, "exp": now + 540 }), 200, "agentd");
    check(&other, json!({ "iss": app, "iat": now - 60, "exp": now + 540 }), 401, "could not be decoded");
    check(&key, json!({ "iss": 1, "iat": now - 60, "exp": now + 540 }), 401, "Integration not found");
    check(&key, json!({ "iss": app, "iat": now - 60, "exp": now + 900 }), 401, "too far in the future");
    check(&key, json!({ "iss": app, "iat": now - 60, "exp": now - 1 }), 401, "must be a numeric value");
    check(&key, json!({ "iss": app, "iat": now + 300, "exp": now + 540 }), 401, "'Issued at' claim");
}
