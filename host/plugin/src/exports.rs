//! What a component exports: the places of its functions, looked up once, kind by kind.

use crate::bindings::exports::agentd as export;
use crate::kind::Kind;
use crate::state::State;
use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre};

pub(crate) struct Exports {
    pub(crate) manifest: export::plugin::manifest::GuestIndices,
    pub(crate) task_source: Option<export::task_source::task_source::GuestIndices>,
    pub(crate) analyzer: Option<export::analyzer::analyzer::GuestIndices>,
    pub(crate) prioritizer: Option<export::prioritizer::prioritizer::GuestIndices>,
    pub(crate) prompt_template: Option<export::prompt_template::prompt_template::GuestIndices>,
    pub(crate) notifier: Option<export::notifier::notifier::GuestIndices>,
    pub(crate) agent: Option<export::agent::agent::GuestIndices>,
}

impl Exports {
    /// Fails if a kind that the component claims to be lacks a function.
    pub(crate) fn find(pre: &InstancePre<State>, kinds: &[Kind]) -> wasmtime::Result<Exports> {
        macro_rules! of {
            ($kind:ident, $($interface:ident)::+) => {
                kinds.contains(&Kind::$kind).then(|| export::$($interface)::+::GuestIndices::new(pre)).transpose()?
            };
        }
        Ok(Exports {
            manifest: export::plugin::manifest::GuestIndices::new(pre)?,
            task_source: of!(TaskSource, task_source::task_source),
            analyzer: of!(Analyzer, analyzer::analyzer),
            prioritizer: of!(Prioritizer, prioritizer::prioritizer),
            prompt_template: of!(PromptTemplate, prompt_template::prompt_template),
            notifier: of!(Notifier, notifier::notifier),
            agent: of!(Agent, agent::agent),
        })
    }

    /// Fails if a function has other types than the contract says.
    pub(crate) fn check(&self, store: &mut Store<State>, instance: &Instance) -> wasmtime::Result<()> {
        macro_rules! check {
            ($($kind:ident)+) => {
                $(if let Some(exports) = &self.$kind { exports.load(&mut *store, instance)?; })+
            };
        }
        check!(task_source analyzer prioritizer prompt_template notifier agent);
        Ok(())
    }
}
