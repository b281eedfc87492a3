//! The C bindings of a new project, made of the contract that is in the program: the other languages' tools make theirs
//! with each build, and C has no such tool that a package brings.
//!
//! - Never differs from the project's `wit/`: both come from the same text.

use wit_bindgen_c::Opts;
use wit_bindgen_core::Files;
use wit_bindgen_core::wit_parser::{Resolve, UnresolvedPackageGroup};

/// The files below `gen/`, by path, for the world `plugin` of these WIT files; the first of them holds it.
pub(crate) fn of_c(wit: &[(String, Vec<u8>)]) -> Vec<(String, Vec<u8>)> {
    let parse = |(path, text): &(String, Vec<u8>)| {
        let text = std::str::from_utf8(text).expect("WIT is text");
        UnresolvedPackageGroup::parse(path, text).expect("a test parses the project of every kind")
    };
    let mut groups = wit.iter().map(parse);
    let main = groups.next().expect("the world comes first");
    let mut resolve = Resolve::default();
    let main = resolve.push_groups(main, groups.collect()).expect("a test resolves the project of every kind");
    let world = resolve.select_world(&[main], Some("plugin")).expect("it is named so");
    let mut files = Files::default();
    let made = Opts::default().build().generate(&mut resolve, world, &mut files);
    made.expect("a test makes the bindings of every kind");
    files.iter().map(|(name, content)| (format!("gen/{name}"), content.to_vec())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::project_wit;
    use agentd_plugin::Kind;

    #[test]
    fn every_kind_has_bindings_that_name_its_functions() {
        for kind in Kind::ALL {
            let files = of_c(&project_wit("c", kind));
            let names: Vec<_> = files.iter().map(|it| it.0.as_str()).collect();
            assert_eq!(names, ["gen/plugin.c", "gen/plugin.h", "gen/plugin_component_type.o"], "{kind}");
            let header = String::from_utf8(files[1].1.clone()).unwrap();
            assert!(header.contains("void exports_agentd_plugin_manifest_describe("), "{kind}");
        }
    }
}
