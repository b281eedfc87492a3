//! `hostile`: a plugin that does, on demand, what a plugin must not do. For tests of the host.
//!
//! The setting `does` says what. The words are the arms of [`act`], which every call runs first, and of the calls
//! themselves. What an act found out comes back as the reason of a score, so that a test can compare it.
//!
//! It is of five kinds, so that one file serves all tests.

mod agent;
mod outgoing;
mod probe;
mod variant;

use agentd_sdk::manifest::{Attachment, Credential, DirectoryWant, ForgeWant, HttpWant, MailWant, RepositoryWant};
use agentd_sdk::notifier::{Message, Notifier};
use agentd_sdk::prioritizer::{Batch, Prioritizer, Score};
use agentd_sdk::prompt_template::{Part, Prompt, PromptTemplate, Request};
use agentd_sdk::settings::parse;
use agentd_sdk::task_source::{Intake, Item, PollRequest, TaskSource};
use agentd_sdk::work::{Draft, Edit};
use agentd_sdk::{Description, Error, Plugin, Problem, Want, settings};
use std::hint::black_box;
use std::io::Write;

struct Hostile;
agentd_sdk::plugin!(Hostile: prioritizer, task_source, prompt_template, notifier, agent);

#[derive(serde::Deserialize, Default)]
#[serde(default)]
struct Settings {
    does: String,
    /// A directory to want and read.
    path: Option<String>,
    /// Where to send a request.
    url: String,
    method: String,
    /// The credential to want and name.
    credential: Option<String>,
    /// The URL to want, where it is another one than is asked for.
    wanted: Option<String>,
}

const SCHEMA: &str = r#"{"type": "object", "additionalProperties": false, "properties": {
    "does": {"type": "string", "default": "nothing"}, "path": {"type": "string"}, "url": {"type": "string"},
    "method": {"type": "string", "default": "POST"}, "credential": {"type": "string"}, "wanted": {"type": "string"}}}"#;

impl Plugin for Hostile {
    fn describe(settings: &str) -> Description {
        let settings: Settings = parse(settings).unwrap_or_default();
        assert_ne!(settings.does, "describe-panic", "I will not say who I am");
        Description {
            name: "hostile".into(),
            version: variant::version().into(),
            summary: format!("Does what a plugin must not do ({})", variant::name()),
            settings_schema: SCHEMA.into(),
            wants: wants(settings),
            ..Description::default()
        }
    }

    fn check(settings: &str) -> Vec<Problem> {
        match parse::<Settings>(settings).unwrap_or_default().does.as_str() {
            "check-problems" => vec![Problem::new("/does", "is \u{1b}[31mwrong"), Problem::new("", "is hopeless")],
            "check-loop" => spin(),
            "check-imports" => vec![Problem::new("", probe::imports())],
            _ => vec![],
        }
    }
}

fn wants(settings: Settings) -> Vec<Want> {
    let mut wants = variant::wants();
    if settings.does != "greedy" {
        wants.push(Want::Repository(RepositoryWant { why: "to read".into(), ..RepositoryWant::default() }));
    }
    if settings.path.is_some() {
        wants.push(Want::Directory(DirectoryWant { setting: "path".into(), ..DirectoryWant::default() }));
    }
    if settings.does.starts_with("forge") {
        let writes = vec!["comment".into(), "label".into()];
        wants.push(Want::Forge(ForgeWant { writes, ..ForgeWant::default() }));
    }
    if settings.does == "mail" {
        wants.push(Want::Mail(MailWant { why: "to annoy".into(), ..MailWant::default() }));
    }
    if ["http", "wasi-http", "dice-http"].iter().any(|it| settings.does.starts_with(it)) {
        let whole = settings.url.is_empty();
        let attach = if whole { Attachment::Url } else { Attachment::Bearer };
        let credential = settings.credential.map(|name| Credential { name, attach, extra: vec![] });
        let url = settings.wanted.unwrap_or(settings.url);
        let why = "to call home".into();
        wants.push(Want::Http(HttpWant { methods: vec!["POST".into()], url, credential, why, extra: vec![] }));
    }
    wants
}

impl Prioritizer for Hostile {
    fn rank(batch: Batch) -> Result<Vec<Score>, Error> {
        let settings: Settings = settings()?;
        let reason = act(&settings)?;
        let task = batch.candidates.first().map(|it| it.task.id.clone()).unwrap_or_default();
        let score = Score { task, value: 1.0, reason, ..Score::default() };
        Ok(match settings.does.as_str() {
            "not-a-number" => vec![Score { value: f64::NAN, ..score }],
            "stranger" => vec![Score { task: "t-\u{7}99".into(), ..score }],
            "twice" => vec![score.clone(), score],
            "much" => vec![Score { reason: "x".repeat(32 << 20), ..score }],
            _ => vec![score],
        })
    }
}

impl TaskSource for Hostile {
    fn poll(_request: PollRequest) -> Result<Intake, Error> {
        let settings: Settings = settings()?;
        act(&settings)?;
        let item = |key: String| Item::Work(Draft { key, title: " A\n title ".into(), ..Draft::default() });
        let items: Vec<Item> = match settings.does.as_str() {
            "many" => (0..1_001).map(|it| item(it.to_string())).collect(),
            "bad-keys" => vec![item(String::new()), item("k".repeat(257)), item("a\u{0}b".into()), item("good".into())],
            "hollow" => {
                let draft = |key: &str| Draft { key: key.into(), title: "T".into(), ..Draft::default() };
                let untitled = Draft { title: " \n".into(), ..draft("untitled") };
                let bound = |count| vec!["x".to_owned(); count];
                let entangled = Draft { depends_on: bound(257), ..draft("entangled") };
                let good = Draft { depends_on: bound(256), repository: Some(String::new()), ..draft("good") };
                [untitled, entangled, good].map(Item::Work).into()
            }
            "long" => vec![Item::Work(Draft {
                key: "long".into(),
                title: "ä".repeat(1_000),
                body: "ä".repeat(300 << 10),
                ..Draft::default()
            })],
            _ => vec![],
        };
        let both = settings.does == "complete-and-more";
        let cursor = (settings.does == "cursor").then(|| "c".repeat(65 << 10));
        Ok(Intake { items, complete: both, more: both, cursor, ..Intake::default() })
    }
}

impl PromptTemplate for Hostile {
    fn render(request: Request) -> Result<Prompt, Error> {
        let settings: Settings = settings()?;
        let words = act(&settings)?;
        // Other people's text among its own words.
        let text = if settings.does == "smuggle" { request.body } else { words };
        Ok(Prompt { system: None, parts: vec![Part::Text(text)], extra: vec![] })
    }
}

impl Notifier for Hostile {
    fn notify(_message: Message) -> Result<Vec<Edit>, Error> {
        act(&settings()?)?;
        Ok(vec![])
    }
}

/// What the settings ask for, and what came of it.
fn act(settings: &Settings) -> Result<String, Error> {
    variant::act();
    match settings.does.as_str() {
        "panic" => panic!("I give up\u{1b}[2J"),
        "loop" => spin(),
        "memory" => devour(),
        "stack" => return Ok(fall(1).to_string()),
        "exit" => leave(),
        "sleep" => std::thread::sleep(std::time::Duration::from_secs(3_600)),
        "shout" => shout(),
        "outside" => return Ok(probe::outside()),
        "imports" => return Ok(probe::imports()),
        "kv" => return probe::kv(),
        "kv-panic" => {
            agentd_sdk::host::kv::set("seen", "yes")?;
            panic!("after writing");
        }
        "kv-limits" => return Ok(probe::kv_limits()),
        "kv-pages" => return probe::kv_pages(),
        "trees" => return Ok(probe::trees()),
        "forge" => return probe::forge(),
        "forge-nonsense" => return Ok(probe::forge_nonsense()),
        "metrics" => probe::count(),
        "log-fields" => probe::log_fields(),
        "mail" => return probe::mail(&settings.url),
        does if does.starts_with("dice") => panic!("{}", probe::dice(settings)),
        does if does.starts_with("wasi-http") => return Ok(outgoing::send(settings)),
        "other" => return Err(Error::Other("nothing works".into())),
        "denied" => return Err(Error::Denied("\u{1b}[31mred".into())),
        "http-fuzz" => return Ok(probe::fuzz(settings)),
        does if does.starts_with("http") => return probe::request(settings),
        _ => (),
    }
    Ok("done".into())
}

fn spin() -> ! {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

fn devour() {
    let mut eaten = vec![];
    loop {
        eaten.push(black_box(vec![1_u8; 1 << 20]));
    }
}

fn fall(depth: u64) -> u64 {
    let here = black_box([depth; 64]);
    if here[0] == 0 { 0 } else { fall(here[1] + 1) + here[2] }
}

#[expect(clippy::exit, reason = "this is what it is for")]
fn leave() {
    std::process::exit(3)
}

/// More than anybody wants to read, by all three ways.
fn shout() {
    for number in 0..1_000 {
        agentd_sdk::log::info(format!("line {number} {}", "x".repeat(20_000)), &[]);
    }
    let line = "y".repeat(100_000);
    let mut streams: [Box<dyn Write>; 2] = [Box::new(std::io::stdout()), Box::new(std::io::stderr())];
    for stream in &mut streams {
        for _ in 0..20 {
            writeln!(stream, "{line}").expect("output never fails");
        }
    }
}
