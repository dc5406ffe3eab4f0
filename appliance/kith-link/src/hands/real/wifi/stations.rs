//! Who is heard by radio: devices at our access points, boxes of the mesh, the access point we joined
//! (`NL80211_CMD_GET_STATION`), and how busy the channel is (`NL80211_CMD_GET_SURVEY`).

use kith_model::settings::values::Mac;
use nix::errno::Errno;

use super::super::attributes::{Attribute, Attributes, Writer};
use super::super::generic::{Family, Generic};
use super::super::netlink::NetlinkError;
use super::constants::{attribute, command};

/// `NL80211_STA_INFO_*`.
mod info {
    pub(super) const PLINK_STATE: u16 = 6;
    pub(super) const SIGNAL: u16 = 7;
    pub(super) const TX_BITRATE: u16 = 8;
    pub(super) const SIGNAL_AVG: u16 = 13;
    pub(super) const CONNECTED_TIME: u16 = 16;
    pub(super) const STA_FLAGS: u16 = 17;
}

/// `NL80211_RATE_INFO_BITRATE` and `_BITRATE32`, in units of 100 kbit/s.
const BITRATE: u16 = 1;
const BITRATE32: u16 = 5;

/// `NL80211_PLINK_ESTAB`.
const ESTABLISHED: u8 = 4;

/// Bits of `struct nl80211_sta_flag_update`.
const FLAG_MFP: u32 = 1 << 4;
const FLAG_AUTHENTICATED: u32 = 1 << 5;

/// `NL80211_SURVEY_INFO_*`.
const IN_USE: u16 = 3;
const TIME: u16 = 4;
const TIME_BUSY: u16 = 5;

/// More than an access point or mesh interface carries.
const MOST: usize = 2_000;

/// Somebody heard by radio.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Station {
    pub(crate) mac: [u8; 6],
    pub(crate) signal_dbm: Option<i8>,
    pub(crate) rate_kbit: Option<u32>,
    /// Seconds since it came.
    pub(crate) connected_seconds: Option<u32>,
    /// Whether a mesh link to it is up.
    pub(crate) established: bool,
    /// Whether it is authenticated and its management frames are protected, which a mesh link is with SAE
    /// alone.
    pub(crate) secured: bool,
}

impl Station {
    /// Its address.
    pub(crate) const fn mac(&self) -> Mac {
        Mac(self.mac)
    }
}

/// Whom an interface hears.
pub(crate) async fn list(
    generic: &mut Generic,
    family: &Family,
    index: u32,
) -> Result<Vec<Station>, NetlinkError> {
    let asked = Writer::default().u32(attribute::IFINDEX, index);
    match generic.dump(family, command::GET_STATION, asked).await {
        Ok(messages) => Ok(messages.iter().filter_map(|m| station(m)).take(MOST).collect()),
        Err(error) if is_silent(&error) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// For how long the channel in use was listened to and was busy, in milliseconds; nothing when the driver does
/// not measure it.
pub(crate) async fn busy(
    generic: &mut Generic,
    family: &Family,
    index: u32,
) -> Result<Option<(u64, u64)>, NetlinkError> {
    let asked = Writer::default().u32(attribute::IFINDEX, index);
    match generic.dump(family, command::GET_SURVEY, asked).await {
        Ok(messages) => Ok(messages.iter().find_map(|message| busy_in_use(message))),
        Err(error) if is_silent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// One that is off, just going, or whose driver does not know.
fn is_silent(error: &NetlinkError) -> bool {
    let numbers = [Errno::ENODEV, Errno::ENETDOWN, Errno::EOPNOTSUPP, Errno::ENOENT, Errno::EINVAL];
    error.is(&numbers)
}

fn station(message: &[u8]) -> Option<Station> {
    let message = Attributes::new(message);
    let told = message.get(attribute::STA_INFO)?.nested();
    let signal = told.get(info::SIGNAL_AVG).or_else(|| told.get(info::SIGNAL));
    let flags = told.get(info::STA_FLAGS).and_then(|flags| {
        // A mask, then what is set of it.
        flags.value.get(4..)?.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
    });
    let secure = FLAG_MFP | FLAG_AUTHENTICATED;
    Some(Station {
        mac: message.get(attribute::MAC)?.mac()?,
        signal_dbm: signal.and_then(|signal| signal.i8()),
        rate_kbit: told.get(info::TX_BITRATE).and_then(|rate| rate_kbit(&rate)),
        connected_seconds: told.get(info::CONNECTED_TIME).and_then(|time| time.u32()),
        established: told.get(info::PLINK_STATE).and_then(|s| s.u8()) == Some(ESTABLISHED),
        secured: flags.is_some_and(|flags| flags & secure == secure),
    })
}

fn rate_kbit(rate: &Attribute<'_>) -> Option<u32> {
    let rate = rate.nested();
    let wide = rate.get(BITRATE32).and_then(|wide| wide.u32());
    let units = wide.or_else(|| Some(rate.get(BITRATE)?.u16()?.into()))?;
    Some(units.saturating_mul(100))
}

fn busy_in_use(message: &[u8]) -> Option<(u64, u64)> {
    let survey = Attributes::new(message).get(attribute::SURVEY_INFO)?.nested();
    survey.get(IN_USE)?;
    Some((survey.get(TIME)?.u64()?, survey.get(TIME_BUSY)?.u64()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn heard(flags: u32, plink: u8) -> Station {
        let told = Writer::default()
            .u8(info::SIGNAL, 0_u8.wrapping_sub(61))
            .u8(info::PLINK_STATE, plink)
            .nested(info::TX_BITRATE, Writer::default().u32(BITRATE32, 540))
            .u32(info::CONNECTED_TIME, 7)
            .bytes(info::STA_FLAGS, &[u32::MAX.to_ne_bytes(), flags.to_ne_bytes()].concat());
        let bytes = Writer::default()
            .bytes(attribute::MAC, &[2, 0, 0, 0, 0, 9])
            .nested(attribute::STA_INFO, told)
            .done();
        station(&bytes).unwrap()
    }

    #[test]
    fn a_mesh_link_is_read() {
        let link = heard(FLAG_MFP | FLAG_AUTHENTICATED | 2, ESTABLISHED);
        assert_eq!((link.signal_dbm, link.rate_kbit), (Some(-61), Some(54_000)));
        assert!(link.established && link.secured);
        assert!(
            !heard(FLAG_AUTHENTICATED, 1).secured,
            "without protected frames it is not secured"
        );
        assert!(!heard(FLAG_MFP | FLAG_AUTHENTICATED, 5).established);
    }

    #[test]
    fn only_the_channel_in_use_counts() {
        let survey = |used: bool| {
            let info = Writer::default()
                .bytes(TIME, &1_000_u64.to_ne_bytes())
                .bytes(TIME_BUSY, &250_u64.to_ne_bytes());
            let info = if used { info.flag(IN_USE) } else { info };
            Writer::default().nested(attribute::SURVEY_INFO, info).done()
        };
        assert_eq!(busy_in_use(&survey(true)), Some((1_000, 250)));
        assert_eq!(busy_in_use(&survey(false)), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = (station(&bytes), busy_in_use(&bytes));
        }
    }
}
