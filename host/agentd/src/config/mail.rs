//! `[mail]`: the server that plugins' mail is handed to.

use super::{secret::Secret, section::Section};

/// Where mail goes out, and to whom it may go.
#[derive(Clone, Debug)]
pub(crate) struct Mail {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) security: Security,
    /// None: the server asks for none.
    pub(crate) login: Option<Login>,
    /// Whom mail is from, as `agentd <agentd@acme.com>`.
    pub(crate) from: String,
    /// Whom shipped plugins may write to: addresses, or `*@domain`.
    pub(crate) allow: Vec<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) password: Secret,
}

/// How the connection is kept from being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Security {
    /// Encrypted from its first byte.
    Tls,
    /// Encrypted before anything is said; a server that cannot is not used.
    StartTls,
    /// Not at all: the server is on this machine.
    None,
}

/// None: there is no such section, or it is broken.
pub(super) fn mail(root: &mut Section<'_, '_>) -> Option<Mail> {
    let present = root.has("mail");
    root.section("mail", |section| {
        let url = section.text("url");
        let starttls = section.flag("starttls", false);
        let user = section.text("user");
        let password = section.secret("password");
        let from = section.text("from");
        let allow = section.texts("allow", &[], pattern);
        if !present {
            return None;
        }
        if user.is_some() != section.has("password") {
            section.problem_here("must have both of user and password, or none of the two");
        }
        if url.is_none() && !section.has("url") {
            section.missing("url", "is missing: say url = \"smtps://mail.acme.com:465\"");
        }
        match from.as_deref().map(address) {
            None if !section.has("from") => {
                section.missing("from", "is missing: say from = \"agentd <agentd@acme.com>\"");
            }
            Some(Err(what)) => section.problem("from", what),
            _ => {}
        }
        let server = url.map(|it| server(&it, starttls));
        let (host, port, security) = match server {
            Some(Ok(it)) => it,
            Some(Err(what)) => {
                section.problem("url", what);
                return None;
            }
            None => return None,
        };
        let login = user.zip(password).map(|(user, password)| Login { user, password });
        Some(Mail { host, port, security, login, from: from?, allow })
    })
}

/// What a URL says: host, port, and how the connection is kept from being read.
fn server(text: &str, starttls: bool) -> Result<(String, u16, Security), String> {
    let bad = |why: &str| Err(format!("is not the address of a mail server, as \"smtps://mail.acme.com:465\": {why}"));
    // What stands in a broken one may be a password: it is not repeated.
    let Ok(url) = url::Url::parse(text) else { return bad("it cannot be read as one") };
    if !url.username().is_empty() || url.password().is_some() {
        return bad("user and password have keys of their own");
    }
    let Some(host) = url.host_str().filter(|it| !it.is_empty()) else { return bad("it names no host") };
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return bad("nothing comes after the port");
    }
    let host = host.trim_matches(['[', ']']).to_owned();
    let loopback = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|it| it.is_loopback());
    match (url.scheme(), starttls) {
        ("smtps", false) => Ok((host, url.port().unwrap_or(465), Security::Tls)),
        ("smtps", true) => bad("smtps is encrypted from its first byte: leave starttls out, or say smtp"),
        ("smtp", true) => Ok((host, url.port().unwrap_or(587), Security::StartTls)),
        ("smtp", false) if loopback => Ok((host, url.port().unwrap_or(25), Security::None)),
        ("smtp", false) => bad("smtp goes unencrypted and is for this machine: say smtps, or starttls = true"),
        _ => bad("it is neither smtps: nor smtp:"),
    }
}

/// `name@domain` or `*@domain`.
pub(super) fn pattern(text: &str) -> Result<(), String> {
    let bad = || format!("`{text}` is neither an address nor \"*@DOMAIN\"");
    let (name, domain) = text.split_once('@').ok_or_else(bad)?;
    let plain = |it: &str| !it.is_empty() && !it.contains(['@', '*', '<', '>', ' ', ',', ';', '"', '\n', '\r']);
    let fits = (name == "*" || plain(name)) && plain(domain) && !domain.starts_with('.');
    if fits { Ok(()) } else { Err(bad()) }
}

/// `Name <name@domain>` or `name@domain`.
fn address(text: &str) -> Result<(), String> {
    let inner = match text.split_once('<') {
        Some((_, rest)) => rest.strip_suffix('>').unwrap_or_default(),
        None => text,
    };
    match pattern(inner) {
        Ok(()) if !inner.starts_with('*') && !text.contains(['\n', '\r']) => Ok(()),
        _ => Err(format!("`{text}` is not an address, which looks like \"agentd <agentd@acme.com>\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, starttls: bool, expected: Result<(&str, u16, Security), &str>) {
        match (server(url, starttls), expected) {
            (Ok((host, port, security)), Ok(expected)) => {
                assert_eq!((host.as_str(), port, security), expected, "{url}")
            }
            (Err(what), Err(expected)) => assert!(what.contains(expected), "{url}: {what}"),
            (found, _) => panic!("{url}: {found:?}"),
        }
    }

    #[test]
    fn a_server_is_spoken_to_in_the_clear_only_on_this_machine() {
        check("smtps://mail.acme.com", false, Ok(("mail.acme.com", 465, Security::Tls)));
        check("smtps://mail.acme.com:8465", false, Ok(("mail.acme.com", 8465, Security::Tls)));
        check("smtp://mail.acme.com", true, Ok(("mail.acme.com", 587, Security::StartTls)));
        check("smtp://127.0.0.1:2525", false, Ok(("127.0.0.1", 2525, Security::None)));
        check("smtp://[::1]:2525", false, Ok(("::1", 2525, Security::None)));
        check("smtp://mail.acme.com", false, Err("unencrypted"));
        check("smtps://mail.acme.com", true, Err("leave starttls out"));
        check("https://mail.acme.com", false, Err("neither smtps: nor smtp:"));
        check("smtps://me:secret@mail.acme.com", false, Err("keys of their own"));
        check("smtps://mail.acme.com/inbox", false, Err("nothing comes after the port"));
    }

    #[test]
    fn recipients_are_addresses_or_whole_domains() {
        for good in ["ann@acme.com", "*@acme.com"] {
            assert_eq!(pattern(good), Ok(()), "{good}");
        }
        for bad in ["", "*", "acme.com", "@acme.com", "a*@acme.com", "*@*", "*@.com", "a@b@c", "Ann <ann@acme.com>"] {
            assert!(pattern(bad).is_err(), "{bad}");
        }
        assert!(address("agentd <agentd@acme.com>").is_ok() && address("agentd@acme.com").is_ok());
        assert!(address("*@acme.com").is_err() && address("agentd").is_err());
    }
}
