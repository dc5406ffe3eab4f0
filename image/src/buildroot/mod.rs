//! What can be asked of a Buildroot tree without downloading or building anything.
//!
//! Each check is a pure function over what Buildroot answered; `run` is the hands.

pub mod answers;
pub mod drift;
pub mod run;
