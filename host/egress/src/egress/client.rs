//! The HTTP client, with a resolver that gives out only addresses that may be dialled.
//!
//! The check stands between the name's resolution and the dialling, so that a name cannot change its address in
//! between. Connections are kept and used again: each was checked when it was made.

use crate::{Error, Network, address::refusal};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::{
    error::Error as StdError,
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) fn new(allowed: Arc<[Network]>) -> Result<reqwest::Client, Error> {
    let builder = || {
        reqwest::Client::builder()
            .user_agent(concat!("agentd/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .dns_resolver(Checked { allowed: Arc::clone(&allowed) })
    };
    builder().build().or_else(|error| {
        // A machine without CA certificates can still call `http:` in its own network.
        tracing::warn!(target: "egress", %error, "No https: no CA certificates here; install ca-certificates");
        let client = builder().tls_certs_only([]).build();
        client.map_err(|error| Error::Options(format!("no HTTP client can be made: {}", chain(&error))))
    })
}

/// What a failed exchange means for the caller. The URL, which may hold a secret by now, is not in it.
pub(super) fn failed(caller: &str, host: &str, error: reqwest::Error) -> Error {
    let error = error.without_url();
    let mut cause: Option<&(dyn StdError + 'static)> = Some(&error);
    while let Some(it) = cause {
        if let Some(refused) = it.downcast_ref::<Refused>() {
            let Refused { address, why } = *refused;
            return Error::Address { caller: caller.into(), host: host.into(), address, why };
        }
        cause = it.source();
    }
    Error::Unavailable { caller: caller.into(), host: host.into(), why: chain(&error) }
}

/// The error with its causes: the first alone says no more than "error sending request".
fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(it) = cause {
        text = format!("{text}: {it}");
        cause = it.source();
    }
    text
}

/// All addresses of the name are refused; this is one of them.
#[derive(Clone, Copy, Debug)]
struct Refused {
    address: IpAddr,
    why: &'static str,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}", self.address, self.why)
    }
}

impl StdError for Refused {}

#[derive(Debug)]
struct Checked {
    allowed: Arc<[Network]>,
}

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let allowed = Arc::clone(&self.allowed);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let addresses = permitted(found, &allowed)?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// The addresses that may be dialled; `Err` if there are some and none of them may.
fn permitted(found: impl Iterator<Item = SocketAddr>, allowed: &[Network]) -> Result<Vec<SocketAddr>, Refused> {
    let (mut addresses, mut refused) = (Vec::new(), None);
    for address in found {
        match refusal(address.ip(), allowed) {
            None => addresses.push(address),
            Some(why) => refused = refused.or(Some(Refused { address: address.ip(), why })),
        }
    }
    match refused {
        Some(refused) if addresses.is_empty() => Err(refused),
        Some(_) | None => Ok(addresses),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(found: &[&str], allowed: &[&str], expected: Result<&[&str], &str>) {
        let allowed: Vec<Network> = allowed.iter().map(|it| it.parse().unwrap()).collect();
        let found = found.iter().map(|it| SocketAddr::new(it.parse().unwrap(), 0));
        let result = permitted(found, &allowed)
            .map(|addresses| addresses.iter().map(|it| it.ip().to_string()).collect::<Vec<_>>())
            .map_err(|refused| refused.to_string());
        let expected = expected.map(|it| it.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>());
        assert_eq!(result, expected.map_err(str::to_owned));
    }

    #[test]
    fn a_name_is_dialled_only_at_its_public_addresses() {
        check(&["1.1.1.1", "2606:4700::1111"], &[], Ok(&["1.1.1.1", "2606:4700::1111"]));
        check(&["127.0.0.1", "1.1.1.1", "10.0.0.1"], &[], Ok(&["1.1.1.1"]));
        check(&["127.0.0.1", "10.0.0.1"], &[], Err("127.0.0.1 is loopback"));
        check(&["127.0.0.1", "10.0.0.1"], &["10.0.0.0/8"], Ok(&["10.0.0.1"]));
        check(&["::ffff:169.254.169.254"], &[], Err("::ffff:169.254.169.254 is a cloud's metadata service"));
    }
}
