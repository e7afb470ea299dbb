//! What a user names of a provider, on its way into addresses.

use crate::endpoint;
use crate::error::{BuildError, BuildErrorKind};

/// Checks parameters, and keeps the first fault for the builder.
#[derive(Debug, Default)]
pub(super) struct Parameters {
    fault: Option<BuildError>,
}

impl Parameters {
    /// A host in small letters, with or without a port. `https://` before it and a slash behind it are taken away, as
    /// people copy them.
    pub(super) fn host(&mut self, setting: &'static str, text: &str) -> String {
        let host = text.strip_prefix("https://").unwrap_or(text);
        let host = host.strip_suffix('/').unwrap_or(host);
        let checked = endpoint::check(setting, &format!("https://{host}"));
        let checked = checked.and_then(|url| match url.path_and_query().map_or("", |path| path.as_str()) {
            "" | "/" if !host.is_empty() && !host.ends_with('/') => Ok(host.to_ascii_lowercase()),
            _ => Err(BuildError::new(setting, BuildErrorKind::InvalidUrl)),
        });
        self.noted(checked)
    }

    /// An address to which paths are added, without its last slash.
    pub(super) fn base(&mut self, setting: &'static str, text: &str) -> String {
        let checked = endpoint::check(setting, text).and_then(|url| match url.query() {
            None => Ok(text.trim_end_matches('/').to_owned()),
            Some(_) => Err(BuildError::new(setting, BuildErrorKind::InvalidUrl)),
        });
        self.noted(checked)
    }

    /// A name that is one segment of a path, or one label of a host: letters, digits, `-`, `_` and `.`.
    pub(super) fn name(&mut self, setting: &'static str, text: &str) -> String {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let checked = match text {
            "" => Err(BuildErrorKind::Empty),
            "." | ".." => Err(BuildErrorKind::InvalidText),
            text if text.bytes().all(is_plain) => Ok(text.to_owned()),
            _ => Err(BuildErrorKind::InvalidText),
        };
        self.noted(checked.map_err(|kind| BuildError::new(setting, kind)))
    }

    /// The first label of a host that the provider owns: letters, digits and `-`.
    pub(super) fn label(&mut self, setting: &'static str, text: &str) -> String {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let checked = match text {
            "" => Err(BuildErrorKind::Empty),
            text if text.bytes().all(is_plain) => Ok(text.to_ascii_lowercase()),
            _ => Err(BuildErrorKind::InvalidText),
        };
        self.noted(checked.map_err(|kind| BuildError::new(setting, kind)))
    }

    /// What the provider calls this application. It stands in no address.
    pub(super) fn id(&mut self, setting: &'static str, text: impl Into<String>) -> String {
        let text = text.into();
        let is_hidden = |character: char| character.is_control() || character.is_whitespace();
        let checked = match text.as_str() {
            "" | "*" => Err(BuildErrorKind::Empty),
            text if text.chars().any(is_hidden) => Err(BuildErrorKind::InvalidText),
            _ => Ok(text),
        };
        self.noted(checked.map_err(|kind| BuildError::new(setting, kind)))
    }

    /// A UUID as text, in small letters, as it stands in the addresses of its owner.
    pub(super) fn uuid(&mut self, setting: &'static str, text: &str) -> String {
        let is_hex = |part: &str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
        let lengths = text.split('-').map(str::len);
        let checked = match lengths.eq([8, 4, 4, 4, 12]) && text.split('-').all(is_hex) {
            true => Ok(text.to_ascii_lowercase()),
            false => Err(BuildError::new(setting, BuildErrorKind::InvalidText)),
        };
        self.noted(checked)
    }

    /// The first fault.
    pub(super) fn fault(self) -> Option<BuildError> {
        self.fault
    }

    /// The parameter; an empty one in place of a faulty one, of which nothing is built.
    fn noted(&mut self, checked: Result<String, BuildError>) -> String {
        checked.unwrap_or_else(|fault| {
            self.fault.get_or_insert(fault);
            String::new()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(check: impl FnOnce(&mut Parameters) -> String) -> Result<String, BuildErrorKind> {
        let mut parameters = Parameters::default();
        let text = check(&mut parameters);
        parameters.fault().map_or(Ok(text), |fault| Err(fault.kind()))
    }

    #[test]
    fn a_host_is_taken_as_it_is_copied_and_nothing_else_is() {
        for text in ["h.example.com", "https://h.example.com", "https://h.example.com/", "H.Example.com/"] {
            assert_eq!(checked(|given| given.host("domain", text)).as_deref(), Ok("h.example.com"), "{text}");
        }
        assert_eq!(checked(|given| given.host("domain", "h:8443")).as_deref(), Ok("h:8443"));
        for text in [
            "", "/", "https://", "h/x", "h//", "h?x", "h#x", "u@h", "http://h", "h h", "h\n", "*", "{x}",
            "h:port", "ftp://h",
        ] {
            assert!(checked(|given| given.host("domain", text)).is_err(), "{text}");
        }
    }

    #[test]
    fn a_base_keeps_its_path_and_loses_its_slash() {
        for (text, expected) in [
            ("https://h/", Some("https://h")),
            ("https://h/a/b/", Some("https://h/a/b")),
            ("http://127.0.0.1:80/a", Some("http://127.0.0.1:80/a")),
            ("http://h/a", None),
            ("https://h/a?b", None),
            ("https://h/../a", None),
            ("h", None),
            ("", None),
        ] {
            assert_eq!(checked(|given| given.base("url", text)).ok().as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_name_cannot_leave_its_place() {
        for text in ["my-app_1.0", "A"] {
            assert_eq!(checked(|given| given.name("realm", text)).as_deref(), Ok(text));
        }
        for text in ["", ".", "..", "a/b", "a%2fb", "a b", "ä", "a?b", "{a}", "a\\b", "a:b", "a@b"] {
            assert!(checked(|given| given.name("realm", text)).is_err(), "{text}");
        }
    }

    #[test]
    fn a_label_is_no_host_of_its_own() {
        assert_eq!(checked(|given| given.label("tenant", "Contoso-1")).as_deref(), Ok("contoso-1"));
        for text in ["", "contoso.evil", "a/b", "a b", "a_b", "\u{e4}", "{a}", "https://contoso"] {
            assert!(checked(|given| given.label("tenant", text)).is_err(), "{text}");
        }
    }

    #[test]
    fn an_id_is_any_text_that_shows() {
        for text in ["123-abc.apps.googleusercontent.com", "https://app.example.com/meta?a#b", "\u{e4}"] {
            assert_eq!(checked(|given| given.id("client_id", text)).as_deref(), Ok(text));
        }
        for text in ["", "*", " ", "a b", "a\n", "a\u{0}"] {
            assert!(checked(|given| given.id("client_id", text)).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_uuid_is_written_in_one_way() {
        let id = "9188040D-6c67-4c5b-b112-36a304b66dad";
        assert_eq!(checked(|given| given.uuid("tenant", id)), Ok(id.to_lowercase()));
        for text in ["", "common", "9188040d6c674c5bb11236a304b66dad", "9188040d-6c67-4c5b-b112-36a304b66dag"]
        {
            assert!(checked(|given| given.uuid("tenant", text)).is_err(), "{text}");
        }
    }

    #[test]
    fn the_first_fault_is_the_one_that_is_told() {
        let mut given = Parameters::default();
        given.name("realm", "");
        given.host("domain", "");
        assert_eq!(given.fault().map(|fault| fault.setting()), Some("realm"));
    }
}
