//! git as a child process: what it gets, how it ends, and what its errors say.

use super::*;
use std::{
    fs,
    io::{BufRead, BufReader, Read},
};
use tempfile::TempDir;

struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Place {
        Place { folder: TempDir::new().unwrap() }
    }

    fn git(&self) -> Git {
        Git::new(GitDir::In(self.folder.path().to_owned()), Options::default())
    }

    /// `git NAME` runs this text in a shell.
    fn alias(&self, name: &str, text: &str) -> Git {
        self.git().with(|options| options.settings.push((format!("alias.{name}"), format!("!{text}"))))
    }
}

#[tokio::test]
async fn what_git_writes_comes_back() {
    let place = Place::new();
    let git = place.git();
    assert!(git.version().await.unwrap() >= (2, 38));
    assert_eq!(git.ok(&["init", "--quiet", "--initial-branch=main"]).await.unwrap(), "");
    assert_eq!(git.ok(&["symbolic-ref", "HEAD"]).await.unwrap(), "refs/heads/main");
    let blob = git.ok_with(&["hash-object", "-w", "--stdin"], b"hello\n").await.unwrap();
    assert_eq!(blob, "ce013625030ba8dba906f756967f9e9ca394464a");
    let git_dir = GitDir::Bare(place.folder.path().join(".git"));
    assert_eq!(Git::new(git_dir, Options::default()).ok(&["cat-file", "blob", &blob]).await.unwrap(), "hello");
}

#[tokio::test]
async fn the_environment_and_other_peoples_settings_stay_out() {
    let place = Place::new();
    let git = place.alias("env", "env").with(|options| options.env.push(("GIT_COMMITTER_NAME".into(), "me".into())));
    let env = git.ok(&["env"]).await.unwrap();
    let names: Vec<&str> = env.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    for kept in ["PATH", "GIT_CONFIG_NOSYSTEM", "GIT_COMMITTER_NAME"] {
        assert!(names.contains(&kept), "{env}");
    }
    // Tests are started by cargo, whose variables would show.
    assert!(!names.iter().any(|it| it.starts_with("CARGO") || *it == "HOME"), "{env}");
    let listed = git.ok(&["config", "--list", "--show-scope"]).await.unwrap();
    assert!(listed.lines().all(|line| line.starts_with("command")), "{listed}");
    assert!(listed.contains("core.hookspath=/dev/null"), "{listed}");
}

#[tokio::test]
async fn the_callers_settings_are_stronger_than_the_repositorys() {
    let place = Place::new();
    place.git().ok(&["init", "--quiet"]).await.unwrap();
    place.git().ok(&["config", "user.name", "repository"]).await.unwrap();
    assert_eq!(place.git().ok(&["config", "user.name"]).await.unwrap(), "repository");
    let own = place.git().with(|options| options.settings.push(("user.name".into(), "own".into())));
    assert_eq!(own.ok(&["config", "user.name"]).await.unwrap(), "own");
}

#[tokio::test]
async fn a_repository_with_its_files_elsewhere_ignores_a_git_folder_among_them() {
    let (place, files) = (Place::new(), TempDir::new().unwrap());
    place.git().ok(&["init", "--quiet", "--bare", "own.git"]).await.unwrap();
    fs::create_dir(files.path().join(".git")).unwrap();
    fs::write(files.path().join(".git/config"), "[core]\nfsmonitor = touch /tmp/never\nbroken").unwrap();
    fs::write(files.path().join("a.txt"), "a").unwrap();
    let dir = GitDir::Split { git_dir: place.folder.path().join("own.git"), work_tree: files.path().to_owned() };
    let git = Git::new(dir, Options::default());
    assert_eq!(git.ok(&["status", "--porcelain"]).await.unwrap(), "?? a.txt");
}

#[tokio::test]
async fn a_failure_says_what_failed_where_and_why_but_no_arguments() {
    let place = Place::new();
    let error = place.git().ok(&["rev-parse", "--verify", "private-argument"]).await.unwrap_err();
    let text = error.to_string();
    let expected = format!("`git rev-parse` failed in {} (exit code 128): fatal: ", place.folder.path().display());
    assert!(text.starts_with(&expected), "{text}");
    let output = place.git().run(&["rev-parse", "HEAD"]).await.unwrap();
    assert_eq!((output.code, output.success()), (Some(128), false));
    assert!(!text.contains("private-argument"), "{text}");
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_not_a_missing_git() {
    let git = Git::new(GitDir::In("/does/not/exist".into()), Options::default());
    let error = git.ok(&["version"]).await.unwrap_err();
    assert!(matches!(&error, Error::Io { place, .. } if place.ends_with("exist")), "{error}");
}

#[tokio::test]
async fn a_missing_git_says_how_to_get_one() {
    let place = Place::new();
    let git = place.git().with(|options| options.env.push(("PATH".into(), "/nowhere".into())));
    let error = git.ok(&["version"]).await.unwrap_err().to_string();
    assert!(error.contains("not installed") && error.contains("hint: install git"), "{error}");
}

#[tokio::test]
async fn output_is_bounded() {
    let place = Place::new();
    let git = place.alias("spam", "yes").with(|options| options.stdout_max = 1000);
    let output = git.run(&["spam"]).await.unwrap();
    assert_eq!((output.cut, output.stdout.len()), (true, 1000));
    let error = git.ok(&["spam"]).await.unwrap_err().to_string();
    assert!(error.contains("`git spam`") && error.contains("more than 1000 bytes"), "{error}");
    let exact = place.alias("few", "printf 12345").with(|options| options.stdout_max = 5);
    assert_eq!(exact.ok(&["few"]).await.unwrap(), "12345");
}

#[tokio::test]
async fn only_the_end_of_a_long_stderr_is_kept() {
    let place = Place::new();
    let git = place.alias("moan", "yes moan | head -c 1000000 >&2; echo 'the end' >&2; exit 3");
    let output = git.run(&["moan"]).await.unwrap();
    assert_eq!(output.code, Some(3));
    assert!(output.stderr.ends_with("the end") && output.stderr.len() <= STDERR_KEPT, "{}", output.stderr.len());
}

#[tokio::test]
async fn a_large_input_and_a_large_output_at_once_do_not_block() {
    let place = Place::new();
    let text = vec![b'x'; 3 << 20];
    let output = place.alias("echo", "cat").output(&["echo"], &text).await.unwrap();
    assert!(output.stdout == text && !output.cut);
    let ignored = place.alias("ignore", "exec true").output(&["ignore"], &text).await.unwrap();
    assert!(ignored.success());
}

/// `git hang` says `ready` on a pipe and then keeps it open until it ends.
struct Hang {
    git: Git,
    pipe: PathBuf,
    _place: Place,
}

impl Hang {
    fn new(timeout: Duration) -> Hang {
        let place = Place::new();
        let pipe = place.folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).unwrap();
        let text = format!("(echo ready; exec sleep 600) > '{}'", pipe.display());
        let git = place.alias("hang", &text).with(|options| options.timeout = timeout);
        Hang { git, pipe, _place: place }
    }

    async fn ready(&self) -> BufReader<fs::File> {
        let pipe = self.pipe.clone();
        let open = move || {
            let (mut reader, mut line) = (BufReader::new(fs::File::open(pipe).unwrap()), String::new());
            reader.read_line(&mut line).unwrap();
            assert_eq!(line, "ready\n");
            reader
        };
        tokio::task::spawn_blocking(open).await.unwrap()
    }
}

/// Returns when nobody has the pipe open any more: at once if all processes ended, in ten minutes if not.
async fn ended(mut reader: BufReader<fs::File>) {
    tokio::task::spawn_blocking(move || reader.read_to_end(&mut Vec::new()).unwrap()).await.unwrap();
}

#[tokio::test]
async fn what_takes_too_long_is_ended_with_all_its_processes() {
    let hang = Hang::new(Duration::from_secs(1));
    let (result, reader) = tokio::join!(hang.git.ok(&["hang"]), hang.ready());
    let error = result.unwrap_err();
    assert!(error.is_transient());
    assert!(error.to_string().ends_with("was ended after 1 s"), "{error}");
    ended(reader).await;
}

#[tokio::test]
async fn dropping_the_call_ends_git_with_all_its_processes() {
    let hang = Hang::new(Duration::from_secs(600));
    let reader = tokio::select! {
        result = hang.git.ok(&["hang"]) => panic!("it ended by itself: {result:?}"),
        reader = hang.ready() => reader,
    };
    ended(reader).await;
}

#[track_caller]
fn check_users(text: &str, expected: &str) {
    assert_eq!(without_users(text), expected);
}

#[test]
fn the_user_part_of_a_url_is_not_shown() {
    check_users("fatal: 'https://x:tok@acme.com/a.git/' not found", "fatal: 'https://acme.com/a.git/' not found");
    check_users("https://a@b@acme.com and ssh://git@acme.com", "https://acme.com and ssh://acme.com");
    check_users("https://acme.com/a@b no user", "https://acme.com/a@b no user");
    check_users("://", "://");
    check_users("", "");
}

#[test]
fn settings_are_not_shown() {
    let mut options = Options::default();
    options.settings.push(("http.extraHeader".into(), "Authorization: Bearer tok".into()));
    options.env.push(("TOKEN".into(), "tok-2".into()));
    let shown = format!("{:?}", Git::new(GitDir::In("/".into()), options));
    assert!(shown.contains("http.extraHeader") && shown.contains("TOKEN") && !shown.contains("tok"), "{shown}");
}
