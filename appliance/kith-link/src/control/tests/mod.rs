//! How the machine behaves, in virtual time.
