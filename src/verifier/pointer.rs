//! A place in a JSON document ([RFC 6901](https://www.rfc-editor.org/rfc/rfc6901)).

use crate::json::{Object, Value};

/// Each name is a level that is read anew.
const MAX_NAMES: usize = 8;

/// A JSON pointer to something below the whole.
#[derive(Clone, Debug)]
pub(crate) struct Pointer {
    first: Box<str>,
    rest: Vec<Box<str>>,
}

impl Pointer {
    /// Reads a pointer such as `/realm_access/roles`. None if it is none, points to the whole, or is too long.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.matches('/').count() > MAX_NAMES {
            return None;
        }
        let is_escaped = |part: &str| part.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        let names = text.strip_prefix('/').filter(|text| is_escaped(text))?;
        // In this order: `~01` is `~1`, and no slash.
        let mut names = names.split('/').map(|name| name.replace("~1", "/").replace("~0", "~").into());
        Some(Self { first: names.next()?, rest: names.collect() })
    }

    /// What is there. None if nothing is, or `null`.
    pub(crate) fn find<'a>(&self, document: &Object<'a>) -> Option<Value<'a>> {
        let found = self.rest.iter().try_fold(document.get(&self.first)?, |value, name| below(value, name));
        found.filter(|value| !value.is_null())
    }
}

fn below<'a>(value: Value<'a>, name: &str) -> Option<Value<'a>> {
    match value.elements() {
        Some(elements) => {
            let index = name.parse::<usize>().ok().filter(|index| index.to_string() == name)?;
            elements.get(index).copied()
        }
        None => Object::parse(value.text().as_bytes()).ok()?.get(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_begins_with_a_slash() {
        for pointer in ["/sub", "/a~1b/0/c~0", "/", "//", "/1/2/3/4/5/6/7/8"] {
            assert!(Pointer::parse(pointer).is_some(), "{pointer}");
        }
        for other in ["", "sub", "/a~2", "/a~", "sub/a", "/1/2/3/4/5/6/7/8/9"] {
            assert!(Pointer::parse(other).is_none(), "{other}");
        }
    }

    #[test]
    fn what_a_pointer_finds_is_what_a_reader_of_json_finds() {
        let text = r#"{"a":{"b/c":["x",{"~1":"y"}],"":"z"},"n":null,"s":"t"}"#;
        let document = Object::parse(text.as_bytes()).unwrap();
        let json: serde_json::Value = serde_json::from_str(text).unwrap();
        for place in [
            "/a",
            "/a/b~1c",
            "/a/b~1c/0",
            "/a/b~1c/1/~01",
            "/a/b~1c/1/~1",
            "/a/",
            "/n",
            "/n/a",
            "/s",
            "/s/0",
            "/a/b~1c/2",
            "/a/b~1c/-1",
            "/a/b~1c/+1",
            "/a/b~1c/01",
            "/x",
            "/",
        ] {
            let found = Pointer::parse(place).unwrap().find(&document);
            let found = found.map(|value| serde_json::from_str(value.text()).unwrap());
            let expected = json.pointer(place).filter(|value| !value.is_null()).cloned();
            assert_eq!(found, expected, "{place}");
        }
    }
}
