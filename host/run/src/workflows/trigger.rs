//! Which events of a workflow agentd's branches and pull requests set off.

use super::yaml::At;

/// What the branches that agentd pushes begin with.
const OURS: &str = "agentd/";
/// Patterns that leave out no branch of agentd's.
const ALL_OURS: [&str; 3] = ["**", "agentd/**", "agentd/**/*"];
/// Events of a pull request, or of a branch that is made, that run with the repository's secrets.
const OF_CHANGES: [&str; 5] =
    ["pull_request", "pull_request_target", "pull_request_review", "pull_request_review_comment", "create"];

/// The events that a workflow runs on, each with what is said about it; none: it names none.
pub(super) fn events(root: At<'_>) -> Option<Vec<(String, Option<At<'_>>)>> {
    let on = root.get("on")?;
    if let Some(entries) = on.entries() {
        let named = entries.into_iter().filter_map(|(name, about)| Some((name.text()?.to_owned(), Some(about))));
        return Some(named.collect());
    }
    Some(on.items().into_iter().filter_map(|name| Some((name.text()?.to_owned(), None))).collect())
}

/// The events among these that a push of agentd's, or its pull request, sets off directly.
pub(super) fn direct(events: &[(String, Option<At<'_>>)]) -> Vec<String> {
    let counts = |(name, about): &&(String, Option<At<'_>>)| match name.as_str() {
        "push" => about.is_none_or(may_be_pushed),
        name => OF_CHANGES.contains(&name),
    };
    events.iter().filter(counts).map(|(name, _)| name.clone()).collect()
}

/// The workflows after which one runs, by name; none: it does not run after others.
pub(super) fn after(events: &[(String, Option<At<'_>>)]) -> Option<Vec<String>> {
    let (_, about) = events.iter().find(|(name, _)| name == "workflow_run")?;
    let named = about.and_then(|it| it.get("workflows")).map(At::items).unwrap_or_default();
    Some(named.into_iter().filter_map(|name| Some(name.text()?.to_owned())).collect())
}

/// Whether a push to one of agentd's branches passes the filter.
fn may_be_pushed(about: At<'_>) -> bool {
    let patterns = |key: &str| -> Option<Vec<String>> {
        let list = about.get(key)?;
        Some(list.items().into_iter().map(|it| it.text().unwrap_or("**").to_owned()).collect())
    };
    // What a filter without any pattern lets pass, GitHub does not say.
    let is_empty = |list: At<'_>| list.is_null() || list.items().is_empty();
    if ["branches", "tags", "tags-ignore"].into_iter().filter_map(|key| about.get(key)).any(is_empty) {
        return true;
    }
    if let Some(branches) = patterns("branches") {
        return branches.iter().fold(false, |passes, pattern| match pattern.strip_prefix('!') {
            Some(left_out) => passes && !ALL_OURS.contains(&left_out),
            None => passes || may_match(pattern),
        });
    }
    if let Some(ignored) = patterns("branches-ignore") {
        return !ignored.iter().any(|it| ALL_OURS.contains(&it.as_str()));
    }
    // With nothing but tags, no branch sets it off.
    patterns("tags").is_none() && patterns("tags-ignore").is_none()
}

/// Whether a pattern of GitHub's may match a branch that begins with [`OURS`]; yes, where that is hard to say.
fn may_match(pattern: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    // The places in the pattern at which what was read so far may have led.
    let mut places = reach(&pattern, vec![0]);
    for character in OURS.chars() {
        let mut next = vec![];
        for place in places {
            match pattern.get(place) {
                Some('*') => {
                    let any = pattern.get(place + 1) == Some(&'*');
                    if any || character != '/' {
                        next.push(place);
                    }
                }
                Some('[' | '\\') => return true,
                Some(own) if *own == character => {
                    next.push(place + 1);
                    if pattern.get(place + 1) == Some(&'+') {
                        next.push(place);
                    }
                }
                Some(_) | None => {}
            }
        }
        places = reach(&pattern, next);
    }
    places.iter().any(|place| *place < pattern.len())
}

/// These places, and those that are reached without reading anything.
fn reach(pattern: &[char], from: Vec<usize>) -> Vec<usize> {
    let (mut waiting, mut reached) = (from, vec![]);
    while let Some(place) = waiting.pop() {
        if reached.contains(&place) {
            continue;
        }
        reached.push(place);
        match (pattern.get(place), pattern.get(place + 1)) {
            (Some('*'), Some('*')) => {
                waiting.push(place + 2);
                // `**/` may stand for nothing at all.
                if pattern.get(place + 2) == Some(&'/') {
                    waiting.push(place + 3);
                }
            }
            (Some('*' | '+' | '?'), _) => waiting.push(place + 1),
            (Some(_), Some('?')) => waiting.push(place + 2),
            _ => {}
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::may_match;

    #[test]
    fn patterns_that_agentds_branches_may_match() {
        for pattern in
            ["**", "*/*", "agentd/**", "agentd/*", "agent*/**", "**/fix", "[a-z]gentd/x", "a+gentd/*", "x?agentd/**"]
        {
            assert!(may_match(pattern), "{pattern}");
        }
        for pattern in
            ["*", "main", "release/**", "agentd", "agentd/", "v*", "feature-*", "*agentd", "", "dev/*", "agentdx/**"]
        {
            assert!(!may_match(pattern), "{pattern}");
        }
    }
}
