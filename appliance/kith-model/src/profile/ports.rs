//! Which device of the machine is which port of the board: a pure function from what is seen to new names.

use crate::settings::values::InterfaceName;

use super::board::{Port, PortMatch};

/// An Ethernet device as the kernel shows it under `/sys/class/net`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenPort {
    /// The name it has now.
    pub device: InterfaceName,
    /// Its driver.
    pub driver: String,
    /// Its device's path in sysfs.
    pub path: String,
}

/// Which devices must be renamed for `ports` to be true: from, to. In this order no name is taken twice,
/// when the caller first moves away who has a name that it must give up.
///
/// A port that no device or more than one fits is left as the kernel named it: a name by guess could turn
/// the household's port into the internet's.
#[must_use]
pub fn names(ports: &[Port], seen: &[SeenPort]) -> Vec<(InterfaceName, InterfaceName)> {
    let mut renames = Vec::new();
    for port in ports {
        let Some(rule) = &port.found_by else { continue };
        let fitting: Vec<&SeenPort> = seen.iter().filter(|device| fits(rule, device)).collect();
        if let [device] = *fitting
            && device.device != port.device
        {
            renames.push((device.device.clone(), port.device.clone()));
        }
    }
    renames
}

fn fits(rule: &PortMatch, device: &SeenPort) -> bool {
    let driver = rule.driver.as_ref().is_none_or(|driver| *driver == device.driver);
    driver && rule.path.as_ref().is_none_or(|part| device.path.contains(&**part))
}

#[cfg(test)]
mod tests {
    use super::super::board::PortRole;
    use super::*;

    fn port(device: &str, driver: Option<&str>, path: Option<&str>) -> Port {
        let found_by =
            PortMatch { driver: driver.map(str::to_owned), path: path.map(str::to_owned) };
        Port {
            device: device.parse().unwrap(),
            label: device.parse().unwrap(),
            role: PortRole::Lan,
            found_by: Some(found_by),
        }
    }

    fn seen(device: &str, driver: &str, path: &str) -> SeenPort {
        SeenPort { device: device.parse().unwrap(), driver: driver.into(), path: path.into() }
    }

    fn renamed(ports: &[Port], devices: &[SeenPort]) -> Vec<String> {
        names(ports, devices).iter().map(|(from, to)| format!("{from} {to}")).collect()
    }

    #[test]
    fn ports_found_in_another_order_get_their_names_back() {
        let ports = [port("eth0", Some("gmac"), None), port("eth1", Some("r8152"), None)];
        let devices = [seen("eth1", "gmac", "/soc/a"), seen("eth0", "r8152", "/usb/b")];
        assert_eq!(renamed(&ports, &devices), ["eth1 eth0", "eth0 eth1"]);
        let in_order = [seen("eth0", "gmac", "/soc/a"), seen("eth1", "r8152", "/usb/b")];
        assert!(renamed(&ports, &in_order).is_empty());
    }

    #[test]
    fn a_second_adapter_of_the_same_kind_is_not_taken_for_the_port() {
        let ports = [port("eth1", Some("r8152"), None)];
        let devices = [seen("eth2", "r8152", "/usb1/x"), seen("eth3", "r8152", "/usb2/y")];
        assert!(renamed(&ports, &devices).is_empty());
        let by_path = [port("eth1", Some("r8152"), Some("/usb2/"))];
        assert_eq!(renamed(&by_path, &devices), ["eth3 eth1"]);
    }

    #[test]
    fn a_port_without_a_rule_keeps_the_kernels_name() {
        let mut plain = port("eth0", None, None);
        plain.found_by = None;
        assert!(renamed(&[plain], &[seen("eth7", "any", "/any")]).is_empty());
    }
}
