//! A value of any format, before anything is known about it: reading one never fails.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::secret::Secret;

/// What stands in the place of a value.
#[derive(Clone)]
pub(super) enum Raw {
    Bool(bool),
    List(Vec<Self>),
    Number(u64),
    // A number that is negative or not whole, a table, bytes, nothing.
    Other,
    // It may be a secret, until somebody knows better.
    Text(Secret<String>),
}

impl Raw {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(Secret::new(text.into()))
    }

    pub(super) fn list<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Self {
        Self::List(texts.into_iter().map(Self::text).collect())
    }
}

/// A value that is no secret.
pub(super) struct Shown<'a>(pub(super) &'a Raw);

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Raw::Bool(value) => value.fmt(f),
            Raw::List(items) => f.debug_list().entries(items.iter().map(Shown)).finish(),
            Raw::Number(value) => value.fmt(f),
            Raw::Other => f.write_str("?"),
            Raw::Text(text) => without_secrets(text.expose()).fmt(f),
        }
    }
}

/// A text without what may be a password in an address, and without its query, which may be a key to it.
fn without_secrets(text: &str) -> Cow<'_, str> {
    let (address, query) = text.split_once('?').unwrap_or((text, ""));
    // Where a password has the mark of a query in it.
    if query.contains('@') {
        return "..".into();
    }
    match address.rsplit_once('@') {
        Some((user, host)) if user.contains(':') => format!("..@{host}").into(),
        _ => address.into(),
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

impl Serialize for Raw {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::List(items) => items.serialize(serializer),
            Self::Number(value) => serializer.serialize_u64(*value),
            Self::Other => serializer.serialize_unit(),
            Self::Text(text) => serializer.serialize_str(text.expose()),
        }
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Raw, E> {
        Ok(u64::try_from(value).map_or(Raw::Other, Raw::Number))
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<Raw, E> {
        Ok(u64::try_from(value).map_or(Raw::Other, Raw::Number))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Number(value))
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<Raw, E> {
        Ok(u64::try_from(value).map_or(Raw::Other, Raw::Number))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Raw, E> {
        Ok(Raw::Other)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::text(value))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Raw, E> {
        Ok(Raw::text(value))
    }

    fn visit_bytes<E: Error>(self, _: &[u8]) -> Result<Raw, E> {
        Ok(Raw::Other)
    }

    fn visit_none<E: Error>(self) -> Result<Raw, E> {
        Ok(Raw::Other)
    }

    fn visit_unit<E: Error>(self) -> Result<Raw, E> {
        Ok(Raw::Other)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        Raw::deserialize(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        Raw::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Raw::Other)
    }
}
