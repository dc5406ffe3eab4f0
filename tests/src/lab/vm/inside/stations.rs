//! Who a radio is linked with, as `iw` lists them.

use std::collections::BTreeMap;

use anyhow::Result;

use super::ns::Ns;

/// Of some forty facts, those that are asked for, and those that say what is wrong.
const KEPT: [&str; 5] = ["mesh plink", "authenticated", "MFP", "inactive time", "signal"];

/// Another radio as seen by one of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Station {
    /// Its address.
    pub(crate) mac: String,
    facts: BTreeMap<String, String>,
}

impl Station {
    /// A fact such as `mesh plink`.
    pub(crate) fn fact(&self, name: &str) -> &str {
        self.facts.get(name).map(String::as_str).unwrap_or_default()
    }

    /// Whether the link is there and its frames are encrypted, those of management too.
    pub(crate) fn is_safe(&self) -> bool {
        let plink = self.facts.get("mesh plink").is_none_or(|p| p == "ESTAB");
        plink && self.fact("authenticated") == "yes" && self.fact("MFP") == "yes"
    }
}

/// The stations of an interface.
///
/// # Errors
/// When `iw` refuses.
pub(crate) fn of(ns: &Ns, interface: &str) -> Result<Vec<Station>> {
    Ok(read(&ns.run("iw", &["dev", interface, "station", "dump"])?))
}

fn read(dump: &str) -> Vec<Station> {
    let mut stations: Vec<Station> = Vec::new();
    for line in dump.lines() {
        if let Some(rest) = line.strip_prefix("Station ") {
            let mac = rest.split_whitespace().next().unwrap_or_default().to_owned();
            stations.push(Station { mac, facts: BTreeMap::new() });
        } else if let (Some(station), Some((name, value))) =
            (stations.last_mut(), line.split_once(':'))
            && KEPT.contains(&name.trim())
        {
            station.facts.insert(name.trim().to_owned(), value.trim().to_owned());
        }
    }
    stations
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_station_is_safe_only_with_all_three() {
        let dump = "Station 02:00:00:00:01:00 (on wlan0)\n\tinactive time:\t4 ms\n\
                    \tmesh plink:\tESTAB\n\tauthenticated:\tyes\n\tMFP:\t\tyes\n\
                    Station 02:00:00:00:02:00 (on wlan0)\n\tmesh plink:\tLISTEN\n\
                    \tauthenticated:\tyes\n\tMFP:\tyes\n\
                    Station 02:00:00:00:03:00 (on wlan0)\n\tmesh plink:\tESTAB\n\tMFP:\tno\n";
        let stations = read(dump);
        let safe: Vec<bool> = stations.iter().map(Station::is_safe).collect();
        assert_eq!(safe, [true, false, false]);
        assert_eq!(stations[0].mac, "02:00:00:00:01:00");
        assert_eq!(stations[0].fact("inactive time"), "4 ms");
        assert!(read("").is_empty());
    }
}
