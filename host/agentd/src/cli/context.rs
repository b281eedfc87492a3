//! What every command has: the global options, a place to print, and the way to the daemon or to its store.

use super::{
    Global,
    client::{self, Client, with_query},
    exit::Error,
    print::{Out, Progress, now},
};
use crate::{
    config::{Config, Environment},
    home::Home,
    server::{
        query::{self, TaskQuery},
        view::{EffectView, EventView, StatusView, TaskDetail, TaskView},
    },
};
use agentd_store::Reader;
use agentd_task::TaskId;

pub(crate) struct Context {
    pub(crate) global: Global,
    pub(crate) out: Out,
    pub(crate) progress: Progress,
}

impl Context {
    pub(crate) fn new(global: Global) -> Context {
        let (out, progress) = (Out::stdout(global.json, global.color), Progress { quiet: global.quiet });
        Context { global, out, progress }
    }

    #[cfg(test)]
    pub(crate) fn for_test(global: Global, out: Out) -> Context {
        Context { global, out, progress: Progress { quiet: true } }
    }

    /// The whole configuration, checked.
    pub(crate) fn config(&self) -> Result<Config, Error> {
        Ok(Config::load(self.global.config.as_deref(), self.global.home.as_deref())?)
    }

    /// The home folder alone: the rest of the configuration may be broken, or need secrets that only the daemon has.
    pub(crate) fn home(&self) -> Result<Home, Error> {
        let environment = Environment::of_process();
        let path = Config::home_only(self.global.config.as_deref(), self.global.home.as_deref(), &environment)?;
        Ok(Home::new(path))
    }

    /// The way to the daemon. Whether it runs shows with the first request.
    pub(crate) fn client(&self) -> Result<Client, Error> {
        Ok(Client::new(&self.home()?))
    }

    /// The daemon, or its store while it is down.
    pub(crate) async fn reads(&self) -> Result<Reads, Error> {
        let home = self.home()?;
        let client = Client::new(&home);
        match client.health().await {
            Ok(_) => Ok(Reads::Daemon(client)),
            Err(client::Error::NotRunning { .. }) => Ok(Reads::Store(Reader::open(home.database())?, home)),
            Err(other) => Err(other.into()),
        }
    }

    /// The options that lead to the same daemon, for commands that a hint names.
    pub(crate) fn options(&self) -> String {
        let mut text = String::new();
        for (name, value) in [("--home", &self.global.home), ("--config", &self.global.config)] {
            if let Some(value) = value {
                text.push_str(&format!(" {name} {}", value.display()));
            }
        }
        text
    }
}

/// Where answers to questions come from.
pub(crate) enum Reads {
    Daemon(Client),
    Store(Reader, Home),
}

impl Reads {
    pub(crate) async fn status(&self) -> Result<StatusView, Error> {
        match self {
            Reads::Daemon(client) => Ok(client.get("/v1/status").await?),
            Reads::Store(reader, home) => {
                Ok(query::status(reader, &home.path().display().to_string(), None, now()).await?)
            }
        }
    }

    pub(crate) async fn tasks(&self, query: TaskQuery) -> Result<Vec<TaskView>, Error> {
        match self {
            Reads::Daemon(client) => {
                let mut pairs = Vec::new();
                for (name, value) in [
                    ("state", Some(query.state).filter(|it| !it.is_empty())),
                    ("source", query.source),
                    ("repository", query.repository),
                    ("after", query.after.map(|it| it.to_string())),
                    ("limit", query.limit.map(|it| it.to_string())),
                ] {
                    pairs.extend(value.map(|value| (name, value)));
                }
                Ok(client.get(&with_query("/v1/tasks", &pairs)).await?)
            }
            Reads::Store(reader, _) => Ok(query::tasks(reader, query).await?),
        }
    }

    pub(crate) async fn task(&self, id: TaskId) -> Result<TaskDetail, Error> {
        match self {
            Reads::Daemon(client) => Ok(client.get(&format!("/v1/tasks/{id}")).await?),
            Reads::Store(reader, _) => query::task(reader, id).await?.ok_or_else(|| {
                Error::work(format!("there is no task {id}")).hint("agentd task list shows those that are there")
            }),
        }
    }

    pub(crate) async fn queue(&self, limit: u32) -> Result<Vec<TaskView>, Error> {
        match self {
            Reads::Daemon(client) => Ok(client.get(&with_query("/v1/queue", &[("limit", limit.to_string())])).await?),
            Reads::Store(reader, _) => Ok(query::queue(reader, limit).await?),
        }
    }

    pub(crate) async fn effects(&self, task: Option<TaskId>, all: bool) -> Result<Vec<EffectView>, Error> {
        match self {
            Reads::Daemon(client) => {
                let mut pairs = vec![("all", all.to_string())];
                pairs.extend(task.map(|it| ("task", it.to_string())));
                Ok(client.get(&with_query("/v1/outbox", &pairs)).await?)
            }
            Reads::Store(reader, _) => Ok(query::effects(reader, task, all).await?),
        }
    }

    /// All events after a number, handed over as they come; with `follow` until `each` says that it is enough.
    pub(crate) async fn events(
        &self,
        asked: &Asked,
        mut each: impl FnMut(EventView) -> Result<Go, Error>,
    ) -> Result<(), Error> {
        match self {
            Reads::Daemon(client) => {
                let mut pairs = vec![("after", asked.after.to_string()), ("follow", asked.follow.to_string())];
                pairs.extend(asked.task.map(|it| ("task", it.to_string())));
                let mut lines = client.lines(&with_query("/v1/events", &pairs)).await?;
                while let Some(event) = lines.next().await? {
                    if each(event)? == Go::Enough {
                        return Ok(());
                    }
                }
            }
            Reads::Store(_, home) if asked.follow => {
                return Err(client::Error::NotRunning { home: home.path().to_owned() }.into());
            }
            Reads::Store(reader, _) => {
                let mut after = asked.after;
                loop {
                    let batch = query::events(reader, after, query::ROWS_MAX, asked.task).await?;
                    let Some(last) = batch.last() else { return Ok(()) };
                    after = last.id;
                    for event in batch {
                        if each(event)? == Go::Enough {
                            return Ok(());
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

/// Which events.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) after: i64,
    pub(crate) task: Option<TaskId>,
    pub(crate) follow: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Go {
    On,
    Enough,
}
