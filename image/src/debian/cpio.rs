//! An initrd as the kernel unpacks it: the "new" cpio format (Documentation/driver-api/early-userspace,
//! buffer format). The same bytes from the same files.

use std::io::Write as _;

use flate2::{Compression, GzBuilder};

/// What is in an initrd: a path without a leading slash, and its bytes; no bytes for a folder.
pub type File = (String, Option<Vec<u8>>);

/// The archive, gzipped. Files can be run.
///
/// # Errors
/// There is no memory for it.
pub fn initrd(files: &[File]) -> std::io::Result<Vec<u8>> {
    let gzip = GzBuilder::new().mtime(0).operating_system(255);
    let mut gzip = gzip.write(Vec::new(), Compression::best());
    gzip.write_all(&archive(files))?;
    gzip.finish()
}

fn archive(files: &[File]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (number, (name, content)) in files.iter().enumerate() {
        let mode = if content.is_some() { 0o100_755 } else { 0o040_755 };
        entry(&mut bytes, number + 1, mode, name, content.as_deref().unwrap_or_default());
    }
    entry(&mut bytes, 0, 0, "TRAILER!!!", &[]);
    bytes
}

fn entry(bytes: &mut Vec<u8>, number: usize, mode: usize, name: &str, content: &[u8]) {
    let links = 1;
    let fields = [number, mode, 0, 0, links, 0, content.len(), 0, 0, 0, 0, name.len() + 1, 0];
    bytes.extend(b"070701");
    for field in fields {
        bytes.extend(format!("{field:08X}").bytes());
    }
    bytes.extend(name.bytes());
    bytes.push(0);
    pad(bytes);
    bytes.extend(content);
    pad(bytes);
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_has_the_form_of_the_format() {
        let archive = archive(&[("a".into(), None), ("a/b".into(), Some(b"hello".to_vec()))]);
        assert!(archive.starts_with(b"07070100000001000041ED"));
        let text = String::from_utf8_lossy(&archive);
        assert!(
            text.contains("00000005") && text.contains("a/b\0") && text.contains("hello\0\0\0")
        );
        assert!(text.contains("TRAILER!!!\0"));
        assert!(archive.len().is_multiple_of(4));
    }
}
