//! Where a component's WIT differs from the contract that this agentd has, field by field, in words.
//!
//! Types are compared by what they are made of, as the linker does it: a record's field by name and place, a variant's
//! case, an enum's word. Each named type is looked at once, and its place is its name in the contract, so that a
//! difference reads `agentd:types/work draft.labels: list<string> expected, found string`.
//!
//! - Never instantiates or compiles: it reads the types that are in the file.

use crate::contract::{Contract, VERSION};
use crate::strip;
use std::collections::BTreeSet;
use wit_parser::decoding::DecodedWasm;
use wit_parser::{
    Function, InterfaceId, PackageName, Resolve, Type, TypeDef, TypeDefKind, TypeId, TypeOwner, WorldItem, WorldKey,
};

/// What a component takes and gives, and where that is not the contract's.
#[derive(Debug, Default)]
pub(crate) struct Differences {
    /// `agentd:host/kv`, `wasi:clocks/wall-clock@0.2.6`: what it imports.
    pub(crate) imports: Vec<String>,
    /// One line for each difference.
    pub(crate) lines: Vec<String>,
    /// What it imports and this agentd does not have: `agentd:host/kv@1.3.0`, `agentd:host/kv#cas`.
    pub(crate) missing: Vec<String>,
}

/// Compares. None: the types cannot be read, because it is no whole component.
pub(crate) fn find(bytes: &[u8]) -> Option<Differences> {
    if strip::is_core_module(bytes) {
        return None;
    }
    let DecodedWasm::Component(resolve, world) = wit_component::decode(bytes).ok()? else { return None };
    let contract = Contract::read();
    let mut compare =
        Compare { contract: &contract, resolve: &resolve, seen: BTreeSet::new(), found: Differences::default() };
    let world = &resolve.worlds[world];
    for (key, item) in &world.imports {
        compare.import(key, item);
    }
    for (key, item) in &world.exports {
        compare.export(key, item);
    }
    Some(compare.found)
}

struct Compare<'a> {
    contract: &'a Contract,
    /// The component's.
    resolve: &'a Resolve,
    seen: BTreeSet<(TypeId, TypeId)>,
    found: Differences,
}

impl Compare<'_> {
    fn import(&mut self, key: &WorldKey, item: &WorldItem) {
        let name = self.resolve.name_world_key(key);
        self.found.imports.push(name.clone());
        let Some((id, package)) = self.interface(item) else { return };
        if package.namespace != "agentd" {
            return;
        }
        let interface = self.resolve.interfaces[id].name.clone().unwrap_or_default();
        let known = self.contract.interface(&package, &interface).filter(|_| is_ours(&package));
        let Some(known) = known else { return self.found.missing.push(name) };
        let place = place(&package, &interface);
        for function in self.resolve.interfaces[id].functions.values() {
            match self.contract.resolve.interfaces[known].functions.get(&function.name) {
                Some(expected) => self.function(&place, expected, function),
                None => self.found.missing.push(format!("{place}#{}", function.name)),
            }
        }
        self.types(known, id);
    }

    fn export(&mut self, key: &WorldKey, item: &WorldItem) {
        let Some((id, package)) = self.interface(item) else { return };
        let interface = self.resolve.interfaces[id].name.clone().unwrap_or_default();
        if package.namespace != "agentd" || !is_ours(&package) {
            return;
        }
        let Some(known) = self.contract.interface(&package, &interface) else {
            return self
                .found
                .lines
                .push(format!("{}: the contract has no such export", self.resolve.name_world_key(key)));
        };
        let place = place(&package, &interface);
        for expected in self.contract.resolve.interfaces[known].functions.values() {
            match self.resolve.interfaces[id].functions.get(&expected.name) {
                Some(function) => self.function(&place, expected, function),
                None => self.found.lines.push(format!("{place} {}: expected, not found", expected.name)),
            }
        }
        self.types(known, id);
    }

    fn interface(&self, item: &WorldItem) -> Option<(InterfaceId, PackageName)> {
        let WorldItem::Interface { id, .. } = item else { return None };
        let package = self.resolve.interfaces[*id].package?;
        Some((*id, self.resolve.packages[package].name.clone()))
    }

    /// The named types of both.
    fn types(&mut self, expected: InterfaceId, found: InterfaceId) {
        let found = self.resolve.interfaces[found].types.clone();
        for (name, found) in found {
            if let Some(expected) = self.contract.resolve.interfaces[expected].types.get(&name) {
                self.named(*expected, found);
            }
        }
    }

    fn function(&mut self, place: &str, expected: &Function, found: &Function) {
        let place = format!("{place} {}", expected.name);
        let (wanted, given) = (expected.params.len(), found.params.len());
        if wanted != given {
            self.found.lines.push(format!("{place}: {wanted} parameters expected, found {given}"));
        }
        for (expected, found) in expected.params.iter().zip(&found.params) {
            self.compare(&format!("{place}({})", expected.name), &expected.ty, &found.ty);
        }
        self.optional(&format!("{place} result"), expected.result.as_ref(), found.result.as_ref());
    }

    fn optional(&mut self, place: &str, expected: Option<&Type>, found: Option<&Type>) {
        match (expected, found) {
            (Some(expected), Some(found)) => self.compare(place, expected, found),
            (None, None) => (),
            _ => self.differ(place, &self.words_of(expected, true), &self.words_of(found, false)),
        }
    }

    fn compare(&mut self, place: &str, expected: &Type, found: &Type) {
        let (expected, found) = (plain(&self.contract.resolve, expected), plain(self.resolve, found));
        let (Type::Id(one), Type::Id(other)) = (expected, found) else {
            if expected != found {
                self.differ(place, &words(&self.contract.resolve, &expected), &words(self.resolve, &found));
            }
            return;
        };
        let (one_def, other_def) = (&self.contract.resolve.types[one], &self.resolve.types[other]);
        if one_def.name.is_some() || other_def.name.is_some() {
            let same_shape = std::mem::discriminant(&one_def.kind) == std::mem::discriminant(&other_def.kind);
            if one_def.name == other_def.name && same_shape {
                return self.named(one, other);
            }
            return self.differ(place, &words(&self.contract.resolve, &expected), &words(self.resolve, &found));
        }
        if !self.parts(place, &one_def.kind.clone(), &other_def.kind.clone()) {
            self.differ(place, &words(&self.contract.resolve, &expected), &words(self.resolve, &found));
        }
    }

    /// Types without a name, part by part; false: they are of different shape.
    fn parts(&mut self, place: &str, expected: &TypeDefKind, found: &TypeDefKind) -> bool {
        let before = self.found.lines.len();
        match (expected, found) {
            (TypeDefKind::List(one), TypeDefKind::List(other))
            | (TypeDefKind::Option(one), TypeDefKind::Option(other)) => {
                self.compare(place, one, other);
            }
            (TypeDefKind::Result(one), TypeDefKind::Result(other)) => {
                self.optional(place, one.ok.as_ref(), other.ok.as_ref());
                self.optional(place, one.err.as_ref(), other.err.as_ref());
            }
            (TypeDefKind::Tuple(one), TypeDefKind::Tuple(other)) if one.types.len() == other.types.len() => {
                for (one, other) in one.types.iter().zip(&other.types) {
                    self.compare(place, one, other);
                }
            }
            _ => return false,
        }
        // What a plain part is wrong about is better read with what stands around it.
        let nested = self.found.lines[before..].iter().any(|it| it.starts_with(&format!("{place}: ")));
        if nested {
            self.found.lines.truncate(before);
        }
        !nested
    }

    /// Types with a name, once each.
    fn named(&mut self, expected: TypeId, found: TypeId) {
        if !self.seen.insert((expected, found)) {
            return;
        }
        let (contract, resolve) = (&self.contract.resolve, self.resolve);
        let (one, other) = (&contract.types[expected], &resolve.types[found]);
        let place = format!("{}{}", owner(contract, one), one.name.clone().unwrap_or_default());
        match (&one.kind.clone(), &other.kind.clone()) {
            (TypeDefKind::Record(one), TypeDefKind::Record(other)) => {
                let field = |it: &wit_parser::Field| (it.name.clone(), Some(it.ty));
                self.members(&place, "field", one.fields.iter().map(field), other.fields.iter().map(field));
            }
            (TypeDefKind::Variant(one), TypeDefKind::Variant(other)) => {
                let case = |it: &wit_parser::Case| (it.name.clone(), it.ty);
                self.members(&place, "case", one.cases.iter().map(case), other.cases.iter().map(case));
            }
            (TypeDefKind::Enum(one), TypeDefKind::Enum(other)) => {
                let word = |it: &wit_parser::EnumCase| (it.name.clone(), None);
                self.members(&place, "word", one.cases.iter().map(word), other.cases.iter().map(word));
            }
            (TypeDefKind::Type(one), TypeDefKind::Type(other)) => self.compare(&place, one, other),
            (one, other) => {
                if !self.parts(&place, one, other) {
                    self.differ(&place, &words(contract, &Type::Id(expected)), &words(resolve, &Type::Id(found)));
                }
            }
        }
    }

    fn members(
        &mut self,
        place: &str,
        what: &str,
        expected: impl Iterator<Item = (String, Option<Type>)>,
        found: impl Iterator<Item = (String, Option<Type>)>,
    ) {
        let (expected, found): (Vec<_>, Vec<_>) = (expected.collect(), found.collect());
        let before = self.found.lines.len();
        for (name, one) in &expected {
            match found.iter().find(|(other, _)| other == name) {
                Some((_, other)) => self.optional(&format!("{place}.{name}"), one.as_ref(), other.as_ref()),
                None => self.found.lines.push(format!("{place}.{name}: this {what} is expected, and not there")),
            }
        }
        for (name, _) in found.iter().filter(|(name, _)| !expected.iter().any(|(one, _)| one == name)) {
            self.found.lines.push(format!("{place}.{name}: the contract has no such {what}"));
        }
        let same = expected.iter().map(|it| &it.0).eq(found.iter().map(|it| &it.0));
        if !same && self.found.lines.len() == before {
            self.found.lines.push(format!("{place}: its {what}s stand in another order"));
        }
    }

    fn differ(&mut self, place: &str, expected: &str, found: &str) {
        self.found.lines.push(format!("{place}: {expected} expected, found {found}"));
    }

    fn words_of(&self, given: Option<&Type>, of_contract: bool) -> String {
        let resolve = if of_contract { &self.contract.resolve } else { self.resolve };
        given.map_or("nothing".into(), |it| words(resolve, it))
    }
}

/// Of the major version that this agentd has, and not newer.
fn is_ours(package: &PackageName) -> bool {
    package.version.as_ref().is_some_and(|it| it.to_string() == VERSION)
}

fn place(package: &PackageName, interface: &str) -> String {
    format!("{}:{}/{interface}", package.namespace, package.name)
}

fn owner(resolve: &Resolve, given: &TypeDef) -> String {
    let TypeOwner::Interface(id) = given.owner else { return String::new() };
    let interface = &resolve.interfaces[id];
    let package = interface.package.map(|it| &resolve.packages[it].name);
    let name = interface.name.as_deref().unwrap_or_default();
    package.map_or_else(String::new, |it| format!("{} ", place(it, name)))
}

/// What a `use` or a `type … =` leads to.
fn plain(resolve: &Resolve, given: &Type) -> Type {
    let mut given = *given;
    while let Type::Id(id) = given
        && let TypeDefKind::Type(other) = resolve.types[id].kind
    {
        given = other;
    }
    given
}

/// A type as WIT writes it.
fn words(resolve: &Resolve, given: &Type) -> String {
    let Type::Id(id) = plain(resolve, given) else { return format!("{:?}", plain(resolve, given)).to_lowercase() };
    let def = &resolve.types[id];
    if let Some(name) = &def.name {
        let shape = match def.kind {
            TypeDefKind::Record(_) => "record ",
            TypeDefKind::Variant(_) => "variant ",
            TypeDefKind::Enum(_) => "enum ",
            _ => "",
        };
        return format!("{shape}{name}");
    }
    let part = |it: &Option<Type>| it.as_ref().map_or("_".into(), |it| words(resolve, it));
    match &def.kind {
        TypeDefKind::List(inner) => format!("list<{}>", words(resolve, inner)),
        TypeDefKind::Option(inner) => format!("option<{}>", words(resolve, inner)),
        TypeDefKind::Result(inner) => format!("result<{}, {}>", part(&inner.ok), part(&inner.err)),
        TypeDefKind::Tuple(inner) => {
            format!("tuple<{}>", inner.types.iter().map(|it| words(resolve, it)).collect::<Vec<_>>().join(", "))
        }
        other => other.as_str().to_owned(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
