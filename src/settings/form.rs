//! The forms that values have, in every format alike.

use std::path::PathBuf;
use std::time::Duration;

use super::raw::Raw;
use super::what::What;
use crate::algorithm::Algorithm;
use crate::error::BuildErrorKind;

/// The units of durations, largest first, in milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// A type of values.
pub(super) trait Form: Sized {
    /// What it is called.
    const NAME: &'static str;

    /// Reads a value.
    fn read(raw: &Raw) -> Result<Self, What>;

    /// The value as it is written into a file. None: it is a secret.
    fn written(&self) -> Option<Raw>;
}

/// A text in which spaces make sense.
#[derive(Clone)]
pub(super) struct Line(pub(super) String);

/// Hundredths.
#[derive(Clone, Copy)]
pub(super) struct Percent(pub(super) u8);

/// How a client proves who it is.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum ClientAuthentication {
    Basic,
    Post,
}

impl Form for bool {
    const NAME: &'static str = "`true`, `false`";

    fn read(raw: &Raw) -> Result<Self, What> {
        match raw {
            Raw::Bool(value) => Ok(*value),
            Raw::Text(text) => match text.expose().as_str() {
                "true" => Ok(true),
                "false" => Ok(false),
                _ => Err(What::Form("`true` or `false`")),
            },
            _ => Err(What::Form("`true` or `false`")),
        }
    }

    fn written(&self) -> Option<Raw> {
        Some(Raw::Bool(*self))
    }
}

impl Form for String {
    const NAME: &'static str = "text";

    fn read(raw: &Raw) -> Result<Self, What> {
        let text = text(raw)?;
        // A space that nobody sees.
        match text.chars().any(|character| character.is_control() || character.is_whitespace()) {
            true => Err(What::Build(BuildErrorKind::InvalidText)),
            false => Ok(text.to_owned()),
        }
    }

    fn written(&self) -> Option<Raw> {
        Some(Raw::text(self))
    }
}

impl Form for Line {
    const NAME: &'static str = "text";

    fn read(raw: &Raw) -> Result<Self, What> {
        text(raw).map(|text| Self(text.to_owned()))
    }

    fn written(&self) -> Option<Raw> {
        Some(Raw::text(&self.0))
    }
}

impl Form for PathBuf {
    const NAME: &'static str = "path";

    fn read(raw: &Raw) -> Result<Self, What> {
        text(raw).map(Self::from)
    }

    fn written(&self) -> Option<Raw> {
        self.to_str().map(Raw::text)
    }
}

impl Form for Vec<String> {
    const NAME: &'static str = "list";

    fn read(raw: &Raw) -> Result<Self, What> {
        items(raw)?.iter().map(String::read).collect()
    }

    fn written(&self) -> Option<Raw> {
        Some(Raw::list(self))
    }
}

impl Form for Vec<u64> {
    const NAME: &'static str = "list of numbers";

    fn read(raw: &Raw) -> Result<Self, What> {
        items(raw)?.iter().map(u64::read).collect()
    }

    fn written(&self) -> Option<Raw> {
        Some(Raw::List(self.iter().copied().map(Raw::Number).collect()))
    }
}

impl Form for Vec<Algorithm> {
    const NAME: &'static str = "list";

    fn read(raw: &Raw) -> Result<Self, What> {
        let algorithm = |item: &Raw| {
            let name = String::read(item)?;
            Algorithm::from_name(&name).ok_or(What::Form("a list of algorithms, such as `RS256`"))
        };
        items(raw)?.iter().map(algorithm).collect()
    }

    fn written(&self) -> Option<Raw> {
        Some(Raw::list(self.iter().map(|algorithm| algorithm.name())))
    }
}

impl Form for u64 {
    const NAME: &'static str = "number";

    fn read(raw: &Raw) -> Result<Self, What> {
        match raw {
            Raw::Number(number) => Ok(*number),
            Raw::Text(text) => digits(text.expose()),
            _ => Err(What::Form("a whole number")),
        }
    }

    fn written(&self) -> Option<Raw> {
        Some(Raw::Number(*self))
    }
}

impl Form for usize {
    const NAME: &'static str = "number";

    fn read(raw: &Raw) -> Result<Self, What> {
        u64::read(raw)?.try_into().map_err(|_| What::Build(BuildErrorKind::OutOfRange))
    }

    fn written(&self) -> Option<Raw> {
        u64::try_from(*self).ok().map(Raw::Number)
    }
}

impl Form for Percent {
    const NAME: &'static str = "number";

    fn read(raw: &Raw) -> Result<Self, What> {
        let percent = u64::read(raw)?.try_into();
        percent.map(Self).map_err(|_| What::Build(BuildErrorKind::OutOfRange))
    }

    fn written(&self) -> Option<Raw> {
        Some(Raw::Number(self.0.into()))
    }
}

impl Form for Duration {
    const NAME: &'static str = "duration";

    fn read(raw: &Raw) -> Result<Self, What> {
        let unreadable = What::Form("a number with one of the units `ms`, `s`, `m`, `h`, `d`");
        let text = match raw {
            Raw::Number(0) => "0",
            Raw::Text(text) => text.expose().as_str(),
            _ => return Err(unreadable),
        };
        let unit = text.trim_start_matches(|character: char| character.is_ascii_digit());
        let number = text.strip_suffix(unit).unwrap_or_default();
        let number = match digits(number) {
            Ok(0) if unit.is_empty() => return Ok(Self::ZERO),
            Err(What::Form(_)) => return Err(unreadable),
            number => number?,
        };
        let (_, factor) = UNITS.into_iter().find(|(name, _)| *name == unit).ok_or(unreadable)?;
        let milliseconds = number.checked_mul(factor).ok_or(What::Build(BuildErrorKind::OutOfRange))?;
        Ok(Self::from_millis(milliseconds))
    }

    fn written(&self) -> Option<Raw> {
        let milliseconds = u64::try_from(self.as_millis()).ok()?;
        let (unit, factor) = UNITS.into_iter().find(|(_, factor)| milliseconds.is_multiple_of(*factor))?;
        Some(Raw::text(if milliseconds == 0 {
            "0".to_owned()
        } else {
            format!("{}{unit}", milliseconds / factor)
        }))
    }
}

impl Form for ClientAuthentication {
    const NAME: &'static str = "word";

    fn read(raw: &Raw) -> Result<Self, What> {
        match text(raw)? {
            "basic" => Ok(Self::Basic),
            "post" => Ok(Self::Post),
            _ => Err(What::Form("`basic` or `post`")),
        }
    }

    fn written(&self) -> Option<Raw> {
        Some(Raw::text(match self {
            Self::Basic => "basic",
            Self::Post => "post",
        }))
    }
}

/// A text that says something.
pub(super) fn text(raw: &Raw) -> Result<&str, What> {
    match raw {
        Raw::Text(text) if text.expose().trim().is_empty() => Err(What::Build(BuildErrorKind::Empty)),
        // The habits of JSON and of files of variables, which nobody takes away here.
        Raw::Text(text) if is_quoted(text.expose()) => {
            Err(What::Form("written without quotes and brackets around it"))
        }
        Raw::Text(text) => Ok(text.expose()),
        _ => Err(What::Form("text")),
    }
}

fn is_quoted(text: &str) -> bool {
    let quotes = ['"', '\''];
    text.starts_with(quotes) || text.ends_with(quotes) || text.starts_with('[')
}

/// The items of a list, or of a text in which commas or white space stand between them. There is at least one.
pub(super) fn items(raw: &Raw) -> Result<Vec<Raw>, What> {
    let items = match raw {
        Raw::List(items) => items.clone(),
        Raw::Text(text) => {
            let parts = text.expose().split(|character: char| character == ',' || character.is_whitespace());
            parts.filter(|part| !part.is_empty()).map(Raw::text).collect()
        }
        // A list of one number.
        Raw::Number(number) => vec![Raw::Number(*number)],
        _ => return Err(What::Form("a list")),
    };
    if items.is_empty() { Err(What::Build(BuildErrorKind::Empty)) } else { Ok(items) }
}

fn digits(text: &str) -> Result<u64, What> {
    match text {
        "" => Err(What::Form("a whole number")),
        text if !text.bytes().all(|byte| byte.is_ascii_digit()) => Err(What::Form("a whole number")),
        text => text.parse().map_err(|_| What::Build(BuildErrorKind::OutOfRange)),
    }
}
