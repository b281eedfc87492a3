//! Git over HTTP: the program `git http-backend`, asked as a web server asks it.
//!
//! Who may fetch and push is decided before; here a push is read only as far as its list of refs, to refuse protected
//! ones in the words that GitHub's server has for it.

use super::{Git, clean};
use crate::message::{Answer, Body, Request};
use std::io::Write;
use std::process::{Command, Stdio};

/// A ref that a push is about, with its old and its new object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RefChange {
    pub(crate) old: String,
    pub(crate) new: String,
    pub(crate) name: String,
}

/// Asks the program; `rest` is the path below the repository, such as `info/refs`.
pub(crate) fn answer(git: &Git, rest: &str, request: &Request, user: Option<&str>) -> Answer {
    let folder = git.folder();
    let name = folder.file_name().expect("a repository has a folder").to_string_lossy();
    let mut backend = Command::new("git");
    clean(&mut backend);
    backend.arg("http-backend").stdin(Stdio::piped());
    backend.env("GIT_PROJECT_ROOT", folder.parent().expect("it lies in a folder")).env("GIT_HTTP_EXPORT_ALL", "1");
    backend.env("PATH_INFO", format!("/{name}/{rest}")).env("QUERY_STRING", &request.query);
    backend.env("REQUEST_METHOD", &request.method).env("CONTENT_LENGTH", request.body.len().to_string());
    backend.env("REMOTE_ADDR", "127.0.0.1");
    for (variable, header) in [
        ("CONTENT_TYPE", "content-type"),
        ("HTTP_CONTENT_ENCODING", "content-encoding"),
        ("GIT_PROTOCOL", "git-protocol"),
    ] {
        if let Some(value) = request.header(header) {
            backend.env(variable, value);
        }
    }
    if let Some(user) = user {
        backend.env("REMOTE_USER", user);
    }
    let mut child = backend.spawn().expect("git should be there");
    let mut stdin = child.stdin.take().expect("it was just asked for");
    let body = request.body.clone();
    let writer = std::thread::spawn(move || stdin.write_all(&body).ok());
    let output = child.wait_with_output().expect("git was just started");
    writer.join().expect("writing does not panic");
    parse(&output.stdout)
}

/// CGI's own headers become HTTP's.
fn parse(output: &[u8]) -> Answer {
    let end = output.windows(4).position(|it| it == b"\r\n\r\n").unwrap_or(output.len());
    let head = String::from_utf8_lossy(&output[..end]).into_owned();
    let body = output.get(end + 4..).unwrap_or_default().to_vec();
    let mut answer = Answer { status: 200, headers: Vec::new(), body: Body::Empty };
    let mut kind = "text/plain".to_owned();
    for (name, value) in head.lines().filter_map(|it| it.split_once(": ")) {
        match name.to_lowercase().as_str() {
            "status" => answer.status = value.split(' ').next().and_then(|it| it.parse().ok()).unwrap_or(500),
            "content-type" => value.clone_into(&mut kind),
            _ => answer.headers.push((name.to_owned(), value.to_owned())),
        }
    }
    answer.body = Body::Other(kind, body);
    answer
}

/// The refs that a push wants to change, from the beginning of its body.
pub(crate) fn changes(body: &[u8]) -> (Vec<RefChange>, bool) {
    let mut rest = body;
    let mut found = Vec::new();
    let mut sideband = false;
    while let Some(length) = rest.get(..4).and_then(|it| std::str::from_utf8(it).ok()) {
        let length = usize::from_str_radix(length, 16).unwrap_or(0);
        let Some(line) = rest.get(4..length).filter(|_| length > 4) else { break };
        let line = String::from_utf8_lossy(line).into_owned();
        let (line, abilities) = line.split_once('\0').unwrap_or((&line, ""));
        sideband |= abilities.contains("side-band-64k");
        let mut words = line.trim_end().split(' ').map(str::to_owned);
        if let (Some(old), Some(new), Some(name)) = (words.next(), words.next(), words.next()) {
            found.push(RefChange { old, new, name });
        }
        rest = &rest[length..];
    }
    (found, sideband)
}

/// A push of which every ref is refused, each with a reason.
pub(crate) fn refused(refused: &[(String, String)], sideband: bool) -> Answer {
    let mut report = line(b"unpack ok\n");
    let mut words = Vec::new();
    for (name, reason) in refused {
        let first = reason.lines().next().unwrap_or_default();
        report.extend(line(format!("ng {name} {first}\n").as_bytes()));
        words.extend(format!("error: {reason}\n").into_bytes());
    }
    report.extend(b"0000");
    let mut body = Vec::new();
    if sideband {
        body.extend(line(&[b"\x02".as_slice(), &words].concat()));
        body.extend(line(&[b"\x01".as_slice(), &report].concat()));
        body.extend(b"0000");
    } else {
        body = report;
    }
    Answer::text("application/x-git-receive-pack-result", body)
}

fn line(content: &[u8]) -> Vec<u8> {
    let mut line = format!("{:04x}", content.len() + 4).into_bytes();
    line.extend(content);
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refs_of_a_push_are_read_from_its_beginning() {
        let (old, new) = ("0".repeat(40), "a".repeat(40));
        let first = format!("{old} {new} refs/heads/x\0 report-status side-band-64k");
        let mut body = line(first.as_bytes());
        body.extend(line(format!("{new} {old} refs/heads/y\n").as_bytes()));
        body.extend(b"0000PACK....");
        let change = |old: &str, new: &str, name: &str| RefChange {
            old: old.to_owned(),
            new: new.to_owned(),
            name: name.to_owned(),
        };
        let expected = vec![change(&old, &new, "refs/heads/x"), change(&new, &old, "refs/heads/y")];
        assert_eq!(changes(&body), (expected, true));
        assert_eq!(changes(b"0000"), (Vec::new(), false));
        assert_eq!(changes(b"nonsense"), (Vec::new(), false));
    }
}
