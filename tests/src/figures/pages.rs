//! CPU of the overview page beside a bare axum and askama page, on kept-alive connections.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use super::Scale;
use super::cost;
use super::table::{Goal, Table, median};
use crate::lab::panel::Visitor;
use crate::lab::process::{Node, Plan};
use crate::lab::scratch;

/// Enough that a tick of the kernel's accounting does not matter.
const REQUESTS: u32 = 10_000;

struct Bare(Child);

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(super) fn measure(scale: Scale, table: &mut Table) -> Result<()> {
    let folder = scratch("pages")?;
    let node = Node::start(Plan::new("anna", folder.path()))?;
    let owner = Visitor::claim(&node)?;
    let host = node.panel.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let (bare, bare_host) = bare()?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let mut bytes = 0;
    for _ in 0..scale.rounds {
        let before = cost::cpu(&node.pids())?;
        bytes = hammer(&host, "/overview", &owner.cookie(), REQUESTS)?;
        ours.push(cost::cpu(&node.pids())? - before);
        let before = cost::cpu(&[bare.0.id()])?;
        hammer(&bare_host, "/", "", REQUESTS)?;
        theirs.push(cost::cpu(&[bare.0.id()])? - before);
    }
    node.stop()?;
    let micros = |s: f64| s / f64::from(REQUESTS) * 1e6;
    let (ours, theirs) = (micros(median(ours)), micros(median(theirs)));
    let detail = format!("{ours:.0} of {theirs:.0} us a request; {bytes} bytes");
    table.judge("overview / bare page, CPU", (ours / theirs, ""), (Goal::AtMost, 2.0), detail);
    Ok(())
}

fn bare() -> Result<(Bare, String)> {
    let own = std::env::current_exe().context("find this program")?;
    let mut child = Command::new(own)
        .arg("baseline-page")
        .stdout(Stdio::piped())
        .spawn()
        .context("start the bare page")?;
    let pipe = child.stdout.take().context("its output")?;
    let bare = Bare(child);
    let mut address = String::new();
    BufReader::new(pipe).read_line(&mut address).context("read its address")?;
    Ok((bare, address.trim().to_owned()))
}

/// Asks again and again on one connection; answers the size of the last page.
fn hammer(host: &str, path: &str, cookie: &str, requests: u32) -> Result<usize> {
    let stream = TcpStream::connect(host).context("connect")?;
    stream.set_nodelay(true).context("send at once")?;
    let mut writer = stream.try_clone().context("a second handle")?;
    let mut reader = BufReader::new(stream);
    let cookie = if cookie.is_empty() { String::new() } else { format!("cookie: {cookie}\r\n") };
    let ask = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n{cookie}\r\n");
    let mut body = Vec::new();
    for _ in 0..requests {
        writer.write_all(ask.as_bytes()).context("ask")?;
        let length = head(&mut reader)?;
        body.resize(length, 0);
        reader.read_exact(&mut body).context("read a page")?;
    }
    Ok(body.len())
}

fn head(reader: &mut BufReader<TcpStream>) -> Result<usize> {
    let mut line = String::new();
    reader.read_line(&mut line).context("read a status")?;
    if !line.starts_with("HTTP/1.1 200") {
        bail!("not a page: {line}");
    }
    let mut length = None;
    while line.trim_end() != "" {
        line.clear();
        reader.read_line(&mut line).context("read a header")?;
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().ok();
        }
    }
    length.context("a page without content-length")
}
