//! What the author of an agentd plugin imports: a plugin is a struct, a trait impl for each thing it is, and one line.
//!
//! ```ignore
//! use agentd_sdk::{Description, Error, Plugin, prioritizer::{Batch, Prioritizer, Score}};
//!
//! struct Oldest;
//! agentd_sdk::plugin!(Oldest: prioritizer);
//!
//! impl Plugin for Oldest {
//!     fn describe(_settings: &str) -> Description {
//!         Description { name: "oldest".into(), version: "1.0.0".into(), ..Description::default() }
//!     }
//! }
//!
//! impl Prioritizer for Oldest {
//!     fn rank(batch: Batch) -> Result<Vec<Score>, Error> { … }
//! }
//! ```
//!
//! - [`Plugin`] says who the plugin is, what it can be told and what it wants; every plugin implements it.
//! - One module for each kind: its trait, and the words that the trait uses. Methods that many plugins have nothing
//!   to say about have defaults.
//! - [`host`] is what the host does for plugins. Whether it does it is decided in each call, by the operator's grants.
//! - [`work::Edit::on`] begins what is to be written on an issue or pull request; it is returned, and the host does it.
//! - [`markdown`] shows words of others as words of others.
//! - [`settings()`] reads the entry's settings into a struct; [`log`] writes into the plugin's log.
//! - `..Default::default()` fills a record: every record but those that hold a variant has it.
//!
//! What each word means, its units and limits, and when the host calls what, stands in the contract itself (the WIT
//! files): the texts there are the documentation of the items here.
//!
//! This crate knows the contract and nothing of the host. It also compiles for the machine that develops, so that a
//! plugin's logic can be tested with plain `cargo test`; there the functions of [`host`] panic, since nobody stands
//! behind them.

#[doc(hidden)]
pub mod bindings;

pub mod agent;
pub mod analyzer;
mod edit;
pub mod host;
pub mod log;
pub mod manifest;
pub mod markdown;
pub mod notifier;
pub mod prioritizer;
pub mod prompt_template;
pub mod remote;
pub mod settings;
pub mod task_source;

pub use bindings::host::agentd::agent::activity;
pub use bindings::host::agentd::types::common::{self, Content, Error, Extra, RateLimit, Timestamp};
pub use bindings::host::agentd::types::work;
pub use manifest::{Description, Plugin, Problem, Want};
pub use settings::{SettingsError, settings};

/// Makes a plugin of a type: names the kinds that it is of, each by its module.
///
/// `agentd_sdk::plugin!(Tracker: task_source, notifier);`
///
/// The exports exist in WebAssembly only. Elsewhere the line still checks that the type implements what it names.
#[macro_export]
macro_rules! plugin {
    ($plugin:ident: $($kind:ident),+ $(,)?) => {
        #[cfg(target_family = "wasm")]
        $crate::bindings::manifest::export_manifest!($plugin with_types_in $crate::bindings::manifest);
        $($crate::plugin!(@$kind $plugin);)+
        const _: () = {
            $crate::manifest::implemented::<$plugin>();
            $($crate::$kind::implemented::<$plugin>();)+
        };
    };
    (@task_source $plugin:ident) => {
        #[cfg(target_family = "wasm")]
        $crate::bindings::task_source::export_task_source!($plugin with_types_in $crate::bindings::task_source);
    };
    (@analyzer $plugin:ident) => {
        #[cfg(target_family = "wasm")]
        $crate::bindings::analyzer::export_analyzer!($plugin with_types_in $crate::bindings::analyzer);
    };
    (@prioritizer $plugin:ident) => {
        #[cfg(target_family = "wasm")]
        $crate::bindings::prioritizer::export_prioritizer!($plugin with_types_in $crate::bindings::prioritizer);
    };
    (@prompt_template $plugin:ident) => {
        #[cfg(target_family = "wasm")]
        $crate::bindings::prompt_template::export_prompt_template!(
            $plugin with_types_in $crate::bindings::prompt_template
        );
    };
    (@notifier $plugin:ident) => {
        #[cfg(target_family = "wasm")]
        $crate::bindings::notifier::export_notifier!($plugin with_types_in $crate::bindings::notifier);
    };
    (@agent $plugin:ident) => {
        #[cfg(target_family = "wasm")]
        $crate::bindings::agent::export_agent!($plugin with_types_in $crate::bindings::agent);
    };
    (@remote $plugin:ident) => {
        #[cfg(target_family = "wasm")]
        $crate::bindings::remote::export_remote!($plugin with_types_in $crate::bindings::remote);
    };
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_plugin_in_the_readme_is_the_one_that_compiles() {
        assert!(include_str!("../README.md").contains(include_str!("../examples/longest_wait.rs")));
    }
}
