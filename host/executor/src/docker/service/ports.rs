//! Which TCP ports an image exposes, and which listen in the network of a container.

use bollard::models::ContainerInspectResponse;
use std::collections::BTreeSet;

/// As `/proc/net/tcp` has it.
const LISTENS: &str = "0A";

pub(super) fn exposed(found: &ContainerInspectResponse) -> BTreeSet<u16> {
    let ports = found.config.as_ref().and_then(|config| config.exposed_ports.as_ref());
    ports.into_iter().flatten().filter_map(|port| tcp(port)).collect()
}

/// `5432/tcp`, or `5432` alone.
fn tcp(port: &str) -> Option<u16> {
    match port.split_once('/') {
        Some((port, "tcp")) => port.parse().ok(),
        Some(_) => None,
        None => port.parse().ok(),
    }
}

/// Asked of the kernel, in the container's first process. None if that has just ended.
pub(super) fn listening(found: &ContainerInspectResponse) -> BTreeSet<u16> {
    let Some(pid) = found.state.as_ref().and_then(|state| state.pid).filter(|pid| *pid > 0) else {
        return BTreeSet::new();
    };
    let read = |file| std::fs::read_to_string(format!("/proc/{pid}/net/{file}")).unwrap_or_default();
    ["tcp", "tcp6"].iter().flat_map(|file| read(file).lines().filter_map(listener).collect::<Vec<_>>()).collect()
}

/// The port of one line, if somebody listens there.
fn listener(line: &str) -> Option<u16> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let (address, _, state) = (fields.next()?, fields.next()?, fields.next()?);
    let port = address.rsplit_once(':')?.1;
    u16::from_str_radix(port, 16).ok().filter(|_| state == LISTENS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_are_read_as_the_kernel_writes_them() {
        let head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
        assert_eq!(listener(head), None);
        let rest = "00000000:00000000 00:00000000 00000000     0        0 1 1 0000000000000000 100 0 0 10 0";
        assert_eq!(listener(&format!("   0: 0100007F:1538 00000000:0000 0A {rest}")), Some(5432));
        assert_eq!(listener(&format!("   1: 0100007F:1538 0100007F:C350 01 {rest}")), None, "a connection");
        let six = "00000000000000000000000001000000";
        assert_eq!(listener(&format!("   0: {six}:18EB {}:0000 0A {rest}", "0".repeat(32))), Some(6379));
    }

    #[test]
    fn only_tcp_is_waited_for() {
        assert_eq!([tcp("5432/tcp"), tcp("53"), tcp("53/udp"), tcp("x/tcp")], [Some(5432), Some(53), None, None]);
    }
}
