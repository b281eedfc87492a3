//! Installations from a registry of the test's own, on loopback.

use super::*;
use agentd_egress::{Credentials, Options as EgressOptions};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256, Sha512};
use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    sync::{Arc, Mutex},
    thread,
};

/// What the registry answers by path, and what it was asked for.
#[derive(Clone, Default)]
struct Answers {
    by_path: Arc<Mutex<BTreeMap<String, Answer>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

/// Status and body.
type Answer = (u16, Vec<u8>);

struct Registry {
    home: tempfile::TempDir,
    root: String,
    answers: Answers,
}

impl Registry {
    fn start() -> Registry {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let root = format!("http://{}/npm", listener.local_addr().unwrap());
        let answers = Answers::default();
        let shared = answers.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                answer(stream, &shared);
            }
        });
        Registry { home: tempfile::tempdir().unwrap(), root, answers }
    }

    /// Publishes `cli` in a version, with `archive`, and `integrity` as the registry tells it.
    fn publish(&self, version: &str, archive: &[u8], integrity: &str) {
        let tarball = format!("{}/@acme/cli/-/cli-{version}.tgz", self.root);
        let path = tarball.split_once("/npm").unwrap().1.to_owned();
        let about = json!({
            "name": "@acme/cli", "dist-tags": { "latest": version },
            "versions": { version: { "dist": { "tarball": tarball, "integrity": integrity } } },
        });
        self.says("/@acme%2fcli", 200, about.to_string().as_bytes());
        self.says(&path, 200, archive);
    }

    fn says(&self, path: &str, status: u16, body: &[u8]) {
        self.answers.by_path.lock().unwrap().insert(format!("/npm{path}"), (status, body.to_owned()));
    }

    fn asked(&self) -> usize {
        self.answers.asked.lock().unwrap().len()
    }

    fn options(&self) -> Options {
        let options = EgressOptions { allow_private: vec!["127.0.0.1/32".into()], ..EgressOptions::default() };
        let egress = Egress::new(options, Credentials::default()).unwrap();
        Options { home: self.home.path().to_owned(), npm: self.root.clone(), egress, now: 1_700_000_000_000 }
    }

    async fn install(&self, wanted: Wanted) -> Result<Program, Error> {
        let name = wanted.name.clone();
        install(&self.options(), &[wanted], |_| ()).await.map(|mut it| it.remove(&name).unwrap())
    }

    /// What is wrong, what to do, and that nothing was left behind.
    async fn refuses(&self, wanted: Wanted) -> String {
        let error = self.install(wanted).await.unwrap_err();
        assert_eq!(all(self.home.path()).unwrap(), BTreeMap::new(), "{error}");
        let left = fs::read_dir(self.home.path().join("toolbox")).unwrap().map(|it| it.unwrap().file_name());
        let left: Vec<_> = left.filter(|it| it.to_string_lossy().starts_with('.')).collect();
        assert!(left.is_empty(), "{left:?} was left");
        format!("{error}\nhint: {}", error.hint()).replace(&self.root, "ROOT")
    }
}

fn answer(mut stream: TcpStream, answers: &Answers) {
    let (mut head, mut piece) = (Vec::new(), [0; 4096]);
    while !head.windows(4).any(|it| it == b"\r\n\r\n") {
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return,
            Ok(length) => head.extend_from_slice(&piece[..length]),
        }
    }
    let path = String::from_utf8_lossy(&head).split(' ').nth(1).unwrap_or_default().to_owned();
    answers.asked.lock().unwrap().push(path.clone());
    let (status, body) = answers.by_path.lock().unwrap().get(&path).cloned().unwrap_or((404, b"{}".to_vec()));
    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    // Who goes away in the middle is no concern of the registry's.
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)).ok();
}

fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o4777);
        // `append_data` refuses the paths that are of interest here.
        let name = &mut header.as_old_mut().name;
        name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_cksum();
        tar.append(&header, *content).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

fn integrity(archive: &[u8]) -> String {
    format!("sha512-{}", STANDARD.encode(Sha512::digest(archive)))
}

fn sha256(archive: &[u8]) -> String {
    hex::encode(Sha256::digest(archive))
}

fn wanted(version: &str) -> Wanted {
    Wanted {
        name: "cli".into(),
        release: format!("npm:@acme/cli@{version}"),
        arch: None,
        file: Some("package/cli".into()),
        runtime: None,
        digest: None,
        extra: vec![],
    }
}

fn needs(tools: Vec<Wanted>) -> Requirements {
    Requirements { tools, check: vec![], abilities: vec![], extra: vec![] }
}

#[tokio::test]
async fn a_program_is_fetched_checked_and_mounted() {
    let registry = Registry::start();
    let archive = archive(&[("package/README.md", b"read me"), ("package/cli", b"#!/bin/sh\n"), ("package/x", b"x")]);
    registry.publish("1.2.3", &archive, &format!("sha1-xxx {}", integrity(&archive)));
    let home = registry.home.path();
    let missing = mounts(home, &needs(vec![wanted("1.2.3")])).unwrap_err();
    assert_eq!(
        (missing.to_string().as_str(), missing.hint.as_str()),
        ("the program cli is not installed", "agentd toolbox install cli")
    );

    let installed = registry.install(Wanted { digest: Some(sha256(&archive)), ..wanted("1.2.3") }).await.unwrap();
    assert_eq!((installed.version.as_str(), installed.digest), ("1.2.3", format!("sha256:{}", sha256(&archive))));
    let tool = mounts(home, &needs(vec![wanted("1.2.3")])).unwrap().remove(0);
    assert_eq!(tool.folder, home.join("toolbox/store").join(sha256(&archive)));
    let program = tool.folder.join("bin/cli");
    assert_eq!(fs::read(&program).unwrap(), b"#!/bin/sh\n");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    for path in [&program, &tool.folder, &tool.folder.join("bin"), &home.join("toolbox")] {
        assert_eq!(mode(path), 0o755, "{}", path.display());
    }
    assert_eq!(fs::read_dir(tool.folder.join("bin")).unwrap().count(), 1);
    let record: Value = serde_json::from_slice(&fs::read(home.join("toolbox/tools.json")).unwrap()).unwrap();
    assert_eq!(record["cli"]["release"], "npm:@acme/cli@1.2.3");
}

#[tokio::test]
async fn what_is_there_is_not_fetched_again_and_stays_what_it_was() {
    let registry = Registry::start();
    let first = archive(&[("package/cli", b"first")]);
    registry.publish("1.0.0", &first, &integrity(&first));
    registry.install(wanted("1.0.0")).await.unwrap();
    let asked = registry.asked();
    registry.install(wanted("1.0.0")).await.unwrap();
    assert_eq!(registry.asked(), asked);
    assert!(remove(registry.home.path(), "cli").unwrap() && !remove(registry.home.path(), "cli").unwrap());
    assert!(!registry.home.path().join("toolbox/store").join(sha256(&first)).exists());

    // Somebody publishes something else under the same version.
    let other = archive(&[("package/cli", b"other")]);
    registry.publish("1.0.0", &other, &integrity(&other));
    let said = registry.refuses(wanted("1.0.0")).await;
    let expected = format!(
        "the archive of npm:@acme/cli@1.0.0 is not the one that is pinned: its SHA-256 is {}, not {}\n\
         hint: somebody replaced a published package: do not use it, and take another version with --version",
        sha256(&other),
        sha256(&first)
    );
    assert_eq!(said, expected);
}

#[tokio::test]
async fn one_version_serves_and_the_one_before_stays_until_it_is_removed() {
    let registry = Registry::start();
    let home = registry.home.path();
    let archives: Vec<_> = [b"one", b"two"].map(|it| archive(&[("./package/cli", it)])).into();
    for (version, archive) in ["1.0.0", "2.0.0"].iter().zip(&archives) {
        registry.publish(version, archive, &integrity(archive));
        registry.install(wanted(version)).await.unwrap();
    }
    assert_eq!(installed(home, "cli").unwrap().unwrap().version, "2.0.0");
    // The plugin's own choice is pinned by its digest, and gives way to what a person installed.
    let default = Wanted { digest: Some(sha256(&archives[0])), ..wanted("1.0.0") };
    let folder = mounts(home, &needs(vec![default])).unwrap().remove(0).folder;
    assert_eq!(fs::read(folder.join("bin/cli")).unwrap(), b"two");
    // What settings ask for does not.
    let missing = mounts(home, &needs(vec![wanted("1.0.0")])).unwrap_err();
    assert_eq!(missing.what, "the agent asks for npm:@acme/cli@1.0.0, and npm:@acme/cli@2.0.0 is installed");
    let old = home.join("toolbox/store").join(sha256(&archives[0]));
    assert!(old.exists());
    assert_eq!((remove_unused(home).unwrap(), old.exists()), (1, false));
    assert_eq!(remove_unused(home).unwrap(), 0);
}

#[tokio::test]
async fn programs_of_one_release_come_in_one_archive() {
    let registry = Registry::start();
    let archive = archive(&[("package/b", b"b"), ("package/other", b"?"), ("package/cli", b"cli")]);
    registry.publish("1.0.0", &archive, &integrity(&archive));
    let second = Wanted { name: "helper".into(), file: Some("package/b".into()), ..wanted("1.0.0") };
    let both = [wanted("1.0.0"), second];
    assert_eq!(install(&registry.options(), &both, |_| ()).await.unwrap().len(), 2);
    assert_eq!(registry.asked(), 2);
    let tools = mounts(registry.home.path(), &needs(both.into())).unwrap();
    assert_eq!(tools[0].folder, tools[1].folder);
    assert_eq!(fs::read(tools[1].folder.join("bin/helper")).unwrap(), b"b");
}

#[tokio::test]
async fn programs_for_other_machines_are_no_programs() {
    let here = Wanted { arch: Some(ARCH.into()), ..wanted("1.0.0") };
    let there = Wanted { arch: Some("vax".into()), ..wanted("1.0.1") };
    let both = needs(vec![there.clone(), here]);
    assert_eq!(of_this_machine(&both).unwrap()[0].release, "npm:@acme/cli@1.0.0");
    let error = of_this_machine(&needs(vec![there])).unwrap_err().to_string();
    assert_eq!(error, format!("there is no cli for this kind of machine ({ARCH})"));
}

#[tokio::test]
async fn a_registry_that_lies_or_fails_installs_nothing() {
    let good = archive(&[("package/cli", b"good")]);
    let registry = Registry::start();
    insta::assert_snapshot!(registry.refuses(wanted("1.0.0")).await, @r"
    the registry ROOT has no package @acme/cli
    hint: see [registries] npm in the configuration: does that registry have it?
    ");
    registry.publish("1.0.0", &good, &integrity(b"something else"));
    let said = registry.refuses(wanted("1.0.0")).await;
    assert!(
        said.starts_with("the archive of npm:@acme/cli@1.0.0 is not the one that the registry describes"),
        "{said}"
    );
    insta::assert_snapshot!(registry.refuses(wanted("3.0.0")).await, @r"
    the package @acme/cli has no version 3.0.0
    hint: the newest is 1.0.0: --version 1.0.0
    ");
    registry.publish("1.0.0", &good, "sha1-abc");
    insta::assert_snapshot!(registry.refuses(wanted("1.0.0")).await, @r"
    ROOT/@acme%2fcli cannot be fetched: it gives no SHA-512 of npm:@acme/cli@1.0.0, so that nobody could check the archive
    hint: is this machine offline? [network] proxy names a proxy, [registries] npm another registry
    ");
    registry.says("/@acme%2fcli", 200, b"<html>");
    assert!(registry.refuses(wanted("1.0.0")).await.contains("it is not what an npm registry says of a package"));
    registry.says("/@acme%2fcli", 401, b"");
    assert!(registry.refuses(wanted("1.0.0")).await.contains("it answers 401\nhint: agentd has no login"));
    registry.says("/@acme%2fcli", 302, b"");
    assert!(registry.refuses(wanted("1.0.0")).await.contains("it answers 302"));
}

#[tokio::test]
async fn an_archive_gives_its_program_and_nothing_else() {
    #[track_caller]
    fn is(said: &str, what: &str) {
        assert!(said.contains(what), "{said}");
    }
    let registry = Registry::start();
    let refuses = async |archive: &[u8]| {
        registry.publish("1.0.0", archive, &integrity(archive));
        registry.refuses(wanted("1.0.0")).await
    };
    is(&refuses(&archive(&[("../package/cli", b"x"), ("/package/cli", b"x")])).await, "there is no package/cli in it");
    is(&refuses(b"not gzip").await, "cannot be unpacked");
    is(&refuses(&archive(&[("package/cli", b"")])).await, "0 bytes of a program of 0 came out of it");
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    tar.append_link(&mut header, "package/cli", "/etc/passwd").unwrap();
    is(&refuses(&tar.into_inner().unwrap().finish().unwrap()).await, "package/cli in it is no regular file");
    let whole = archive(&[("package/cli", &[7; 100_000])]);
    is(&refuses(&whole[..whole.len() / 2]).await, "cannot be unpacked");
    for release in ["pypi:cli@1.0.0", "cli@1.0.0"] {
        let said = registry.refuses(Wanted { release: release.into(), ..wanted("1.0.0") }).await;
        is(&said, "names no release that agentd knows how to fetch");
    }
    is(&registry.refuses(Wanted { name: "../cli".into(), ..wanted("1.0.0") }).await, "not the name of a program");
}

#[tokio::test]
async fn a_whole_package_is_started_with_the_node_that_came_for_it() {
    let registry = Registry::start();
    let whole = || Wanted { file: None, runtime: Some("node >= 20".into()), ..wanted("1.0.0") };
    let about = br#"{"bin": {"cli": "./dist/cli.js", "other": "x"}, "optionalDependencies": {"pty": "1"}}"#;
    let files: [(&str, &[u8]); 3] =
        [("package/package.json", about), ("package/dist/cli.js", b"the script"), ("package/dist/more/data.txt", b"")];
    let good = archive(&files);
    registry.publish("1.0.0", &good, &integrity(&good));
    registry.install(whole()).await.unwrap();
    let tool = mounts(registry.home.path(), &needs(vec![whole()])).unwrap().remove(0);
    assert_eq!(fs::read_to_string(tool.folder.join("lib/dist/cli.js")).unwrap(), "the script");
    assert!(tool.folder.join("lib/dist/more/data.txt").is_file());
    // A Node.js of the test's own, which says what it is given.
    let node = registry.home.path().join("cli-node");
    fs::write(&node, "#!/bin/sh\nfor it; do echo \"<$it>\"; done\n").unwrap();
    fs::set_permissions(&node, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", registry.home.path().display());
    let mut command = std::process::Command::new(tool.folder.join("bin/cli"));
    let output = command.env("PATH", path).args(["-p", "two words"]).output().unwrap();
    let expected = format!("<{}/bin/../lib/dist/cli.js>\n<-p>\n<two words>\n", tool.folder.display());
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
}

#[tokio::test]
async fn a_whole_package_that_needs_more_is_refused() {
    let registry = Registry::start();
    let refuses = async |files: &[(&str, &[u8])]| {
        let archive = archive(files);
        registry.publish("1.0.0", &archive, &integrity(&archive));
        registry.refuses(Wanted { file: None, ..wanted("1.0.0") }).await
    };
    #[track_caller]
    fn is(said: &str, what: &str) {
        assert!(said.contains(what), "{said}");
    }
    let about = |text: &'static str| [("package/package.json", text.as_bytes()), ("package/cli.js", b"x".as_slice())];
    is(&refuses(&about(r#"{"bin": "cli.js", "dependencies": {"left": "1"}}"#)).await, "it needs other packages (left)");
    is(&refuses(&about(r#"{"bin": {"other": "cli.js"}}"#)).await, "it brings no program called cli");
    is(&refuses(&about(r#"{"bin": "../../cli.js"}"#)).await, "is no plain path");
    is(&refuses(&about(r#"{"bin": "gone.js"}"#)).await, "gone.js is not in it");
    is(&refuses(&about("{")).await, "its package.json is odd");
    is(&refuses(&[("package/cli.js", b"x")]).await, "it has no package.json");
    is(&refuses(&[("package/../../../cli.js", b"x")]).await, "leads out of it");
}

/// Otherwise what lies there would be mounted as the program.
#[tokio::test]
async fn a_digest_that_leads_elsewhere_is_refused() {
    let registry = Registry::start();
    let elsewhere = registry.home.path().join("elsewhere/bin");
    fs::create_dir_all(registry.home.path().join("toolbox/store")).unwrap();
    fs::create_dir_all(&elsewhere).unwrap();
    fs::write(elsewhere.join("cli"), "bad").unwrap();
    let said = registry.refuses(Wanted { digest: Some("../../elsewhere".into()), ..wanted("1.0.0") }).await;
    assert!(said.contains("../../elsewhere is not a SHA-256"), "{said}");
    assert_eq!(registry.asked(), 0);
}

#[tokio::test]
async fn a_record_that_leads_elsewhere_is_refused() {
    let registry = Registry::start();
    let good = archive(&[("package/cli", b"good")]);
    registry.publish("1.0.0", &good, &integrity(&good));
    registry.install(wanted("1.0.0")).await.unwrap();
    let path = registry.home.path().join("toolbox/tools.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("store/", "store/../../")).unwrap();
    let missing = mounts(registry.home.path(), &needs(vec![wanted("1.0.0")])).unwrap_err();
    assert!(
        missing.what.ends_with("tools.json is not what agentd writes there: cli leads out of the store"),
        "{missing}"
    );
    fs::write(&path, "{").unwrap();
    assert!(all(registry.home.path()).unwrap_err().hint().starts_with("rm "));
}
