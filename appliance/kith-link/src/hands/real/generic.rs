//! Generic netlink: families that have a name and get their number when their module is loaded.

use std::collections::BTreeMap;
use std::io;

use nix::errno::Errno;

use super::attributes::{Attributes, Writer};
use super::netlink::{DUMP, Netlink, NetlinkError};

/// `GENL_ID_CTRL`, `CTRL_CMD_GETFAMILY`.
const CONTROLLER: u16 = 16;
const GET_FAMILY: u8 = 3;
/// `CTRL_ATTR_*`.
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;
const GROUPS: u16 = 7;
const GROUP_NAME: u16 = 1;
const GROUP_ID: u16 = 2;

/// Bytes of `struct genlmsghdr`.
const HEAD: usize = 4;

/// A family as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Family {
    id: u16,
    /// Its multicast groups.
    pub(crate) groups: BTreeMap<String, u32>,
}

/// Families.
#[derive(Debug)]
pub(crate) struct Generic {
    netlink: Netlink,
}

impl Generic {
    /// Opens a socket. Has to be called within a tokio runtime.
    ///
    /// # Errors
    /// When there are no sockets left.
    pub(crate) fn open() -> io::Result<Self> {
        Ok(Self { netlink: Netlink::open(netlink_sys::protocols::NETLINK_GENERIC)? })
    }

    /// A family, if its module is loaded. Asked anew each time: a radio that is plugged in brings it.
    pub(crate) async fn family(&mut self, name: &str) -> Result<Option<Family>, NetlinkError> {
        let payload = Writer::after(&[GET_FAMILY, 1, 0, 0]).text(FAMILY_NAME, name).done();
        match self.netlink.ask(CONTROLLER, 0, &payload).await {
            Ok(answer) => {
                let first = answer.first().and_then(|message| message.payload.get(HEAD..));
                Ok(family(Attributes::new(first.unwrap_or_default())))
            }
            Err(error) if error.is(&[Errno::ENOENT]) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Does one command of a family; gives the attributes of each message of the answer.
    pub(crate) async fn call(
        &mut self,
        family: &Family,
        command: u8,
        attributes: Writer,
    ) -> Result<Vec<Vec<u8>>, NetlinkError> {
        self.send(family, command, attributes, 0).await
    }

    /// As [`Generic::call`], for all there is.
    pub(crate) async fn dump(
        &mut self,
        family: &Family,
        command: u8,
        attributes: Writer,
    ) -> Result<Vec<Vec<u8>>, NetlinkError> {
        self.send(family, command, attributes, DUMP).await
    }

    async fn send(
        &mut self,
        family: &Family,
        command: u8,
        attributes: Writer,
        flags: u16,
    ) -> Result<Vec<Vec<u8>>, NetlinkError> {
        let payload = [&[command, 1, 0, 0], &attributes.done()[..]].concat();
        let answer = self.netlink.ask(family.id, flags, &payload).await?;
        let inner = |mut payload: Vec<u8>| payload.split_off(HEAD.min(payload.len()));
        Ok(answer.into_iter().map(|message| inner(message.payload)).collect())
    }
}

fn family(attributes: Attributes<'_>) -> Option<Family> {
    let id = attributes.get(FAMILY_ID)?.u16()?;
    let groups = attributes.get(GROUPS).map(|groups| groups.nested());
    let group = |group: super::attributes::Attribute<'_>| {
        let group = group.nested();
        Some((group.get(GROUP_NAME)?.text()?.to_owned(), group.get(GROUP_ID)?.u32()?))
    };
    Some(Family { id, groups: groups.into_iter().flatten().filter_map(group).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_controller_knows_itself_and_nobody_of_no_name() {
        let mut generic = Generic::open().unwrap();
        let itself = generic.family("nlctrl").await.unwrap().unwrap();
        assert_eq!(itself.id, CONTROLLER);
        assert!(itself.groups.contains_key("notify"));
        assert_eq!(generic.family("no-such").await.unwrap(), None);
    }
}
