//! Walks through JSON text, and refuses what can be read in two ways.

use std::borrow::Cow;

use super::{MAX_MEMBERS, Malformed, Name, Value};

pub(super) const MAX_DEPTH: usize = 64;

/// A text, and how far it has been read.
pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
    unique_within: bool,
    // The names of all objects that are being read, innermost last: one buffer instead of one for each.
    names: Vec<Name<'a>>,
}

impl<'a> Reader<'a> {
    /// A reader that, if wanted, refuses nested objects with a repeated name.
    pub(super) fn new(text: &'a str, unique_within: bool) -> Self {
        Self { text, at: 0, unique_within, names: Vec::new() }
    }

    /// Whether everything has been read.
    pub(super) fn is_at_end(&self) -> bool {
        self.at == self.text.len()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub(super) fn skip_space(&mut self) {
        while let Some(byte) = self.peek().filter(|byte| *byte <= b' ') {
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return;
            }
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), Malformed> {
        self.take(byte).then_some(()).ok_or(Malformed)
    }

    pub(super) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn since(&self, start: usize) -> Result<&'a str, Malformed> {
        self.text.get(start..self.at).ok_or(Malformed)
    }

    fn value(&mut self, depth: usize) -> Result<Value<'a>, Malformed> {
        let start = self.at;
        self.skip(depth)?;
        Ok(Value(self.since(start)?))
    }

    /// Reads a value that nobody wants.
    fn skip(&mut self, depth: usize) -> Result<(), Malformed> {
        match self.peek().ok_or(Malformed)? {
            b'{' => self.nested_object(depth),
            b'[' => self.array(depth, None),
            b'"' => self.skip_string().map(drop),
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            _ => Err(Malformed),
        }
    }

    fn nested_object(&mut self, depth: usize) -> Result<(), Malformed> {
        if !self.unique_within {
            return self.object(depth, &mut |_, _| ());
        }
        let base = self.names.len();
        self.object_with_names(depth)?;
        self.unique_since(base)?;
        self.names.truncate(base);
        Ok(())
    }

    fn object_with_names(&mut self, depth: usize) -> Result<(), Malformed> {
        self.open(b'{', depth)?;
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            let (name, _) = self.member(depth)?;
            self.names.push(name);
            if self.last(b'}')? {
                return Ok(());
            }
        }
    }

    pub(super) fn object(
        &mut self,
        depth: usize,
        each: &mut dyn FnMut(Name<'a>, Value<'a>),
    ) -> Result<(), Malformed> {
        self.open(b'{', depth)?;
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            let (name, value) = self.member(depth)?;
            each(name, value);
            if self.last(b'}')? {
                return Ok(());
            }
        }
    }

    pub(super) fn array(
        &mut self,
        depth: usize,
        mut each: Option<&mut dyn FnMut(Value<'a>)>,
    ) -> Result<(), Malformed> {
        self.open(b'[', depth)?;
        if self.take(b']') {
            return Ok(());
        }
        loop {
            match &mut each {
                Some(each) => each(self.value(depth + 1)?),
                None => self.skip(depth + 1)?,
            }
            if self.last(b']')? {
                return Ok(());
            }
        }
    }

    pub(super) fn open(&mut self, bracket: u8, depth: usize) -> Result<(), Malformed> {
        self.expect(bracket)?;
        self.skip_space();
        if depth < MAX_DEPTH { Ok(()) } else { Err(Malformed) }
    }

    /// After a member or an element: true at the closing bracket, false after a comma.
    pub(super) fn last(&mut self, bracket: u8) -> Result<bool, Malformed> {
        self.skip_space();
        let next = self.peek().ok_or(Malformed)?;
        self.at += 1;
        self.skip_space();
        if next == b',' {
            Ok(false)
        } else if next == bracket {
            Ok(true)
        } else {
            Err(Malformed)
        }
    }

    fn member(&mut self, depth: usize) -> Result<(Name<'a>, Value<'a>), Malformed> {
        let (name, escaped) = self.string()?;
        let name = if escaped { Cow::Owned(unescape(name)) } else { Cow::Borrowed(name) };
        // Names with a meaning to the JSON library, should a crate in the build switch that meaning on.
        if name.starts_with("$serde_json::private::") {
            return Err(Malformed);
        }
        self.skip_space();
        self.expect(b':')?;
        self.skip_space();
        Ok((Name::new(name), self.value(depth + 1)?))
    }

    fn unique_since(&mut self, base: usize) -> Result<(), Malformed> {
        let names = self.names.get_mut(base..).filter(|names| names.len() <= MAX_MEMBERS).ok_or(Malformed)?;
        names.sort_unstable();
        let repeated = names.iter().zip(names.iter().skip(1)).any(|(a, b)| a == b);
        if repeated { Err(Malformed) } else { Ok(()) }
    }

    /// Reads a string: what is between the quotes, escapes checked but not decoded, and whether there are any.
    fn string(&mut self) -> Result<(&'a str, bool), Malformed> {
        let start = self.at + 1;
        let escaped = self.skip_string()?;
        Ok((self.text.get(start..self.at - 1).ok_or(Malformed)?, escaped))
    }

    pub(super) fn skip_string(&mut self) -> Result<bool, Malformed> {
        self.expect(b'"')?;
        let mut escaped = false;
        loop {
            let rest = self.text.as_bytes().get(self.at..).ok_or(Malformed)?;
            let stop =
                rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1F)).ok_or(Malformed)?;
            self.at += stop;
            match rest.get(stop) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(escaped);
                }
                Some(b'\\') => {
                    self.escape()?;
                    escaped = true;
                }
                _ => return Err(Malformed),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Malformed> {
        self.at += 1;
        let kind = self.peek().ok_or(Malformed)?;
        self.at += 1;
        match kind {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => match self.four_digits()? {
                // RFC 8259 §8.2: half of a pair alone means nothing.
                0xD800..=0xDBFF => {
                    self.expect(b'\\')?;
                    self.expect(b'u')?;
                    matches!(self.four_digits()?, 0xDC00..=0xDFFF).then_some(()).ok_or(Malformed)
                }
                0xDC00..=0xDFFF => Err(Malformed),
                _ => Ok(()),
            },
            _ => Err(Malformed),
        }
    }

    fn four_digits(&mut self) -> Result<u32, Malformed> {
        let digits = self.text.get(self.at..self.at + 4).ok_or(Malformed)?;
        self.at += 4;
        hex(digits).ok_or(Malformed)
    }

    fn number(&mut self) -> Result<(), Malformed> {
        let start = self.at;
        // Most numbers are a few digits and nothing else.
        let rest = self.text.as_bytes().get(start..).unwrap_or_default();
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let ends = !matches!(rest.get(digits), Some(b'.' | b'e' | b'E'));
        if ends && (digits == 1 || ((2..300).contains(&digits) && !rest.starts_with(b"0"))) {
            self.at += digits;
            return Ok(());
        }
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        let exponent = matches!(self.peek(), Some(b'e' | b'E'));
        if exponent {
            self.at += 1;
            if !self.take(b'-') {
                self.take(b'+');
            }
            self.digits()?;
        }
        // Fewer digits than it takes to leave the range.
        let small = !exponent && self.at - start < 300;
        if small || is_within_a_double(self.since(start)?) { Ok(()) } else { Err(Malformed) }
    }

    fn digits(&mut self) -> Result<(), Malformed> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { Err(Malformed) }
    }

    fn word(&mut self, word: &str) -> Result<(), Malformed> {
        let rest = self.text.get(self.at..).ok_or(Malformed)?;
        self.at += word.len();
        rest.starts_with(word).then_some(()).ok_or(Malformed)
    }
}

/// Whether a well-formed number is below 10^308, and so surely a double. Counted, since converting takes its time.
fn is_within_a_double(number: &str) -> bool {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let whole = whole.trim_start_matches(['-', '0']);
    let zeros = fraction.len() - fraction.trim_start_matches('0').len();
    if whole.is_empty() && zeros == fraction.len() {
        return true;
    }
    let digits = |text: &str| i64::try_from(text.len()).unwrap_or(i64::MAX);
    let magnitude =
        if whole.is_empty() { -1 - zeros.try_into().unwrap_or(i64::MAX) } else { digits(whole) - 1 };
    // An exponent that is no `i64` is too large, or so far below zero that the number is nothing.
    let far = if exponent.starts_with('-') { i64::from(i32::MIN) } else { i64::from(i32::MAX) };
    let exponent = exponent.trim_start_matches('+').parse().unwrap_or(far);
    magnitude.saturating_add(exponent) < 308
}

fn hex(digits: &str) -> Option<u32> {
    digits.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}

/// Decodes what [`Reader::string`] has checked.
pub(super) fn unescape(inner: &str) -> String {
    let mut decoded = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((plain, escape)) = rest.split_once('\\') {
        decoded.push_str(plain);
        let mut chars = escape.chars();
        match chars.next() {
            Some('u') => {
                let (character, after) = unescape_unicode(chars.as_str());
                decoded.push(character);
                rest = after;
                continue;
            }
            Some('b') => decoded.push('\u{8}'),
            Some('f') => decoded.push('\u{c}'),
            Some('n') => decoded.push('\n'),
            Some('r') => decoded.push('\r'),
            Some('t') => decoded.push('\t'),
            Some(same) => decoded.push(same),
            None => {}
        }
        rest = chars.as_str();
    }
    decoded.push_str(rest);
    decoded
}

fn unescape_unicode(after_u: &str) -> (char, &str) {
    let unit = |at: usize| after_u.get(at..at + 4).and_then(hex);
    let first = unit(0).unwrap_or_default();
    let (code, used) = match (first, unit(6)) {
        (0xD800..=0xDBFF, Some(second)) => {
            (0x10000 + ((first - 0xD800) << 10) + second.saturating_sub(0xDC00), 10)
        }
        _ => (first, 4),
    };
    let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    (character, after_u.get(used..).unwrap_or_default())
}
