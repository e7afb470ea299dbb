//! Reads one challenge by RFC 9110 §11.3 and §5.6.4, in the form in which it has to be sent, byte by byte.

/// A scheme and its parameters, in order.
#[derive(Debug, PartialEq)]
pub struct Challenge {
    pub scheme: String,
    pub parameters: Vec<(String, String)>,
}

impl Challenge {
    /// Reads a field value that is one challenge with at least one parameter and nothing else.
    pub fn read(value: &[u8]) -> Option<Self> {
        let mut reader = Reader { rest: value };
        let scheme = reader.token()?;
        let mut parameters: Vec<(String, String)> = Vec::new();
        reader.spaces(1)?;
        loop {
            let name = reader.token()?;
            reader.byte(b'=')?;
            let value = if reader.rest.first() == Some(&b'"') { reader.quoted()? } else { reader.token()? };
            if parameters.iter().any(|(own, _)| own.eq_ignore_ascii_case(&name)) {
                return None;
            }
            parameters.push((name, value));
            if reader.rest.is_empty() {
                return Some(Self { scheme, parameters });
            }
            reader.blanks();
            reader.byte(b',')?;
            reader.blanks();
        }
    }

    pub fn param(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn byte(&mut self, wanted: u8) -> Option<()> {
        (self.next()? == wanted).then_some(())
    }

    fn blanks(&mut self) {
        while matches!(self.rest.first(), Some(b' ' | b'\t')) {
            self.next();
        }
    }

    fn spaces(&mut self, at_least: usize) -> Option<()> {
        let count = self.rest.iter().take_while(|byte| **byte == b' ').count();
        self.rest = self.rest.get(count..)?;
        (count >= at_least).then_some(())
    }

    fn token(&mut self) -> Option<String> {
        let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
        let length = self.rest.iter().take_while(|byte| is_token(byte)).count();
        let (token, rest) = self.rest.split_at(length);
        self.rest = rest;
        (length > 0).then(|| token.iter().copied().map(char::from).collect())
    }

    fn quoted(&mut self) -> Option<String> {
        self.byte(b'"')?;
        let mut text = String::new();
        loop {
            let byte = match self.next()? {
                b'"' => return Some(text),
                b'\\' => self.next()?,
                other => other,
            };
            if !matches!(byte, b'\t' | b' '..=b'~') {
                return None;
            }
            text.push(char::from(byte));
        }
    }
}
