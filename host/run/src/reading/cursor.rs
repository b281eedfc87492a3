//! Positions in a list, as the text that a plugin gives back to go on.
//!
//! A position says what was given last, not how much was given: it stays right when files come and go. It comes from
//! outside, so nothing is believed of it but that it is well-formed; all it can do is to skip.

use agentd_plugin::wit::common::Error;

/// The position of a file, and of a line in it where lines are listed. Ordered as the lists are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub(super) path: String,
    pub(super) line: u32,
}

impl Position {
    pub(super) fn write(&self) -> String {
        format!("1:{}:{}", self.line, self.path)
    }

    pub(super) fn read(cursor: &Option<String>) -> Result<Option<Position>, Error> {
        let Some(text) = cursor else { return Ok(None) };
        let mut parts = text.splitn(3, ':');
        let position = match (parts.next(), parts.next().map(str::parse), parts.next()) {
            (Some("1"), Some(Ok(line)), Some(path)) if super::plain(path).is_ok() => {
                Position { path: path.to_owned(), line }
            }
            _ => return Err(bad(text)),
        };
        Ok(Some(position))
    }
}

/// The commit that a page of history begins with.
pub(super) fn commit(cursor: &Option<String>) -> Result<Option<&str>, Error> {
    let Some(text) = cursor else { return Ok(None) };
    match text.strip_prefix("1:") {
        Some(id) if matches!(id.len(), 40 | 64) && super::revision::is_hex(id) => Ok(Some(id)),
        _ => Err(bad(text)),
    }
}

pub(super) fn write_commit(id: &str) -> String {
    format!("1:{id}")
}

fn bad(cursor: &str) -> Error {
    let shown: String = cursor.chars().take(100).collect();
    Error::Invalid(format!(
        "`{}` is no cursor of such a query: give the `next` of its last page, or none to begin",
        shown.escape_debug()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_as_it_was_written() {
        for (path, line) in [("a", 0), ("src/a b:c.rs", 17), ("ä/\n", u32::MAX)] {
            let position = Position { path: path.into(), line };
            assert_eq!(Position::read(&Some(position.write())).unwrap(), Some(position));
        }
        assert_eq!(Position::read(&None).unwrap(), None);
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in ["", "1", "1:2", "1:2:", "2:2:a", "1:-1:a", "1:x:a", "1:4294967296:a", "1:1:../a", "1:1:/a"] {
            assert!(matches!(Position::read(&Some(bad.into())), Err(Error::Invalid(_))), "{bad}");
        }
        for bad in ["", "1:", "1:HEAD", "1:--all", &format!("1:{}g", "0".repeat(39)), &"0".repeat(40)] {
            assert!(matches!(commit(&Some(bad.into())), Err(Error::Invalid(_))), "{bad}");
        }
        assert_eq!(commit(&Some(write_commit(&"a".repeat(40)))).unwrap(), Some("a".repeat(40).as_str()));
    }
}
