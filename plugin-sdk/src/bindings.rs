//! The contract as Rust: generated from the WIT files, and nothing else.
//!
//! Plugin authors do not import from here: the modules beside this one re-export what they need, and the macro
//! [`plugin!`](crate::plugin) uses the rest.
//!
//! Each kind is a world of its own that exports nothing but that kind, so that a plugin exports exactly what its macro
//! line names. The manifest is another one, because it is there once, however many kinds a plugin is of. The worlds
//! share their types through `host`, which is the one that generates them.

/// What plugins import, and the types that kinds share.
pub mod host {
    wit_bindgen::generate!({
        inline: "package sdk:host;
            world host { include agentd:host/imports@1.0.0; import agentd:agent/activity@1.0.0; }",
        path: ["../wit/types", "../wit/plugin", "../wit/host", "../wit/agent"],
        world: "sdk:host/host",
        generate_all,
        generate_unused_types: true, // kinds use types that no import does
        additional_derives: [Default, PartialEq],
        additional_derives_ignore: [
            "content", "error", "level", "issue-order", "usage-scope", "weight", "happening", "event", "outcome",
            "conclusion", "notice",
        ],
    });
}

/// What every plugin exports.
pub mod manifest {
    wit_bindgen::generate!({
        inline: "package sdk:manifest; world export-manifest { export agentd:plugin/manifest@1.0.0; }",
        path: ["../wit/types", "../wit/plugin"],
        world: "sdk:manifest/export-manifest",
        with: {
            "agentd:types/common@1.0.0": crate::common,
            "agentd:plugin/manifest@1.0.0": generate,
        },
        pub_export_macro: true,
        export_macro_name: "export_manifest",
        default_bindings_module: "agentd_sdk::bindings::manifest",
        additional_derives: [Default],
        additional_derives_ignore: ["attachment", "credential", "want"],
    });
}

pub mod task_source {
    wit_bindgen::generate!({
        inline: "package sdk:task-source; world export-task-source { export agentd:task-source/task-source@1.0.0; }",
        path: ["../wit/types", "../wit/plugin", "../wit/host", "../wit/task-source"],
        world: "sdk:task-source/export-task-source",
        with: {
            "agentd:types/common@1.0.0": crate::common,
            "agentd:types/work@1.0.0": crate::work,
            "agentd:task-source/task-source@1.0.0": generate,
        },
        pub_export_macro: true,
        export_macro_name: "export_task_source",
        default_bindings_module: "agentd_sdk::bindings::task_source",
        additional_derives: [Default],
        additional_derives_ignore: ["item", "target", "remark"],
    });
}

pub mod analyzer {
    wit_bindgen::generate!({
        inline: "package sdk:analyzer; world export-analyzer { export agentd:analyzer/analyzer@1.0.0; }",
        path: ["../wit/types", "../wit/plugin", "../wit/host", "../wit/analyzer"],
        world: "sdk:analyzer/export-analyzer",
        with: {
            "agentd:types/common@1.0.0": crate::common,
            "agentd:types/work@1.0.0": crate::work,
            "agentd:analyzer/analyzer@1.0.0": generate,
        },
        pub_export_macro: true,
        export_macro_name: "export_analyzer",
        default_bindings_module: "agentd_sdk::bindings::analyzer",
        additional_derives: [Default],
    });
}

pub mod prioritizer {
    wit_bindgen::generate!({
        inline: "package sdk:prioritizer; world export-prioritizer { export agentd:prioritizer/prioritizer@1.0.0; }",
        path: ["../wit/types", "../wit/plugin", "../wit/host", "../wit/prioritizer"],
        world: "sdk:prioritizer/export-prioritizer",
        with: {
            "agentd:types/common@1.0.0": crate::common,
            "agentd:types/work@1.0.0": crate::work,
            "agentd:prioritizer/prioritizer@1.0.0": generate,
        },
        pub_export_macro: true,
        export_macro_name: "export_prioritizer",
        default_bindings_module: "agentd_sdk::bindings::prioritizer",
        additional_derives: [Default],
    });
}

pub mod prompt_template {
    wit_bindgen::generate!({
        inline: "package sdk:prompt-template;
            world export-prompt-template { export agentd:prompt-template/prompt-template@1.0.0; }",
        path: ["../wit/types", "../wit/plugin", "../wit/host", "../wit/prompt-template"],
        world: "sdk:prompt-template/export-prompt-template",
        with: {
            "agentd:types/common@1.0.0": crate::common,
            "agentd:types/work@1.0.0": crate::work,
            "agentd:prompt-template/prompt-template@1.0.0": generate,
        },
        pub_export_macro: true,
        export_macro_name: "export_prompt_template",
        default_bindings_module: "agentd_sdk::bindings::prompt_template",
        additional_derives: [Default],
        additional_derives_ignore: ["part"],
    });
}

pub mod notifier {
    wit_bindgen::generate!({
        inline: "package sdk:notifier; world export-notifier { export agentd:notifier/notifier@1.0.0; }",
        path: ["../wit/types", "../wit/plugin", "../wit/host", "../wit/notifier"],
        world: "sdk:notifier/export-notifier",
        with: {
            "agentd:types/common@1.0.0": crate::common,
            "agentd:types/work@1.0.0": crate::work,
            "agentd:notifier/notifier@1.0.0": generate,
        },
        pub_export_macro: true,
        export_macro_name: "export_notifier",
        default_bindings_module: "agentd_sdk::bindings::notifier",
        additional_derives: [Default],
        additional_derives_ignore: ["severity", "event"],
    });
}

pub mod agent {
    wit_bindgen::generate!({
        inline: "package sdk:agent; world export-agent { export agentd:agent/agent@1.0.0; }",
        path: ["../wit/types", "../wit/plugin", "../wit/host", "../wit/agent"],
        world: "sdk:agent/export-agent",
        with: {
            "agentd:types/common@1.0.0": crate::common,
            "agentd:types/work@1.0.0": crate::work,
            "agentd:agent/activity@1.0.0": crate::activity,
            "agentd:agent/agent@1.0.0": generate,
        },
        pub_export_macro: true,
        export_macro_name: "export_agent",
        default_bindings_module: "agentd_sdk::bindings::agent",
        additional_derives: [Default],
    });
}

pub mod remote {
    wit_bindgen::generate!({
        inline: "package sdk:remote; world export-remote { export agentd:agent/remote@1.0.0; }",
        path: ["../wit/types", "../wit/plugin", "../wit/host", "../wit/agent"],
        world: "sdk:remote/export-remote",
        with: {
            "agentd:types/common@1.0.0": crate::common,
            "agentd:types/work@1.0.0": crate::work,
            "agentd:agent/activity@1.0.0": crate::activity,
            "agentd:agent/remote@1.0.0": generate,
        },
        pub_export_macro: true,
        export_macro_name: "export_remote",
        default_bindings_module: "agentd_sdk::bindings::remote",
        additional_derives: [Default],
        additional_derives_ignore: ["work", "status"],
    });
}
