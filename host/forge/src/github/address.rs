//! Where a GitHub is: the base of its API, of GraphQL and of its pages, for github.com and for Enterprise.
//!
//! - Never gives an `http:` address of another machine: tokens go to these addresses.

use crate::Error;
use url::{Host, Url};

/// The three bases. Each ends with `/`, but that of GraphQL, which is one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) api: Url,
    pub(crate) graphql: Url,
    /// Where people look, and git goes.
    pub(crate) pages: Url,
}

impl Address {
    /// From the address of the pages; none: github.com.
    pub(crate) fn parse(pages: Option<&str>) -> Result<Address, Error> {
        let pages = pages.unwrap_or("https://github.com/");
        let bad = |why: &str| Error::Invalid { what: "the address of GitHub", why: why.to_owned() };
        let mut pages =
            Url::parse(pages).map_err(|_| bad("it is not a URL; one looks like https://github.acme.com"))?;
        if pages.query().is_some() || pages.fragment().is_some() || !matches!(pages.path(), "/" | "") {
            return Err(bad("there is more in it than a host and perhaps a port"));
        }
        if !pages.username().is_empty() || pages.password().is_some() {
            return Err(bad("there is a user or password in it; the token has its own key"));
        }
        match pages.scheme() {
            "https" => {}
            "http" if is_this_machine(&pages) => {}
            "http" => return Err(bad("it has to be https:, for a token goes there")),
            _ => return Err(bad("it is not https:")),
        }
        pages.set_path("/");
        let (api, graphql) = match pages.host_str() {
            Some("github.com") => ("https://api.github.com/".to_owned(), "https://api.github.com/graphql".to_owned()),
            // Enterprise Cloud with data residency.
            Some(host) if host.ends_with(".ghe.com") => {
                (format!("https://api.{host}/"), format!("https://api.{host}/graphql"))
            }
            _ => (format!("{pages}api/v3/"), format!("{pages}api/graphql")),
        };
        let parse = |text: &str| Url::parse(text).map_err(|_| bad("it makes no address of an API"));
        Ok(Address { api: parse(&api)?, graphql: parse(&graphql)?, pages })
    }

    /// The host, with its port where that is not the usual one.
    pub(crate) fn host(&self) -> String {
        let host = self.pages.host_str().unwrap_or_default();
        self.pages.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// What requests may begin with.
    pub(crate) fn prefixes(&self) -> [String; 2] {
        [self.api.to_string(), self.graphql.to_string()]
    }

    /// The address of a path below the API's base. What stands between slashes is encoded already.
    pub(crate) fn of(&self, path: &str, query: &[(&str, String)]) -> Url {
        let mut url = self.api.clone();
        url.set_path(&format!("{}{}", self.api.path(), path.trim_start_matches('/')));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query.iter().map(|(name, value)| (*name, value.as_str())));
        }
        url
    }

    /// The path of `url` below the API's base, if it is there.
    pub(crate) fn path_of<'a>(&self, url: &'a Url) -> Option<&'a str> {
        let same = url.origin() == self.api.origin();
        url.path().strip_prefix(self.api.path()).filter(|_| same)
    }
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pages: Option<&str>, api: &str, graphql: &str) {
        let address = Address::parse(pages).unwrap();
        assert_eq!((address.api.as_str(), address.graphql.as_str()), (api, graphql));
    }

    #[test]
    fn each_kind_of_github_has_its_api() {
        check(None, "https://api.github.com/", "https://api.github.com/graphql");
        check(Some("https://github.com"), "https://api.github.com/", "https://api.github.com/graphql");
        check(Some("https://git.acme.com/"), "https://git.acme.com/api/v3/", "https://git.acme.com/api/graphql");
        check(Some("https://acme.ghe.com"), "https://api.acme.ghe.com/", "https://api.acme.ghe.com/graphql");
        check(Some("http://127.0.0.1:8080"), "http://127.0.0.1:8080/api/v3/", "http://127.0.0.1:8080/api/graphql");
    }

    #[test]
    fn a_token_goes_nowhere_unencrypted() {
        for bad in [
            "http://git.acme.com",
            "http://10.0.0.1",
            "git.acme.com",
            "ftp://git.acme.com",
            "https://git.acme.com/api/v3",
            "https://me:hunter2@git.acme.com",
        ] {
            let error = Address::parse(Some(bad)).unwrap_err().to_string();
            assert!(error.starts_with("the address of GitHub: ") && !error.contains("hunter2"), "{bad}: {error}");
        }
    }

    #[test]
    fn paths_stand_below_the_base() {
        let address = Address::parse(Some("https://git.acme.com")).unwrap();
        let url = address.of("/repos/acme/api/labels/a%2Fb", &[("per_page", "100".into()), ("q", "a b".into())]);
        assert_eq!(url.as_str(), "https://git.acme.com/api/v3/repos/acme/api/labels/a%2Fb?per_page=100&q=a+b");
        assert_eq!(address.path_of(&url), Some("repos/acme/api/labels/a%2Fb"));
        assert_eq!(address.path_of(&Url::parse("https://evil.org/api/v3/repos/acme/api").unwrap()), None);
    }
}
