//! The rules that radios follow (`NL80211_CMD_GET_REG`, `NL80211_CMD_REQ_SET_REG`).

use std::time::Duration;

use kith_model::settings::values::Country;

use super::super::attributes::{Attributes, Writer};
use super::super::generic::{Family, Generic};
use super::super::netlink::NetlinkError;
use super::constants::{attribute, command};

/// The kernel's name of the world domain: what is allowed everywhere.
const WORLD: &str = "00";

/// How long the kernel may take to read the rules of a country, in steps of `STEP`.
const TRIES: u32 = 20;
const STEP: Duration = Duration::from_millis(100);

/// The country in force; nothing for the world domain.
pub(crate) async fn get(
    generic: &mut Generic,
    family: &Family,
) -> Result<Option<Country>, NetlinkError> {
    let messages = generic.call(family, command::GET_REG, Writer::default()).await?;
    Ok(messages.first().and_then(|message| country(message)))
}

/// Chooses a country, and waits until it is in force; false if it never is, because the kernel has no
/// rules for it.
pub(crate) async fn set(
    generic: &mut Generic,
    family: &Family,
    wanted: Option<&Country>,
) -> Result<bool, NetlinkError> {
    let name = wanted.map_or(WORLD, Country::as_str);
    let asked = Writer::default().text(attribute::REG_ALPHA2, name);
    generic.call(family, command::REQ_SET_REG, asked).await?;
    for _ in 0..TRIES {
        if get(generic, family).await?.as_ref() == wanted {
            return Ok(true);
        }
        tokio::time::sleep(STEP).await;
    }
    Ok(false)
}

fn country(message: &[u8]) -> Option<Country> {
    Attributes::new(message).get(attribute::REG_ALPHA2)?.text()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_world_and_mixtures_are_no_country() {
        let said =
            |text: &str| country(&Writer::default().text(attribute::REG_ALPHA2, text).done());
        assert_eq!(said("DE"), Some("DE".parse().unwrap()));
        assert_eq!((said("00"), said("98"), said("99")), (None, None, None));
    }
}
