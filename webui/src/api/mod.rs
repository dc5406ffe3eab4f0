//! The API: the same commands as everywhere, as REST with JSON.
//!
//! One table maps method and path to a command; parameters, bodies, answers and the OpenAPI document
//! all come from the schemas of `kith-model`, so nothing is written twice.

pub(crate) mod endpoint;
pub(crate) mod metrics;
pub(crate) mod openapi;
pub(crate) mod problem;
pub(crate) mod schema;
pub(crate) mod table;
