//! SIGKILL before and after each single write to GitHub: the next daemon goes on as if nothing had been.
//!
//! Which writes there are, the way of an undisturbed task tells. For each of them two daemons are killed: one whose
//! request GitHub has not carried out, and one whose request it has, but whose answer never came.

use super::way::{self, Station, Way};
use crate::support::{Daemon, Home, Hub, Judge};
use agentd_fake_github::When;
use std::{fmt, time::Duration};

/// So many homes at the same time: what takes the time are the pauses between two writes of one account.
const AT_ONCE: usize = 6;
const PATIENCE: Duration = Duration::from_secs(120);

struct Strike {
    at: Station,
    when: When,
}

impl fmt::Display for Strike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "killed {:?} {}", self.when, self.at)
    }
}

fn strikes(stations: &[Station]) -> Vec<Strike> {
    let both = |at: &Station| [When::Before, When::After].map(|when| Strike { at: at.clone(), when });
    stations.iter().flat_map(both).collect()
}

/// Kills the daemon at the write, and lets the request go its way: nobody waits for the answer.
#[track_caller]
fn kill_at(hub: &Hub, home: &Home, strike: &Strike) {
    let held = hub.hold(strike.at.requests(), strike.at.nth, strike.when);
    let daemon = Daemon::start(home);
    assert!(held.wait(PATIENCE), "the write never came: {}", home.log());
    daemon.kill();
    held.release();
}

#[test]
fn killed_at_each_write_on_the_way_to_a_pull_request() {
    way::each(strikes(&Way::get().there), AT_ONCE, |strike| {
        let hub = Hub::start();
        let home = Home::on(&hub).repository(way::SETTINGS);
        let number = way::ask_in(&hub.api);
        kill_at(&hub, &home, strike);
        let daemon = Daemon::start(&home);
        way::in_review(&hub, &home, &daemon, &hub.api, number, 1);
        way::ran_once(&home, 1);
        way::made_once(&hub, &hub.api);
        assert_eq!(daemon.stop(&[]), Some(0));
        way::merge(&hub.api);
        let daemon = Daemon::start(&home);
        way::ended(&hub, &home, &daemon, &hub.api, number, 1);
        hub.all_is_well(&home, &[1]);
        assert_eq!(daemon.stop(&[]), Some(0));
    });
}

#[test]
fn killed_at_each_write_after_a_merge() {
    way::each(strikes(&Way::get().back), AT_ONCE, |strike| {
        let hub = Hub::start();
        let home = Home::on(&hub).repository(way::SETTINGS);
        let number = way::ask_in(&hub.api);
        let daemon = Daemon::start(&home);
        way::in_review(&hub, &home, &daemon, &hub.api, number, 1);
        assert_eq!(daemon.stop(&[]), Some(0));
        way::merge(&hub.api);
        kill_at(&hub, &home, strike);
        let daemon = Daemon::start(&home);
        way::ended(&hub, &home, &daemon, &hub.api, number, 1);
        way::ran_once(&home, 1);
        way::made_once(&hub, &hub.api);
        hub.all_is_well(&home, &[1]);
        assert_eq!(daemon.stop(&[]), Some(0));
        assert!(Judge::new(&home).containers().is_empty());
    });
}
