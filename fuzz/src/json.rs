//! JSON as a token may have it, read by `serde_json` with a visitor that refuses what is ambiguous.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Deserializer;

const MAX_DEPTH: usize = 64;
const MAX_MEMBERS: usize = 500;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// An object in which a name stands twice, where that is allowed.
    Ambiguous,
    Bool(bool),
    List(Vec<Self>),
    Null,
    /// A number, and whether it is a whole one that was read without rounding.
    Number(f64, Option<u64>),
    Object(Members),
    Text(String),
}

/// The members of an object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Members(pub Vec<(String, Json)>);

/// Reads one object, in which no name stands twice at any level. None: it is none, or may be read in two ways.
pub fn object(text: &[u8]) -> Option<Members> {
    match read(text, Node { depth: 0, is_lenient: false })? {
        Json::Object(members) => Some(members),
        _ => None,
    }
}

/// Reads one object. Those within it may be ambiguous.
pub fn outer_object(text: &[u8]) -> Option<Members> {
    match read(text, Node { depth: 0, is_lenient: true })? {
        Json::Object(members) => Some(members),
        _ => None,
    }
}

fn read(text: &[u8], node: Node) -> Option<Json> {
    let mut reader = Deserializer::from_slice(text);
    let value = node.deserialize(&mut reader).ok()?;
    reader.end().ok()?;
    Some(value)
}

impl Members {
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value)
    }

    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Json::text)
    }
}

impl Json {
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn object(&self) -> Option<&Members> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }

    /// A string, or strings.
    pub fn texts(&self) -> Option<Vec<&str>> {
        match self {
            Self::Text(text) => Some(vec![text]),
            Self::List(values) => values.iter().map(Self::text).collect(),
            _ => None,
        }
    }

    /// Whether a number is so large that readers begin to differ.
    pub fn has_huge_number(&self) -> bool {
        match self {
            Self::Number(number, _) => number.abs() >= 1e307,
            Self::List(values) => values.iter().any(Self::has_huge_number),
            Self::Object(members) => members.has_huge_number(),
            Self::Ambiguous | Self::Bool(_) | Self::Null | Self::Text(_) => false,
        }
    }

    /// Whether everything in it can be read in one way alone.
    pub fn is_clear(&self) -> bool {
        match self {
            Self::Ambiguous => false,
            Self::List(values) => values.iter().all(Self::is_clear),
            Self::Object(members) => members.0.iter().all(|(_, value)| value.is_clear()),
            Self::Bool(_) | Self::Null | Self::Number(..) | Self::Text(_) => true,
        }
    }
}

impl Members {
    pub fn has_huge_number(&self) -> bool {
        self.0.iter().any(|(_, value)| value.has_huge_number())
    }
}

/// Where in the nesting a value is.
#[derive(Clone, Copy)]
struct Node {
    depth: usize,
    is_lenient: bool,
}

impl Node {
    fn inner<E: Error>(self) -> Result<Self, E> {
        if self.depth < MAX_DEPTH {
            Ok(Self { depth: self.depth + 1, ..self })
        } else {
            Err(E::custom("too deep"))
        }
    }
}

impl<'de> DeserializeSeed<'de> for Node {
    type Value = Json;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Json, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value as f64, Some(value)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value as f64, u64::try_from(value).ok()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Number(value, None))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Json, A::Error> {
        let (inner, mut values) = (self.inner()?, Vec::new());
        while let Some(value) = elements.next_element_seed(inner)? {
            values.push(value);
        }
        Ok(Json::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let (inner, mut all, mut names, mut is_clear) = (self.inner()?, Vec::new(), HashSet::new(), true);
        while let Some(name) = members.next_key::<String>()? {
            if name.starts_with("$serde_json::private::") {
                return Err(A::Error::custom("a name that means something else"));
            }
            is_clear &= names.insert(name.clone());
            all.push((name, members.next_value_seed(inner)?));
        }
        match is_clear && all.len() <= MAX_MEMBERS {
            true => Ok(Json::Object(Members(all))),
            false if self.is_lenient && self.depth > 0 => Ok(Json::Ambiguous),
            false => Err(A::Error::custom("too many members, or a name that stands twice")),
        }
    }
}
