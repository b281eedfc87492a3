//! The same policy, a score from labels and priority, in other ways: a process for each call, a process that lives and
//! is spoken to in lines of JSON, and extism with an instance for each call.
//!
//! Python, node and the program that `AGENTD_BENCH_EXTISM` names (with its module in `AGENTD_BENCH_EXTISM_GUEST`; both
//! built by `cargo xtask bench`) are measured in turns with agentd. One that is not there is said to be not there.

use super::{batch, median};
use agentd_plugin::Entry;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

const ROUNDS: usize = 40;
/// Calls of agentd, of a living child and of extism in each round.
const CALLS: usize = 50;

const INPUT: &str = r#"{"labels":{"bug":30},"candidates":[{"id":"t-1","labels":["bug"],"priority":2}]}"#;

const PYTHON: &str = "
import json, sys
for line in sys.stdin:
    batch = json.loads(line)
    points = batch['labels']
    print(json.dumps([{'task': it['id'], 'value': sum(points.get(l, 0) for l in it['labels']) + {1: 75, 2: 50, 3: 25}.get(it['priority'], 0),
        'reason': ', '.join(it['labels'])} for it in batch['candidates']]), flush=True)
";

const NODE: &str = "
require('readline').createInterface({ input: process.stdin }).on('line', line => {
    const batch = JSON.parse(line);
    const score = it => ({ task: it.id, value: it.labels.reduce((sum, l) => sum + (batch.labels[l] ?? 0), 0) + ({1: 75, 2: 50, 3: 25}[it.priority] ?? 0),
        reason: it.labels.join(', ') });
    console.log(JSON.stringify(batch.candidates.map(score)));
});
";

/// A peer that lives through all rounds.
struct Living {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

pub(crate) async fn report(entry: &Entry) {
    let mut python = Living::start(Command::new("python3").args(["-c", PYTHON]));
    let mut node = Living::start(Command::new("node").args(["-e", NODE]));
    let mut extism = extism();
    let (mut ours, mut times) = (Vec::new(), [const { Vec::new() }; 5]);
    for _ in 0..ROUNDS {
        for _ in 0..CALLS {
            let start = Instant::now();
            entry.rank(batch()).await.expect("it ranks");
            ours.push(start.elapsed());
        }
        times[0].extend(once(Command::new("python3").args(["-c", PYTHON])));
        times[1].extend(once(Command::new("node").args(["-e", NODE])));
        for (at, peer) in [(2, &mut python), (3, &mut node)] {
            for _ in 0..CALLS {
                times[at].extend(peer.as_mut().map(Living::time));
            }
        }
        times[4].extend(
            extism
                .as_mut()
                .map(|it| Duration::from_nanos(it.ask(&CALLS.to_string()).trim().parse().expect("nanoseconds"))),
        );
    }
    let ours = median(&mut ours);
    println!("the same policy, p50 {ours:?} in agentd:");
    let names = [
        ("a python process for each call", "100x"),
        ("a node process for each call", "500x"),
        ("a python process that lives, in lines of JSON", "none"),
        ("a node process that lives, in lines of JSON", "none"),
        ("extism, an instance for each call", "2x"),
    ];
    for ((name, target), times) in names.into_iter().zip(&mut times) {
        if times.is_empty() {
            println!("  {name}: not there, not measured");
            continue;
        }
        let theirs = median(times);
        let ratio = theirs.as_secs_f64() / ours.as_secs_f64();
        println!("  {name}: {theirs:?}, {ratio:.1} times as long (target {target})");
    }
}

/// From the start of a process to its answer and end.
fn once(command: &mut Command) -> Option<Duration> {
    let start = Instant::now();
    let mut living = Living::start(command)?;
    let answer = living.ask(INPUT);
    drop(living.input);
    assert!(living.child.wait().expect("it ends").success() && answer.contains("t-1"), "{answer}");
    Some(start.elapsed())
}

fn extism() -> Option<Living> {
    let (program, guest) = (std::env::var_os("AGENTD_BENCH_EXTISM")?, std::env::var_os("AGENTD_BENCH_EXTISM_GUEST")?);
    Living::start(Command::new(program).arg(guest))
}

impl Living {
    fn start(command: &mut Command) -> Option<Living> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
        let (input, output) = (child.stdin.take()?, BufReader::new(child.stdout.take()?));
        Some(Living { child, input, output })
    }

    fn ask(&mut self, line: &str) -> String {
        writeln!(self.input, "{line}").expect("it listens");
        let mut answer = String::new();
        self.output.read_line(&mut answer).expect("it answers");
        answer
    }

    fn time(&mut self) -> Duration {
        let start = Instant::now();
        let answer = self.ask(INPUT);
        assert!(answer.contains("t-1"), "{answer}");
        start.elapsed()
    }
}
