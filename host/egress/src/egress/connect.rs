//! Bare connections, for tunnels: the name's resolution and the address filter are the same as for requests, and
//! nothing is known of what goes through.

use super::{Inner, client, proxy::Proxy};
use crate::{Error, address::refusal};
use std::{
    io,
    net::{IpAddr, SocketAddr},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use url::Host;

/// What a proxy may say before the tunnel is open, in bytes.
const PROXY_HEAD_MAX: usize = 16 << 10;

/// Dials `host`, or has the proxy dial it.
pub(super) async fn dial(inner: &Inner, caller: &str, host: &str, port: u16) -> Result<TcpStream, Error> {
    let unavailable = |why: String| Error::Unavailable { caller: caller.into(), host: host.into(), why };
    let connected = async {
        let target = target(inner, caller, host)?;
        match &inner.proxy {
            Some(proxy) => through(proxy, &target, port).await.map_err(unavailable),
            None => directly(inner, caller, host, &target, port).await,
        }
    };
    match tokio::time::timeout(inner.timeout, connected).await {
        Ok(result) => result,
        Err(_) => Err(unavailable(format!("not within {} s", inner.timeout.as_secs()))),
    }
}

/// The host, checked as far as that can be done without the network.
fn target(inner: &Inner, caller: &str, host: &str) -> Result<Host, Error> {
    if inner.finds(host.as_bytes()) {
        return Err(Error::SecretInRequest { caller: caller.into(), part: "host" });
    }
    let parsed = match host.parse() {
        Ok(IpAddr::V4(ip)) => Ok(Host::Ipv4(ip)),
        Ok(IpAddr::V6(ip)) => Ok(Host::Ipv6(ip)),
        Err(_) => Host::parse(host),
    };
    let invalid = |_| Error::Invalid { caller: caller.into(), why: "what it wants to connect to is no host".into() };
    let target = parsed.map_err(invalid)?;
    let ip = match target {
        Host::Ipv4(ip) => IpAddr::V4(ip),
        Host::Ipv6(ip) => IpAddr::V6(ip),
        Host::Domain(_) => return Ok(target),
    };
    match refusal(ip, &inner.allowed) {
        Some(why) => Err(Error::Address { caller: caller.into(), host: host.into(), address: ip, why }),
        None => Ok(target),
    }
}

async fn directly(inner: &Inner, caller: &str, host: &str, target: &Host, port: u16) -> Result<TcpStream, Error> {
    let unavailable =
        |error: io::Error| Error::Unavailable { caller: caller.into(), host: host.into(), why: error.to_string() };
    let name = target.to_string();
    let found = client::look_up(name.trim_matches(['[', ']'])).await.map_err(unavailable)?;
    let found = found.into_iter().map(|it| SocketAddr::new(it.ip(), port));
    let addresses = client::permitted(found, &inner.allowed).map_err(|refused| refused.error(caller, host))?;
    TcpStream::connect(addresses.as_slice()).await.map_err(unavailable)
}

/// Has an `http:` proxy dial, and reads no byte more than its answer.
async fn through(proxy: &Proxy, target: &Host, port: u16) -> Result<TcpStream, String> {
    if proxy.is_https() {
        return Err("an https: proxy cannot be used for tunnels; [network] proxy has to be an http: one".into());
    }
    let failed = |error: io::Error| format!("the proxy {} failed: {error}", proxy.host());
    let mut stream = TcpStream::connect(proxy.address()).await.map_err(failed)?;
    let authorization =
        proxy.authorization().map(|value| format!("proxy-authorization: {value}\r\n")).unwrap_or_default();
    let request = format!("CONNECT {target}:{port} HTTP/1.1\r\nhost: {target}:{port}\r\n{authorization}\r\n");
    stream.write_all(request.as_bytes()).await.map_err(failed)?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == PROXY_HEAD_MAX {
            return Err(format!("the proxy {} does not come to an end", proxy.host()));
        }
        head.push(stream.read_u8().await.map_err(failed)?);
    }
    let status: String = String::from_utf8_lossy(&head).split(' ').nth(1).unwrap_or_default().chars().take(3).collect();
    if status.len() == 3 && status.starts_with('2') {
        Ok(stream)
    } else {
        Err(format!("the proxy {} answered {status:?}", proxy.host()))
    }
}
