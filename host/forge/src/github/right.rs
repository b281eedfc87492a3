//! What a person may do in the repository, as GitHub answers it now.
//!
//! - Whatever is not clear is the lower right, and whoever is not known has none.

use super::{GitHubForge, path};
use crate::{Error, Right};
use serde::Deserialize;

/// `GET /repos/{}/collaborators/{}/permission`
#[derive(Debug, Deserialize)]
struct Permission {
    /// `admin`, `write`, `read` or `none`; a custom role counts as the one it is made from.
    #[serde(default)]
    permission: String,
    /// Also `maintain`, `triage`, and names of custom roles.
    #[serde(default)]
    role_name: Option<String>,
    user: Option<User>,
}

#[derive(Debug, Deserialize)]
struct User {
    login: String,
}

impl GitHubForge {
    pub(super) async fn right_of(&self, login: &str) -> Result<Right, Error> {
        if !is_login(login) {
            return Ok(Right::None);
        }
        let path = self.path(&format!("collaborators/{}/permission", path::segment(login)));
        let found: Option<Permission> = self.api().get(&self.scope(), &path, &[]).await?;
        let Some(found) = found else {
            // There is nobody of that name; or the whole repository is not to be seen, which is nobody's fault but agentd's.
            self.about_itself().await?;
            return Ok(Right::None);
        };
        Ok(found.right(login))
    }
}

impl Permission {
    fn right(&self, asked: &str) -> Right {
        // An answer about somebody else is no answer: the name may have gone to another account.
        if !self.user.as_ref().is_some_and(|it| it.login.eq_ignore_ascii_case(asked)) {
            return Right::None;
        }
        let basic = match self.permission.as_str() {
            "admin" => Right::Admin,
            "write" => Right::Write,
            "read" => Right::Read,
            _ => Right::None,
        };
        let role = self.role_name.as_deref().and_then(|it| it.parse::<Right>().ok());
        match (basic, role) {
            // The two roles for which `permission` has no word of its own.
            (Right::Write, Some(Right::Maintain)) => Right::Maintain,
            (Right::Read, Some(Right::Triage)) => Right::Triage,
            (basic, Some(role)) => basic.min(role),
            (basic, None) => basic,
        }
    }
}

/// Letters, digits, `-` and `_`, and for an App its suffix. Nothing else is asked about.
fn is_login(login: &str) -> bool {
    let name = login.strip_suffix("[bot]").unwrap_or(login);
    !name.is_empty() && name.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(answer: &str, expected: Right) {
        let permission: Permission = serde_json::from_str(answer).unwrap();
        assert_eq!(permission.right("ann"), expected, "{answer}");
    }

    fn of(permission: &str, role: &str) -> String {
        format!(r#"{{"permission":"{permission}","role_name":"{role}","user":{{"login":"Ann"}}}}"#)
    }

    #[test]
    fn each_role_is_the_right_of_its_name() {
        check(&of("admin", "admin"), Right::Admin);
        check(&of("write", "maintain"), Right::Maintain);
        check(&of("write", "write"), Right::Write);
        check(&of("read", "triage"), Right::Triage);
        check(&of("read", "read"), Right::Read);
        check(&of("none", "none"), Right::None);
    }

    #[test]
    fn custom_roles_count_as_what_they_are_made_from() {
        check(&of("write", "release captain"), Right::Write);
        check(&of("read", "security-reader"), Right::Read);
        check(r#"{"permission":"write","user":{"login":"ann"}}"#, Right::Write);
    }

    #[test]
    fn doubt_is_the_lower_right() {
        check(&of("write", "read"), Right::Read);
        check(&of("read", "admin"), Right::Read);
        check(&of("read", "maintain"), Right::Read);
        check(&of("none", "admin"), Right::None);
        check(&of("owner", "admin"), Right::None);
        check(r#"{"role_name":"admin","user":{"login":"ann"}}"#, Right::None);
        check(r#"{"permission":"admin","role_name":"admin","user":{"login":"bob"}}"#, Right::None);
        check(r#"{"permission":"admin","role_name":"admin","user":null}"#, Right::None);
    }
}
