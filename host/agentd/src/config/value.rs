//! How single values are written: durations, sizes, networks, names.

use std::{net::IpAddr, time::Duration};

const DURATIONS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const SIZES: [(&str, u64); 5] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];

/// `2h`, `30m`, `1h 30m`, `30s`, `500ms`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let bad = || format!("`{text}` is not a duration, which looks like \"30s\", \"2h\" or \"500ms\"");
    let (mut rest, mut total, mut last) = (text.trim(), 0_u64, u64::MAX);
    if rest.is_empty() {
        return Err(bad());
    }
    while !rest.is_empty() {
        let digits = rest.find(|it: char| !it.is_ascii_digit()).ok_or_else(bad)?;
        let number: u64 = rest[..digits].parse().map_err(|_| bad())?;
        let after = rest[digits..].trim_start();
        let letters = after.find(|it: char| !it.is_ascii_alphabetic()).unwrap_or(after.len());
        let unit = DURATIONS.iter().find(|(name, _)| *name == &after[..letters]).ok_or_else(bad)?.1;
        if unit >= last {
            return Err(bad());
        }
        total = number.checked_mul(unit).and_then(|it| it.checked_add(total)).ok_or_else(bad)?;
        last = unit;
        rest = after[letters..].trim_start();
    }
    Ok(Duration::from_millis(total))
}

/// The shortest way to write it that [`duration`] reads back.
pub(crate) fn duration_text(duration: Duration) -> String {
    let mut left = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut parts = Vec::new();
    for (name, unit) in DURATIONS.iter().rev() {
        if left >= *unit {
            parts.push(format!("{}{name}", left / unit));
            left %= unit;
        }
    }
    if parts.is_empty() { "0s".into() } else { parts.join(" ") }
}

/// `4 GiB`, `512MiB`, `1.5 GiB`; in bytes.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let bad = || format!("`{text}` is not a size, which looks like \"512 MiB\" or \"4 GiB\"");
    let trimmed = text.trim();
    let split = trimmed.find(|it: char| !it.is_ascii_digit() && it != '.').ok_or_else(bad)?;
    let number: f64 = trimmed[..split].parse().map_err(|_| bad())?;
    let unit = trimmed[split..].trim();
    let unit = SIZES.iter().find(|(name, _)| *name == unit).ok_or_else(bad)?.1;
    let bytes = number * unit as f64;
    if bytes.is_finite() && bytes < i64::MAX as f64 { Ok(bytes as u64) } else { Err(bad()) }
}

/// The shortest exact way to write it.
pub(crate) fn size_text(bytes: u64) -> String {
    let (name, unit) =
        SIZES.iter().rev().find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit)).unwrap_or(&SIZES[0]);
    format!("{} {name}", bytes / unit)
}

/// `10.20.0.0/16`: an address and how many of its leading bits count.
pub(crate) fn network(text: &str) -> Result<(IpAddr, u8), String> {
    let bad = || format!("`{text}` is not a network, which looks like \"10.20.0.0/16\"");
    let (address, bits) = text.split_once('/').ok_or_else(bad)?;
    let address: IpAddr = address.parse().map_err(|_| bad())?;
    let bits: u8 = bits.parse().map_err(|_| bad())?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    if bits > most { Err(bad()) } else { Ok((address, bits)) }
}

/// `https://api.acme.com/v1`: what paths are added to. Given back without a slash at its end.
pub(crate) fn base_url(text: &str) -> Result<String, String> {
    address(text, "https://api.acme.com/v1").map(|_| text.trim_end_matches('/').to_owned())
}

/// `https://github.acme.com`: where GitHub's pages are, without a path or a slash at its end. Only a server on this
/// machine may do without encryption.
pub(crate) fn page_url(text: &str) -> Result<String, String> {
    let example = "https://github.acme.com";
    let bad = |why: &str| Err(format!("`{text}` is not an address of GitHub, which looks like \"{example}\": {why}"));
    let url = address(text, example)?;
    if url.path() != "/" {
        return bad("it has a path");
    }
    let loopback = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    if url.scheme() != "https" && !loopback {
        return bad("it is not https:, and a token is sent there");
    }
    if matches!(url.host_str(), Some("api.github.com" | "www.github.com")) {
        return bad("leave url out for github.com");
    }
    Ok(url.origin().ascii_serialization())
}

fn address(text: &str, example: &str) -> Result<url::Url, String> {
    let bad = |why: &str| Err(format!("`{text}` is not an address, which looks like \"{example}\": {why}"));
    let Ok(url) = url::Url::parse(text) else { return bad("it cannot be read as one") };
    if !url.username().is_empty() || url.password().is_some() {
        // What stands there may be a secret: it is not repeated.
        return Err("there is a user or password in the address; it belongs into a secret".into());
    }
    if !matches!(url.scheme(), "https" | "http") || !url.has_host() {
        return bad("it is neither https: nor http:");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return bad("it has a query or a fragment");
    }
    Ok(url)
}

/// `api.acme.com:443`: one host and one port.
pub(crate) fn endpoint(text: &str) -> Result<(), String> {
    let host = |it: &str| {
        !it.is_empty()
            && !it.starts_with(['-', '.'])
            && it.chars().all(|it| it.is_ascii_alphanumeric() || matches!(it, '-' | '.' | '_'))
    };
    match text.rsplit_once(':') {
        Some((name, port)) if host(name) && port.parse::<u16>().is_ok_and(|it| it > 0) => Ok(()),
        _ => Err(format!("`{text}` is not a host with its port, which looks like \"api.acme.com:443\"")),
    }
}

/// Names of sources, agents, accounts, notifiers and credentials: they end up in file names, labels and the database.
pub(crate) fn name(text: &str) -> Result<(), String> {
    let fits = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-';
    let begins = text.chars().next().is_some_and(|it| it.is_ascii_lowercase());
    if begins && text.len() <= 64 && text.chars().all(fits) {
        return Ok(());
    }
    Err("is not a name: take a lower-case letter, then letters, digits and -, at most 64".into())
}

/// Ids of repositories: a name, or `owner/name`.
pub(crate) fn repository_id(text: &str) -> Result<(), String> {
    let part = |it: &str| {
        !it.is_empty()
            && !it.starts_with(['.', '-'])
            && it.chars().all(|it| it.is_ascii_alphanumeric() || matches!(it, '-' | '_' | '.'))
    };
    let here = text.len() <= 128 && text.split('/').count() <= 2 && text.split('/').all(part);
    // GitHub has names that begin with a point, as acme/.github.
    if here || repository_on_github(text).is_ok() {
        return Ok(());
    }
    Err("is not the id of a repository, which looks like \"acme/api\" or \"api\"".into())
}

/// `owner/name` as GitHub has them.
pub(crate) fn repository_on_github(text: &str) -> Result<(), String> {
    let fits = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_' | '.');
    let (owner, name) = text.split_once('/').unwrap_or_default();
    let whole = (1..=100).contains(&name.len()) && name.chars().all(fits);
    if is_account(owner) && whole && !name.starts_with('-') && !matches!(name, "." | "..") && !name.ends_with(".git") {
        return Ok(());
    }
    Err(format!("`{text}` is not a repository on GitHub, which looks like \"acme/api\""))
}

/// The name of an account on GitHub; that of a program ends in `[bot]`.
pub(crate) fn login(text: &str) -> Result<(), String> {
    if is_account(text.strip_suffix("[bot]").unwrap_or(text)) {
        return Ok(());
    }
    Err(format!("`{text}` is not the name of an account on GitHub, which looks like \"octocat\""))
}

/// `team:org/slug`: the organization and the team's name in addresses.
pub(crate) fn team(text: &str) -> Result<(&str, &str), String> {
    let parts = text.strip_prefix("team:").and_then(|it| it.split_once('/'));
    parts
        .filter(|(org, slug)| is_account(org) && is_account(slug))
        .ok_or_else(|| format!("`{text}` is not a team, which looks like \"team:acme/backend\""))
}

fn is_account(text: &str) -> bool {
    let fits = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_');
    (1..=100).contains(&text.len()) && !text.starts_with('-') && text.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_duration(text: &str, millis: Option<u64>) {
        assert_eq!(duration(text).ok(), millis.map(Duration::from_millis), "{text}");
    }

    #[test]
    fn durations_read_as_people_write_them() {
        check_duration("2h", Some(7_200_000));
        check_duration("1h 30m", Some(5_400_000));
        check_duration("1h30m", Some(5_400_000));
        check_duration("500ms", Some(500));
        check_duration("30 s", Some(30_000));
        check_duration("0s", Some(0));
        for bad in ["", "30", "s", "30 seconds", "-1s", "1m 1h", "1s 1s", "99999999999999999999h", "1.5h"] {
            check_duration(bad, None);
        }
    }

    #[test]
    fn durations_are_written_as_they_are_read() {
        for text in ["2h", "30s", "500ms", "1h 30m", "1d 1ms", "0s"] {
            assert_eq!(duration_text(duration(text).unwrap()), text);
        }
    }

    #[test]
    fn sizes_read_as_people_write_them() {
        #[track_caller]
        fn check(text: &str, bytes: Option<u64>) {
            assert_eq!(size(text).ok(), bytes, "{text}");
        }
        check("4 GiB", Some(4 << 30));
        check("512MiB", Some(512 << 20));
        check("1.5 KiB", Some(1536));
        check("10 B", Some(10));
        for bad in ["", "4", "GiB", "4 GB", "4 gib", "-1 GiB", "1..5 GiB", "99999999999 TiB"] {
            check(bad, None);
        }
        assert_eq!(size_text(4 << 30), "4 GiB");
        assert_eq!(size_text(1536), "1536 B");
        assert_eq!(size_text(0), "0 B");
    }

    #[test]
    fn addresses_and_endpoints_have_a_shape() {
        assert_eq!(base_url("http://127.0.0.1:8000/v1/").unwrap(), "http://127.0.0.1:8000/v1");
        for bad in ["", "api.acme.com", "ftp://a/", "https://a/?b", "https://a/#b", "https://u:p@a/"] {
            assert!(base_url(bad).is_err(), "{bad}");
        }
        assert!(!base_url("https://u:hidden@a/").unwrap_err().contains("hidden"));
        for (text, page) in [
            ("https://github.acme.com/", Ok("https://github.acme.com")),
            ("https://GitHub.acme.com:8443", Ok("https://github.acme.com:8443")),
            ("http://127.0.0.1:9999", Ok("http://127.0.0.1:9999")),
            ("http://[::1]:80", Ok("http://[::1]")),
            ("http://github.acme.com", Err("it is not https:, and a token is sent there")),
            ("https://github.acme.com/api/v3", Err("it has a path")),
            ("https://api.github.com", Err("leave url out for github.com")),
            ("github.acme.com", Err("it cannot be read as one")),
            ("https://me:hidden@a/", Err("it belongs into a secret")),
        ] {
            match page {
                Ok(page) => assert_eq!(page_url(text).as_deref(), Ok(page)),
                Err(why) => {
                    assert!(page_url(text).is_err_and(|it| it.ends_with(why) && !it.contains("hidden")), "{text}")
                }
            }
        }
        assert!(endpoint("db.acme.com:5432").is_ok() && endpoint("10.0.0.1:443").is_ok());
        for bad in ["", "a", "a:", "a:0", "a:70000", "*.acme.com:443", "https://a:443", "a b:1", ":443"] {
            assert!(endpoint(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_on_github_has_a_shape() {
        for good in ["acme/api", "Acme-2/web.site_1", "acme/.github", "user_acme/x"] {
            assert!(repository_on_github(good).is_ok() && repository_id(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "api",
            "acme/",
            "/api",
            "acme/..",
            "acme/.",
            "a.b/c",
            "acme/api.git",
            "a/b/c",
            "-a/b",
            "a/-b",
            "a[bot]/b",
        ] {
            assert!(repository_on_github(bad).is_err(), "{bad}");
        }
        assert!(login("octo-cat").is_ok() && login("dependabot[bot]").is_ok());
        for bad in ["", "@anna", "a b", "-a", "a/b", "[bot]", "team:acme/x"] {
            assert!(login(bad).is_err(), "{bad}");
        }
        assert_eq!(team("team:acme/backend"), Ok(("acme", "backend")));
        for bad in ["acme/backend", "team:acme", "team:/x", "team:a/", "team:a/b/c", "team:a/B C"] {
            assert!(team(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn networks_names_and_ids_have_a_shape() {
        assert!(network("10.20.0.0/16").is_ok() && network("fd00::/8").is_ok());
        for bad in ["10.20.0.0", "10.20.0.0/33", "fd00::/129", "x/8"] {
            assert!(network(bad).is_err(), "{bad}");
        }
        assert!(name("web-2").is_ok());
        for bad in ["", "Web", "2web", "a b", "ä", "-a"] {
            assert!(name(bad).is_err(), "{bad}");
        }
        assert!(repository_id("acme/api.v2").is_ok() && repository_id("api").is_ok());
        for bad in ["", "a/b/c", "../x", "a//b", "a b", "-x", "acme/"] {
            assert!(repository_id(bad).is_err(), "{bad}");
        }
    }
}
