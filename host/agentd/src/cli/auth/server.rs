//! A GitHub server in a network of the operator's own: which addresses the configuration has to name before agentd
//! calls it.
//!
//! - Only a server that a person named with `--url` is looked up, and only its own addresses are named, one by one.
//! - Never names an address where clouds hand out a machine's credentials, nor one where no server can be.
//! - Asks the way out itself what it refuses, so that there is one place that knows.

use crate::{cli::print::say, config::Config};
use agentd_egress::{Credentials, Egress, Error, Options};
use std::{net::IpAddr, time::Duration};
use tokio::time::timeout;
use url::{Host, Url};

/// For the name's resolution, and for each address that may be called.
const LIMIT: Duration = Duration::from_secs(5);
/// What the way out calls addresses at which a company's own server may be.
const SERVERS: [&str; 4] = ["loopback", "private", "carrier-private", "reserved"];

/// The networks that `[network] private` lacks before the server at `url` can be called, said to the person. Empty
/// where it can be called, or where that cannot be told: then the call itself says why.
///
/// `text`: the file that they would be written into. Where a fragment beside it has such a line, it is left alone.
pub(crate) async fn lacking(config: &Config, text: &str, url: &str) -> Vec<String> {
    let Ok(url) = Url::parse(url) else { return Vec::new() };
    if !config.network.private.is_empty() && !says_private(text) {
        return Vec::new();
    }
    let networks = refused(config, &addresses(config, &url).await, url.port_or_known_default().unwrap_or(443)).await;
    if !networks.is_empty() {
        let host = url.host_str().unwrap_or_default();
        let list = networks.iter().map(|it| format!("{it:?}")).collect::<Vec<_>>().join(", ");
        say(&format!("{host} is in a network that is not public: the configuration gets [network] private = [{list}]"));
    }
    networks
}

fn says_private(text: &str) -> bool {
    let table = text.parse::<toml::Table>().ok();
    table.is_some_and(|it| it.get("network").and_then(|it| it.get("private")).is_some())
}

async fn addresses(config: &Config, url: &Url) -> Vec<IpAddr> {
    match url.host() {
        Some(Host::Ipv4(ip)) => vec![ip.into()],
        Some(Host::Ipv6(ip)) => vec![ip.into()],
        // The proxy resolves the name, and decides what it calls.
        Some(Host::Domain(name)) if config.network.proxy.is_none() => {
            let mut addresses: Vec<IpAddr> = match timeout(LIMIT, tokio::net::lookup_host((name, 0))).await {
                Ok(Ok(found)) => found.map(|it| it.ip()).collect(),
                _ => Vec::new(),
            };
            addresses.sort_unstable();
            addresses.dedup();
            addresses
        }
        Some(Host::Domain(_)) | None => Vec::new(),
    }
}

/// The addresses as networks, if none of them may be called.
async fn refused(config: &Config, addresses: &[IpAddr], port: u16) -> Vec<String> {
    let options = Options { timeout: LIMIT, ..config.network.egress() };
    let Ok(egress) = Egress::new(options, Credentials::default()) else { return Vec::new() };
    let mut networks = Vec::new();
    for address in addresses {
        // What is refused is refused before anything is dialled.
        match egress.connect("github", &address.to_string(), port).await {
            Err(Error::Address { why, .. }) if SERVERS.contains(&why) => {
                networks.push(format!("{address}/{}", if address.is_ipv4() { 32 } else { 128 }));
            }
            Err(Error::Address { .. }) => {}
            Ok(_) | Err(_) => return Vec::new(),
        }
    }
    networks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;
    use std::net::TcpListener;

    async fn lacks(network: &str, url: &str) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("agentd.toml");
        std::fs::write(&file, network).unwrap();
        let config = Config::load_in(Some(&file), Some(dir.path()), Environment::default()).unwrap();
        lacking(&config, network, url).await
    }

    #[tokio::test]
    async fn a_server_in_a_network_of_ones_own_is_named_by_its_address() {
        assert_eq!(lacks("", "https://10.1.2.3").await, ["10.1.2.3/32"]);
        assert_eq!(lacks("", "https://[fd00:1::7]:8443").await, ["fd00:1::7/128"]);
        let by_name = lacks("", "http://localhost:9").await;
        assert!(by_name.contains(&"127.0.0.1/32".to_owned()), "{by_name:?}");
        let more = "[network]\nprivate = [\"192.168.0.0/16\"]\n";
        assert_eq!(lacks(more, "https://10.1.2.3").await, ["10.1.2.3/32"]);
    }

    #[tokio::test]
    async fn nothing_is_named_where_it_is_of_no_use_or_of_too_much() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let here = format!("http://{}", server.local_addr().unwrap());
        let nothing = Vec::<String>::new();
        assert_eq!(lacks("[network]\nprivate = [\"127.0.0.0/8\"]\n", &here).await, nothing, "it is there");
        assert_eq!(lacks("[network]\nproxy = \"http://127.0.0.1:9\"\n", "https://localhost").await, nothing, "a proxy");
        for url in
            ["https://169.254.169.254", "https://168.63.129.16", "https://[fe80::1]", "https://0.0.0.0", "nonsense"]
        {
            assert_eq!(lacks("", url).await, nothing, "{url}");
        }
    }

    #[tokio::test]
    async fn a_fragment_that_says_it_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("agentd.toml");
        std::fs::write(&file, "").unwrap();
        std::fs::create_dir(dir.path().join("conf.d")).unwrap();
        std::fs::write(dir.path().join("conf.d/n.toml"), "[network]\nprivate = [\"192.168.0.0/16\"]\n").unwrap();
        let config = Config::load_in(Some(&file), Some(dir.path()), Environment::default()).unwrap();
        assert_eq!(lacking(&config, "", "https://10.1.2.3").await, Vec::<String>::new());
    }
}
