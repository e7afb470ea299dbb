//! JSON by RFC 8259 that can be read in one way only: written over `serde_json`, with a visitor that keeps every
//! member and so sees those that are there twice.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Contract D9: nesting is at most 64 deep.
const DEEPEST: usize = 64;
/// Policy of this crate, to bound the work: an object has at most 500 members.
const MOST_MEMBERS: usize = 500;
/// Policy of this crate: from here on doubles end, so that readers differ. RFC 8259 §6 permits such a limit.
const LARGEST: f64 = 1e308;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool,
    Number(f64),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Json {
    /// The members of one object and nothing else. None if the text is anything else, or ambiguous.
    pub(crate) fn object(text: &[u8]) -> Option<Self> {
        let value: Self = serde_json::from_slice(text).ok()?;
        (matches!(value, Self::Object(_)) && value.is_unambiguous(1)).then_some(value)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        members.iter().find(|(own, _)| own == name).map(|(_, value)| value)
    }

    pub(crate) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub(crate) fn number(&self) -> Option<f64> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }

    pub(crate) fn list(&self) -> Option<&[Self]> {
        if let Self::List(list) = self { Some(list) } else { None }
    }

    /// A text, or a list of nothing but texts.
    pub(crate) fn texts(&self) -> Option<Vec<&str>> {
        match self {
            Self::Text(text) => Some(vec![text]),
            Self::List(list) => list.iter().map(Self::text).collect(),
            _ => None,
        }
    }

    fn is_unambiguous(&self, depth: usize) -> bool {
        match self {
            Self::Null | Self::Bool | Self::Text(_) => true,
            Self::Number(number) => number.abs() < LARGEST,
            Self::List(list) => depth <= DEEPEST && list.iter().all(|value| value.is_unambiguous(depth + 1)),
            Self::Object(members) => {
                let mut names: Vec<_> = members.iter().map(|(name, _)| name).collect();
                names.sort();
                names.dedup();
                // RFC 7515 §4, RFC 7519 §4, RFC 8725 §2.4: each name once.
                names.len() == members.len()
                    && members.len() <= MOST_MEMBERS
                    && depth <= DEEPEST
                    && members.iter().all(|(_, value)| value.is_unambiguous(depth + 1))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Json, E> {
        Ok(Json::Bool)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Json, E> {
        Ok(Json::Number(number as f64))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Json, E> {
        Ok(Json::Number(number as f64))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Json, E> {
        Ok(Json::Number(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = elements.next_element()? {
            list.push(element);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut members = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            members.push(entry);
        }
        Ok(Json::Object(members))
    }
}
