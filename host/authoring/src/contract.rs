//! The contract that this agentd has: the packages of `wit/`, carried in the program, and the world of each kind.
//!
//! - Never reads a file: what is compared with is what was built in.

use agentd_plugin::Kind;
use std::fmt::Write;
use wit_parser::{InterfaceId, PackageName, Resolve, UnresolvedPackageGroup};

include!(concat!(env!("OUT_DIR"), "/carried.rs"));

/// The version of all packages.
pub const VERSION: &str = "1.0.0";

/// The contract, resolved.
pub(crate) struct Contract {
    pub(crate) resolve: Resolve,
}

impl Contract {
    pub(crate) fn read() -> Contract {
        let mut groups: Vec<UnresolvedPackageGroup> = packages()
            .map(|(path, text)| UnresolvedPackageGroup::parse(path, text).expect("a test parses all packages"))
            .collect();
        let mut resolve = Resolve::default();
        let last = groups.pop().expect("there are packages");
        resolve.push_groups(last, groups).expect("a test resolves all packages");
        Contract { resolve }
    }

    /// The interface `agentd:host/kv`, by its name without a version.
    pub(crate) fn interface(&self, package: &PackageName, name: &str) -> Option<InterfaceId> {
        let (_, id) = self
            .resolve
            .package_names
            .iter()
            .find(|(it, _)| it.namespace == package.namespace && it.name == package.name)?;
        self.resolve.packages[*id].interfaces.get(name).copied()
    }
}

fn packages() -> impl Iterator<Item = (&'static str, &'static str)> {
    let text = |bytes| std::str::from_utf8(bytes).expect("WIT is text");
    WIT.iter().map(move |(path, bytes)| (*path, text(bytes)))
}

/// The name of a kind in the contract's paths.
fn package_of(kind: Kind) -> &'static str {
    if kind == Kind::Remote { "agent" } else { kind.name() }
}

/// What a plugin of the kind is likely to import of `agentd:host`.
fn imports(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::TaskSource => &["log", "entry", "clock", "kv", "http", "forge", "repository", "metrics"],
        Kind::Analyzer => &["log", "entry", "kv", "forge", "repository", "metrics"],
        Kind::PromptTemplate => &["log", "entry", "repository"],
        Kind::Notifier => &["log", "entry", "clock", "kv", "http", "mail", "metrics"],
        Kind::Remote => &["log", "entry", "clock", "http"],
        _ => &["log", "entry"],
    }
}

/// The files of a project's `wit/`: the world `plugin`, and below `deps` all packages: an SDK may name any.
pub(crate) fn project_wit(language: &str, kind: Kind) -> Vec<(String, Vec<u8>)> {
    let mut world = String::from(
        "// What this plugin is, and what it may use. An import that is not used may go, one that is missing may come:\n\
         // the packages lie in deps/, and their comments say what everything means.\n\
         package local:plugin;\n\nworld plugin {\n",
    );
    for import in imports(kind) {
        writeln!(world, "    import agentd:host/{import}@{VERSION};").expect("a String takes everything");
    }
    for (_, import) in IMPORTS.iter().filter(|(it, _)| *it == language) {
        writeln!(world, "    import {import};").expect("a String takes everything");
    }
    let (package, interface) = (package_of(kind), kind.name());
    writeln!(world, "    export agentd:plugin/manifest@{VERSION};").expect("a String takes everything");
    writeln!(world, "    export agentd:{package}/{interface}@{VERSION};\n}}").expect("a String takes everything");
    let mut files = vec![("wit/world.wit".to_owned(), world.into_bytes())];
    files.extend(packages().map(|(path, text)| (format!("wit/deps/{path}"), text.as_bytes().to_vec())));
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract_is_whole() {
        let contract = Contract::read();
        let package = PackageName { namespace: "agentd".into(), name: "host".into(), version: None };
        let kv = contract.interface(&package, "kv").unwrap();
        let functions: Vec<_> = contract.resolve.interfaces[kv].functions.keys().cloned().collect();
        assert_eq!(functions, ["get", "set", "remove", "keys"]);
        assert_eq!(contract.interface(&package, "telepathy"), None);
    }

    #[test]
    fn the_world_of_every_kind_resolves_with_nothing_but_the_project() {
        for kind in Kind::ALL {
            let files = project_wit("", kind);
            let parse = |(path, text): &(String, Vec<u8>)| {
                UnresolvedPackageGroup::parse(path, std::str::from_utf8(text).unwrap()).unwrap()
            };
            let deps = files[1..].iter().map(parse).collect();
            let mut resolve = Resolve::default();
            let main = resolve.push_groups(parse(&files[0]), deps);
            let main = main.unwrap_or_else(|error| panic!("{kind}: {error:?}"));
            assert!(resolve.select_world(&[main], Some("plugin")).is_ok(), "{kind}");
        }
    }

    #[test]
    fn the_world_names_what_the_kind_needs() {
        insta::assert_snapshot!(String::from_utf8(project_wit("", Kind::Agent)[0].1.clone()).unwrap(), @"
        // What this plugin is, and what it may use. An import that is not used may go, one that is missing may come:
        // the packages lie in deps/, and their comments say what everything means.
        package local:plugin;

        world plugin {
            import agentd:host/log@1.0.0;
            import agentd:host/entry@1.0.0;
            export agentd:plugin/manifest@1.0.0;
            export agentd:agent/agent@1.0.0;
        }
        ");
    }
}
