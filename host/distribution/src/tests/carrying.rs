//! Registries, URLs and paths: what comes is what was named, or nothing.

use super::{
    Bed, NOW, component, key, names,
    server::{Fault, Login},
    signer,
};
use crate::Error;
use std::{fs, time::Duration};

const TOOL: &str = "oci://HOST/a/tool";

#[tokio::test]
async fn what_was_published_comes_by_tag_and_by_digest() {
    let bed = Bed::new().await;
    let bytes = component("tool 1.0.0");
    assert_eq!(
        bed.publish(TOOL, &bytes, "1.0.0", None).await.unwrap(),
        format!("oci://{}/a/tool:1.0.0", bed.server.host())
    );
    let fetched = bed.fetch("oci://HOST/a/tool:1.0.0").await.unwrap();
    assert_eq!(fs::read(fetched.path()).unwrap(), bytes);
    assert_eq!((fetched.size, fetched.signed.is_none()), (bytes.len() as u64, true));
    let manifest = fetched.manifest.clone().unwrap();
    let by_digest = bed.fetch(&format!("oci://HOST/a/tool@{manifest}")).await.unwrap();
    assert_eq!((&by_digest.digest, &by_digest.manifest), (&fetched.digest, &fetched.manifest));

    let source = bed.source("oci://HOST/a/tool:1.0.0");
    assert_eq!(bed.distribution().is_current(&source, Some(&manifest)).await.unwrap(), Some(true));
    bed.publish("oci://HOST/a/tool:1.0.0", &component("other"), "1.0.0", None).await.unwrap();
    assert_eq!(bed.distribution().is_current(&source, Some(&manifest)).await.unwrap(), Some(false));
}

#[tokio::test]
async fn a_version_is_published_once_and_a_named_tag_may_move() {
    let bed = Bed::new().await;
    let (one, other) = (component("one"), component("other"));
    bed.publish(TOOL, &one, "1.0.0", None).await.unwrap();
    bed.publish(TOOL, &one, "1.0.0", None).await.unwrap();
    let error = bed.publish(TOOL, &other, "1.0.0", None).await.unwrap_err().to_string();
    assert!(error.contains("another plugin of that version\nhint: give it a new version"), "{error}");
    bed.publish("oci://HOST/a/tool:latest", &one, "1.0.0", None).await.unwrap();
    bed.publish("oci://HOST/a/tool:latest", &other, "1.0.1", None).await.unwrap();
    assert_eq!(fs::read(bed.fetch(TOOL).await.unwrap().path()).unwrap(), other, "no tag is `latest`");
}

#[tokio::test]
async fn a_login_is_sent_where_the_registry_asks_for_it() {
    for (wanted, user, secret) in [
        (Login::Basic, Some("bot"), "p4ssword-of-bot"),
        (Login::TokenOfUser, Some("bot"), "p4ssword-of-bot"),
        (Login::TokenOfUser, None, "identity-t0ken"),
    ] {
        let bed = Bed::new().await.logged_in(user, secret);
        bed.server.set(|it| it.login = wanted);
        bed.publish(TOOL, &component("tool"), "1.0.0", None).await.unwrap();
        let fetched = bed.fetch("oci://HOST/a/tool:1.0.0").await.unwrap();
        assert_eq!(fs::read(fetched.path()).unwrap(), component("tool"), "{wanted:?}");
        let heard = bed.server.heard();
        assert!(heard.iter().any(|it| it.ends_with("with login")), "{heard:?}");
    }
    let bed = Bed::new().await;
    bed.server.set(|it| it.login = Login::Token);
    bed.publish(TOOL, &component("tool"), "1.0.0", None).await.unwrap();
    bed.fetch("oci://HOST/a/tool:1.0.0").await.unwrap();
}

#[tokio::test]
async fn without_a_login_or_with_a_wrong_one_it_says_what_to_do() {
    let bed = Bed::new().await;
    for wanted in [Login::Basic, Login::TokenOfUser] {
        bed.server.set(|it| it.login = wanted);
        let hint = format!("`docker login {}` stores", bed.server.host());
        bed.check_refused("oci://HOST/a/tool:1", &[&hint]).await;
    }
    let bed = Bed::new().await.logged_in(Some("bot"), "wr0ng-password");
    for wanted in [Login::Basic, Login::TokenOfUser] {
        bed.server.set(|it| it.login = wanted);
        bed.check_refused("oci://HOST/a/tool:1", &["answers 401", "docker login"]).await;
    }
}

#[tokio::test]
async fn a_login_goes_along_to_no_other_place() {
    let (bed, elsewhere) = (Bed::new().await.logged_in(Some("bot"), "p4ssword-of-bot"), Bed::new().await);
    bed.publish(TOOL, &component("tool"), "1.0.0", None).await.unwrap();
    elsewhere.server.set(|it| drop(it.files.insert("/store/blob".into(), component("tool"))));
    bed.server.set(|it| {
        it.login = Login::Basic;
        it.fault = Fault::Elsewhere(format!("http://{}/store/blob?signed=1", elsewhere.server.host()));
    });
    bed.fetch("oci://HOST/a/tool:1.0.0").await.unwrap();
    assert_eq!(elsewhere.server.heard(), ["GET /store/blob"]);
}

#[tokio::test]
async fn what_is_not_what_was_named_does_not_come() {
    let bed = Bed::new().await;
    bed.publish(TOOL, &component("tool"), "1.0.0", None).await.unwrap();
    let manifest = bed.fetch("oci://HOST/a/tool:1.0.0").await.unwrap().manifest.unwrap();
    let source = "oci://HOST/a/tool:1.0.0";
    for (fault, parts) in [
        (Fault::OtherBlob, vec!["what came is sha256:", "nothing was installed"]),
        (Fault::Cut, vec!["cut off"]),
        (Fault::Huge, vec!["larger than 134217728 bytes"]),
        (Fault::Elsewhere("http://169.254.169.254/latest/meta-data".into()), vec!["anybody on the way"]),
        (Fault::Elsewhere("https://169.254.169.254/latest".into()), vec!["a cloud's metadata service"]),
        (Fault::Elsewhere("https://[::ffff:169.254.169.254]/".into()), vec!["a cloud's metadata service"]),
        (Fault::Elsewhere("https://10.0.0.1/x".into()), vec!["10.0.0.1 is private"]),
        (Fault::Elsewhere("file:///etc/passwd".into()), vec!["neither https: nor http:"]),
        (Fault::Elsewhere("/v2/a/tool/blobs/DIGEST".into()), vec!["more than 5 times"]),
    ] {
        bed.server.set(|it| it.fault = fault.clone());
        bed.check_refused(source, &parts).await;
    }
    bed.server.set(|it| it.fault = Fault::OtherManifest);
    bed.check_refused(&format!("oci://HOST/a/tool@{manifest}"), &["what came is sha256:"]).await;
    bed.server.set(|it| it.fault = Fault::None);
    bed.check_refused("oci://HOST/a/tool:2", &["there is no such plugin"]).await;
    bed.check_refused("oci://HOST/a/none", &["check name and tag"]).await;
}

#[tokio::test]
async fn a_slow_drip_ends() {
    let bed = Bed { patience: Duration::from_millis(300), ..Bed::new().await };
    let generous = Bed { patience: Duration::from_secs(60), folder: tempfile::tempdir().unwrap(), ..Bed::new().await };
    generous.publish(TOOL, &component("tool"), "1.0.0", None).await.unwrap();
    generous.server.set(|it| it.fault = Fault::Drip);
    let bed = Bed { server: generous.server, ..bed };
    bed.check_refused("oci://HOST/a/tool:1.0.0", &["did not come whole within 0 s"]).await;
}

#[tokio::test]
async fn places_for_tokens_are_checked_like_any_other() {
    let bed = Bed::new().await;
    for (realm, part) in [
        ("http://169.254.169.254/token", "anybody on the way"),
        ("https://169.254.169.254/token", "a cloud's metadata service"),
        ("ftp://127.0.0.1/token", "neither https: nor http:"),
        ("token", "is no URL"),
    ] {
        bed.server.set(|it| (it.login, it.realm) = (Login::Token, Some(realm.into())));
        bed.check_refused("oci://HOST/a/tool:1", &[part]).await;
    }
}

#[tokio::test]
async fn a_file_comes_from_a_url_after_redirects() {
    let bed = Bed::new().await;
    bed.server.set(|it| {
        it.files.insert("/tool.wasm".into(), component("tool"));
        it.files.insert("/latest".into(), b"redirect /tool.wasm".to_vec());
        it.files.insert("/loop".into(), b"redirect /loop".to_vec());
        it.files.insert("/page".into(), b"\n<!doctype html><a href=x>Download</a>".to_vec());
        it.files.insert("/text".into(), b"text".to_vec());
        it.files.insert("/meta".into(), b"redirect http://169.254.169.254/latest".to_vec());
    });
    for path in ["tool.wasm", "latest"] {
        let fetched = bed.fetch(&format!("http://HOST/{path}")).await.unwrap();
        assert_eq!(fs::read(fetched.path()).unwrap(), component("tool"), "{path}");
    }
    bed.check_refused("http://HOST/loop", &["more than 5 times"]).await;
    bed.check_refused("http://HOST/page", &["that is a page, and not the file"]).await;
    bed.check_refused("http://HOST/text", &["that is no WebAssembly"]).await;
    bed.check_refused("http://HOST/none", &["nothing there (404)"]).await;
    bed.check_refused("http://HOST/meta", &["anybody on the way"]).await;
    let bed = Bed { private: vec![], ..bed };
    bed.check_refused("http://HOST/tool.wasm", &["anybody on the way", "[network] private"]).await;
    bed.check_refused("oci://HOST/a/tool", &["127.0.0.1 is loopback"]).await;
    bed.check_refused("oci+http://HOST/a/tool", &["anybody on the way"]).await;
}

#[tokio::test]
async fn a_file_comes_from_a_path() {
    let bed = Bed::new().await;
    fs::write(bed.folder.path().join("tool.wasm"), component("tool")).unwrap();
    fs::create_dir(bed.folder.path().join("folder")).unwrap();
    let fetched = bed.fetch("tool.wasm").await.unwrap();
    assert_eq!(fs::read(fetched.path()).unwrap(), component("tool"));
    drop(fetched);
    bed.check_refused("folder", &["no regular file"]).await;
    bed.check_refused("none.wasm", &["No such file"]).await;
    bed.check_refused("/dev/zero", &["no regular file"]).await;
}

#[tokio::test]
async fn what_has_to_be_signed_comes_with_that_signature_alone() {
    let (signer, other) = (signer(), signer());
    let bed = Bed::new().await.signed_by("oci://HOST/a", &signer).signed_by("http://HOST/", &signer);
    let bytes = component("tool");
    let policy = "[plugins.signed_by]";
    bed.publish("oci://HOST/a/tool:none", &bytes, "1.0.0", None).await.unwrap();
    bed.check_refused("oci://HOST/a/tool:none", &["it is not signed", &signer.key().id(), policy]).await;
    bed.publish("oci://HOST/a/other:1", &bytes, "1.0.0", Some(&other)).await.unwrap();
    bed.check_refused("oci://HOST/a/other:1", &["signed by another key", &other.key().id()]).await;
    bed.publish("oci://HOST/a/good:1", &bytes, "1.0.0", Some(&signer)).await.unwrap();
    let signed = bed.fetch("oci://HOST/a/good:1").await.unwrap().signed.unwrap();
    assert_eq!(signed.key_id, signer.key().id());
    assert!(signed.text.contains("trusted comment: tool 1.0.0 sha256:"), "{}", signed.text);

    let text = signer.sign(&bytes, "").unwrap();
    bed.server.set(|it| {
        it.files.insert("/good.wasm".into(), bytes.clone());
        it.files.insert("/good.wasm.minisig".into(), text.clone().into());
        it.files.insert("/bare.wasm".into(), bytes.clone());
        it.files.insert("/changed.wasm".into(), component("changed"));
        it.files.insert("/changed.wasm.minisig".into(), text.into());
        it.files.insert("/page.wasm".into(), bytes.clone());
        it.files.insert("/page.wasm.minisig".into(), b"<html>".to_vec());
    });
    assert!(bed.fetch("http://HOST/good.wasm?v=1").await.unwrap().signed.is_some());
    bed.check_refused("http://HOST/bare.wasm", &["it is not signed"]).await;
    bed.check_refused("http://HOST/changed.wasm", &["is not that of this file"]).await;
    bed.check_refused("http://HOST/page.wasm", &["no minisign signature"]).await;
    // Elsewhere nobody asks for one.
    bed.publish("oci://HOST/b/tool:1", &bytes, "1.0.0", None).await.unwrap();
    assert!(bed.fetch("oci://HOST/b/tool:1").await.unwrap().signed.is_none());
}

#[tokio::test]
async fn a_key_that_was_named_is_asked_for_and_a_file_has_its_signature_beside_it() {
    let (signer, bed) = (signer(), Bed::new().await);
    let (path, distribution) = (bed.folder.path().join("tool.wasm"), bed.distribution());
    fs::write(&path, component("tool")).unwrap();
    let source = bed.source("tool.wasm");
    let error = distribution.fetch(&source, Some(&key(&signer)), &mut |_, _| {}).await.unwrap_err();
    assert!(matches!(error, Error::Signature { .. }), "{error}");
    fs::write(path.with_extension("wasm.minisig"), signer.sign(&component("tool"), "").unwrap()).unwrap();
    assert!(distribution.fetch(&source, Some(&key(&signer)), &mut |_, _| {}).await.unwrap().signed.is_some());
}

#[tokio::test]
async fn a_registry_that_is_away_leaves_all_as_it_was() {
    let bed = Bed::new().await;
    bed.publish(TOOL, &component("tool"), "1.0.0", None).await.unwrap();
    let fetched = bed.fetch("oci://HOST/a/tool:1.0.0").await.unwrap();
    bed.distribution().folder().put(fetched, "tool", "1.0.0", vec![], false, NOW).await.unwrap();
    let before = names(&bed.plugins());
    let away = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for source in [format!("oci://{away}/a/tool:1"), format!("http://{away}/tool.wasm")] {
        let error = bed.fetch(&source).await.unwrap_err().to_string();
        assert!(error.contains("did not answer"), "{error}");
    }
    assert_eq!(names(&bed.plugins()), before);
    bed.server.heard();
    // Looking at the folder needs nobody.
    assert!(bed.distribution().folder().verify(|_| None).await.unwrap().iter().all(|it| it.state.is_good()));
    assert_eq!(bed.server.heard(), Vec::<String>::new());
}
