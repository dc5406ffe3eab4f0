//! Boxes on a switch: found by themselves, let in by an invite, cut apart, together again.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::namespace::{self, Namespace};
use super::process::{Node, Plan};
use super::report::Report;
use super::transcript::Transcript;
use super::{Wishes, scratch, wait};

/// Generous: a machine under load is slow, and a lab is no stopwatch.
const PATIENCE: Duration = Duration::from_secs(30);
/// The figure a quiet machine must keep: found, or authenticated once invited, after its start.
const FOUND: Duration = Duration::from_millis(1_500);
/// Absolute times fail only at three times their value.
const SLACK: u32 = 3;

/// Plays and says what was seen.
type Scenario = fn() -> Result<String>;

const HOLIDAY: &[u8] = b"not really a picture, but it must arrive byte for byte\n";

/// Runs the scenarios that are wanted.
#[must_use]
pub fn run(wishes: &Wishes) -> Report {
    let mut report = Report::default();
    let scenarios: [(&str, Scenario); 2] = [("cut-cable", cut_cable), ("strangers", strangers)];
    for (name, scenario) in scenarios {
        if wishes.wants(name) {
            report.note(&format!("netns {name}"), scenario());
        }
    }
    report
}

fn cut_cable() -> Result<String> {
    let folder = scratch("cut-cable")?;
    let boxes = namespace::boxes(&["anna", "bert"])?;
    let mut told = Transcript::new(
        "The cut cable",
        "Two boxes on one switch, each with its own network. Made by\n\
         `cargo run --release -p kith-tests -- netns cut-cable`, which anyone can run without root.",
    );
    let seen = play(&boxes, folder.path(), &mut told);
    namespace::remove(&boxes)?;
    let seen = seen?;
    told.keep("cut-cable")?;
    Ok(seen)
}

fn play(boxes: &[Namespace], folder: &Path, told: &mut Transcript) -> Result<String> {
    let [anna_box, bert_box] = boxes else { bail!("two boxes") };
    told.chapter("Two boxes find each other");
    let anna = Node::start(Plan::new("anna", folder).inside(anna_box))?;
    told.say(&format!("anna runs at {}, her panel after {:.2?}", anna_box.address, anna.took));
    let bert = Node::start(Plan::new("bert", folder).inside(bert_box))?;
    told.say(&format!("bert runs at {}", bert_box.address));
    let found = found_after(&anna, &bert)?;
    told.say(&format!("each has heard the other, {found:.2?} after bert's start"));
    show(told, &bert, &["peers"])?;

    told.chapter("Bert is let in");
    let code = anna.invite()?;
    told.command("anna", &["invite", "--json"], &format!("{{\"code\": \"{code}\"}}"));
    let asked = Instant::now();
    let joined = bert.kith(&["join", &code])?;
    let joined_after = asked.elapsed();
    told.command("bert", &["join", "KITH1-…"], &joined);
    told.say(&format!("joined after {joined_after:.2?}"));

    told.chapter("A file and a notice go across");
    let picture = folder.join("holiday.jpg");
    std::fs::write(&picture, HOLIDAY).context("write the picture")?;
    let path = picture.to_str().context("a path in UTF-8")?;
    show_as(told, &anna, &["files", "add", path], &["files", "add", "holiday.jpg"])?;
    show(told, &anna, &["post", "Market on Saturday, bring bags"])?;
    agree(&anna, &bert, told)?;
    fetched(&bert, folder, "holiday.jpg", HOLIDAY)?;
    told.say("bert has holiday.jpg byte for byte");

    told.chapter("The cable is cut; both go on");
    bert_box.unplug()?;
    told.say("bert's cable is pulled");
    show(told, &anna, &["post", "Anna wrote this alone"])?;
    show(told, &bert, &["post", "Bert wrote this alone"])?;
    let list = folder.join("list.txt");
    std::fs::write(&list, b"eggs\n").context("write the list")?;
    let path = list.to_str().context("a path in UTF-8")?;
    show_as(told, &bert, &["files", "add", path], &["files", "add", "list.txt"])?;
    ensure!(!anna.posts()?.contains(&"Bert wrote this alone".into()), "the cable was not cut");
    ensure!(!bert.posts()?.contains(&"Anna wrote this alone".into()), "the cable was not cut");
    ensure!(!anna.files()?.contains_key("list.txt"), "the cable was not cut");
    told.say("neither knows what the other wrote");

    told.chapter("The cable is back; they agree");
    bert_box.plug()?;
    let plugged = Instant::now();
    told.say("bert's cable is plugged in again");
    agree(&anna, &bert, told)?;
    let healed = plugged.elapsed();
    fetched(&anna, folder, "list.txt", b"eggs\n")?;
    show(told, &anna, &["posts"])?;
    show(told, &bert, &["posts"])?;
    show(told, &anna, &["files", "ls"])?;
    told.say(&format!("both agree, {healed:.2?} after the cable was plugged in"));
    anna.stop()?;
    bert.stop()?;
    told.say("both stopped cleanly");
    Ok(format!("found in {found:.2?}, joined in {joined_after:.2?}, healed in {healed:.2?}"))
}

/// From the start of the later one until both have heard each other.
fn found_after(first: &Node, second: &Node) -> Result<Duration> {
    wait(PATIENCE, "both have heard each other", || Ok(heard(first)? >= 1 && heard(second)? >= 1))?;
    let found = second.started.elapsed();
    ensure!(found < FOUND * SLACK, "found only after {found:.2?}");
    Ok(found)
}

fn heard(node: &Node) -> Result<usize> {
    Ok(node.peers("stranger")? + node.peers("connected")?)
}

/// Waits until both hold the same notices and files, all of them whole.
fn agree(one: &Node, other: &Node, told: &mut Transcript) -> Result<()> {
    let took = wait(PATIENCE, "both agree", || {
        let (files, theirs) = (one.files()?, other.files()?);
        let whole = files.values().chain(theirs.values()).all(|whole| *whole);
        Ok(whole && files == theirs && one.posts()? == other.posts()?)
    });
    let took = took.with_context(|| format!("{}\n{}", one.log(), other.log()))?;
    let (posts, files) = (one.posts()?.len(), one.files()?.len());
    told.say(&format!("both hold the same {posts} notices and {files} files after {took:.2?}"));
    Ok(())
}

fn fetched(node: &Node, folder: &Path, name: &str, expected: &[u8]) -> Result<()> {
    let out = folder.join(format!("{}-{name}", node.plan.name));
    node.kith(&["files", "get", name, out.to_str().context("a path in UTF-8")?])?;
    let got = std::fs::read(&out).context("read what was fetched")?;
    ensure!(got == expected, "{name} arrived as {} bytes, not {}", got.len(), expected.len());
    Ok(())
}

fn show(told: &mut Transcript, node: &Node, words: &[&str]) -> Result<()> {
    show_as(told, node, words, words)
}

fn show_as(told: &mut Transcript, node: &Node, words: &[&str], shown: &[&str]) -> Result<()> {
    let answer = node.kith(words)?;
    told.command(&node.plan.name, shown, &answer);
    Ok(())
}

fn strangers() -> Result<String> {
    let folder = scratch("strangers")?;
    let boxes = namespace::boxes(&["anna", "bert", "carl"])?;
    let seen = three(&boxes, folder.path());
    namespace::remove(&boxes)?;
    seen
}

fn three(boxes: &[Namespace], folder: &Path) -> Result<String> {
    let mut nodes = Vec::new();
    for b in boxes {
        nodes.push(Node::start(Plan::new(&b.name, folder).inside(b))?);
    }
    let [anna, bert, carl] = &nodes[..] else { bail!("three boxes") };
    anna.kith(&["post", "Only for members"])?;
    bert.kith(&["join", &anna.invite()?])?;
    wait(PATIENCE, "bert has the notice", || Ok(bert.posts()?.len() == 1))?;
    wait(PATIENCE, "carl hears both", || Ok(heard(carl)? >= 2))?;

    let secrets = [space_of(anna)?, "Only for members".into()];
    // Time for a chatty box to give something away.
    std::thread::sleep(Duration::from_secs(2));
    ensure!(carl.posts()?.is_empty(), "carl reads {:?}", carl.posts()?);
    ensure!(carl.files()?.is_empty(), "carl sees {:?}", carl.files()?);
    let peers = carl.kith(&["peers", "--json"])?;
    let spaces = carl.kith(&["space", "list", "--json"])?;
    for secret in &secrets {
        ensure!(!peers.contains(secret) && !spaces.contains(secret), "carl knows {secret}");
        ensure!(!on_disk(&carl.plan.state, secret.as_bytes())?, "carl's disk holds {secret}");
        // The control: the same search finds it where it belongs.
        let known = on_disk(&bert.plan.state, secret.as_bytes())?
            || bert.kith(&["space", "list", "--json"])?.contains(secret);
        ensure!(known, "the search for {secret} finds nothing at a member either");
    }
    let shared = super::process::each(&serde_json::from_str(&peers).context("carl's peers")?)
        .filter(|p| p["spaces"].as_array().is_some_and(|s| !s.is_empty()) || !p["name"].is_null())
        .count();
    ensure!(shared == 0, "carl knows names or spaces of strangers: {peers}");
    Ok("a third box hears two others and learns neither name, space nor notice".into())
}

fn space_of(node: &Node) -> Result<String> {
    let spaces = node.json(&["space", "list"])?;
    let first = super::process::each(&spaces).next().context("a space")?;
    Ok(first["id"].as_str().context("the space's id")?.to_owned())
}

fn on_disk(folder: &Path, needle: &[u8]) -> Result<bool> {
    for entry in std::fs::read_dir(folder).context("look into a state")? {
        let path = entry.context("look into a state")?.path();
        let found = if path.is_dir() {
            on_disk(&path, needle)?
        } else if path.is_file() {
            let bytes = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
            bytes.windows(needle.len()).any(|w| w == needle)
        } else {
            false
        };
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}
