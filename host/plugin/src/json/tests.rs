//! Every record of the contract comes back from JSON as it went in.

use super::*;
use crate::wit;
use proptest::prelude::*;
use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, SeqAccess, VariantAccess, Visitor};
use serde_json::json;
use std::cell::Cell;

/// Makes a value of any type, by chance.
#[derive(Clone, Copy)]
struct Chance<'a>(&'a Cell<u64>);

type Failed = serde::de::value::Error;

impl Chance<'_> {
    fn draw(self, below: u64) -> u64 {
        let next = self.0.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0.set(next);
        (next >> 33) % below
    }
}

const TEXTS: [&str; 8] = ["", "a", "ä\u{0}\u{1f600}", "\"\\\n", "text", "base64", "not-found", "</script>"];

macro_rules! numbers {
    ($($method:ident $visit:ident $type:ty),+) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failed> {
            let edges = [<$type>::MIN, 0, 1, <$type>::MAX];
            visitor.$visit(edges[usize::try_from(self.draw(4)).unwrap()])
        })+
    };
}

impl<'de> Deserializer<'de> for Chance<'_> {
    type Error = Failed;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Failed> {
        unreachable!("the contract has no such type")
    }

    numbers! {
        deserialize_u8 visit_u8 u8, deserialize_u16 visit_u16 u16, deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64, deserialize_i32 visit_i32 i32
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failed> {
        visitor.visit_bool(self.draw(2) == 0)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failed> {
        visitor.visit_f64([0.0, -1.5, 1e300, 0.1][usize::try_from(self.draw(4)).unwrap()])
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failed> {
        visitor.visit_str(TEXTS[usize::try_from(self.draw(8)).unwrap()])
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failed> {
        if self.draw(2) == 0 { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failed> {
        visitor.visit_unit()
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failed> {
        visitor.visit_seq(Many(self, self.draw(3)))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Failed> {
        visitor.visit_seq(Many(self, len as u64))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failed> {
        visitor.visit_seq(Many(self, fields.len() as u64))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        cases: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failed> {
        let case = cases[usize::try_from(self.draw(cases.len() as u64)).unwrap()];
        visitor.visit_enum(Case(self, case))
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i64 i128 u128 f32 char str bytes byte_buf unit_struct newtype_struct tuple_struct map identifier
        ignored_any
    }
}

/// So many.
struct Many<'a>(Chance<'a>, u64);

impl<'de> SeqAccess<'de> for Many<'_> {
    type Error = Failed;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Failed> {
        let Some(left) = self.1.checked_sub(1) else { return Ok(None) };
        self.1 = left;
        seed.deserialize(self.0).map(Some)
    }
}

struct Case<'a>(Chance<'a>, &'static str);

impl<'de, 'a> EnumAccess<'de> for Case<'a> {
    type Error = Failed;
    type Variant = Holds<'a>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Holds<'a>), Failed> {
        let name: StrDeserializer<'_, Failed> = self.1.into_deserializer();
        Ok((seed.deserialize(name)?, Holds(self.0)))
    }
}

struct Holds<'a>(Chance<'a>);

impl<'de> VariantAccess<'de> for Holds<'_> {
    type Error = Failed;

    fn unit_variant(self) -> Result<(), Failed> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Failed> {
        seed.deserialize(self.0)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Failed> {
        unreachable!("a case holds one thing at most")
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, Failed> {
        unreachable!("a case holds one thing at most")
    }
}

#[track_caller]
fn check<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(seed: u64) {
    let chance = Cell::new(seed);
    let made = T::deserialize(Chance(&chance)).unwrap();
    let said = value(&made);
    assert_eq!(read::<T>(&said, "it").as_ref(), Ok(&made), "{said}");
    let written = text(&made, 1 << 20).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), said);
    assert_eq!(text(&made, written.len() - 1), None, "one byte less is too little");
}

macro_rules! check_all {
    ($seed:ident: $($type:ty),+ $(,)?) => { $(check::<$type>($seed);)+ };
}

proptest! {
    #[test]
    fn every_record_comes_back(seed: u64) {
        check_all! { seed:
            wit::common::Error, wit::common::Content, wit::work::Draft, wit::work::Task, wit::work::Edit,
            wit::manifest::Description, wit::manifest::Problem, wit::task_source::PollRequest,
            wit::task_source::Intake, wit::task_source::FeedbackRequest, wit::task_source::FeedbackPage,
            wit::task_source::Delivery, wit::task_source::Receipt, wit::task_source::Update, wit::analyzer::Request,
            wit::analyzer::Report, wit::prioritizer::Batch, wit::prioritizer::Score, wit::prompt_template::Request,
            wit::prompt_template::Prompt, wit::notifier::Message, wit::activity::Run, wit::activity::Conclusion,
            wit::agent::Requirements, wit::agent::Plan, wit::agent::Line, wit::agent::Order, wit::agent::Progress,
            wit::agent::Exit, wit::log::Level, wit::http::Request, wit::http::Response, wit::mail::Message,
            wit::forge::IssueQuery, wit::forge::IssuePage, wit::forge::CommentQuery, wit::forge::CommentPage,
            wit::forge::PullRequestQuery, wit::forge::PullRequestPage, wit::forge::Label, wit::forge::Check,
            wit::repository::FilePage, wit::repository::SearchQuery, wit::repository::SearchPage,
            wit::repository::CommitPage, wit::repository::BlameRange, wit::repository::ChurnedFile,
            wit::repository::Info, Result<Option<String>, wit::common::Error>, Result<(), wit::common::Error>,
        }
    }
}

#[test]
fn words_are_the_contracts() {
    let location =
        wit::work::Location { path: "a".into(), line: 1, end_line: 2, extra: vec![("k".into(), "v".into())] };
    let expected = json!({ "path": "a", "line": 1, "end-line": 2, "extra": [["k", "v"]] });
    assert_eq!(value(&location), expected);
    assert_eq!(value(&wit::common::Content::Text("x".into())), json!({ "text": "x" }));
    assert_eq!(value(&wit::common::Content::Bytes(vec![0, 255])), json!({ "bytes": { "base64": "AP8=" } }));
    assert_eq!(value(&wit::common::Error::NotFound("x".into())), json!({ "not-found": "x" }));
    assert_eq!(value(&wit::forge::IssueOrder::Freshest), json!("freshest"));
    assert_eq!(value(&wit::manifest::Attachment::SigningKey), json!("signing-key"));
    assert_eq!(value(&Ok::<_, wit::common::Error>(None::<String>)), json!({ "ok": null }));
}

#[track_caller]
fn check_wrong(wrong: Value, expected: &str) {
    assert_eq!(read::<wit::work::Edit>(&wrong, "edit").unwrap_err(), expected, "{wrong}");
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    check_wrong(json!([]), "edit: must be an object, is a list");
    check_wrong(json!({}), "edit.thread: is missing");
    let thread = json!({ "repository": "a", "number": 1 });
    check_wrong(json!({ "thread": { "repository": "a" } }), "edit.thread.number: is missing");
    check_wrong(
        json!({ "thread": { "repository": "a", "number": -1 } }),
        "edit.thread.number: invalid value: integer `-1`, expected u32",
    );
    check_wrong(
        json!({ "thread": thread, "add-labels": ["a", 5] }),
        "edit.add-labels[1]: invalid type: integer `5`, expected a string",
    );
    check_wrong(json!({ "thread": thread, "add-labels": "a" }), "edit.add-labels: must be a list, is a string");
    check_wrong(json!({ "thread": thread, "extra": [["a"]] }), "edit.extra[0]: must have 2 parts, has 1");
    let order = read::<wit::forge::IssueOrder>(&json!("best"), "order").unwrap_err();
    assert_eq!(order, "order: there is no case `best`; there are newest, oldest, freshest, stalest");
    let error = read::<wit::common::Error>(&json!({ "denied": 5 }), "error").unwrap_err();
    assert_eq!(error, "error.denied: invalid type: integer `5`, expected a string");
}
