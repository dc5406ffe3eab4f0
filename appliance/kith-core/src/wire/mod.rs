//! What crosses the network between appliances: strict DAG-CBOR and the frames of ALPN `kith/1`.

pub mod cbor;
pub mod frame;
