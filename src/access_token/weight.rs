//! How much memory an access token takes, estimated.

use serde_json::{Map, Value};

use super::{AccessToken, Inner};

impl AccessToken {
    /// About how many bytes of memory it takes, with its claims read.
    pub(crate) fn weight(&self) -> usize {
        let inner = &*self.inner;
        let texts = [&inner.subject, &inner.client, &inner.token_id, &inner.validator];
        let texts = texts.iter().filter_map(|text| text.as_deref()).chain(inner.issuer.as_deref());
        let texts: usize = texts.map(str::len).sum();
        let audiences: usize =
            inner.audiences.iter().map(|audience| audience.len() + size_of::<Box<str>>()).sum();
        let read = match inner.claims_text.is_empty() {
            true => inner.claims.get().map_or(0, weight_of_members),
            false => weight_when_read(&inner.claims_text),
        };
        size_of::<Inner>()
            + texts
            + audiences
            + inner.scopes.as_str().len()
            + inner.claims_text.capacity()
            + read
            + inner.mapped.as_ref().map_or(0, |(_, original)| original.weight())
    }
}

/// About what a member of an object takes in a tree map that is half full, and what the smallest tree takes.
const MEMBER: usize = 128;
const TREE: usize = 640;
/// What the allocator adds to a block of memory.
const BLOCK: usize = 16;

fn weight_of_members(members: &Map<String, Value>) -> usize {
    TREE + members.iter().map(|(name, value)| MEMBER + name.len() + weight_of(value)).sum::<usize>()
}

fn weight_of(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => BLOCK + text.capacity(),
        Value::Array(values) => {
            BLOCK + values.capacity() * size_of::<Value>() + values.iter().map(weight_of).sum::<usize>()
        }
        Value::Object(members) => weight_of_members(members),
    }
}

/// The same for what is still text: estimated from its punctuation, and rather too high.
fn weight_when_read(text: &str) -> usize {
    let of_byte = |byte: u8| match byte {
        b'{' => TREE,
        b':' => MEMBER,
        // A list has room for four at first, and for twice as many whenever it is full.
        b'[' => BLOCK + 4 * size_of::<Value>(),
        b',' => BLOCK + 2 * size_of::<Value>(),
        _ => 1,
    };
    text.bytes().map(of_byte).sum()
}
