//! The classes of a space: what is synchronised and read on its own.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::RecordError;

/// The unit of synchronisation within a space.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Class {
    /// Who may do what.
    Gov,
    /// The noticeboard.
    Board,
    /// A collection of files, by name.
    Files(String),
}

/// The longest name of a collection, in bytes.
pub const MAX_COLLECTION: usize = 64;

impl Class {
    /// The class of the collection `name`.
    ///
    /// # Errors
    /// [`RecordError::Class`] unless the name is 1 to 64 lower-case letters, digits, `-` or `_`.
    pub fn files(name: &str) -> Result<Self, RecordError> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        if name.is_empty() || name.len() > MAX_COLLECTION || !name.bytes().all(plain) {
            return Err(RecordError::Class);
        }
        Ok(Self::Files(name.to_owned()))
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gov => f.write_str("gov"),
            Self::Board => f.write_str("board"),
            Self::Files(name) => write!(f, "files/{name}"),
        }
    }
}

impl From<Class> for String {
    fn from(class: Class) -> Self {
        class.to_string()
    }
}

impl TryFrom<String> for Class {
    type Error = RecordError;

    fn try_from(text: String) -> Result<Self, RecordError> {
        match text.as_str() {
            "gov" => Ok(Self::Gov),
            "board" => Ok(Self::Board),
            other => Self::files(other.strip_prefix("files/").ok_or(RecordError::Class)?),
        }
    }
}
