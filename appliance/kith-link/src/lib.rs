//! Hands on the medium: what a box's owner wants becomes what the kernel and the daemons do.
//!
//! ```text
//! settings + profile + facts -> desire -> Desired ─┐
//!                    the world -> observe -> Seen ──┴-> plan -> Steps -> hands -> the world
//! ```
//!
//! All that decides is pure: [`desire`] and [`plan`] are functions, [`control`] is a machine. The hands
//! are either the real ones or simulated ones, chosen when the role starts and never as a fall-back.

#![forbid(unsafe_code)]

pub mod control;
pub mod desire;
pub mod desired;
pub mod facts;
pub mod flows;
pub mod hands;
pub mod names;
pub mod plan;
pub mod render;
pub mod role;
pub mod seen;
pub mod simulated;
pub mod step;
pub mod store;
