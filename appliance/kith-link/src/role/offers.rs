//! What uplinks were offered, kept in `RUN` for as long as the box runs, so that the role can be started
//! again without anybody noticing: daemons that run on do not say it again.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use crate::facts::Offer;
use crate::names::OFFERS;

/// More than any number of uplinks says, in bytes.
const LIMIT: u64 = 64 << 10;

/// The offers, and where they are kept.
#[derive(Debug)]
pub(super) struct Offers {
    folder: PathBuf,
    offers: BTreeMap<String, Offer>,
}

impl Offers {
    /// Those of before, if there are any.
    pub(super) fn read(folder: &Path) -> Self {
        let mut text = Vec::new();
        let file = std::fs::File::open(folder.join(OFFERS));
        let read = file.and_then(|file| file.take(LIMIT).read_to_end(&mut text));
        let offers = read.ok().and_then(|_| serde_json::from_slice(&text).ok());
        Self { folder: folder.to_owned(), offers: offers.unwrap_or_default() }
    }

    /// All of them.
    pub(super) const fn all(&self) -> &BTreeMap<String, Offer> {
        &self.offers
    }

    /// Takes what an uplink is offered now.
    pub(super) fn take(&mut self, device: &str, offer: &Offer) {
        if *offer == Offer::default() {
            self.offers.remove(device);
        } else {
            self.offers.insert(device.to_owned(), offer.clone());
        }
        if let Err(error) = self.write() {
            tracing::warn!(%error, "what uplinks were offered cannot be kept");
        }
    }

    /// Nothing here outlives a power cut, so nothing is flushed.
    fn write(&self) -> io::Result<()> {
        let fresh = self.folder.join(format!("{OFFERS}.new"));
        let mut file = std::fs::File::create(&fresh)?;
        file.write_all(&serde_json::to_vec(&self.offers)?)?;
        drop(file);
        std::fs::rename(fresh, self.folder.join(OFFERS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_outlive_the_process_and_lost_leases_do_not() {
        let run = tempfile::tempdir().unwrap();
        let offer = Offer { router: Some([192, 0, 2, 1].into()), ..Offer::default() };
        let mut offers = Offers::read(run.path());
        offers.take("wan", &offer);
        offers.take("lan3", &offer);
        offers.take("lan3", &Offer::default());
        let again = Offers::read(run.path());
        assert_eq!(again.all(), &BTreeMap::from([("wan".to_owned(), offer)]));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_as_good_as_none() {
        let run = tempfile::tempdir().unwrap();
        std::fs::write(run.path().join(OFFERS), "{").unwrap();
        assert!(Offers::read(run.path()).all().is_empty());
    }
}
