//! The images that `cargo xtask test` made, and how a repository is told to use them.

use std::env;

/// Debian with git, a C compiler, Rust and PostgreSQL's programs.
pub(crate) fn dev_image() -> String {
    named("AGENTD_TEST_DEV_IMAGE")
}

/// A server that is used as the well-known image of PostgreSQL is: `POSTGRES_PASSWORD`, `POSTGRES_DB`, port 5432.
pub(crate) fn postgres_image() -> String {
    named("AGENTD_TEST_POSTGRES_IMAGE")
}

#[track_caller]
fn named(variable: &str) -> String {
    match env::var(variable) {
        Ok(image) => image,
        Err(_) => panic!("{variable} names no image: run the tests with `cargo xtask test`"),
    }
}

#[cfg(test)]
mod tests {
    use crate::support::{dev_image, home::Said, postgres_image, wait_for};
    use std::process::Command;

    fn docker(args: &[&str]) -> Said {
        Said::of(Command::new("docker").args(args).output().unwrap())
    }

    struct Container(String);

    impl Drop for Container {
        fn drop(&mut self) {
            docker(&["rm", "--force", "--volumes", &self.0]);
        }
    }

    #[test]
    fn a_stranger_can_develop_in_the_one() {
        let image = dev_image();
        let run = ["run", "--rm", "--network=none", "--read-only", "--user=4242:4242", "--tmpfs=/tmp:exec", &image];
        let script =
            "export HOME=/tmp && cargo init -q --vcs none /tmp/x && cd /tmp/x && cargo run -q && git --version";
        let said = docker(&[&run[..], &["sh", "-c", script]].concat());
        assert!(said.stdout.starts_with("Hello, world!\ngit version"), "{said:?}");
    }

    #[test]
    fn the_other_is_a_database_after_its_first_start() {
        let image = postgres_image();
        let started = docker(&[
            "run",
            "--detach",
            "--network=none",
            "--env=POSTGRES_PASSWORD=pw",
            "--env=POSTGRES_DB=app",
            &image,
        ]);
        let server = Container(started.stdout.trim().to_owned());
        let network = format!("--network=container:{}", server.0);
        let dev = dev_image();
        let ask = |password: &str| {
            let address = format!("postgres://postgres:{password}@127.0.0.1/app");
            docker(&["run", "--rm", &network, &dev, "psql", &address, "-Atc", "select 6 * 7"])
        };
        let said = wait_for("the database answers", || Some(ask("pw")).filter(|it| it.code == Some(0)));
        assert_eq!(said.stdout, "42\n");
        assert!(ask("other").stderr.contains("password authentication failed"));
    }
}
