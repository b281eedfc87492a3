//! The folder and its lock file: what is put, replaced, removed and found again.

use super::{Bed, NOW, component, names, signer};
use crate::{Error, Finding, Put, State};
use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
};

impl Bed {
    /// Installs a component from a file of that path.
    async fn install(&self, path: &str, name: &str, text: &str, replace: bool) -> Result<Put, Error> {
        let file = self.folder.path().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, component(text)).unwrap();
        let fetched = self.fetch(path).await?;
        self.distribution().folder().put(fetched, name, "1.0.0", vec![], replace, NOW).await
    }

    async fn verify(&self) -> Vec<Finding> {
        let distribution = self.distribution();
        let folder = distribution.folder();
        folder.verify(move |source| distribution.key_of(source).cloned()).await.unwrap()
    }
}

#[tokio::test]
async fn what_was_installed_stands_in_the_lock_file() {
    let bed = Bed::new().await;
    assert_eq!(bed.install("x.wasm", "tool", "one", false).await.unwrap(), Put::New);
    assert_eq!(names(&bed.plugins()), ["agentd-plugins.lock", "tool.wasm"]);
    let file = bed.plugins().join("tool.wasm");
    assert_eq!(fs::read(&file).unwrap(), component("one"));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let installed = bed.distribution().folder().installed().unwrap();
    assert_eq!((installed.len(), installed[0].name.as_str(), installed[0].installed_at), (1, "tool", NOW));
    assert_eq!(installed[0].source, bed.folder.path().join("x.wasm").display().to_string());
    assert_eq!(bed.install("x.wasm", "tool", "one", false).await.unwrap(), Put::There);
    let Put::Replaced(Some(before)) = bed.install("x.wasm", "tool", "two", false).await.unwrap() else { panic!() };
    assert_eq!(before.digest, installed[0].digest);
    assert_eq!(bed.verify().await, [Finding { name: "tool".into(), state: State::Good { key_id: None } }]);
}

#[tokio::test]
async fn what_it_is_allowed_stands_beside_what_was_installed() {
    let bed = Bed::new().await;
    bed.install("x.wasm", "tool", "one", false).await.unwrap();
    let folder = bed.distribution().folder();
    for name in ["tool", "stranger"] {
        folder.note_grants(name, vec!["webhook".into()], NOW).await.unwrap();
    }
    let installed = folder.installed().unwrap();
    assert_eq!((installed.len(), installed[0].name.as_str()), (1, "tool"));
    assert_eq!(installed[0].grants, ["webhook"]);
    assert_eq!(bed.install("x.wasm", "tool", "one", false).await.unwrap(), Put::There);
}

#[tokio::test]
async fn a_name_belongs_to_where_it_came_from() {
    let bed = Bed::new().await;
    bed.install("a/tool.wasm", "tool", "one", false).await.unwrap();
    let error = bed.install("b/tool.wasm", "tool", "two", false).await.unwrap_err().to_string();
    assert!(error.contains("was installed from") && error.contains("--replace"), "{error}");
    assert!(matches!(bed.install("b/tool.wasm", "tool", "two", true).await.unwrap(), Put::Replaced(Some(_))));
    fs::write(bed.plugins().join("mine.wasm"), component("by hand")).unwrap();
    let error = bed.install("m.wasm", "mine", "other", false).await.unwrap_err().to_string();
    assert!(error.contains("somebody copied it there"), "{error}");
    assert_eq!(fs::read(bed.plugins().join("mine.wasm")).unwrap(), component("by hand"));
    assert_eq!(bed.install("m.wasm", "mine", "by hand", false).await.unwrap(), Put::New, "the very same is adopted");
    for bad in ["../x", "", "a/b", "X", ".x", "a.b", "-a", &"a".repeat(65)] {
        let error = bed.install("m.wasm", bad, "x", false).await.unwrap_err();
        assert!(matches!(error, Error::Name(_)), "{bad}: {error}");
    }
}

#[tokio::test]
async fn what_is_not_as_it_was_installed_is_found() {
    let signer = signer();
    let mut bed = Bed::new().await;
    for name in ["good", "gone", "changed", "open", "signed"] {
        bed.install(&format!("{name}.wasm"), name, name, false).await.unwrap();
    }
    fs::remove_file(bed.plugins().join("gone.wasm")).unwrap();
    fs::write(bed.plugins().join("changed.wasm"), component("else")).unwrap();
    fs::set_permissions(bed.plugins().join("open.wasm"), Permissions::from_mode(0o666)).unwrap();
    fs::write(bed.plugins().join("unknown.wasm"), component("unknown")).unwrap();
    fs::write(bed.plugins().join("notes.txt"), "no plugin").unwrap();
    let place = bed.folder.path().join("signed.wasm").display().to_string();
    bed.signed_by.insert(place, signer.key().to_string());
    let words: Vec<_> = bed
        .verify()
        .await
        .into_iter()
        .map(|it| {
            let word = match it.state {
                State::Good { .. } => "good",
                State::Missing => "missing",
                State::Changed { .. } => "changed",
                State::Unreadable { .. } => "unreadable",
                State::Unknown { .. } => "unknown",
                State::Unsigned { .. } => "unsigned",
                State::Writable { .. } => "writable",
            };
            format!("{} {word}", it.name)
        })
        .collect();
    let expected =
        ["changed changed", "gone missing", "good good", "open writable", "signed unsigned", "unknown unknown"];
    assert_eq!(words, expected);
}

#[tokio::test]
async fn a_signature_is_looked_at_again_with_the_key_of_today() {
    let (old, new) = (signer(), signer());
    let bed = Bed::new().await.signed_by("oci://HOST/", &old);
    bed.publish("oci://HOST/tool:1", &component("tool"), "1.0.0", Some(&old)).await.unwrap();
    let fetched = bed.fetch("oci://HOST/tool:1").await.unwrap();
    bed.distribution().folder().put(fetched, "tool", "1.0.0", vec![], false, NOW).await.unwrap();
    let good = State::Good { key_id: Some(old.key().id()) };
    assert_eq!(bed.verify().await, [Finding { name: "tool".into(), state: good }]);
    let bed = bed.signed_by("oci://HOST/", &new);
    let findings = bed.verify().await;
    let [Finding { state: State::Unsigned { why }, .. }] = findings.as_slice() else { panic!("{findings:?}") };
    assert!(why.contains("signed by another key"), "{why}");
}

#[tokio::test]
async fn what_was_installed_is_removed_and_nothing_else() {
    let bed = Bed::new().await;
    let folder = bed.distribution().folder();
    assert!(matches!(folder.remove("tool", false, NOW).await, Err(Error::NotInstalled(_))));
    bed.install("x.wasm", "tool", "one", false).await.unwrap();
    fs::write(bed.plugins().join("mine.wasm"), component("by hand")).unwrap();
    assert!(matches!(folder.remove("mine", true, NOW).await, Err(Error::NotInstalled(_))));
    fs::write(bed.plugins().join("tool.wasm"), component("changed")).unwrap();
    let error = folder.remove("tool", false, NOW).await.unwrap_err().to_string();
    assert!(error.contains("somebody has changed it\nhint: --force"), "{error}");
    assert_eq!(folder.remove("tool", true, NOW).await.unwrap().name, "tool");
    assert_eq!(names(&bed.plugins()), ["agentd-plugins.lock", "mine.wasm"]);
    assert_eq!(folder.installed().unwrap(), []);
}

#[tokio::test]
async fn a_lock_file_that_cannot_be_read_is_kept() {
    let bed = Bed::new().await;
    bed.install("x.wasm", "tool", "one", false).await.unwrap();
    let path = bed.plugins().join("agentd-plugins.lock");
    let good = fs::read_to_string(&path).unwrap();
    let line = good.lines().find(|it| it.starts_with("digest")).unwrap();
    for (bad, part) in [
        (good[..good.len() / 2].to_owned(), "line "),
        ("not = [toml".into(), "line 1"),
        (good.replace("version = 1\n", "version = 2\n"), "of version 2"),
        (good.replace(line, "digest = \"sha256:../../x\""), "is none"),
        (format!("{good}\n[[plugin]]{}", good.split("[[plugin]]").nth(1).unwrap()), "twice"),
        (good.replace("[[plugin]]", "[[plugin]]\nsurprise = 1"), "surprise"),
        ("\0\0\0\0".into(), "line 1"),
    ] {
        fs::write(&path, &bad).unwrap();
        let error = bed.install("x.wasm", "tool", "two", true).await.unwrap_err();
        assert!(matches!(error, Error::Lock { .. }), "{error}");
        assert!(error.to_string().contains(part) && error.to_string().contains("hint: move it away"), "{error}");
        assert!(bed.distribution().folder().remove("tool", true, NOW).await.is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), bad, "it is as it was");
        assert_eq!(fs::read(bed.plugins().join("tool.wasm")).unwrap(), component("one"));
    }
}

#[tokio::test]
async fn a_command_that_was_killed_between_file_and_line_is_mended_by_itself() {
    let bed = Bed::new().await;
    bed.install("x.wasm", "tool", "one", false).await.unwrap();
    // The file had its name already, the lock file had not been written.
    fs::write(bed.plugins().join("tool.wasm"), component("two")).unwrap();
    let states: Vec<_> = bed.verify().await.into_iter().map(|it| it.state.is_good()).collect();
    assert_eq!(states, [false]);
    bed.install("x.wasm", "tool", "two", false).await.unwrap();
    assert!(bed.verify().await[0].state.is_good());
}

#[tokio::test]
async fn many_at_once_do_each_other_no_harm() {
    let bed = Bed::new().await;
    for number in 0..12 {
        fs::write(bed.folder.path().join(format!("{number}.wasm")), component(&format!("{number}"))).unwrap();
    }
    let one = |number: usize| {
        let (distribution, source) = (bed.distribution(), bed.source(&format!("{number}.wasm")));
        async move {
            let fetched = distribution.fetch(&source, None, &mut |_, _| {}).await.unwrap();
            // Every third has the same name.
            let name = if number.is_multiple_of(3) { "same".to_owned() } else { format!("tool-{number}") };
            distribution.folder().put(fetched, &name, "1.0.0", vec![], true, NOW).await.unwrap();
        }
    };
    let tasks = tokio_util::task::TaskTracker::new();
    let all: Vec<_> = (0..12).map(|number| tasks.spawn(one(number))).collect();
    for it in all {
        it.await.unwrap();
    }
    let findings = bed.verify().await;
    assert_eq!((findings.len(), findings.iter().all(|it| it.state.is_good())), (9, true), "{findings:?}");
    assert_eq!(names(&bed.plugins()).len(), 10, "nothing is left half done");
}
