//! The grammar of `WWW-Authenticate`, as senders have to keep to it ([RFC 9110 §11.6.1], [RFC 9110 §5.6]).
//!
//! 1. Elements are separated by commas, with optional white space; none is empty.
//! 2. A challenge is a scheme, then nothing, or one `token68`, or parameters.
//! 3. A parameter is a name, `=` and a value without white space between them; a name stands once in a challenge,
//!    whatever its case.
//! 4. A value is a token or a quoted string, in which `\` makes the next character count as it is.
//!
//! [RFC 9110 §11.6.1]: https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1
//! [RFC 9110 §5.6]: https://www.rfc-editor.org/rfc/rfc9110#section-5.6

const BLANKS: [char; 2] = [' ', '\t'];

/// What is wrong with a field line.
type Fault = &'static str;

/// One challenge of any scheme.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) scheme: String,
    pub(super) parameters: Vec<(String, String)>,
    has_token68: bool,
}

/// Reads all challenges of a field line.
pub(super) fn challenges(line: &str) -> Result<Vec<Parsed>, Fault> {
    let mut found: Vec<Parsed> = Vec::new();
    let mut rest = line;
    loop {
        rest = if let Some((name, value, after)) = parameter(rest)? {
            found.last_mut().ok_or("a parameter comes before any scheme")?.add(name, value)?;
            after
        } else {
            let (challenge, after) = challenge(rest)?;
            found.push(challenge);
            after
        };
        rest = rest.trim_start_matches(BLANKS);
        if rest.is_empty() {
            return Ok(found);
        }
        let next = rest.strip_prefix(',').ok_or("elements are not separated by a comma")?;
        rest = next.trim_start_matches(BLANKS);
    }
}

/// A scheme and the first element after it.
fn challenge(text: &str) -> Result<(Parsed, &str), Fault> {
    let (scheme, rest) = token(text).ok_or("a scheme is missing")?;
    let mut challenge = Parsed { scheme: scheme.to_owned(), parameters: Vec::new(), has_token68: false };
    let after = rest.trim_start_matches(' ');
    if after.len() == rest.len() || after.is_empty() || after.starts_with(',') {
        return Ok((challenge, rest));
    }
    if let Some((name, value, rest)) = parameter(after)? {
        challenge.add(name, value)?;
        return Ok((challenge, rest));
    }
    let is_token68 = |c: char| c.is_ascii_alphanumeric() || "-._~+/".contains(c);
    let rest = after.trim_start_matches(is_token68);
    if rest.len() == after.len() {
        return Err("neither a parameter nor a token68 follows the scheme");
    }
    challenge.has_token68 = true;
    Ok((challenge, rest.trim_start_matches('=')))
}

impl Parsed {
    fn add(&mut self, name: &str, value: String) -> Result<(), Fault> {
        if self.has_token68 {
            return Err("a parameter follows a token68");
        }
        if self.parameters.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
            return Err("a parameter stands there twice");
        }
        self.parameters.push((name.to_owned(), value));
        Ok(())
    }
}

/// A name, a value and what follows. None if this is no parameter.
fn parameter(text: &str) -> Result<Option<(&str, String, &str)>, Fault> {
    let Some((name, rest)) = token(text) else { return Ok(None) };
    let Some(rest) = rest.strip_prefix('=') else { return Ok(None) };
    if let Some(quoted) = rest.strip_prefix('"') {
        let (value, rest) = quoted_string(quoted)?;
        return Ok(Some((name, value, rest)));
    }
    Ok(token(rest).map(|(value, rest)| (name, value.to_owned(), rest)))
}

/// What stands in quotes, from after the first of them, and what follows.
fn quoted_string(text: &str) -> Result<(String, &str), Fault> {
    let mut value = String::new();
    let mut characters = text.chars();
    loop {
        let character = match characters.next() {
            Some('"') => return Ok((value, characters.as_str())),
            Some('\\') => characters.next(),
            other => other,
        };
        match character.ok_or("a quoted string has no end")? {
            character @ ('\t' | ' '..='~') => value.push(character),
            _ => return Err("a quoted string has a character that cannot be sent"),
        }
    }
}

/// A token of RFC 9110 §5.6.2 and what follows. None if there is none.
fn token(text: &str) -> Option<(&str, &str)> {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let rest = text.trim_start_matches(is_token);
    text.split_at_checked(text.len() - rest.len()).filter(|(token, _)| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was read, as a text.
    fn read(line: &str) -> Result<String, Fault> {
        let parameter = |(name, value): &(String, String)| format!(" {name}={value:?}");
        let one = |challenge: &Parsed| {
            let parameters: String = challenge.parameters.iter().map(parameter).collect();
            format!(
                "{}{parameters}{}",
                challenge.scheme,
                if challenge.has_token68 { " (token68)" } else { "" }
            )
        };
        challenges(line).map(|all| all.iter().map(one).collect::<Vec<_>>().join(" | "))
    }

    #[test]
    fn what_the_standard_allows_is_read() {
        for (line, wanted) in [
            ("Bearer", "Bearer"),
            ("Bearer ", "Bearer"),
            (r#"Bearer realm="a""#, r#"Bearer realm="a""#),
            (r#"bearer   realm="",scope=x"#, r#"bearer realm="" scope="x""#),
            (r#"Bearer a="b" ,	c="d, e=f""#, r#"Bearer a="b" c="d, e=f""#),
            (r#"Bearer a="\"\\\b""#, r#"Bearer a="\"\\b""#),
            (
                r#"Basic realm="a", Bearer error="b", scope=c"#,
                r#"Basic realm="a" | Bearer error="b" scope="c""#,
            ),
            ("Negotiate ab/c==, Bearer a=b", r#"Negotiate (token68) | Bearer a="b""#),
            ("Negotiate, Bearer a=b", r#"Negotiate | Bearer a="b""#),
            ("Negotiate ab=", "Negotiate (token68)"),
            ("Bearer a", "Bearer (token68)"),
        ] {
            assert_eq!(read(line).as_deref(), Ok(wanted), "{line}");
        }
    }

    #[test]
    fn what_the_standard_does_not_allow_is_refused() {
        for line in [
            "",
            " Bearer",
            ",",
            "Bearer,",
            "Bearer a=b,",
            "Bearer a=b,,c=d",
            "Bearer a=b c=d",
            "Bearer a =b",
            "Bearer a= b",
            "Bearer a=b, A=c",
            r#"Bearer a="b"#,
            r#"Bearer a="b\"#,
            r#"Bearer a="b"c"#,
            "Bearer a=\"é\"",
            "Bearer a=\"\u{7f}\"",
            r#"Bearer ="b""#,
            "a=b",
            r#""Bearer""#,
            "Negotiate abc==, a=b",
            "Negotiate abc==d",
            "Bearer\ta=b",
        ] {
            assert!(read(line).is_err(), "{line}: {:?}", read(line));
        }
    }
}
