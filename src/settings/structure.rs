//! How settings are read from any format, and written.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Error, Serialize, SerializeMap, Serializer};

use super::Settings;
use super::raw::Raw;

/// Reads settings from a table of any self-describing format, also as a flattened part of a larger one.
///
/// Only a document that is broken is an error here. What is wrong with the settings is kept, and told by
/// [`check`](Settings::check) and by everything that makes something of them.
impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Table)
    }
}

struct Table;

impl<'de> Visitor<'de> for Table {
    type Value = Settings;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table of settings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Settings, A::Error> {
        let mut settings = Settings::default();
        while let Some((name, value)) = entries.next_entry::<String, Raw>()? {
            settings.take(&name, name.clone(), &value);
        }
        Ok(settings)
    }
}

/// Writes what is set, by the names of a file. Secrets and keys are left out, and so are the client and the clock.
///
/// Without its secrets it may mean something else: of a deployment with `secret_key` an issuer is left, whose keys would
/// be asked for. Whoever reads it back has to give the secrets again, or to name them by their files.
///
/// Settings of which a part could not be read are not written.
impl Serialize for Settings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !self.faults.is_empty() {
            return Err(S::Error::custom("settings that could not be read cannot be written"));
        }
        let mut table = serializer.serialize_map(None)?;
        for (name, value) in self.fields.written() {
            value.map_or(Ok(()), |value| table.serialize_entry(name, &value))?;
        }
        table.end()
    }
}
