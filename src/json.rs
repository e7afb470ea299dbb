//! Reads JSON strictly: UTF-8, unique member names, bounded depth, nothing around the value.
//!
//! Two parsers must never disagree on what a token says ([RFC 7515 §4], [RFC 7519 §4], [RFC 8725 §2.4]), so whatever is
//! ambiguous is refused here: repeated names (also when one is spelled with escapes), lone surrogates, numbers of
//! 10^308 and more, where doubles end. Nesting is at most 64 deep, an object has at most 500 members.
//!
//! A value is kept as the text it came in; nothing is converted before somebody asks for it.
//!
//! [RFC 7515 §4]: https://www.rfc-editor.org/rfc/rfc7515#section-4
//! [RFC 7519 §4]: https://www.rfc-editor.org/rfc/rfc7519#section-4
//! [RFC 8725 §2.4]: https://www.rfc-editor.org/rfc/rfc8725#section-2.4

use std::borrow::Cow;

use self::reader::{Reader, unescape};

mod reader;

const MAX_MEMBERS: usize = 500;

/// The text is not what this module accepts. Says no more, since nothing of it may reach a client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Malformed;

/// A JSON object: its members by name, names decoded, values as text.
#[derive(Debug)]
pub(crate) struct Object<'a> {
    // Sorted, so that a repeated name is a neighbour and looking one up is quick, however many there are.
    members: Vec<(Name<'a>, Value<'a>)>,
    // A bit for each name, so that most of those that are not there are found to be missing without a search.
    bits: u64,
}

impl<'a> Object<'a> {
    /// Reads one object and everything in it.
    pub(crate) fn parse(text: &'a [u8]) -> Result<Self, Malformed> {
        Self::read(text, true)
    }

    /// Reads one object whose nested objects may repeat a name: a fault in one entry must not spoil the others.
    pub(crate) fn parse_outer(text: &'a [u8]) -> Result<Self, Malformed> {
        Self::read(text, false)
    }

    fn read(text: &'a [u8], unique_within: bool) -> Result<Self, Malformed> {
        let text = std::str::from_utf8(text).map_err(|_| Malformed)?;
        let mut reader = Reader::new(text, unique_within);
        reader.skip_space();
        let mut members = Vec::with_capacity(16);
        reader.object(0, &mut |name, value| members.push((name, value)))?;
        reader.skip_space();
        if !reader.is_at_end() || members.len() > MAX_MEMBERS {
            return Err(Malformed);
        }
        members.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let unique = members.windows(2).all(|pair| !matches!(pair, [(a, _), (b, _)] if a == b));
        let bits = members.iter().fold(0, |bits, (name, _)| bits | name.bit());
        if unique { Ok(Self { members, bits }) } else { Err(Malformed) }
    }

    /// The value of a member. A member that is `null` is there.
    pub(crate) fn get(&self, name: &str) -> Option<Value<'a>> {
        let name = Name::new(Cow::Borrowed(name));
        if self.bits & name.bit() == 0 {
            return None;
        }
        let found = self.members.binary_search_by(|(own, _)| own.cmp(&name)).ok()?;
        self.members.get(found).map(|(_, value)| *value)
    }

    /// Leaves out the members that do not pass.
    pub(crate) fn retain(&mut self, keep: impl Fn(&str, Value<'a>) -> bool) {
        self.members.retain(|(name, value)| keep(&name.text, *value));
    }

    /// Whether there is a member of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// A member that, if it is there, has to be a string.
    pub(crate) fn string(&self, name: &str) -> Result<Option<Cow<'a, str>>, Malformed> {
        self.get(name).map(|value| value.string().ok_or(Malformed)).transpose()
    }
}

/// The name of a member. Compared by its first eight bytes as a number, and only if these are equal as text.
#[derive(Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Name<'a> {
    start: u64,
    text: Cow<'a, str>,
}

impl<'a> Name<'a> {
    fn new(text: Cow<'a, str>) -> Self {
        let bytes = text.as_bytes();
        let start = bytes.first_chunk().copied().unwrap_or_else(|| {
            let mut padded = [0; 8];
            padded.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
            padded
        });
        let start = u64::from_be_bytes(start);
        Self { start, text }
    }

    /// One of 64 bits. Multiplied by the golden ratio, names that differ a little have different ones.
    fn bit(&self) -> u64 {
        1 << (self.start.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 58)
    }
}

/// The text of one well-formed value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Value<'a>(&'a str);

impl<'a> Value<'a> {
    /// The string, if this is one.
    pub(crate) fn string(self) -> Option<Cow<'a, str>> {
        let inner = self.0.strip_prefix('"')?.strip_suffix('"')?;
        Some(if inner.contains('\\') { Cow::Owned(unescape(inner)) } else { Cow::Borrowed(inner) })
    }

    /// The number, if this is one. It is finite.
    pub(crate) fn number(self) -> Option<f64> {
        let number = self.0.starts_with(|c: char| c == '-' || c.is_ascii_digit());
        number.then(|| self.0.parse().ok()).flatten()
    }

    /// Whether this is `null`.
    pub(crate) fn is_null(self) -> bool {
        self.0 == "null"
    }

    /// The elements, if this is an array.
    pub(crate) fn elements(self) -> Option<Vec<Self>> {
        let mut reader = self.starts_with_bracket()?;
        let mut elements = Vec::new();
        reader.array(0, Some(&mut |element| elements.push(element))).ok()?;
        Some(elements)
    }

    /// Visits a string, or each element of an array of strings. None if this is neither.
    pub(crate) fn each_string(self, mut visit: impl FnMut(Cow<'a, str>)) -> Option<()> {
        if let Some(one) = self.string() {
            visit(one);
            return Some(());
        }
        let mut reader = self.starts_with_bracket()?;
        let mut strings = true;
        let each = &mut |element: Self| match element.string() {
            Some(text) => visit(text),
            None => strings = false,
        };
        reader.array(0, Some(each)).ok()?;
        strings.then_some(())
    }

    /// Whether this is a string, or an array of nothing but strings.
    pub(crate) fn is_strings(self) -> bool {
        let Some(mut reader) = self.starts_with_bracket() else { return self.0.starts_with('"') };
        let mut more = reader.open(b'[', 0).is_ok() && !reader.take(b']');
        while more && reader.skip_string().is_ok() {
            more = !matches!(reader.last(b']'), Ok(true));
        }
        !more
    }

    fn starts_with_bracket(self) -> Option<Reader<'a>> {
        let array = self.0.starts_with('[');
        array.then_some(Reader::new(self.0, false))
    }

    /// The value as it was written.
    pub(crate) fn text(self) -> &'a str {
        self.0
    }
}

#[cfg(test)]
mod tests;
