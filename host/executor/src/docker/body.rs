//! A sandbox as the engine is told of it: values to values, and the one place where the walls are built.

use crate::{LABEL_INSTANCE, Sandbox, launch};
use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigLogConfig, Mount, MountBindOptions,
    MountBindOptionsPropagationEnum as Propagation, MountType, ResourcesUlimits,
};
use std::{collections::HashMap, path::Path};

pub(super) const INIT: &str = "/agentd/init";
pub(super) const LAUNCH: &str = "/agentd/launch.json";
pub(super) const SPOOL: &str = "/agentd/spool";

pub(super) fn of(sandbox: &Sandbox, instance: &str) -> ContainerCreateBody {
    let mut labels: HashMap<_, _> = sandbox.labels.iter().cloned().collect();
    labels.insert(LABEL_INSTANCE.into(), instance.into());
    ContainerCreateBody {
        hostname: Some("sandbox".into()),
        // Root only in name: it may change user, drop capabilities and end processes, and nothing else.
        user: Some("0:0".into()),
        image: Some(sandbox.image.clone()),
        entrypoint: Some(vec![INIT.into(), LAUNCH.into()]),
        cmd: Some(Vec::new()),
        working_dir: Some("/".into()),
        labels: Some(labels),
        stop_signal: Some("SIGTERM".into()),
        healthcheck: Some(HealthConfig { test: Some(vec!["NONE".into()]), ..HealthConfig::default() }),
        host_config: Some(host_config(sandbox)),
        ..ContainerCreateBody::default()
    }
}

fn host_config(sandbox: &Sandbox) -> HostConfig {
    let limits = &sandbox.limits;
    let memory = i64::try_from(limits.memory).unwrap_or(i64::MAX);
    let words = |list: &[&str]| Some(list.iter().map(|&it| it.to_owned()).collect());
    HostConfig {
        network_mode: Some("none".into()),
        readonly_rootfs: Some(true),
        privileged: Some(false),
        cap_drop: words(&["ALL"]),
        cap_add: words(&["SETUID", "SETGID", "SETPCAP", "KILL"]),
        // Nothing about seccomp here: naming a profile could only replace the engine's default one.
        security_opt: words(&["no-new-privileges:true"]),
        ipc_mode: Some("private".into()),
        init: Some(false),
        auto_remove: Some(false),
        memory: Some(memory),
        memory_swap: Some(memory),
        nano_cpus: Some(nano_cpus(limits.cpus)),
        pids_limit: Some(i64::from(limits.pids)),
        // Init limits open files: asking the engine for more than it has itself would keep it from starting.
        ulimits: Some(vec![ulimit("core", 0)]),
        tmpfs: Some(HashMap::from([
            ("/tmp".into(), format!("rw,exec,nosuid,nodev,mode=1777,size={}", limits.tmp)),
            ("/run".into(), "rw,noexec,nosuid,nodev,mode=755,size=16777216".into()),
        ])),
        mounts: Some(mounts(sandbox)),
        log_config: Some(HostConfigLogConfig { typ: Some("none".into()), config: None }),
        ..HostConfig::default()
    }
}

fn mounts(sandbox: &Sandbox) -> Vec<Mount> {
    let mut mounts = vec![
        bind(&sandbox.init, INIT, false),
        bind(&launch::path(&sandbox.control), LAUNCH, false),
        bind(&sandbox.control.join("spool"), SPOOL, true),
    ];
    mounts.extend(sandbox.mounts.iter().map(|mount| bind(&mount.host, &mount.inside, mount.writable)));
    mounts
}

fn bind(host: &Path, inside: &str, writable: bool) -> Mount {
    let private = MountBindOptions { propagation: Some(Propagation::RPRIVATE), ..MountBindOptions::default() };
    Mount {
        typ: Some(MountType::BIND),
        source: Some(host.to_string_lossy().into_owned()),
        target: Some(inside.into()),
        read_only: Some(!writable),
        bind_options: Some(private),
        ..Mount::default()
    }
}

/// Billionths of a processor; the engine takes no fewer than a hundredth.
fn nano_cpus(cpus: f64) -> i64 {
    // A float beyond the integer's range becomes its end, which is what is meant.
    (cpus.max(0.01) * 1e9) as i64
}

fn ulimit(name: &str, value: i64) -> ResourcesUlimits {
    ResourcesUlimits { name: Some(name.into()), soft: Some(value), hard: Some(value) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Command, Limits, Mount};

    fn sandbox() -> Sandbox {
        let argv = vec!["true".into()];
        Sandbox {
            name: "agentd-x-t-1-1".into(),
            labels: vec![(LABEL_INSTANCE.into(), "somebody else".into()), ("agentd.task".into(), "t-1".into())],
            image: "base".into(),
            init: "/host/init".into(),
            control: "/host/control".into(),
            mounts: vec![Mount { host: "/host/work".into(), inside: "/work".into(), writable: true }],
            command: Command { argv, env: vec![], cwd: "/".into(), stdin: None, files: vec![], home: "/".into() },
            limits: Limits { memory: 1 << 30, cpus: 1.5, pids: 100, spool: 1, tmp: 4096 },
        }
    }

    #[test]
    fn the_walls_stand() {
        let body = of(&sandbox(), "x");
        let host = body.host_config.unwrap();
        assert_eq!(host.network_mode.as_deref(), Some("none"));
        assert_eq!((host.readonly_rootfs, host.privileged), (Some(true), Some(false)));
        assert_eq!(host.cap_drop, Some(vec!["ALL".to_owned()]));
        assert_eq!(host.security_opt, Some(vec!["no-new-privileges:true".to_owned()]));
        assert_eq!((host.memory, host.memory_swap), (Some(1 << 30), Some(1 << 30)));
        assert_eq!((host.nano_cpus, host.pids_limit), (Some(1_500_000_000), Some(100)));
        assert_eq!(host.binds, None);
    }

    #[test]
    fn only_the_spool_and_what_was_asked_for_is_writable() {
        let host = of(&sandbox(), "x").host_config.unwrap();
        let writable = host.mounts.unwrap().into_iter().filter(|it| it.read_only == Some(false));
        let writable: Vec<_> = writable.map(|it| it.target.unwrap()).collect();
        assert_eq!(writable, ["/agentd/spool", "/work"]);
    }

    #[test]
    fn a_label_cannot_give_it_to_another_instance() {
        let labels = of(&sandbox(), "x").labels.unwrap();
        assert_eq!(labels[LABEL_INSTANCE], "x");
        assert_eq!(labels["agentd.task"], "t-1");
    }
}
