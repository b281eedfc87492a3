//! People, and the apps that act beside them.

use super::Render;
use crate::clock;
use crate::state::person::{App, Installation, Person};
use serde_json::{Value, json};

impl Render<'_> {
    /// Somebody, in short; who is gone is `ghost`, as at GitHub.
    pub(crate) fn user(&self, login: &str) -> Value {
        let known = self.state.person(login).map(|it| (it.id, it.login.as_str(), it.kind.as_str()));
        let (id, login, kind) = known.unwrap_or((10137, "ghost", "User"));
        let url = self.api(&format!("/users/{}", login.replace('[', "%5B").replace(']', "%5D")));
        json!({
            "login": login, "id": id, "node_id": format!("U_{id}"), "gravatar_id": "", "url": url, "type": kind,
            "avatar_url": self.page(&format!("/avatars/u/{id}")), "html_url": self.page(&format!("/{}", path(login))),
            "followers_url": format!("{url}/followers"), "following_url": format!("{url}/following{{/other_user}}"),
            "gists_url": format!("{url}/gists{{/gist_id}}"), "starred_url": format!("{url}/starred{{/owner}}{{/repo}}"),
            "subscriptions_url": format!("{url}/subscriptions"), "organizations_url": format!("{url}/orgs"),
            "repos_url": format!("{url}/repos"), "events_url": format!("{url}/events{{/privacy}}"),
            "received_events_url": format!("{url}/received_events"), "site_admin": false, "user_view_type": "public",
        })
    }

    /// Somebody, as their own page shows them; `private` adds what only they see.
    pub(crate) fn profile(&self, person: &Person, private: bool) -> Value {
        let mut user = self.user(&person.login);
        let at = clock::text(person.created_at);
        let more = json!({
            "name": person.name, "company": null, "blog": "", "location": null, "email": null, "hireable": null,
            "bio": null, "twitter_username": null, "public_repos": 0, "public_gists": 0, "followers": 0,
            "following": 0, "created_at": at, "updated_at": at,
        });
        merge(&mut user, more);
        if private {
            merge(
                &mut user,
                json!({
                    "private_gists": 0, "total_private_repos": 0, "owned_private_repos": 0, "disk_usage": 0,
                    "collaborators": 0, "two_factor_authentication": true, "notification_email": null,
                }),
            );
        }
        user
    }

    pub(crate) fn app(&self, app: &App) -> Value {
        let at = clock::text(app.created_at);
        json!({
            "id": app.id, "slug": app.slug, "node_id": format!("A_{}", app.id), "owner": self.user("github"),
            "name": app.slug, "description": "", "external_url": self.page(""), "created_at": at, "updated_at": at,
            "html_url": self.page(&format!("/apps/{}", app.slug)), "permissions": app.permissions, "events": [],
            "installations_count": app.installations.len(),
        })
    }

    pub(crate) fn installation(&self, app: &App, installation: &Installation) -> Value {
        let at = clock::text(app.created_at);
        let id = installation.id;
        let owner = self.state.person(&installation.account);
        let suspended = installation.suspended.then(|| at.clone());
        json!({
            "id": id, "account": self.user(&installation.account), "app_id": app.id, "app_slug": app.slug,
            "target_id": owner.map_or(0, |it| it.id), "target_type": owner.map_or("User", |it| it.kind.as_str()),
            "repository_selection": if installation.repositories.is_some() { "selected" } else { "all" },
            "access_tokens_url": self.api(&format!("/app/installations/{id}/access_tokens")),
            "repositories_url": self.api("/installation/repositories"),
            "html_url": self.page(&format!("/settings/installations/{id}")), "permissions": app.permissions,
            "events": [], "created_at": at, "updated_at": at, "single_file_name": null, "suspended_at": suspended,
            "suspended_by": null,
        })
    }
}

/// Puts what is in `more` into `value`.
pub(super) fn merge(value: &mut Value, more: Value) {
    if let (Value::Object(value), Value::Object(more)) = (value, more) {
        value.extend(more);
    }
}

fn path(login: &str) -> String {
    match login.strip_suffix("[bot]") {
        Some(slug) => format!("apps/{slug}"),
        None => login.to_owned(),
    }
}
