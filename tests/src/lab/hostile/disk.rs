//! An upload larger than the disk: a refusal in words, and a panel that stays up.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::Watch;
use crate::lab::http::Answer;
use crate::lab::namespace::call;
use crate::lab::panel::{Visitor, hidden};
use crate::lab::process::{Node, Plan};
use crate::lab::scratch;

const DISK: &str = "size=24m";
const UPLOAD: u64 = 64 << 20;
const CHUNK: usize = 64 << 10;

pub(super) fn run() -> Result<String> {
    let folder = scratch("disk")?;
    let disk = folder.path().join("small");
    fs::create_dir_all(&disk).context("make a mount point")?;
    let path = disk.to_str().context("a path in UTF-8")?;
    call("mount", &["-t", "tmpfs", "-o", DISK, "tmpfs", path])?;
    let seen = fill(&disk, folder.path());
    // Lazily, since a node that was just killed may hold it a moment longer.
    call("umount", &["-l", path])?;
    seen
}

fn fill(disk: &Path, folder: &Path) -> Result<String> {
    let mut node = Node::start(Plan::new("anna", disk))?;
    let mut owner = Visitor::claim(&node)?;
    node.kith(&["post", "Before the flood"])?;
    let watch = Watch::start(&node)?;

    let answer = upload(&mut owner)?;
    ensure!(answer.status == 507, "too large an upload answers {}", answer.status);
    let words = answer.text();
    ensure!(words.contains("disk") || words.contains("full"), "not in words: {words}");
    let seen = watch.check(&mut node)?;
    ensure!(node.files()?.is_empty(), "half a file appeared: {:?}", node.files()?);
    ensure!(node.posts()? == ["Before the flood"], "the notice is lost");

    let large = folder.join("large.bin");
    crate::figures::random_file(&large, UPLOAD, 3)?;
    let ended = node.run(&["files", "add", large.to_str().context("a path in UTF-8")?])?;
    ensure!(ended.code == 1 && !ended.err.is_empty(), "files add ends {ended:?}");

    // What was written in vain is given back, so that life goes on.
    let plan = node.stop()?;
    let node = Node::start(plan)?;
    node.kith(&["post", "After the flood"])?;
    ensure!(node.posts()?.len() == 2, "a notice after the flood is lost");
    node.stop()?;
    Ok(format!("64 MiB onto a disk of 24: 507 in the panel, exit 1 at the shell; {seen}"))
}

/// Uploads through the form, as a browser would.
fn upload(owner: &mut Visitor) -> Result<Answer> {
    let fields = hidden(&owner.get("/files")?.text(), "/upload");
    let boundary = "a-line-no-file-holds";
    let mut head = String::new();
    for (name, value) in &fields {
        head += &format!(
            "--{boundary}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        );
    }
    head += &format!(
        "--{boundary}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"large.bin\"\r\n\
         content-type: application/octet-stream\r\n\r\n"
    );
    let tail = format!("\r\n--{boundary}--\r\n");
    let length = head.len() as u64 + UPLOAD + tail.len() as u64;
    owner
        .ask("/upload")?
        .method("POST")
        .header("content-type", &format!("multipart/form-data; boundary={boundary}"))
        .header("content-length", &length.to_string())
        .same_origin()
        .send_streaming(|stream| {
            stream.write_all(head.as_bytes())?;
            let mut chunk = vec![0_u8; CHUNK];
            for n in 0..UPLOAD / CHUNK as u64 {
                chunk[..8].copy_from_slice(&n.to_le_bytes());
                stream.write_all(&chunk)?;
            }
            stream.write_all(tail.as_bytes())
        })
}
