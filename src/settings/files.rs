//! Secrets and keys that stand in files.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use zeroize::Zeroize;

use super::what::What;
use crate::secret::Secret;

const MAX_FILE: u64 = 1024 * 1024;

/// The content of a file.
pub(super) fn read(path: &Path) -> Result<Secret<String>, What> {
    // A pipe would be waited for, and empty when it is read again.
    let kind = fs::metadata(path).map_err(|error| What::Unreadable(error.kind()))?;
    if !kind.is_file() {
        return Err(What::FileContent);
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| What::Unreadable(error.kind()))?;
    let all = file.take(MAX_FILE + 1).read_to_end(&mut bytes);
    let is_short = u64::try_from(bytes.len()).is_ok_and(|length| length <= MAX_FILE);
    let text = String::from_utf8(bytes).map_err(|error| {
        error.into_bytes().zeroize();
        What::FileContent
    })?;
    let text = Secret::new(text);
    all.map_err(|error| What::Unreadable(error.kind()))?;
    if is_short { Ok(text) } else { Err(What::FileContent) }
}
