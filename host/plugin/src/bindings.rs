//! The contract, as Rust: one set of generated bindings covers all worlds.
//!
//! A component is asked for the kinds that it exports, and each kind's exports are looked up on their own; so one
//! component may be of several kinds, and of versions that differ. Nothing of this leaves the room except the plain
//! records, by [`crate::wit`].

wasmtime::component::bindgen!({
    inline: "package agentd:everything;
        world all {
            include agentd:task-source/task-source-plugin@1.0.0;
            include agentd:analyzer/analyzer-plugin@1.0.0;
            include agentd:prioritizer/prioritizer-plugin@1.0.0;
            include agentd:prompt-template/prompt-template-plugin@1.0.0;
            include agentd:notifier/notifier-plugin@1.0.0;
            include agentd:agent/agent-plugin@1.0.0;
            include agentd:agent/remote-agent-plugin@1.0.0;
        }",
    path: [
        "../../wit/types", "../../wit/plugin", "../../wit/host", "../../wit/task-source", "../../wit/analyzer",
        "../../wit/prioritizer", "../../wit/prompt-template", "../../wit/notifier", "../../wit/agent",
    ],
    world: "agentd:everything/all",
    imports: { default: async | trappable },
    exports: { default: async },
    additional_derives: [PartialEq, serde::Serialize, serde::Deserialize],
});
