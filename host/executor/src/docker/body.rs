//! A sandbox as the engine is told of it: values to values, and the one place where the walls are built.

use crate::{INIT, LABEL_INSTANCE, Limits, Network, Sandbox, Service, input, launch};
use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigLogConfig, Mount, MountBindOptions,
    MountBindOptionsPropagationEnum as Propagation, MountType, ResourcesUlimits,
};
use std::{collections::HashMap, path::Path};

pub(super) const LAUNCH: &str = "/agentd/launch.json";
pub(super) const SPOOL: &str = "/agentd/spool";
pub(super) const INPUT: &str = "/agentd/input";
pub(super) const GATEWAY: &str = "/agentd/gateway";

/// Init's own threads: itself, signals, input, two outputs, the bridge.
const INIT_PIDS: u32 = 6;
/// Enough for a database; it counts as memory once it is used.
const SERVICE_SHM: i64 = 256 << 20;
/// What programs need that begin as root, prepare their folders and become another user.
const SERVICE_CAPS: [&str; 7] = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID", "KILL", "NET_BIND_SERVICE"];

pub(super) fn of(sandbox: &Sandbox, instance: &str) -> ContainerCreateBody {
    ContainerCreateBody {
        // With another's network comes its name.
        hostname: (sandbox.network == Network::Own).then(|| "sandbox".into()),
        // Root only in name: it may change user, drop capabilities and end processes, and nothing else.
        user: Some("0:0".into()),
        image: Some(sandbox.image.clone()),
        entrypoint: Some(vec![INIT.into(), LAUNCH.into()]),
        cmd: Some(Vec::new()),
        working_dir: Some("/".into()),
        labels: Some(labels(&sandbox.labels, instance)),
        stop_signal: Some("SIGTERM".into()),
        healthcheck: Some(unwatched()),
        host_config: Some(host_config(sandbox)),
        ..ContainerCreateBody::default()
    }
}

/// A service as its image made it, in the same walls but for a root it may write to and a few rights.
pub(super) fn of_service(service: &Service, instance: &str) -> ContainerCreateBody {
    let host_config = HostConfig {
        network_mode: Some(format!("container:{}", service.network_of)),
        cap_add: words(&SERVICE_CAPS),
        shm_size: Some(SERVICE_SHM),
        // A little of what it says is kept, to be told when it fails.
        log_config: Some(HostConfigLogConfig {
            typ: Some("json-file".into()),
            config: Some([("max-size", "1m"), ("max-file", "1")].map(|(k, v)| (k.to_owned(), v.to_owned())).into()),
        }),
        ..walls(&service.limits, 0)
    };
    ContainerCreateBody {
        image: Some(service.image.clone()),
        env: Some(service.env.iter().map(|(name, value)| format!("{name}={value}")).collect()),
        cmd: (!service.command.is_empty()).then(|| service.command.clone()),
        labels: Some(labels(&service.labels, instance)),
        healthcheck: Some(unwatched()),
        host_config: Some(host_config),
        ..ContainerCreateBody::default()
    }
}

fn labels(given: &[(String, String)], instance: &str) -> HashMap<String, String> {
    let mut labels: HashMap<_, _> = given.iter().cloned().collect();
    labels.insert(LABEL_INSTANCE.into(), instance.into());
    labels
}

/// The engine runs no checks of the image's own.
fn unwatched() -> HealthConfig {
    HealthConfig { test: Some(vec!["NONE".into()]), ..HealthConfig::default() }
}

fn host_config(sandbox: &Sandbox) -> HostConfig {
    let network = match &sandbox.network {
        Network::Own => "none".into(),
        Network::Of(holder) => format!("container:{holder}"),
    };
    HostConfig {
        network_mode: Some(network),
        readonly_rootfs: Some(true),
        cap_add: words(&["SETUID", "SETGID", "SETPCAP", "KILL"]),
        tmpfs: Some(HashMap::from([
            ("/tmp".into(), format!("rw,exec,nosuid,nodev,mode=1777,size={}", sandbox.limits.tmp)),
            ("/run".into(), "rw,noexec,nosuid,nodev,mode=755,size=16777216".into()),
        ])),
        mounts: Some(mounts(sandbox)),
        log_config: Some(HostConfigLogConfig { typ: Some("none".into()), config: None }),
        ..walls(&sandbox.limits, INIT_PIDS)
    }
}

/// What holds for every container, whatever runs in it.
fn walls(limits: &Limits, more_pids: u32) -> HostConfig {
    let memory = i64::try_from(limits.memory).unwrap_or(i64::MAX);
    HostConfig {
        privileged: Some(false),
        cap_drop: words(&["ALL"]),
        // Nothing about seccomp here: naming a profile could only replace the engine's default one.
        security_opt: words(&["no-new-privileges:true"]),
        ipc_mode: Some("private".into()),
        init: Some(false),
        auto_remove: Some(false),
        memory: Some(memory),
        memory_swap: Some(memory),
        nano_cpus: Some(nano_cpus(limits.cpus)),
        pids_limit: Some(i64::from(limits.pids) + i64::from(more_pids)),
        // Init limits open files: asking the engine for more than it has itself would keep it from starting.
        ulimits: Some(vec![ulimit("core", 0)]),
        ..HostConfig::default()
    }
}

fn words(list: &[&str]) -> Option<Vec<String>> {
    Some(list.iter().map(|&it| it.to_owned()).collect())
}

fn mounts(sandbox: &Sandbox) -> Vec<Mount> {
    let mut mounts = vec![
        bind(&sandbox.init, INIT, false),
        bind(&launch::path(&sandbox.control), LAUNCH, false),
        bind(&sandbox.control.join("spool"), SPOOL, true),
    ];
    if sandbox.command.keep_stdin {
        mounts.push(bind(&input::folder(&sandbox.control), INPUT, false));
    }
    mounts.extend(sandbox.gateway.iter().map(|gateway| bind(&gateway.folder, GATEWAY, false)));
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
    use crate::{Command, Gateway, Mount};

    fn sandbox() -> Sandbox {
        let argv = vec!["true".into()];
        Sandbox {
            name: "agentd-x-t-1-1".into(),
            labels: vec![(LABEL_INSTANCE.into(), "somebody else".into()), ("agentd.task".into(), "t-1".into())],
            image: "base".into(),
            init: "/host/init".into(),
            control: "/host/control".into(),
            mounts: vec![Mount { host: "/host/work".into(), inside: "/workspace".into(), writable: true }],
            gateway: None,
            network: Network::Own,
            command: Command {
                argv,
                env: vec![],
                path: vec![],
                cwd: "/".into(),
                stdin: None,
                keep_stdin: false,
                files: vec![],
                home: "/".into(),
            },
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
        assert_eq!((host.nano_cpus, host.pids_limit), (Some(1_500_000_000), Some(106)));
        assert_eq!(host.binds, None);
    }

    #[test]
    fn only_the_spool_and_what_was_asked_for_is_writable() {
        let host = of(&sandbox(), "x").host_config.unwrap();
        let writable = host.mounts.unwrap().into_iter().filter(|it| it.read_only == Some(false));
        let writable: Vec<_> = writable.map(|it| it.target.unwrap()).collect();
        assert_eq!(writable, ["/agentd/spool", "/workspace"]);
    }

    #[test]
    fn the_way_out_is_one_folder_that_cannot_be_written() {
        let gateway = Gateway { folder: "/host/gateway".into(), socket: "s".into(), port: 4000 };
        let body = of(&Sandbox { gateway: Some(gateway), ..sandbox() }, "x");
        let host = body.host_config.unwrap();
        let mounts = host.mounts.unwrap();
        let mount = mounts.iter().find(|it| it.target.as_deref() == Some("/agentd/gateway")).unwrap();
        assert_eq!((mount.source.as_deref(), mount.read_only), (Some("/host/gateway"), Some(true)));
        assert_eq!(host.network_mode.as_deref(), Some("none"), "a way out, and still no network");
        let body = of(&Sandbox { network: Network::Of("holder".into()), ..sandbox() }, "x");
        assert_eq!(body.hostname, None, "the engine refuses both");
        assert_eq!(body.host_config.unwrap().network_mode.as_deref(), Some("container:holder"));
    }

    #[test]
    fn a_service_has_walls_too() {
        let service = Service {
            name: "agentd-x-t-1-1-db".into(),
            labels: vec![(LABEL_INSTANCE.into(), "somebody else".into())],
            image: "db:1".into(),
            env: vec![("A".into(), "b=c".into())],
            command: vec![],
            network_of: "holder".into(),
            ready: None,
            limits: Limits { memory: 1 << 30, cpus: 1.5, pids: 100, spool: 1, tmp: 4096 },
        };
        let body = of_service(&service, "x");
        assert_eq!((&body.entrypoint, &body.cmd, &body.user), (&None, &None, &None), "the image's own");
        assert_eq!((body.env, &body.labels.unwrap()[LABEL_INSTANCE]), (words(&["A=b=c"]), &"x".to_owned()));
        let host = body.host_config.unwrap();
        assert_eq!(host.network_mode.as_deref(), Some("container:holder"));
        assert_eq!((host.cap_drop, host.privileged), (words(&["ALL"]), Some(false)));
        assert!(!host.cap_add.unwrap().iter().any(|it| it.contains("SYS") || it.contains("RAW")));
        assert_eq!(host.security_opt, words(&["no-new-privileges:true"]));
        assert_eq!((host.memory, host.pids_limit, host.mounts), (Some(1 << 30), Some(100), None));
    }

    #[test]
    fn a_label_cannot_give_it_to_another_instance() {
        let labels = of(&sandbox(), "x").labels.unwrap();
        assert_eq!(labels[LABEL_INSTANCE], "x");
        assert_eq!(labels["agentd.task"], "t-1");
    }
}
