//! Errors of the rooms below, as refusals in words: the one place where they are put.

use kith_files::{FileError, Kind};
use kith_model::refusal::{Refusal, RefusalKind};
use kith_store::StoreError;

use crate::keys::KeyError;

/// Of the store.
#[must_use]
pub(crate) fn of_store(error: &StoreError) -> Refusal {
    tracing::error!(error = %chain(error), "the store refused");
    match error.kind() {
        Some(kind) => of_kind(kind, &chain(error)),
        None => Refusal::new(RefusalKind::Internal, format!("the store refused: {}", chain(error))),
    }
}

/// Of the file layer.
#[must_use]
pub(crate) fn of_file(error: &FileError) -> Refusal {
    of_kind(error.kind(), &chain(error))
}

fn of_kind(kind: Kind, error: &str) -> Refusal {
    match kind {
        Kind::NoSpace => Refusal::new(
            RefusalKind::NoSpace,
            "the disk is full: nothing was saved; remove files you no longer need, or use a larger disk",
        ),
        Kind::ReadOnly => Refusal::new(
            RefusalKind::DiskFailed,
            "the disk is read-only: nothing was saved; a worn memory card does this, so copy what matters and replace it",
        ),
        Kind::Io => Refusal::new(
            RefusalKind::DiskFailed,
            "the disk fails: nothing was saved; copy what matters and replace it",
        ),
        Kind::NotFound | Kind::Exists | Kind::Locked | Kind::Denied => Refusal::new(
            RefusalKind::Internal,
            format!("a file of the box is not as it was left: {error}"),
        ),
    }
}

/// Of the key files.
#[must_use]
pub(crate) fn of_key(error: &KeyError) -> Refusal {
    match error {
        KeyError::Files(file) => of_file(file),
        KeyError::Malformed(_) => Refusal::new(RefusalKind::Internal, error.to_string()),
    }
}

/// Of the system, outside the file layer.
#[must_use]
#[expect(clippy::needless_pass_by_value, reason = "used as a function in map_err")]
pub(crate) fn of_io(error: std::io::Error) -> Refusal {
    Refusal::new(RefusalKind::Internal, format!("the system refused: {error}"))
}

/// An error and all it came from, in one line.
#[must_use]
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
