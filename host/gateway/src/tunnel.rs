//! Raw tunnels to the hosts that a repository's configuration names, and a clear word for everybody else.
//!
//! A tunnel is an unfiltered way out: agentd sees whereto and for how long, and not what. So it is there only for a
//! `host:port` that stands in the configuration, and its address passes the egress' filter like any other.
//!
//! Plain http through the proxy is never offered: nothing needs it that should be allowed.

use crate::{
    PORT, Refusal, Scope,
    answer::{self, Answered},
    registry::{Registry, config_line},
};
use agentd_egress::Egress;
use hyper::{Method, Request, Response, StatusCode, Uri, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use std::{io, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// A tunnel in which nothing moves for so long is closed.
const IDLE: Duration = Duration::from_secs(600);
/// What is read at once in each direction, in bytes.
const PIECE: usize = 16 << 10;

/// Serves `CONNECT` and requests in absolute form. What is copied afterwards runs in `tasks`, until `stop`.
pub(crate) async fn serve<B>(
    mut request: Request<B>,
    scope: &Scope,
    caller: &str,
    egress: &Egress,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> Answered {
    let Some((host, port)) = target(request.uri()) else {
        return answer::text(StatusCode::BAD_REQUEST, "agentd: the proxy needs HOST:PORT").into();
    };
    let place = format!("{}:{port}", host.to_ascii_lowercase());
    if *request.method() != Method::CONNECT {
        let what = format!("{} http://{place}/", request.method());
        // Whoever speaks plain http can mostly speak https too, for which there are tunnels.
        let instead = place.strip_suffix(":80").map_or_else(|| place.clone(), |host| format!("{host}:443"));
        return refused(scope, what, "plain http goes nowhere from a sandbox", &host, instead).into();
    }
    if !scope.tunnels.iter().any(|it| it.eq_ignore_ascii_case(&place)) {
        let why = format!("{} has no tunnel there", scope.repository);
        return refused(scope, format!("CONNECT {place}"), &why, &host, place).into();
    }
    let upgrade = hyper::upgrade::on(&mut request);
    drop(request);
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let outside = match egress.connect(caller, bare, port).await {
        Ok(outside) => outside,
        Err(error) => return answer::text(StatusCode::BAD_GATEWAY, format!("agentd: {error}")).into(),
    };
    let (caller, stop) = (caller.to_owned(), stop.clone());
    tasks.spawn(async move {
        tokio::select! {
            () = stop.cancelled() => (),
            end = dig(upgrade, outside) => match end {
                Ok(()) => tracing::debug!(target: "gateway", caller, place, "Tunnel closed"),
                Err(error) => tracing::debug!(target: "gateway", caller, place, %error, "Tunnel broke"),
            },
        }
    });
    Response::new(answer::full("")).into()
}

/// Host and port as the client wrote them; the port of http where it wrote none.
fn target(uri: &Uri) -> Option<(String, u16)> {
    let authority = uri.authority()?;
    let default = uri.scheme().is_some().then_some(80);
    let host = authority.host();
    let plain = host.len() <= 255 && host.chars().all(|it| it.is_ascii_alphanumeric() || ".-_:[]".contains(it));
    (plain && !host.is_empty()).then_some((host.to_owned(), authority.port_u16().or(default)?))
}

/// Says what would open the way: a mirror if the host is a registry's, and a tunnel for any other.
fn refused(scope: &Scope, what: String, why: &str, host: &str, place: String) -> Refusal {
    let Some(registry) = Registry::of_host(host) else {
        let has_it = scope.tunnels.iter().any(|it| it.eq_ignore_ascii_case(&place));
        let tunnels: Vec<String> = scope.tunnels.iter().chain([&place]).map(|it| format!("{it:?}")).collect();
        let line = format!("[repositories.{:?}] tunnel = [{}]", scope.repository, tunnels.join(", "));
        return Refusal { what, why: why.into(), allow: (!has_it).then_some(line) };
    };
    if scope.registries.contains(&registry) {
        let why = format!("{registry} is read through its mirror, http://127.0.0.1:{PORT}/{registry}/");
        return Refusal { what, why, allow: None };
    }
    Refusal { what, why: why.into(), allow: Some(config_line(&scope.repository, &scope.registries, registry)) }
}

async fn dig(upgrade: OnUpgrade, outside: TcpStream) -> io::Result<()> {
    let inside = TokioIo::new(upgrade.await.map_err(io::Error::other)?);
    copy(inside, outside, IDLE).await
}

/// Copies in both directions until both have ended, or nothing has moved in either for `idle`.
async fn copy<A, B>(inside: A, outside: B, idle: Duration) -> io::Result<()>
where
    A: AsyncRead + AsyncWrite,
    B: AsyncRead + AsyncWrite,
{
    let (from_inside, to_inside) = tokio::io::split(inside);
    let (from_outside, to_outside) = tokio::io::split(outside);
    let moved = Notify::new();
    let both = async {
        tokio::try_join!(pump(from_inside, to_outside, &moved), pump(from_outside, to_inside, &moved)).map(|_| ())
    };
    let watch = async { while tokio::time::timeout(idle, moved.notified()).await.is_ok() {} };
    tokio::select! {
        end = both => end,
        () = watch => Err(io::Error::new(io::ErrorKind::TimedOut, "nothing moved for too long")),
    }
}

async fn pump(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, moved: &Notify) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let count = from.read(&mut piece).await?;
        moved.notify_one();
        if count == 0 {
            // One side may be done while the other still speaks.
            return to.shutdown().await;
        }
        to.write_all(&piece[..count]).await?;
        to.flush().await?;
        moved.notify_one();
    }
}

#[cfg(test)]
mod tests;
