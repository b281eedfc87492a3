//! The plain records of the contract, for the rooms that give them to plugins or get them back.
//!
//! What each word means stands in the WIT. Nothing that can call or be called is here, and nothing of wasmtime's.

pub mod common {
    pub use crate::bindings::agentd::types::common::{Content, Error, Extra, RateLimit, Timestamp};
}

pub mod work {
    pub use crate::bindings::agentd::types::work::{Change, Comment, Draft, Edit, Location, Person, Task, Thread};
}

pub mod manifest {
    pub use crate::bindings::exports::agentd::plugin::manifest::{
        Attachment, Credential, Description, DirectoryWant, ForgeWant, HttpWant, MailWant, ModelWant, OtherWant,
        Problem, RepositoryWant, Want, WebhookWant,
    };
}

pub mod task_source {
    pub use crate::bindings::exports::agentd::task_source::task_source::{
        Command, Delivery, FeedbackPage, FeedbackRequest, Intake, Item, PollRequest, Receipt, Remark, Target, Update,
        Withdrawal,
    };
}

pub mod analyzer {
    pub use crate::bindings::exports::agentd::analyzer::analyzer::{Report, Request};
}

pub mod prioritizer {
    pub use crate::bindings::exports::agentd::prioritizer::prioritizer::{Batch, Candidate, Score};
}

pub mod prompt_template {
    pub use crate::bindings::exports::agentd::prompt_template::prompt_template::{
        Failure, Part, Prompt, Quote, Request,
    };
}

pub mod notifier {
    pub use crate::bindings::exports::agentd::notifier::notifier::{Event, Message, Severity};
}

pub mod activity {
    pub use crate::bindings::agentd::agent::activity::{
        Conclusion, Endpoint, Event, Happening, McpServer, Message, Note, Notice, Outcome, Run, Started, ToolCall,
        ToolResult, Usage, UsageScope, Weight, Window,
    };
}

pub mod agent {
    pub use crate::bindings::exports::agentd::agent::agent::{
        Exit, File, Line, Order, Plan, Progress, Requirements, Tool,
    };
}

pub mod log {
    pub use crate::bindings::agentd::host::log::Level;
}

pub mod http {
    pub use crate::bindings::agentd::host::http::{Request, Response};
}

pub mod mail {
    pub use crate::bindings::agentd::host::mail::Message;
}

pub mod forge {
    pub use crate::bindings::agentd::host::forge::{
        AppliedLabel, Check, CommentPage, CommentQuery, Issue, IssueOrder, IssuePage, IssueQuery, Label, PullRequest,
        PullRequestPage, PullRequestQuery,
    };
}

pub mod repository {
    pub use crate::bindings::agentd::host::repository::{
        BlameRange, ChurnQuery, ChurnedFile, Commit, CommitPage, CommitQuery, File, FilePage, FileQuery, Hit, Info,
        SearchPage, SearchQuery,
    };
}
