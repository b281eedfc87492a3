//! Agents that say too much: a line of 10 MB, a gigabyte of output.

use super::{a_good_task_gets_through, home_of, says};
use crate::support::{Daemon, Judge, wait_for};
use std::{fs, time::Instant};

const MIB: u64 = 1 << 20;
/// What the daemon may use, whatever an agent prints: in KiB, as the kernel says it.
const DAEMON_KIB: u64 = 300 << 10;

/// The most memory that the daemon ever used.
fn peak_kib(daemon: &Daemon<'_>) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_line_of_ten_megabytes_is_cut_where_people_see_it_and_kept_in_the_transcript() {
    let agent = "cat > /dev/null; head -c 10000000 /dev/zero | tr '\\0' x; echo; echo hello > greeting.txt; echo done";
    let home = home_of("local", agent);
    let daemon = Daemon::start(&home);
    home.task("a.md", "# Mend the greeting\n");
    daemon.wait_for_state("t-1", &["in-review"]);
    let said: Vec<String> = Judge::new(&home)
        .events_of(1)
        .into_iter()
        .filter(|it| it.kind == "agent.message")
        .map(|it| it.details["text"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(said.len(), 2);
    assert!(said[0].starts_with("xxxxx") && (said[0].len() as u64) < MIB, "{} bytes", said[0].len());
    assert_eq!(said[1], "done");
    let transcript = home.home().join("transcripts/t-1.1.spool");
    let size = wait_for("the transcript is kept", || fs::metadata(&transcript).ok()).len();
    assert!(size > 10_000_000, "{size} bytes");
    a_good_task_gets_through(&home, &daemon);
    assert!(peak_kib(&daemon) < DAEMON_KIB, "{} KiB", peak_kib(&daemon));
}

#[test]
fn a_gigabyte_of_output_ends_at_the_limit_and_soon() {
    let home = home_of("local", "cat > /dev/null; yes | head -c 1200000000; echo done").sandbox("output = \"64 MiB\"");
    let daemon = Daemon::start(&home);
    home.task("a.md", "# Mend the greeting\n");
    let began = Instant::now();
    let (reason, text) = daemon.wait_for_failure("t-1");
    assert_eq!(reason, "output-limit");
    says(&text, &["more than 64 MiB of output", "`sandbox.output`"]);
    assert!(began.elapsed().as_secs() < 60, "{:?}", began.elapsed());
    let events = Judge::new(&home).events_of(1);
    assert!(events.iter().any(|it| it.details["code"] == "log-full"), "the log says that it is not all");
    a_good_task_gets_through(&home, &daemon);
    assert!(peak_kib(&daemon) < DAEMON_KIB, "{} KiB", peak_kib(&daemon));
}

#[test]
fn a_gigabyte_of_output_within_the_limit_costs_the_daemon_no_memory() {
    let agent = "cat > /dev/null; line=$(head -c 60000 /dev/zero | tr '\\0' x); yes $line | head -c 1100000000; \
                 echo; echo hello > greeting.txt; echo done";
    let home = home_of("local", agent).sandbox("output = \"2 GiB\"");
    let daemon = Daemon::start(&home);
    home.task("a.md", "# Mend the greeting\n");
    daemon.wait_for_state("t-1", &["in-review"]);
    assert!(peak_kib(&daemon) < DAEMON_KIB, "{} KiB", peak_kib(&daemon));
    let database = fs::metadata(home.home().join("agentd.db")).unwrap().len();
    assert!(database < 200 * MIB, "{database} bytes");
    a_good_task_gets_through(&home, &daemon);
}
