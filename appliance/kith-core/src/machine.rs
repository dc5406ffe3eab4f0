//! The one trait of every decision maker: inputs and time go in, outputs and the next deadline come
//! out.
//!
//! A machine owns no socket, file, clock or random source. One driver on tokio (`kith-role`) and one
//! simulated world (`kith-tests`) run all of them.

use crate::time::Instant;

/// A protocol state machine without input or output of its own.
///
/// After every `handle_*` call the driver drains [`Machine::poll_output`] until it answers `None` and
/// then asks [`Machine::poll_timeout`] when to come back.
pub trait Machine {
    /// Facts in the past tense: what happened.
    type Input;
    /// Imperatives: what the hands are to do.
    type Output;

    /// Takes one fact.
    fn handle_input(&mut self, now: Instant, input: Self::Input);

    /// Takes the passing of time; harmless when called too early.
    fn handle_timeout(&mut self, now: Instant);

    /// The next thing to do, if any.
    fn poll_output(&mut self) -> Option<Self::Output>;

    /// When [`Machine::handle_timeout`] is due next, if ever.
    fn poll_timeout(&self) -> Option<Instant>;
}
