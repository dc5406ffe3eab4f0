//! The ruleset: loaded as one transaction, and known to be still what was loaded.
//!
//! The kernel counts transactions (the ruleset's generation). While the count is the one after our own load,
//! nobody has touched anything, and one small netlink question tells so. When it is another, somebody
//! changed something somewhere; then the table is read back (`nft -j`) and compared with what it was
//! after our load, without what traffic alone changes.

use nix::errno::Errno;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::attributes::Attributes;
use super::netlink::{Netlink, NetlinkError};
use super::program::{self, Outcome};
use crate::hands::HandsError;
use crate::names::TABLE;

/// `NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN`.
const GET_GENERATION: u16 = (10 << 8) | 16;
/// `NFTA_GEN_ID`.
const GENERATION: u16 = 1;
/// `struct nfgenmsg`: no family, version 0, no resource.
const HEAD: [u8; 4] = [0; 4];

/// How often a load is tried when somebody else loads at the same time.
const TRIES: u32 = 3;

/// The ruleset.
#[derive(Debug)]
pub(crate) struct Nft {
    /// Not there in a kernel without nftables.
    netlink: Option<Netlink>,
    loaded: Option<Loaded>,
}

/// What was loaded last.
#[derive(Debug)]
struct Loaded {
    text: String,
    /// The generation at which the table was known to be as loaded.
    generation: u32,
    /// Of the table as it was read back; nothing when `nft` cannot give it as JSON.
    digest: Option<[u8; 32]>,
}

impl Nft {
    pub(crate) fn open() -> Self {
        let netlink = Netlink::open(netlink_sys::protocols::NETLINK_NETFILTER)
            .inspect_err(|error| tracing::error!(%error, "the kernel has no netfilter sockets"))
            .ok();
        Self { netlink, loaded: None }
    }

    /// Loads a whole ruleset. When it fails, the old rules are whole.
    ///
    /// # Errors
    /// What is wrong, in `nft`'s words and with the line.
    pub(crate) async fn load(&mut self, text: &str) -> Result<(), HandsError> {
        for _ in 0..TRIES {
            let before = self.generation().await?;
            let outcome = program::nft(&["-f", "-"], text).await?;
            if !outcome.success {
                return Err(HandsError::Refused(complaint(&outcome.complaint, text)));
            }
            let after = self.generation().await?;
            let digest = digest_of_table().await;
            // One transaction, and none since it was read back: the table is as loaded. The kernel
            // leaves out 0 when it counts.
            let next = before.wrapping_add(1).max(1);
            if after == next && self.generation().await? == after {
                self.loaded = Some(Loaded { text: text.to_owned(), generation: after, digest });
                return Ok(());
            }
        }
        self.loaded = None;
        Err(HandsError::Refused(
            "somebody else changes the firewall at the same time; stop other firewall programs"
                .into(),
        ))
    }

    /// The ruleset that was loaded last, if it is still in force.
    pub(crate) async fn look(&mut self) -> Option<String> {
        let generation = self.generation().await.ok()?;
        let loaded = self.loaded.as_mut()?;
        if loaded.generation != generation {
            let still = loaded.digest.is_some() && digest_of_table().await == loaded.digest;
            if !still {
                self.loaded = None;
                return None;
            }
            // A change between the question and the reading is found at the next look.
            loaded.generation = generation;
        }
        Some(loaded.text.clone())
    }

    async fn generation(&mut self) -> Result<u32, HandsError> {
        let without = "this kernel has no nftables: load the module nf_tables";
        let missing = || HandsError::Missing(without.to_owned());
        let netlink = self.netlink.as_mut().ok_or_else(missing)?;
        let answer = match netlink.ask(GET_GENERATION, 0, &HEAD).await {
            Ok(answer) => answer,
            Err(error @ NetlinkError::Refused { .. }) if error.is(&[Errno::EPERM]) => {
                return Err(HandsError::Refused(format!("the firewall cannot be read: {error}")));
            }
            Err(NetlinkError::Refused { .. }) => return Err(missing()),
            Err(error) => return Err(HandsError::Refused(error.to_string())),
        };
        let first = answer.first().and_then(|message| message.payload.get(HEAD.len()..));
        let generation = Attributes::new(first.unwrap_or_default()).get(GENERATION);
        generation.and_then(|attribute| attribute.u32_be()).ok_or_else(missing)
    }
}

/// The table of the box as it is now.
async fn digest_of_table() -> Option<[u8; 32]> {
    let read = program::nft(&["-j", "-s", "list", "table", "inet", TABLE], "").await;
    let Ok(Outcome { success: true, output, .. }) = read else { return None };
    digest(&output)
}

/// The digest of a table as `nft -j -s` prints it, without handles, counters and what traffic puts into
/// sets.
fn digest(json: &str) -> Option<[u8; 32]> {
    let mut table: Value = serde_json::from_str(json).ok()?;
    for object in table.get_mut("nftables")?.as_array_mut()? {
        settle(object);
    }
    Some(Sha256::digest(table.to_string()).into())
}

/// Takes out what changes without anybody changing a rule.
fn settle(value: &mut Value) {
    match value {
        Value::Object(object) => {
            for name in ["handle", "metainfo"] {
                object.remove(name);
            }
            for name in ["counter", "quota"] {
                if let Some(Value::Object(state)) = object.get_mut(name) {
                    for figure in ["packets", "bytes", "used", "used_unit"] {
                        state.remove(figure);
                    }
                }
            }
            let of_traffic = |flags: &Value| {
                let flags = flags.as_array().map_or(&[][..], Vec::as_slice);
                flags.iter().any(|flag| matches!(flag.as_str(), Some("dynamic" | "timeout")))
            };
            if object.get("flags").is_some_and(of_traffic) {
                object.remove("elem");
            }
            object.values_mut().for_each(settle);
        }
        Value::Array(array) => array.iter_mut().for_each(settle),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// What `nft` complains about, first complaint only, with the line it is about.
///
/// It says `/dev/stdin:LINE:COLUMN-COLUMN: Error: WORDS`, then that line and marks below it.
fn complaint(said: &str, text: &str) -> String {
    let first = said.lines().find(|line| line.contains("Error:")).or_else(|| said.lines().next());
    let Some(first) = first else { return "nft refused the firewall and did not say why".into() };
    let words: String =
        first.rsplit("Error:").next().unwrap_or(first).trim().chars().take(300).collect();
    let number = first.split(':').nth(1).and_then(|number| number.parse::<usize>().ok());
    let line = number.and_then(|number| Some((number, text.lines().nth(number.checked_sub(1)?)?)));
    match line {
        Some((number, line)) => {
            let line: String = line.trim().chars().take(200).collect();
            format!(
                "nft refused the firewall, the old one is in force: {words}; line {number}: {line}"
            )
        }
        None => format!("nft refused the firewall, the old one is in force: {words}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_complaint_names_the_line() {
        let text = "table inet kith {\n  chain input {\n    tcp dport nonsense accept\n  }\n}\n";
        let said = "/dev/stdin:3:15-22: Error: Could not resolve service: Servname not supported\n    \
                    tcp dport nonsense accept\n              ^^^^^^^^\n";
        let told = complaint(said, text);
        assert!(told.contains("line 3: tcp dport nonsense accept"), "{told}");
        assert!(told.contains("Could not resolve service"), "{told}");
        assert!(complaint("", text).contains("did not say why"));
        assert!(complaint("netlink: Error: cache initialization failed", text).contains("cache"));
    }

    #[test]
    fn traffic_does_not_change_the_digest_and_a_rule_does() {
        let table = |packets: u32, seen: &str, port: u32| {
            format!(
                r#"{{"nftables": [{{"metainfo": {{"version": "1.0.6"}}}},
                {{"set": {{"name": "busy", "handle": {packets}, "flags": ["dynamic"], "elem": [{seen}]}}}},
                {{"set": {{"name": "ports", "elem": [22, 53]}}}},
                {{"rule": {{"handle": 4, "expr": [{{"match": {{"right": {port}}}}},
                  {{"counter": {{"packets": {packets}, "bytes": 9}}}}]}}}}]}}"#
            )
        };
        let calm = digest(&table(1, "", 53)).unwrap();
        assert_eq!(digest(&table(99, "1, 2", 53)).unwrap(), calm);
        assert_ne!(digest(&table(1, "", 54)).unwrap(), calm);
        let fixed = table(1, "", 53).replace("22, 53", "22, 53, 80");
        assert_ne!(digest(&fixed).unwrap(), calm, "a set of ours is no traffic");
        assert_eq!(digest("[]"), None);
        assert_eq!(digest("Error"), None);
    }

    proptest! {
        #[test]
        fn any_complaint_is_bounded_and_one_line(said in ".{0,400}", text in "[a-z\n]{0,100}") {
            let told = complaint(&said, &text);
            prop_assert!(told.chars().count() < 700 && !told.contains('\n'));
        }
    }
}
