//! The panel: pages, forms and API over axum and askama.

pub mod backend;
