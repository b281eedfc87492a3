//! The image that agent and gates work in, from what the repository's base commit says.

use super::{commit, home, task};
use crate::support::{Daemon, Home, Judge, Model, Provider, Turn, dev_image};
use std::process::Command;

fn turns(script: &str) -> Vec<Turn> {
    vec![Turn::bash(&format!("{script}; echo hello > greeting.txt")), Turn::text("I mended the greeting.")]
}

fn base_image() -> String {
    std::env::var("AGENTD_TEST_IMAGE").expect("`cargo xtask test` names the base image")
}

/// One task all the way; the image that it was done in, which goes if agentd has built it.
struct Done {
    image: String,
}

impl Done {
    #[track_caller]
    fn with(home: &Home) -> Done {
        task(home, Provider::Anthropic, "# Mend the greeting");
        let daemon = Daemon::start(home);
        daemon.wait_for_state("t-1", &["in-review"]);
        let judge = Judge::new(home);
        let prepared = judge.events_of(1).into_iter().find(|it| it.kind == "run.prepared").unwrap();
        judge.all_is_well(&[1]);
        assert_eq!(daemon.stop(&[]), Some(0));
        Done { image: prepared.details["image"].as_str().unwrap().into() }
    }
}

impl Drop for Done {
    fn drop(&mut self) {
        if self.image.starts_with("agentd-image:") {
            Command::new("docker").args(["rmi", "--force", &self.image]).output().ok();
        }
    }
}

/// Asks the gateway, which init has on this port, and prints the status.
const ASK: &str = r#"exec 3<> /dev/tcp/127.0.0.1/8417
printf 'GET /%s HTTP/1.0\r\nhost: 127.0.0.1\r\n\r\n' "$1" >&3
head -n 1 <&3
"#;

#[test]
fn a_dockerfile_s_steps_see_the_gateway_and_nothing_else() {
    let dockerfile = format!(
        "FROM {}\n\
         COPY ask.sh /\n\
         RUN ls /sys/class/net > /seen.txt\n\
         RUN bash /ask.sh crates/config.json | grep ' 200 '\n\
         RUN bash /ask.sh npm/left-pad | grep ' 403 '\n\
         RUN bash /ask.sh model/main/v1/models | grep ' 40[0-9] '\n\
         RUN if git ls-remote https://static.crates.io/x; then exit 1; fi\n",
        dev_image()
    );
    let model = Model::start(turns("true"));
    let gate = "['grep -qx lo /seen.txt && test $(wc -l < /seen.txt) = 1', 'sh check.sh']";
    let home =
        home(&model, Provider::Anthropic).gates(gate).repository("image = \"dockerfile\"\negress = [\"crates\"]");
    commit(&home, &[("Dockerfile", &dockerfile), ("ask.sh", ASK)]);
    let done = Done::with(&home);
    assert!(done.image.starts_with("agentd-image:"), "{}", done.image);
}

#[test]
fn an_agent_does_not_change_the_image_of_its_gates() {
    let dockerfile =
        format!("FROM {} AS tools\nRUN echo ours > /stage.txt\nFROM tools AS never\nRUN false\n", base_image());
    let change = "grep -qx ours /stage.txt && printf 'FROM scratch AS tools\\n' > Dockerfile";
    let model = Model::start(turns(change));
    let home = home(&model, Provider::Anthropic)
        .gates("['grep -qx ours /stage.txt', 'sh check.sh']")
        .repository("image = \"dockerfile:tools\"");
    commit(&home, &[("Dockerfile", &dockerfile)]);
    let _done = Done::with(&home);
    assert_eq!(home.git(&["show", "agentd/t-1:Dockerfile"]), "FROM scratch AS tools");
}

#[test]
fn a_devcontainer_names_the_image() {
    let model = Model::start(turns("true"));
    let home = home(&model, Provider::Anthropic).repository("image = \"devcontainer\"");
    let text = format!("// Where we develop.\n{{ \"name\": \"ours\", \"image\": \"{}\", }}\n", dev_image());
    commit(&home, &[(".devcontainer/devcontainer.json", &text)]);
    let done = Done::with(&home);
    assert_eq!(done.image, dev_image());
}
