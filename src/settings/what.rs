//! What can be wrong with a setting. Never a value.

use std::{fmt, io, slice};

use crate::error::BuildErrorKind;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum What {
    /// What a builder said.
    Build(BuildErrorKind),
    /// Excludes another setting.
    Conflict(&'static str),
    /// A feature of this crate is off.
    Feature(&'static str),
    /// A file that is too large or no text.
    FileContent,
    /// A file that cannot be read.
    Unreadable(io::ErrorKind),
    /// Has another form than this.
    Form(&'static str),
    /// Is nothing to the provider of this name.
    Meaningless(&'static str),
    /// There are no keys: this setting would name some, as the others would.
    MissingKeys,
    /// Is not on, though answers of the provider of this name do not say for whom a token is.
    NamesNoApplication(&'static str),
    /// Has no effect without another setting.
    Needs(&'static str),
    /// Has an algorithm of shared secrets, of which there is none.
    NoSecretKey,
    /// Is set under two spellings, or twice.
    Twice,
    Unknown,
    /// Bytes that are no text.
    Unprintable,
}

impl What {
    /// The other settings that it speaks of.
    pub(super) fn others(&self) -> &[&'static str] {
        match self {
            Self::Conflict(other) | Self::Needs(other) => slice::from_ref(other),
            Self::MissingKeys => &["public_key", "secret_key", "jwk_set"],
            Self::NoSecretKey => &["secret_key"],
            _ => &[],
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Build(kind) => f.write_str(kind.says()),
            Self::Conflict(_) => f.write_str("is set together with"),
            Self::Feature(feature) => write!(f, "needs the feature {feature} of this program"),
            Self::FileContent => f.write_str("names what is no file with text of at most 1 MiB"),
            Self::Form(form) => write!(f, "has to be {form}"),
            Self::Meaningless(provider) => write!(f, "means nothing to the provider `{provider}`"),
            Self::MissingKeys => f.write_str("is missing, or"),
            Self::NamesNoApplication(provider) => write!(
                f,
                "is not `true`: answers of the provider `{provider}` name no application, and `true` accepts that"
            ),
            Self::Needs(_) => f.write_str("has no effect without"),
            Self::NoSecretKey => f.write_str("has an algorithm of shared secrets, which needs"),
            Self::Twice => f.write_str("is set twice"),
            Self::Unknown => f.write_str("is no setting"),
            Self::Unprintable => f.write_str("is no text"),
            Self::Unreadable(kind) => write!(f, "names a file that cannot be read: {kind}"),
        }
    }
}
