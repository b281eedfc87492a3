//! What of a workflow counts as a risk, with its line, and what does not.

use super::*;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

/// Checks what is said about files, one line for each risk.
#[track_caller]
fn check_files(files: &[(&str, &str)], default_token_writes: Option<bool>, expected: &str) {
    let files: Vec<_> =
        files.iter().map(|(name, text)| (format!(".github/workflows/{name}"), (*text).to_owned())).collect();
    let said: Vec<String> = risks(&files, default_token_writes).iter().map(ToString::to_string).collect();
    let said: Vec<&str> = said.iter().map(|it| it.trim_start_matches(".github/workflows/")).collect();
    assert_eq!(said.join("\n"), expected);
}

#[track_caller]
fn check(text: &str, expected: &str) {
    check_files(&[("ci.yml", text)], Some(false), expected);
}

/// A workflow on `on` whose one job uses a secret.
fn secret_on(on: &str) -> String {
    format!("{on}\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: x ${{{{ secrets.KEY }}}}\n")
}

#[track_caller]
fn check_trigger(on: &str, expected: Option<&str>) {
    let files = [(".github/workflows/ci.yml".to_owned(), secret_on(on))];
    let found = risks(&files, Some(false));
    assert_eq!(found.first().map(|it| it.trigger.as_str()), expected, "{on}\n{found:?}");
}

#[test]
fn a_secret_is_named_with_its_line() {
    let text = "\
name: CI
on:
  push:
permissions: { contents: read }
jobs:
  test:
    runs-on: ubuntu-24.04
    env:
      A: ${{ github.token }}${{ secrets.GITHUB_TOKEN }}
    steps:
      - uses: actions/checkout@v4
      - run: |
          npm ci
          # not a comment of YAML's, so it is replaced all the same: ${{ secrets.SHELL }}
          npm publish --token ${{ secrets['NPM_TOKEN'] }} # secrets.OUTSIDE
      - run: echo secrets.NOBODY \"${{ steps.secrets.outputs.x }} ${{ 'secrets' }}\"
      # ${{ secrets.COMMENTED }}
      - if: ${{ secrets.npm_token }}
        run: x ${{ toJSON(secrets) }}
";
    check(
        text,
        "\
ci.yml:14: runs on push, uses secrets.SHELL
ci.yml:15: runs on push, uses secrets.NPM_TOKEN
ci.yml:18: runs on push, uses secrets.npm_token
ci.yml:19: runs on push, uses secrets whose names are computed",
    );
}

#[test]
fn what_agentds_branches_and_pull_requests_set_off() {
    check_trigger("on: push", Some("push"));
    check_trigger("'on': [push, pull_request]", Some("push and pull_request"));
    check_trigger("\"on\": { pull_request: { branches: [main] } }", Some("pull_request"));
    check_trigger("on: pull_request_target", Some("pull_request_target"));
    check_trigger("on: create", Some("create"));
    check_trigger("on: { push: { branches: [main, 'release/**'] } }", None);
    check_trigger("on: { push: { branches: '**' } }", Some("push"));
    check_trigger("on: { push: { branches: ['**', '!agentd/**'] } }", None);
    check_trigger("on: { push: { branches: ['!agentd/**', '**'] } }", Some("push"));
    check_trigger("on: { push: { branches: ['**', '!agentd/x'] } }", Some("push"));
    check_trigger("on: { push: { branches-ignore: ['agentd/**'] } }", None);
    check_trigger("on: { push: { branches-ignore: [main] } }", Some("push"));
    check_trigger("on: { push: { tags: ['v*'] } }", None);
    check_trigger("on: { push: { tags: ['v*'], branches: ['*/*'] } }", Some("push"));
    check_trigger("on: { push: { paths: ['docs/**'] } }", Some("push"));
    check_trigger("on: { push: { branches: [] } }", Some("push"));
    check_trigger("on: { push: { tags: } }", Some("push"));
    check_trigger("on: { push: { branches: [main] }, schedule: [{ cron: '0 0 * * *' }] }", None);
    check_trigger("on: [release, issues, issue_comment, workflow_dispatch]", None);
    check_trigger("on: { workflow_call: { secrets: { KEY: { required: true } } } }", None);
}

#[test]
fn what_runs_after_something_that_runs() {
    let quiet = "name: CI\non: push\njobs: {}\n";
    let main_only = "name: CI\non: { push: { branches: [main] } }\njobs: {}\n";
    let after = secret_on("name: After\non: { workflow_run: { workflows: [CI] } }");
    let third = secret_on("on: { workflow_run: { workflows: [Other, After] } }");
    let both =
        "after.yml:7: runs on workflow_run, uses secrets.KEY\nthird.yml:6: runs on workflow_run, uses secrets.KEY";
    check_files(&[("third.yml", &third), ("after.yml", &after), ("ci.yml", quiet)], Some(false), both);
    check_files(&[("after.yml", &after), ("ci.yml", main_only)], Some(false), "");
    // Nobody knows what it runs after.
    check_files(&[("after.yml", &after)], Some(false), "after.yml:7: runs on workflow_run, uses secrets.KEY");
}

#[test]
fn what_the_token_may_do() {
    #[track_caller]
    fn check_token(top: &str, job: &str, default: Option<bool>, expected: &str) {
        let text = format!("on: push\n{top}\njobs:\n  a:\n    {job}\n    runs-on: ubuntu-latest\n");
        check_files(&[("ci.yml", &text)], default, expected);
    }
    let everything = "ci.yml:2: runs on push, has a token that may write everything\n\
                      ci.yml:2: runs on push, may prove to be this repository (id-token: write)";
    check_token("permissions: write-all", "", Some(false), everything);
    check_token("permissions: write-all", "permissions: {}", None, "");
    check_token("permissions: write-all", "permissions: { contents: read }", None, "");
    check_token("permissions: read-all", "", Some(true), "");
    check_token("permissions: {}", "", None, "");
    let some = "ci.yml:5: runs on push, has a token that may write contents, packages";
    check_token("permissions: {}", "permissions: { contents: write, issues: read, packages: write }", None, some);
    let identity = "ci.yml:5: runs on push, may prove to be this repository (id-token: write)";
    check_token("permissions: read-all", "permissions: { id-token: write }", None, identity);
    check_token("", "", Some(false), "");
    let settings = "ci.yml:4: runs on push, has a token that may write whatever the repository's settings allow";
    check_token("", "", Some(true), settings);
    let unknown =
        "ci.yml:4: runs on push, has no `permissions`, and whether its token may write without them is not known";
    check_token("", "", None, unknown);
    let nonsense = "ci.yml:2: runs on push, cannot be read: its `permissions` are none that GitHub has";
    check_token("permissions: ${{ x }}", "", None, nonsense);
    check_token("permissions:", "", Some(false), nonsense);
}

#[test]
fn machines_that_are_not_githubs() {
    #[track_caller]
    fn check_runner(job: &str, expected: &[&str]) {
        let text = format!("on: push\njobs:\n  a: {{ {job} }}\n");
        let files = [(".github/workflows/ci.yml".to_owned(), text)];
        let found: Vec<What> = risks(&files, Some(false)).into_iter().map(|it| it.what).collect();
        let expected: Vec<What> = expected.iter().map(|it| What::SelfHosted((*it).to_owned())).collect();
        assert_eq!(found, expected, "{job}");
    }
    for hosted in ["ubuntu-latest", "ubuntu-22.04-arm", "windows-2022", "macos-14-xlarge", "[ubuntu-latest]"] {
        check_runner(&format!("runs-on: {hosted}"), &[]);
    }
    check_runner("runs-on: self-hosted", &["self-hosted"]);
    check_runner("runs-on: [self-hosted, linux]", &["linux", "self-hosted"]);
    check_runner("runs-on: ubuntu-latest-8-cores", &["ubuntu-latest-8-cores"]);
    check_runner("runs-on: { group: big, labels: ubuntu-latest }", &["group big"]);
    check_runner("runs-on: '${{ inputs.os }}'", &["${{ inputs.os }}"]);
    let matrix = "runs-on: '${{ matrix.os }}', strategy: { matrix: ";
    check_runner(&format!("{matrix}{{ os: [ubuntu-latest, macos-latest] }} }}"), &[]);
    check_runner(&format!("{matrix}{{ include: [{{ os: ubuntu-latest }}, {{ rust: stable }}] }} }}"), &[]);
    check_runner(&format!("{matrix}{{ os: [ubuntu-latest, mine] }} }}"), &["${{ matrix.os }}"]);
    check_runner(&format!("{matrix}{{ os: [ubuntu-latest], include: [{{ os: mine }}] }} }}"), &["${{ matrix.os }}"]);
    check_runner(&format!("{matrix}'${{{{ fromJSON(x) }}}}' }}"), &["${{ matrix.os }}"]);
    check_runner(&format!("{matrix}{{ os: [ubuntu-latest], include: '${{{{ x }}}}' }} }}"), &["${{ matrix.os }}"]);
}

#[test]
fn environments_are_doors_to_secrets() {
    let text = "on: push\njobs:\n  a:\n    environment: production\n  b:\n    environment: { name: staging, url: x }\n";
    check(
        text,
        "ci.yml:4: runs on push, uses the environment production, which may have secrets\n\
         ci.yml:6: runs on push, uses the environment staging, which may have secrets",
    );
}

#[test]
fn what_a_called_workflow_is_given() {
    let callee = "on: workflow_call\npermissions: write-all\njobs:\n  b:\n    runs-on: mine\n    steps:\n      \
                  - run: ${{ secrets.KEY }}\n";
    #[track_caller]
    fn check_call(callee: &str, job: &str, expected: &str) {
        let caller = format!("on: push\njobs:\n  a:\n    {job}\n");
        check_files(&[("build.yml", callee), ("ci.yml", &caller)], Some(false), expected);
    }
    let runner = "build.yml:5: runs on push, uses a runner that may not be GitHub's: mine";
    check_call(callee, "uses: ./.github/workflows/build.yml", runner);
    let named = format!("{runner}\nci.yml:6: runs on push, uses secrets.MINE");
    check_call(callee, "uses: ./.github/workflows/build.yml\n    secrets:\n      KEY: ${{ secrets.MINE }}", &named);
    let inherited = format!("{runner}\nbuild.yml:7: runs on push, uses secrets.KEY");
    check_call(callee, "uses: ./.github/workflows/build.yml\n    secrets: inherit", &inherited);
    let elsewhere = "ci.yml:5: runs on push, hands all secrets to acme/ci/.github/workflows/x.yml@v1";
    check_call(callee, "uses: acme/ci/.github/workflows/x.yml@v1\n    secrets: inherit", elsewhere);
    check_call(callee, "uses: acme/ci/.github/workflows/x.yml@v1", "");
    let gone = "ci.yml:4: runs on push, cannot be read: it calls .github/workflows/gone.yml, which is not there or cannot be read";
    check_call(callee, "uses: ./.github/workflows/gone.yml", gone);
    // One that calls itself is looked at once.
    let circle = "on: [push, workflow_call]\njobs:\n  a:\n    uses: ./.github/workflows/ci.yml\n    secrets: inherit\n";
    check(circle, "");
}

#[test]
fn what_cannot_be_read_is_a_risk() {
    check("on: push\njobs: [}\n", "ci.yml:2: cannot be read: while parsing a node, did not find expected node content");
    check("jobs: {}\n", "ci.yml:1: cannot be read: it has no `on`");
    check("on: push\n", "ci.yml:1: cannot be read: it has no `jobs`");
    check("../elsewhere.yml", "ci.yml:1: cannot be read: it has no `on`");
    check("", "ci.yml:1: cannot be read: it is empty");
    check("on: release\njobs: {}\non: push\n", "ci.yml:3: cannot be read: it has the key `on` twice");
    let merged = "on: push\na: &a { permissions: write-all }\njobs:\n  b: { <<: *a, runs-on: ubuntu-latest }\n";
    check(merged, "ci.yml:4: cannot be read: it merges mappings (`<<`), which not every reader does");
    check("on: push\njobs: {}\n---\non: push\n", "ci.yml:4: cannot be read: it holds more than one document");
    check(&" ".repeat(FILE_MAX + 1), "ci.yml:1: cannot be read: it is larger than 1 MiB");
    let many: Vec<_> = (0..=FILES_MAX).map(|it| (format!("{FOLDER}{it:03}.yml"), "on: x\njobs: {}".into())).collect();
    assert_eq!(risks(&many, None)[0].what, What::Unreadable("there are more than 200 workflows".into()));
    let elsewhere = [(".github/workflows/old/ci.yml".into(), secret_on("on: push")), ("x.yml".into(), "[".into())];
    assert_eq!(risks(&elsewhere, None), []);
}

#[test]
fn anchors_are_followed_and_bombs_are_not() {
    check(
        "on: push\njobs:\n  a: &a\n    permissions: &p { contents: write }\n    runs-on: ubuntu-latest\n  b: *a\n",
        "ci.yml:4: runs on push, has a token that may write contents",
    );
    let mut bomb = "on: push\na: &a0 [x, x]\n".to_owned();
    for level in 1..60 {
        let below = level - 1;
        bomb += &format!("b{level}: &a{level} [*a{below}, *a{below}, *a{below}, *a{below}]\n");
    }
    bomb += "jobs:\n  a: { runs-on: *a59 }\n";
    let found = risks(&[(format!("{FOLDER}ci.yml"), bomb)], Some(false));
    assert!(found.iter().all(|it| matches!(it.what, What::SelfHosted(_))), "{found:?}");
    let circle = "on: push\njobs: &j\n  a: { steps: *j, runs-on: *j }\n";
    check(circle, "ci.yml:2: runs on push, uses a runner that may not be GitHub's: no label or group that can be read");
}

#[tokio::test]
async fn a_commits_own_files_are_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let git = Git::new(agentd_forge::git::GitDir::In(folder.path().into()), agentd_forge::git::Options::default());
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("is below the folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    };
    git.ok(&["init", "--quiet", "."]).await.expect("a repository");
    write(".github/workflows/ci.yml", &secret_on("on: push"));
    write(".github/workflows/big.yaml", &"#".repeat(FILE_MAX + 10));
    write(".github/workflows/notes.md", "secrets");
    write(".github/workflows/deeper/ci.yml", &secret_on("on: push"));
    std::os::unix::fs::symlink("ci.yml", folder.path().join(".github/workflows/link.yml")).expect("a link");
    git.ok(&["add", "."]).await.expect("files");
    let me = ["-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "--quiet", "-m", "x"];
    git.ok(&me).await.expect("a commit");
    write(".github/workflows/ci.yml", "changed since");
    let files = of_commit(&git, "HEAD").await.expect("files");
    let said: Vec<String> = risks(&files, Some(false)).iter().map(ToString::to_string).collect();
    let expected = [
        ".github/workflows/big.yaml:1: cannot be read: it is larger than 1 MiB",
        ".github/workflows/ci.yml:6: runs on push, uses secrets.KEY",
        ".github/workflows/link.yml:1: cannot be read: it has no `on`",
    ];
    assert_eq!(said, expected);

    // A branch that left the base before a workflow was taken away has it still.
    let old = git.ok(&["rev-parse", "HEAD"]).await.expect("a commit");
    git.ok(&["rm", "--quiet", "--force", "-r", ".github"]).await.expect("no workflow");
    git.ok(&me).await.expect("a commit");
    let new = git.ok(&["rev-parse", "HEAD"]).await.expect("a commit");
    let risks = async |commits: &[&String]| risks_at(&git, commits, Some(false)).await.expect("risks").len();
    assert_eq!((risks(&[&new]).await, risks(&[&new, &old, &new, &old]).await), (0, 3));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Whatever the files hold, there is an answer.
    #[test]
    fn no_text_is_too_odd(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..40)) {
        let text = pieces.concat();
        let found = risks(&[(format!("{FOLDER}ci.yml"), text.clone())], None);
        let readable = parse(&text).is_ok();
        let said = found.iter().any(|it| matches!(it.what, What::Unreadable(_)) && it.trigger.is_empty());
        if readable == said {
            return Err(TestCaseError::fail(format!("readable: {readable}, {found:?}")));
        }
    }
}

const PIECES: &[&str] = &[
    "on: push\n",
    "on:\n  push:\n",
    "jobs:\n",
    "  a:\n",
    "    runs-on: ",
    "ubuntu-latest\n",
    "    uses: ./.github/workflows/ci.yml\n",
    "    permissions: ",
    "write-all\n",
    "{ contents: write }\n",
    "${{ secrets",
    ".X }}\n",
    "[",
    "]",
    "{",
    "}",
    "\n",
    "  ",
    "- ",
    "? ",
    "&a ",
    "*a ",
    "<<: *a\n",
    "|\n",
    ">-\n",
    "'",
    "\"",
    "\\",
    "#",
    "---\n",
    "!!str ",
    "%YAML 1.1\n",
    "\t",
    "ä",
    "\u{feff}",
    ",",
    ": ",
];
