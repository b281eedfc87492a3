//! A hostile `.git`, and hostile files beside it: what an agent's repository names is run and read in sandboxes only.
//!
//! The scripts write files and never run git. So with the executor `local` too, where an agent may write anywhere, a
//! canary can only come from a git that somebody else ran on what it left.

use super::Scene;
use crate::support::{Daemon, Home, Judge, git, wait_for};
use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

const HOOKS: &str = "applypatch-msg pre-applypatch post-applypatch pre-commit pre-merge-commit prepare-commit-msg \
    commit-msg post-commit pre-rebase post-checkout post-merge pre-push pre-receive update proc-receive post-receive \
    post-update reference-transaction push-to-checkout pre-auto-gc post-rewrite sendemail-validate fsmonitor-watchman \
    post-index-change";

/// Each attack, as shell commands in the workspace; `$C` is the folder for canaries, `$S` the secret, `$F` the forge's
/// repository and `$R` the folder that all of it is in, all as the host names them. `evil NAME` prints a command that
/// leaves a canary.
const ATTACKS: [(&str, &str); 20] = [
    ("hooks", "for h in $HOOKS; do { echo '#!/bin/sh'; evil hook-$h; } > .git/hooks/$h; chmod +x .git/hooks/$h; done"),
    (
        "hooks-path",
        "mkdir h; for h in $HOOKS; do { echo '#!/bin/sh'; evil path-$h; } > h/$h; chmod +x h/$h; done; \
         printf '[core]\\n hooksPath = h\\n' >> .git/config",
    ),
    (
        "programs",
        "{ echo '#!/bin/sh'; evil program; echo cat; } > evil.sh; chmod +x evil.sh; cp evil.sh .git/evil.sh; \
         for k in core.fsmonitor core.sshCommand core.editor core.pager core.askPass core.gitProxy diff.external \
             gpg.program gpg.ssh.program gpg.x509.program uploadpack.packObjectsHook credential.helper \
             sequence.editor interactive.diffFilter pager.diff pager.add pager.log web.browser; do \
             printf '[%s]\\n %s = ./evil.sh\\n' ${k%.*} ${k##*.} | sed 's/^\\[gpg\\.\\(.*\\)\\]/[gpg \"\\1\"]/' >> .git/config; \
         done; printf '[commit]\\n gpgSign = true\\n[tag]\\n gpgSign = true\\n[log]\\n showSignature = true\\n' >> .git/config",
    ),
    (
        "fsmonitor",
        "printf '[core]\\n fsmonitor = \"%s\"\\n fsmonitorHookVersion = 1\\n untrackedCache = true\\n' \
         \"$(evil fsmonitor)\" >> .git/config",
    ),
    (
        "filters",
        "printf '* filter=evil diff=evil merge=evil\\n' | tee .git/info/attributes > .gitattributes; \
         for k in clean smudge process; do printf '[filter \"evil\"]\\n %s = \"%s; cat\"\\n' $k \"$(evil filter-$k)\"; \
         done >> .git/config; printf '[diff \"evil\"]\\n command = \"%s\"\\n textconv = \"%s\"\\n[merge \"evil\"]\\n \
         driver = \"%s\"\\n' \"$(evil diff)\" \"$(evil textconv)\" \"$(evil merge)\" >> .git/config",
    ),
    (
        "aliases",
        "for k in add commit diff rev-parse bundle status log fetch; do printf '[alias]\\n %s = \"!%s\"\\n' $k \
         \"$(evil alias-$k)\"; done >> .git/config",
    ),
    ("worktree", "printf '[core]\\n worktree = %s\\n' $R >> .git/config"),
    ("worktree-root", "printf '[core]\\n worktree = /\\n bare = false\\n' >> .git/config"),
    ("include", "printf '[include]\\n path = %s\\n[includeIf \"gitdir:/\"]\\n path = %s\\n' $S $S >> .git/config"),
    (
        "alternates",
        "mkdir -p .git/objects/info; printf '%s\\n' /etc $R $F/objects $R/home/mirrors > .git/objects/info/alternates",
    ),
    (
        "links",
        "ln -sf $S .git/refs/heads/leak; ln -sf $S .git/description; ln -sf $S .git/info/exclude; \
         ln -sf $S .git/packed-refs; ln -sf $S .git/FETCH_HEAD; ln -sf $S .git/index.lock; ln -sf $S leak.txt",
    ),
    ("head", "rm .git/HEAD; ln -s $S .git/HEAD"),
    ("index", "rm .git/index; ln -s $S .git/index"),
    ("gitfile", "rm -rf .git; echo 'gitdir: /' > .git"),
    ("gitlink", "rm -rf .git; ln -s $F .git"),
    (
        "nested",
        "mkdir lib; cp -r .git lib/.git; printf '[core]\\n fsmonitor = \"%s\"\\n' \"$(evil nested)\" >> lib/.git/config; \
         mkdir -p bare/objects bare/refs; echo 'ref: refs/heads/main' > bare/HEAD; \
         printf '[core]\\n bare = true\\n fsmonitor = \"%s\"\\n' \"$(evil bare)\" > bare/config",
    ),
    (
        "nested-links",
        "mkdir -p lib/.git/objects lib/.git/refs/heads; ln -s $S lib/.git/HEAD; ln -s $S lib/.git/index; \
         printf '[core]\\n repositoryformatversion = 0\\n worktree = %s\\n' $R > lib/.git/config",
    ),
    (
        "handout",
        "echo '* filter=out' > .gitattributes; printf '[filter \"out\"]\\n clean = \"ln -sfn %s /agentd/handout/bundle; \
         (while :; do ln -sfn %s /agentd/handout/bundle; done) > /dev/null 2>&1 & cat\"\\n' $S $S >> .git/config",
    ),
    (
        "modules",
        "printf '[submodule \"x\"]\\n path = x\\n url = %s\\n update = !%s\\n' $F \"$(evil module)\" > .gitmodules; \
         printf '[submodule \"x\"]\\n active = true\\n url = ext::sh -c %s\\n update = !%s\\n' touch%%20$C/ext \
         \"$(evil module)\" >> .git/config",
    ),
    ("commondir", "echo $F > .git/commondir"),
];

/// Their change is refused for what it would bring.
const REFUSED: [&str; 3] = ["links", "modules", "nested"];
/// No git can work with what they left, and where the agent's own `.git` counts, that is the end of it.
const BROKEN: [&str; 7] = ["alternates", "commondir", "gitfile", "gitlink", "handout", "head", "index"];

/// What each script begins with: it mends the greeting, so that only the attack may keep the change back.
fn prelude(home: &Home) -> String {
    let [c, s, r, f] = [home.path("canary"), home.path("secret.txt"), home.root().into(), home.forge()]
        .map(|it: PathBuf| it.display().to_string());
    format!(
        "cat > /dev/null; C={c} S={s} R={r} F={f} HOOKS=\"{HOOKS}\"; evil() {{ echo \"mkdir -p $C && touch $C/$1\"; }}; \
         echo hello > greeting.txt; echo I mended it;"
    )
}

/// All attacks on one daemon, and after them what people and the daemon do with what they left.
fn attack_all(executor: &'static str) {
    let Scene { mut home } = Scene::new(executor);
    let prelude = prelude(&home);
    for (name, script) in ATTACKS {
        home = home.and_agent(name, &format!("{prelude} {script}"));
    }
    let scene = Scene { home };
    let home = &scene.home;
    let daemon = Daemon::start(home);
    for (name, _) in ATTACKS {
        home.task(&format!("{name}.md"), &format!("---\nagent: {name}\n---\n# Attack with {name}\n"));
    }
    let judge = Judge::new(home);
    let ids = wait_for("all attacks are tasks", || {
        let list: serde_json::Value = serde_json::from_str(&home.ok(&["--json", "task", "list"])).unwrap();
        let tasks = list["tasks"].as_array().unwrap().clone();
        (tasks.len() == ATTACKS.len()).then_some(tasks)
    });
    for task in ids {
        let (id, key) = (task["id"].as_str().unwrap(), task["key"].as_str().unwrap());
        let state = wait_for(key, || {
            judge.state(id).filter(|it| ["in-review", "failed", "done", "waiting"].contains(&it.as_str()))
        });
        let why = home.ok(&["task", "show", id]);
        let reason = ["collect-failed", "verify-refused"].into_iter().find(|it| why.contains(it));
        let attack = key.trim_end_matches(".md");
        let expected = REFUSED.contains(&attack) || executor == "docker" && BROKEN.contains(&attack);
        assert_eq!((state == "failed", reason.is_some()), (expected, expected), "{attack}: {why}");
        if !expected {
            assert_eq!(state, "in-review", "{attack}: {why}");
            home.ok(&["task", "diff", id]);
        }
    }
    scene.is_unharmed();
    scene.goes_on(&daemon);
    assert_eq!(daemon.stop(&[]), Some(0));
    let daemon = Daemon::start(home);
    home.ok(&["workspace", "check"]);
    scene.is_unharmed();
    assert_eq!(daemon.stop(&[]), Some(0));
}

#[test]
fn what_a_hostile_repository_names_never_runs_outside_of_containers() {
    attack_all("docker");
}

#[test]
fn agentd_itself_runs_nothing_that_a_hostile_repository_names() {
    attack_all("local");
}

#[test]
fn a_git_that_knows_no_better_runs_what_the_attacks_name() {
    // Without this, the tests above could be content with attacks that attack nothing. The others point somewhere.
    let run = ["hooks", "hooks-path", "programs", "fsmonitor", "filters", "nested", "handout"];
    let Scene { home } = Scene::new("local");
    for (name, script) in ATTACKS.into_iter().filter(|(name, _)| run.contains(name)) {
        let work = home.path(&format!("work-{name}"));
        git(home.root(), &["clone", "-q", "forge.git", work.to_str().unwrap()]);
        // A folder of its own for each: what one attack started may still be writing when the next one begins.
        let canary = home.path(&format!("canary/{name}"));
        fs::create_dir(&canary).unwrap();
        let handout = canary.join("handout").display().to_string();
        let script =
            format!("{} C={}; {script}", prelude(&home), canary.display()).replace("/agentd/handout/bundle", &handout);
        let script = script.replace("(while :; do", "(for i in 1 2 3; do");
        let run = |script: &str| {
            let mut sh = Command::new("sh");
            sh.args(["-c", script]).current_dir(&work).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            sh.status().unwrap()
        };
        assert!(run(&script).success(), "{name}: the attack itself failed");
        run("export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b.c GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b.c; \
             git add -A; git commit -m x; git -C lib status; git diff HEAD~1");
        assert_ne!(fs::read_dir(&canary).unwrap().count(), 0, "{name} left no canary");
    }
}
