//! Which route of the description a path is of.

use crate::message::decoded;

/// A route and the values that a path has for it, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// `/repos/{owner}/{repo}`
    pub(crate) template: String,
    pub(crate) values: Vec<(String, String)>,
}

pub(super) struct Templates {
    all: Vec<Template>,
}

struct Template {
    text: String,
    segments: Vec<Segment>,
    /// The last value may hold slashes.
    open: bool,
}

enum Segment {
    Literal(String),
    Value(String),
}

/// Routes whose last value may hold slashes that are not encoded.
const OPEN: [&str; 5] =
    ["/git/ref/{ref}", "/git/refs/{ref}", "/git/matching-refs/{ref}", "/contents/{path}", "/compare/{basehead}"];

impl Templates {
    pub(super) fn new<'a>(paths: impl Iterator<Item = &'a str>) -> Templates {
        let template = |text: &str| Template {
            text: text.to_owned(),
            segments: text.split('/').skip(1).map(segment).collect(),
            open: OPEN.iter().any(|it| text.ends_with(it)),
        };
        Templates { all: paths.map(template).collect() }
    }

    pub(super) fn find(&self, path: &str) -> Option<Found> {
        let parts: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        let fitting = self.all.iter().filter_map(|it| it.fits(&parts).map(|values| (it, values)));
        let (template, values) = fitting.max_by_key(|(it, _)| it.literals())?;
        Some(Found { template: template.text.clone(), values })
    }
}

impl Template {
    /// For each segment from the left whether it is literal: what is literal earlier is the better match.
    fn literals(&self) -> Vec<bool> {
        self.segments.iter().map(|it| matches!(it, Segment::Literal(_))).collect()
    }

    fn fits(&self, parts: &[&str]) -> Option<Vec<(String, String)>> {
        let count = self.segments.len();
        if parts.len() < count || (parts.len() > count && !self.open) {
            return None;
        }
        let mut values = Vec::new();
        for (index, segment) in self.segments.iter().enumerate() {
            let rest = if index + 1 == count { parts[index..].join("/") } else { parts[index].to_owned() };
            match segment {
                Segment::Literal(literal) if *literal == rest => (),
                Segment::Value(name) if !rest.is_empty() => values.push((name.clone(), decoded(&rest))),
                Segment::Literal(_) | Segment::Value(_) => return None,
            }
        }
        Some(values)
    }
}

fn segment(text: &str) -> Segment {
    match text.strip_prefix('{').and_then(|it| it.strip_suffix('}')) {
        // `{base}...{head}` is two values, which another template has as one.
        Some(name) if !name.contains('{') => Segment::Value(name.to_owned()),
        _ => Segment::Literal(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, template: &str, values: &[&str]) {
        let paths = [
            "/user",
            "/repos/{owner}/{repo}",
            "/repos/{owner}/{repo}/issues/{issue_number}",
            "/repos/{owner}/{repo}/issues/comments",
            "/repos/{owner}/{repo}/git/refs/{ref}",
            "/repos/{owner}/{repo}/labels/{name}",
        ];
        let found = Templates::new(paths.into_iter()).find(path);
        let found = found.map(|it| (it.template, it.values.into_iter().map(|(_, value)| value).collect::<Vec<_>>()));
        let expected =
            (!template.is_empty()).then(|| (template.to_owned(), values.iter().map(|&it| it.to_owned()).collect()));
        assert_eq!(found, expected, "{path}");
    }

    #[test]
    fn a_path_is_of_the_most_literal_route() {
        check("/user", "/user", &[]);
        check("/users", "", &[]);
        check("/repos/acme/api", "/repos/{owner}/{repo}", &["acme", "api"]);
        check("/repos/acme/api/", "", &[]);
        check("/repos/acme/api/issues/7", "/repos/{owner}/{repo}/issues/{issue_number}", &["acme", "api", "7"]);
        check("/repos/acme/api/issues/comments", "/repos/{owner}/{repo}/issues/comments", &["acme", "api"]);
        check(
            "/repos/acme/api/git/refs/heads/a/b",
            "/repos/{owner}/{repo}/git/refs/{ref}",
            &["acme", "api", "heads/a/b"],
        );
        check("/repos/acme/api/labels/a%2Fb%20c", "/repos/{owner}/{repo}/labels/{name}", &["acme", "api", "a/b c"]);
        check("/repos/acme/api/labels/a/b", "", &[]);
    }
}
