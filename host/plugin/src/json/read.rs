//! Reads records in the contract's words, and knows where it is when something is wrong.

use super::say::kebab;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::value::{SeqDeserializer, StrDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value};
use std::fmt;

/// Where a value stands.
pub(super) enum Path<'a> {
    Root(&'a str),
    Field(&'a Path<'a>, &'a str),
    Item(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root(name) => f.write_str(name),
            Path::Field(of, name) => write!(f, "{of}.{name}"),
            Path::Item(of, number) => write!(f, "{of}[{number}]"),
        }
    }
}

/// What is wrong, and where.
#[derive(Debug)]
pub(super) struct Problem {
    place: Option<String>,
    what: String,
}

impl Problem {
    fn at(mut self, path: &Path<'_>) -> Problem {
        self.place.get_or_insert_with(|| path.to_string());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{place}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

impl std::error::Error for Problem {}

impl serde::de::Error for Problem {
    fn custom<T: fmt::Display>(what: T) -> Problem {
        Problem { place: None, what: what.to_string() }
    }
}

/// A value, or the lack of one, at its place.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    value: Option<&'a Value>,
    path: &'a Path<'a>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(value: &'a Value, path: &'a Path<'a>) -> Reader<'a> {
        Reader { value: Some(value), path }
    }

    fn there(&self) -> Result<&'a Value, Problem> {
        self.value.ok_or_else(|| Problem::custom("is missing").at(self.path))
    }

    fn wrong(&self, wanted: &str) -> Problem {
        let found = match self.value {
            None => return Problem::custom("is missing").at(self.path),
            Some(Value::Null) => "null",
            Some(Value::Bool(_)) => "a boolean",
            Some(Value::Number(_)) => "a number",
            Some(Value::String(_)) => "a string",
            Some(Value::Array(_)) => "a list",
            Some(Value::Object(_)) => "an object",
        };
        Problem::custom(format!("must be {wanted}, is {found}")).at(self.path)
    }

    fn list<'de, V: Visitor<'de>>(self, items: &'a [Value], visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_seq(List { items, next: 0, path: self.path }).map_err(|it| it.at(self.path))
    }
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = Problem;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        let read = match self.there()? {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::String(value) => visitor.visit_str(value),
            Value::Number(value) => match (value.as_u64(), value.as_i64(), value.as_f64()) {
                (Some(value), _, _) => visitor.visit_u64(value),
                (_, Some(value), _) => visitor.visit_i64(value),
                (_, _, value) => visitor.visit_f64(value.unwrap_or(f64::NAN)),
            },
            Value::Array(items) => return self.list(items, visitor),
            Value::Object(_) => Err(Problem::invalid_type(Unexpected::Map, &visitor)),
        };
        read.map_err(|it| it.at(self.path))
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match self.value {
            Some(Value::Null) => visitor.visit_f64(f64::NAN),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match self.value {
            None | Some(Value::Null) => visitor.visit_none(),
            Some(_) => visitor.visit_some(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match self.value {
            None => self.list(&[], visitor),
            Some(Value::Array(items)) => self.list(items, visitor),
            Some(Value::Object(object)) => match object.get("base64") {
                Some(Value::String(text)) => {
                    let bytes = STANDARD.decode(text).map_err(|error| Problem::custom(error).at(self.path))?;
                    visitor.visit_seq(SeqDeserializer::new(bytes.into_iter()))
                }
                _ => Err(self.wrong("a list")),
            },
            Some(_) => Err(self.wrong("a list")),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Problem> {
        match self.there()? {
            Value::Array(items) if items.len() == len => self.list(items, visitor),
            Value::Array(items) => {
                let what = format!("must have {len} parts, has {}", items.len());
                Err(Problem::custom(what).at(self.path))
            }
            _ => Err(self.wrong("a list")),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        let Value::Object(object) = self.there()? else { return Err(self.wrong("an object")) };
        let known: Vec<_> = fields.iter().map(|it| kebab(it)).collect();
        if let Some(unknown) = object.keys().find(|key| !known.iter().any(|it| it == *key)) {
            let what = format!("there is no field `{unknown}`; there are {}", known.join(", "));
            return Err(Problem::custom(what).at(self.path));
        }
        let access = Fields { object, fields, next: 0, path: self.path };
        visitor.visit_map(access).map_err(|it| it.at(self.path))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        cases: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        let (name, value) = match self.there()? {
            Value::String(name) => (name, None),
            Value::Object(object) if object.len() == 1 => {
                let (name, value) = object.iter().next().ok_or_else(|| self.wrong("a case"))?;
                (name, Some(value))
            }
            _ => return Err(self.wrong("a case: its name, or an object with its name and what it holds")),
        };
        let Some(case) = cases.iter().find(|it| kebab(it) == name.as_str()) else {
            let known: Vec<_> = cases.iter().map(|it| kebab(it)).collect();
            let what = format!("there is no case `{name}`; there are {}", known.join(", "));
            return Err(Problem::custom(what).at(self.path));
        };
        let path = Path::Field(self.path, name);
        visitor.visit_enum(Case { case, value, path: &path }).map_err(|it| it.at(self.path))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 char str string bytes byte_buf unit unit_struct tuple_struct
        map identifier ignored_any
    }
}

struct List<'a> {
    items: &'a [Value],
    next: usize,
    path: &'a Path<'a>,
}

impl<'de> SeqAccess<'de> for List<'_> {
    type Error = Problem;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Problem> {
        let Some(value) = self.items.get(self.next) else { return Ok(None) };
        let path = Path::Item(self.path, self.next);
        self.next += 1;
        seed.deserialize(Reader::new(value, &path)).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len() - self.next)
    }
}

/// All fields in their order, those that are not there too.
struct Fields<'a> {
    object: &'a Map<String, Value>,
    fields: &'static [&'static str],
    next: usize,
    path: &'a Path<'a>,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Problem;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Problem> {
        let Some(field) = self.fields.get(self.next) else { return Ok(None) };
        let key: StrDeserializer<'_, Problem> = (*field).into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Problem> {
        let name = self.fields.get(self.next).map(|it| kebab(it)).unwrap_or_default();
        self.next += 1;
        let path = Path::Field(self.path, &name);
        seed.deserialize(Reader { value: self.object.get(&*name), path: &path })
    }
}

struct Case<'a> {
    case: &'static str,
    value: Option<&'a Value>,
    path: &'a Path<'a>,
}

impl<'de, 'a> EnumAccess<'de> for Case<'a> {
    type Error = Problem;
    type Variant = Reader<'a>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Reader<'a>), Problem> {
        let name: StrDeserializer<'_, Problem> = self.case.into_deserializer();
        Ok((seed.deserialize(name)?, Reader { value: self.value, path: self.path }))
    }
}

impl<'de> VariantAccess<'de> for Reader<'_> {
    type Error = Problem;

    fn unit_variant(self) -> Result<(), Problem> {
        match self.value {
            None | Some(Value::Null) => Ok(()),
            Some(_) => Err(self.wrong("nothing: this case holds nothing")),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Problem> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Problem> {
        self.deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Problem> {
        self.deserialize_struct("", fields, visitor)
    }
}
