//! The replica alone.
