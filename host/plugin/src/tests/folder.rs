//! The plugin folder, the shipped set, entries, and the cache of compiled code.

use super::*;
use crate::{Error, Kind, Origin};
use std::os::unix::fs::PermissionsExt;

/// A home with `label-priority` shipped and whatever is dropped.
pub(super) struct Home {
    folder: TempDir,
    pub(super) daemon: Arc<Daemon>,
}

impl Home {
    pub(super) fn new() -> Home {
        let home = Home { folder: TempDir::new().unwrap(), daemon: Daemon::new() };
        for folder in ["shipped", "plugins"] {
            std::fs::create_dir(home.path(folder)).unwrap();
            std::fs::set_permissions(home.path(folder), std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        home.file("shipped/label-priority.wasm", &guest("label_priority"))
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn file(self, name: &str, bytes: &[u8]) -> Home {
        std::fs::write(self.path(name), bytes).unwrap();
        self.mode(name, 0o644)
    }

    pub(super) fn mode(self, name: &str, mode: u32) -> Home {
        std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
        self
    }

    pub(super) fn options(&self) -> Options {
        let options = Options::new(warm_cache(), Shipped::Folder(self.path("shipped")));
        Options { plugins: Some(self.path("plugins")), ..options }
    }

    pub(super) async fn load_with(&self, cache: PathBuf) -> Result<Plugins, Error> {
        Plugins::load(Options { cache, ..self.options() }, self.daemon.clone()).await
    }

    pub(super) async fn load(&self) -> Result<Plugins, Error> {
        self.load_with(warm_cache()).await
    }

    /// Names, and how each problem begins.
    async fn check_list(&self, expected: &[(&str, Option<&str>)]) {
        let list = self.load().await.unwrap().list();
        let names: Vec<_> = list.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, expected.iter().map(|it| it.0).collect::<Vec<_>>());
        for (info, (name, problem)) in list.iter().zip(expected) {
            let fits = match (&info.problem, problem) {
                (Some(found), Some(problem)) => found.starts_with(problem),
                (None, None) => true,
                _ => false,
            };
            assert!(fits, "{name}: {:?} should begin with {problem:?}", info.problem);
        }
    }
}

#[tokio::test]
async fn a_dropped_plugin_serves_and_a_bad_file_stops_nobody() {
    let hostile = guest("hostile_plugin");
    let home = Home::new()
        .file("plugins/hostile.wasm", &hostile)
        .file("plugins/module.wasm", b"\0asm\x01\0\0\0")
        .file("plugins/short.wasm", &hostile[..hostile.len() / 2])
        .file("plugins/README.md", b"# what lies here")
        .file("plugins/open.wasm", &hostile)
        .mode("plugins/open.wasm", 0o666);
    std::fs::create_dir(home.path("plugins/folder.wasm")).unwrap();
    home.check_list(&[
        ("folder", Some("cannot be read: it is no regular file")),
        ("hostile", None),
        ("label-priority", None),
        ("module", Some("is not a WebAssembly component (a core module)")),
        ("open", Some("others than the daemon's user can change it: its mode is 666")),
        ("short", Some("is truncated at byte")),
    ])
    .await;

    let plugins = home.load().await.unwrap();
    assert_eq!(plugins.inspect(&home.path("plugins/open.wasm")).await.unwrap().name, "hostile", "a look harms nobody");
    let info = plugins.list().into_iter().find(|it| it.name == "hostile").unwrap();
    assert_eq!(info.kinds, [Kind::TaskSource, Kind::Prioritizer, Kind::PromptTemplate, Kind::Notifier, Kind::Agent]);
    assert_eq!(info.origin, Origin::Dropped(home.path("plugins/hostile.wasm")));
    assert_eq!(info.digest, format!("sha256:{}", sha256(&hostile)));
    assert_eq!(info.wants, ["repository: read files and history (to read)"]);
    let entry = plugins.entry("e", "hostile", json!({}), vec![]).await.unwrap();
    assert_eq!(rank(&entry).await.unwrap(), "done");
    let refused = plugins.entry("e", "module", json!({}), vec![]).await.err().unwrap().to_string();
    assert!(refused.starts_with("plugin `module` may not serve: is not a WebAssembly component"), "{refused}");
    let refused = plugins.entry("e", "nobody", json!({}), vec![]).await.err().unwrap().to_string();
    assert!(refused.starts_with("there is no plugin `nobody`; there are: hostile, label-priority\nhint:"), "{refused}");
}

#[tokio::test]
async fn a_name_belongs_to_the_shipped_plugin_and_then_to_the_first_file() {
    let home = Home::new()
        .file("plugins/label-priority.wasm", &guest("label_priority"))
        .file("plugins/a.wasm", &guest("hostile_plugin"))
        .file("plugins/b.wasm", &guest("hostile_plugin"));
    let twice = format!("{} brings a plugin named `hostile` already", home.path("plugins/a.wasm").display());
    home.check_list(&[("hostile", None), ("hostile", Some(&twice)), ("label-priority", None)]).await;
    let plugins = home.load().await.unwrap();
    let shipped = plugins.list().into_iter().find(|it| it.name == "label-priority").unwrap();
    assert_eq!(shipped.origin, Origin::Shipped);
    let held = shipped.held.unwrap();
    assert_eq!(held.origin, Origin::Dropped(home.path("plugins/label-priority.wasm")));
    assert_eq!(held.wider, ["kind: prioritizer, in place of the shipped plugin"]);
    assert!(held.why.starts_with("waits for approval: it would replace the shipped plugin `label-priority`"));
}

#[tokio::test]
async fn a_dropped_plugin_gets_nothing_but_reading() {
    let home = Home::new().file("plugins/hostile.wasm", &guest("hostile_plugin"));
    let plugins = home.load().await.unwrap();
    for (settings, want) in [
        (json!({ "does": "http", "url": "https://example.org/" }), "http: POST https://example.org/ (to call home)"),
        (json!({ "path": "/etc" }), "directory: read what setting `path` names"),
    ] {
        let refused = plugins.entry("e", "hostile", settings, vec![]).await.err().unwrap().to_string();
        assert_eq!(
            refused,
            format!(
                "plugin `hostile` may not serve: waits for approval: plugin `hostile` wants {want}\nhint: `agentd plugin \
                 approve hostile` shows and allows it"
            )
        );
    }
}

#[tokio::test]
async fn a_folder_that_others_can_write_to_is_not_read() {
    let home = Home::new().mode("plugins", 0o777);
    let refused = home.load().await.err().unwrap().to_string();
    assert!(
        refused.contains("its mode is 777, which lets others write") && refused.contains("chmod go-w"),
        "{refused}"
    );
    let home = Home::new();
    std::fs::remove_dir(home.path("plugins")).unwrap();
    home.check_list(&[("label-priority", None)]).await;
}

#[tokio::test]
async fn a_broken_installation_says_so() {
    let home = Home::new().file("shipped/todo.wasm", b"\0asm");
    let refused = home.load().await.err().unwrap().to_string();
    assert!(refused.starts_with("the shipped plugin todo cannot be used: is truncated at byte 4"), "{refused}");
    let home = Home::new();
    std::fs::remove_file(home.path("shipped/label-priority.wasm")).unwrap();
    let refused = home.load().await.err().unwrap().to_string();
    assert!(refused.contains("it holds no .wasm file\nhint: build them with `cargo xtask plugins`"), "{refused}");
}

#[tokio::test]
async fn settings_are_refused_with_all_their_problems() {
    let house = House::new().await;
    for (settings, expected) in [
        (
            json!({ "does": 5, "pth": "x" }),
            vec![
                "settings.does: must be string, is number",
                "settings.pth: there is no such setting; there are credential, does, method, path, url, wanted",
            ],
        ),
        (json!({ "does": "check-problems" }), vec!["settings.does: is \u{fffd}[31mwrong", "settings: is hopeless"]),
    ] {
        let refused = house.plugins.entry("e", "hostile", settings, vec![]).await.err().unwrap();
        let Error::Settings { entry, plugin, problems } = refused else { panic!("{refused}") };
        assert_eq!(
            (entry.as_str(), plugin.as_str(), problems),
            ("e", "hostile", expected.into_iter().map(Into::into).collect())
        );
    }
    for (does, expected) in [
        ("check-loop", "plugin `hostile`: check failed: it used more than its 2 s of CPU time"),
        ("describe-panic", "plugin `hostile`: describe failed: it trapped: it panicked or aborted"),
    ] {
        let refused = house.plugins.entry("e", "hostile", json!({ "does": does }), vec![]).await;
        let refused = refused.err().unwrap().to_string();
        assert!(refused.starts_with(expected), "{refused}");
    }
}

#[tokio::test]
async fn an_entry_knows_what_it_is_made_of() {
    let house = House::new().await;
    let entry = house.hostile(json!({ "path": "/srv" })).await;
    assert_eq!((entry.name(), entry.plugin()), ("e", "hostile"));
    let list = serde_json::to_value(house.plugins.list()).unwrap();
    assert_eq!(list[1]["name"], "label-priority");
    assert_eq!(list[1]["kinds"], json!(["prioritizer"]));
    assert_eq!((&list[1]["origin"], &list[1]["problem"]), (&json!("shipped"), &Value::Null));
}

fn cached(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()).collect();
    files.sort();
    files
}

#[tokio::test]
async fn compiled_code_is_kept_checked_and_made_anew() {
    let home = Home::new();
    let cache = home.path("cache");
    home.load_with(cache.clone()).await.unwrap();
    let [file] = &cached(&cache)[..] else { panic!("one plugin, one file") };
    assert_eq!(std::fs::metadata(&cache).unwrap().permissions().mode() & 0o777, 0o700);
    let (made, good) = (std::fs::metadata(file).unwrap().modified().unwrap(), std::fs::read(file).unwrap());

    home.load_with(cache.clone()).await.unwrap();
    assert_eq!(std::fs::metadata(file).unwrap().modified().unwrap(), made, "it was not written again");

    for bad in [&good[..good.len() / 2], b"", &[good.as_slice(), b"x"].concat()] {
        std::fs::write(file, bad).unwrap();
        let plugins = home.load_with(cache.clone()).await.unwrap();
        let entry = plugins.entry("e", "label-priority", json!({}), vec![]).await.unwrap();
        assert_eq!(entry.rank(batch(&["t-1"])).await.unwrap().value[0].value, 30.0);
        assert_eq!(sha256(&std::fs::read(&cached(&cache)[0]).unwrap()), file_digest(&cached(&cache)[0]));
    }
}

/// The digest that the name claims.
fn file_digest(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().split('.').nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn old_code_goes_and_code_in_use_stays() {
    let home = Home::new();
    let cache = home.path("cache");
    home.load_with(cache.clone()).await.unwrap();
    std::fs::write(cache.join("0123-4567.89.cwasm"), b"of an earlier version").unwrap();
    home.load_with(cache.clone()).await.unwrap();
    assert_eq!(cached(&cache).len(), 2, "it is not old yet");
    home.daemon.pass(100 * 365 * 24 * 60 * 60 * 1000);
    home.load_with(cache.clone()).await.unwrap();
    assert_eq!(cached(&cache).len(), 1);
}

#[tokio::test]
async fn a_cache_that_others_could_fill_is_not_used() {
    let home = Home::new();
    std::fs::create_dir(home.path("cache")).unwrap();
    let home = home.mode("cache", 0o777);
    let plugins = home.load_with(home.path("cache")).await.unwrap();
    assert_eq!(plugins.list().len(), 1);
    assert_eq!(cached(&home.path("cache")).len(), 0);
}
