//! The plugins, and the init of the sandbox: whether they are there, load, and take what the configuration says.

use super::Check;
use crate::{cli::rehearsal::Rehearsal, config::Config};

pub(super) async fn check(rehearsal: &Rehearsal, config: &Config) -> Vec<Check> {
    let listed = rehearsal.plugins.list();
    let mut checks = Vec::new();
    for plugin in &listed {
        if let Some(problem) = &plugin.problem {
            let hint = "mend or remove the file; the other plugins serve";
            checks.push(Check::warn(format!("plugin {}", plugin.name), problem, hint));
        }
    }
    for (section, problem) in rehearsal.problems(config).await {
        let hint = "agentd plugin inspect NAME shows the settings of a plugin";
        checks.push(Check::fail(format!("[{section}]"), problem, hint));
    }
    let sound = listed.iter().filter(|it| it.problem.is_none()).count();
    checks.insert(0, Check::ok("plugins", format!("{sound} loaded, and agentd-init is there")));
    checks
}
