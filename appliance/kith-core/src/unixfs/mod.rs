//! UnixFS: files and directories as DAGs of blocks (profile `unixfs-v1-2025`).
