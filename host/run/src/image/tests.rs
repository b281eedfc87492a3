//! What a repository says of its image, and what is packed for it.

use super::*;
use agentd_forge::{
    LocalForge,
    git::{Git, GitDir, Options},
};
use agentd_task::Reason;
use std::fs;
use tempfile::TempDir;

#[track_caller]
fn check(text: &str, expected: Wanted) {
    assert_eq!(Wanted::parse(text), expected, "{text}");
}

fn dockerfile(path: &str, target: Option<&str>) -> Wanted {
    Wanted::Dockerfile { path: path.into(), target: target.map(Into::into) }
}

#[test]
fn words_and_names_are_told_apart() {
    check("postgres:16", Wanted::Named("postgres:16".into()));
    check(" ghcr.io/acme/dev@sha256:00 ", Wanted::Named("ghcr.io/acme/dev@sha256:00".into()));
    check("dockerfiles:1", Wanted::Named("dockerfiles:1".into()));
    check("devcontainer", Wanted::Devcontainer);
    check("devcontainer:1", Wanted::Named("devcontainer:1".into()));
    check("dockerfile", dockerfile("Dockerfile", None));
    check("dockerfile:", dockerfile("Dockerfile", None));
    check("dockerfile:dev", dockerfile("Dockerfile", Some("dev")));
    check("dockerfile:docker/Dockerfile", dockerfile("docker/Dockerfile", None));
    check("dockerfile:dev.Dockerfile", dockerfile("dev.Dockerfile", None));
    check("dockerfile:Dockerfile:dev", dockerfile("Dockerfile", Some("dev")));
    check("dockerfile:a/b:dev", dockerfile("a/b", Some("dev")));
    check("dockerfile::dev", dockerfile("Dockerfile", Some("dev")));
}

/// A mirror with one commit.
struct Place {
    dir: TempDir,
    mirror: Mirror,
    commit: String,
}

impl Place {
    async fn with(files: &[(&str, &str)]) -> Place {
        let dir = tempfile::tempdir().unwrap();
        let work = dir.path().join("work");
        fs::create_dir(&work).unwrap();
        let who = [("user.name", "a"), ("user.email", "a@b")].map(|(name, value)| (name.into(), value.into()));
        let git = Git::new(GitDir::In(work.clone()), Options { settings: who.into(), ..Options::default() });
        git.ok(&["init", "--quiet", "-b", "main", "."]).await.unwrap();
        for (name, text) in files {
            let path = work.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match text.strip_prefix("-> ") {
                Some(target) => std::os::unix::fs::symlink(target, &path).unwrap(),
                None => fs::write(&path, text).unwrap(),
            }
        }
        git.ok(&["add", "--all", "."]).await.unwrap();
        git.ok(&["commit", "--quiet", "-m", "all"]).await.unwrap();
        let mirror = Mirror::new(dir.path().join("mirror"));
        let forge = LocalForge::open(&work, agentd_forge::Options::default()).await.unwrap();
        mirror.fetch(&forge).await.unwrap();
        let commit = mirror.branch("main").await.unwrap();
        // What nobody committed is not there.
        fs::write(work.join("untracked"), "x").unwrap();
        Place { dir, mirror, commit }
    }

    async fn plan(&self, wanted: &str) -> Result<Plan, Failure> {
        let into = self.dir.path().join("into");
        fs::create_dir_all(&into).unwrap();
        plan(&Wanted::parse(wanted), &self.mirror, &self.commit, &into).await
    }

    async fn build(&self, wanted: &str) -> Built {
        match self.plan(wanted).await {
            Ok(Plan::Build { tag, context, dockerfile, target, args }) => {
                Built { tag, files: listed(&context), dockerfile, target, args }
            }
            other => panic!("{wanted}: {other:?}"),
        }
    }

    async fn refused(&self, wanted: &str) -> String {
        let failure = self.plan(wanted).await.unwrap_err();
        assert_eq!(failure.reason, Reason::Image, "{failure}");
        failure.text
    }
}

struct Built {
    tag: String,
    files: Vec<String>,
    dockerfile: String,
    target: Option<String>,
    args: Vec<(String, String)>,
}

/// The names in a tar, as the system's own program lists them.
fn listed(tar: &Path) -> Vec<String> {
    let output = std::process::Command::new("tar").arg("-tf").arg(tar).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let mut names: Vec<_> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_dockerfile_is_built_from_all_that_the_commit_has() {
    let attributes = "secret.txt export-ignore\nversion export-subst\n";
    let files = [("Dockerfile", "FROM a"), ("secret.txt", "x"), (".gitattributes", attributes), ("src/a", "x")];
    let place = Place::with(&files).await;
    let built = place.build("dockerfile:dev").await;
    assert_eq!(built.files, [".gitattributes", "Dockerfile", "secret.txt", "src/", "src/a"]);
    assert_eq!((built.dockerfile.as_str(), built.target.as_deref()), ("Dockerfile", Some("dev")));
    assert!(built.args.is_empty());
    let digits = built.tag.strip_prefix("agentd-image:").unwrap();
    assert!(digits.len() == 64 && digits.chars().all(|it| it.is_ascii_hexdigit()), "{digits}");
    assert_eq!(place.build("dockerfile:dev").await.tag, built.tag, "again, where it was before");
    assert_ne!(place.build("dockerfile").await.tag, built.tag, "another stage is another image");
    let other = Place::with(&files).await;
    assert_eq!(other.build("dockerfile:dev").await.tag, built.tag, "the same files in another commit");
    assert_ne!(Place::with(&files[..3]).await.build("dockerfile:dev").await.tag, built.tag);
}

#[tokio::test]
async fn paths_lead_to_plain_files_of_the_repository() {
    let files = [("docker/Dockerfile", "FROM a"), ("link", "-> docker/Dockerfile"), ("*", "FROM b")];
    let place = Place::with(&files).await;
    assert_eq!(place.build("dockerfile:./docker//x/../Dockerfile").await.dockerfile, "docker/Dockerfile");
    assert_eq!(place.build("dockerfile:./*").await.dockerfile, "*");
    let missing = place.refused("dockerfile").await;
    assert!(missing.contains("there is no `Dockerfile` at ") && missing.contains("\"dockerfile:PATH\""), "{missing}");
    assert!(place.refused("dockerfile:./link").await.contains("`link` is no plain file at "));
    assert!(place.refused("dockerfile:docker/").await.contains("`docker` is no plain file at "));
    assert!(place.refused("dockerfile:../x").await.contains("`../x` leads out of the repository"));
    assert!(place.refused("dockerfile:/etc/passwd").await.contains("leads out of the repository"));
    assert!(place.refused("dockerfile:docker/?ockerfile").await.contains("there is no `docker/?ockerfile`"));
}

#[tokio::test]
async fn a_name_is_left_as_it_is() {
    let place = Place::with(&[("a", "")]).await;
    assert_eq!(place.plan("node:22").await.unwrap(), Plan::Named("node:22".into()));
}

#[tokio::test]
async fn a_devcontainer_names_an_image_or_says_how_to_build_it() {
    let named = Place::with(&[(".devcontainer.json", "{ // the usual\n \"image\": \"mcr.example/base:1\", }")]).await;
    assert_eq!(named.plan("devcontainer").await.unwrap(), Plan::Named("mcr.example/base:1".into()));
    let text = r#"{ "build": { "dockerfile": "Dockerfile", "context": "..", "target": "dev", "args": { "V": "1" } } }"#;
    let files = [(".devcontainer/devcontainer.json", text), (".devcontainer/Dockerfile", "FROM a"), ("src/a", "x")];
    let built = Place::with(&files).await.build("devcontainer").await;
    assert_eq!((built.dockerfile.as_str(), built.target.as_deref()), (".devcontainer/Dockerfile", Some("dev")));
    assert_eq!(built.args, [("V".to_owned(), "1".to_owned())]);
    assert!(built.files.contains(&"src/a".to_owned()), "{:?}", built.files);
    let alone = [(".devcontainer/devcontainer.json", r#"{"build": {"dockerfile": "Dockerfile"}}"#), files[1], files[2]];
    let built = Place::with(&alone).await.build("devcontainer").await;
    assert_eq!(built.files, ["Dockerfile", "devcontainer.json"], "its own folder is all it sees");
    let outside = [(".devcontainer/devcontainer.json", r#"{"dockerFile": "../Dockerfile"}"#), ("Dockerfile", "FROM a")];
    let built = Place::with(&outside).await.build("devcontainer").await;
    assert_eq!(built.files, [".agentd-outside.Dockerfile", "devcontainer.json"]);
    assert_eq!(built.dockerfile, ".agentd-outside.Dockerfile");
}

#[tokio::test]
async fn what_a_devcontainer_lacks_is_said() {
    let none = Place::with(&[("a", "")]).await.refused("devcontainer").await;
    assert!(none.contains("neither `.devcontainer/devcontainer.json` nor `.devcontainer.json`"), "{none}");
    let features = r#"{"image": "a", "features": {"ghcr.io/x": {}}}"#;
    let refused = Place::with(&[(".devcontainer.json", features)]).await.refused("devcontainer").await;
    assert!(refused.contains("`.devcontainer.json` at ") && refused.contains("it has `features`, and"), "{refused}");
    let lost = r#"{"build": {"dockerfile": "Dockerfile", "context": "none"}}"#;
    let refused = Place::with(&[(".devcontainer.json", lost), ("Dockerfile", "")]).await.refused("devcontainer").await;
    assert!(refused.contains("there is no folder `none`"), "{refused}");
}
