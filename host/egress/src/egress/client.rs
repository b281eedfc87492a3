//! The HTTP client, with a resolver that gives out only addresses that may be dialled.
//!
//! The check stands between the name's resolution and the dialling, so that a name cannot change its address in
//! between. Connections are kept and used again: each was checked when it was made. Where there is a proxy it resolves
//! the names, and what it may dial is its own business.

use super::proxy::Proxy;
use crate::{Error, Network, address::refusal};
use reqwest::{
    Certificate,
    dns::{Addrs, Name, Resolve, Resolving},
};
use std::{
    error::Error as StdError,
    fmt, io,
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What clients are made of.
pub(super) struct Making {
    pub(super) allowed: Arc<[Network]>,
    pub(super) proxy: Option<Proxy>,
    /// Certificates beside the system's.
    pub(super) authorities: Vec<Certificate>,
}

impl Making {
    /// `unpacks`: it asks for compressed answers, and decompresses them.
    pub(super) fn client(&self, unpacks: bool) -> Result<reqwest::Client, Error> {
        let no_client = |error| Error::Options(format!("no HTTP client can be made: {}", chain(&error)));
        let builder = || {
            let mut builder = reqwest::Client::builder()
                .user_agent(concat!("agentd/", env!("CARGO_PKG_VERSION")))
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .referer(false)
                .no_proxy()
                .gzip(unpacks)
                .connect_timeout(CONNECT_TIMEOUT);
            builder = match &self.proxy {
                // What is resolved here is the proxy's own name, and the operator named the proxy.
                Some(proxy) => builder.proxy(reqwest::Proxy::all(proxy.url().clone()).map_err(no_client)?),
                None => builder.dns_resolver(Checked { allowed: Arc::clone(&self.allowed) }),
            };
            Ok(builder)
        };
        let with_system = builder()?.tls_certs_merge(self.authorities.clone());
        with_system.build().or_else(|error| {
            // A machine without CA certificates can still call `http:` in its own network.
            tracing::warn!(target: "egress", %error, "No CA certificates here; install ca-certificates for https");
            builder()?.tls_certs_only(self.authorities.clone()).build().map_err(no_client)
        })
    }
}

/// The certificates of a PEM file.
pub(super) fn authorities(path: &Path) -> Result<Vec<Certificate>, Error> {
    let bad = |why: String| Error::Options(format!("[network] ca: {}: {why}", path.display()));
    let pem = std::fs::read(path).map_err(|error| bad(error.to_string()))?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) | Err(_) => Err(bad("there is no certificate in PEM form in it".into())),
    }
}

/// What a failed exchange means for the caller. The URL, which may hold a secret by now, is not in it.
pub(super) fn failed(caller: &str, host: &str, error: reqwest::Error) -> Error {
    match failed_early(caller, host, error) {
        Error::Cut { caller, host, why } => Error::Unavailable { caller, host, why },
        error => error,
    }
}

/// The same, where it matters whether there was a connection: [`Error::Cut`].
pub(super) fn failed_early(caller: &str, host: &str, error: reqwest::Error) -> Error {
    let error = error.without_url();
    let mut cause: Option<&(dyn StdError + 'static)> = Some(&error);
    while let Some(it) = cause {
        if let Some(refused) = it.downcast_ref::<Refused>() {
            return refused.error(caller, host);
        }
        cause = it.source();
    }
    let (caller, host, why) = (caller.into(), host.into(), chain(&error));
    if error.is_connect() { Error::Unavailable { caller, host, why } } else { Error::Cut { caller, host, why } }
}

/// The error with its causes, without the outermost ones where they say no more than that there is one.
pub(super) fn chain(error: &dyn StdError) -> String {
    let mut all = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(it) = cause {
        all.push(it.to_string());
        cause = it.source();
    }
    let empty = |it: &&String| it.starts_with("error sending request") || it.starts_with("client error (");
    let skipped = all.iter().take(all.len() - 1).take_while(empty).count();
    all.split_off(skipped).join(": ")
}

/// All addresses of the name are refused; this is one of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused {
    address: IpAddr,
    why: &'static str,
}

impl Refused {
    pub(super) fn error(self, caller: &str, host: &str) -> Error {
        let Refused { address, why } = self;
        Error::Address { caller: caller.into(), host: host.into(), address, why }
    }
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
            let addresses = permitted(look_up(name.as_str()).await?.into_iter(), &allowed)?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// All addresses of a name, unchecked. The port means nothing.
pub(super) async fn look_up(name: &str) -> io::Result<Vec<SocketAddr>> {
    #[cfg(test)]
    if let Some(scripted) = tests::scripted(name) {
        return Ok(scripted);
    }
    Ok(tokio::net::lookup_host((name, 0)).await?.collect())
}

/// The addresses that may be dialled; `Err` if there are some and none of them may.
pub(super) fn permitted(
    found: impl Iterator<Item = SocketAddr>,
    allowed: &[Network],
) -> Result<Vec<SocketAddr>, Refused> {
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
pub(super) mod tests {
    use super::*;
    use std::{
        collections::BTreeMap,
        sync::{Mutex, PoisonError},
    };

    /// What a name server says of a name, one answer after the other, and the last one for ever; and how often it was
    /// asked.
    static NAMES: Mutex<BTreeMap<String, Scripted>> = Mutex::new(BTreeMap::new());

    type Scripted = (usize, Vec<Vec<IpAddr>>);

    /// Says what a name's addresses are, for the first question, the second, and so on. Each test has names of its own.
    pub(in crate::egress) fn script(name: &str, answers: &[&[&str]]) {
        let answers = answers.iter().map(|it| it.iter().map(|it| it.parse().unwrap()).collect()).collect();
        NAMES.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), (0, answers));
    }

    /// How often the name was asked for.
    pub(in crate::egress) fn asked(name: &str) -> usize {
        NAMES.lock().unwrap_or_else(PoisonError::into_inner)[name].0
    }

    pub(super) fn scripted(name: &str) -> Option<Vec<SocketAddr>> {
        let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        let (asked, answers) = names.get_mut(name)?;
        let answer = &answers[(*asked).min(answers.len() - 1)];
        *asked += 1;
        Some(answer.iter().map(|ip| SocketAddr::new(*ip, 0)).collect())
    }

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
