//! What the replica wants done, done.

use kith_proto::replica::{Change, Close, JoinFailure, LinkId, Output, StreamId};

use super::stream::{Opening, TooSlow, Write};
use super::{Hub, link};
use crate::archive::Job;
use crate::desk::News;

impl Hub {
    pub(super) fn carry_out(&mut self, output: Output) {
        match output {
            Output::Dial { dial, address, expect } => {
                let dialling =
                    link::dial(self.endpoint.clone(), (dial, address, expect), self.report.clone());
                self.tasks.spawn(dialling);
            }
            Output::CloseLink { link, why } => self.close(link, why),
            Output::OpenStream { stream, kind } => {
                if let Some(link) = self.links.get(&stream.link) {
                    let opening = Opening::Ours(link.connection().clone(), kind);
                    self.start_stream(stream, opening);
                }
            }
            Output::Send { stream, frame } => self.write(stream, Write::Frame(frame)),
            Output::ServeBlocks { stream, space, cids } => {
                self.write(stream, Write::Blocks(space, cids));
            }
            Output::DenyBlocks { stream, cids } => self.write(stream, Write::Missing(cids)),
            Output::Finish { stream } => self.write(stream, Write::Finish),
            Output::Reset { stream } => {
                if let Some(handle) = self.streams.get(&stream) {
                    handle.reset();
                }
            }
            Output::LoadSet { space, class } => self.archive.submit(Job::LoadSet { space, class }),
            Output::LoadRecords { ticket, space, ids } => {
                self.archive.submit(Job::LoadRecords { ticket, space, ids });
            }
            Output::StoreRecords { ticket, space, records } => {
                self.archive.submit(Job::StoreRecords { ticket, space, records });
            }
            Output::CheckBlocks { ticket, space, cids } => {
                self.archive.submit(Job::CheckBlocks { ticket, space, cids });
            }
            Output::StoreBlock { ticket, space, cid, bytes } => {
                self.archive.submit(Job::StoreBlock { ticket, space, cid, bytes });
            }
            Output::FetchDone { space, root } => {
                self.archive.submit(Job::Settle { space, root });
                self.untold.transfers = true;
            }
            Output::Joined { space } => self.untold.other.push(News::Joined(space)),
            Output::JoinFailed { space, why } => {
                let words = join_failure(why).to_owned();
                self.untold.other.push(News::JoinFailed(space, words));
            }
            Output::TimeConfirmed { now } => self.untold.other.push(News::TimeConfirmed(now)),
            Output::PeerMet { node, address } => {
                for link in self.links.values().filter(|link| link.connection().peer() == node) {
                    link.connection().admit();
                }
                self.untold.other.push(News::Met(node, address));
            }
            Output::Changed(Change::Peers) => self.untold.peers = true,
            Output::Changed(Change::Transfers) => self.untold.transfers = true,
        }
    }

    fn write(&self, stream: StreamId, write: Write) {
        let Some(handle) = self.streams.get(&stream) else { return };
        if let Err(TooSlow) = handle.write(write) {
            tracing::info!(?stream, "a peer does not read what it asked for");
            self.close(stream.link, Close::Flood);
        }
    }

    fn close(&self, link: LinkId, why: Close) {
        if let Some(link) = self.links.get(&link) {
            link.connection().close(why as u32, reason(why));
        }
    }
}

const fn reason(why: Close) -> &'static str {
    match why {
        Close::Duplicate => "another connection to this box stays",
        Close::Violation => "the protocol was broken",
        Close::Flood => "more than allowed",
        Close::Silence => "promised and not delivered",
        Close::Unwanted => "not wanted",
    }
}

const fn join_failure(why: JoinFailure) -> &'static str {
    match why {
        JoinFailure::InviteRefused => {
            "the invite does not hold: it was used already, has expired, or its maker may not invite; ask for a new one"
        }
        JoinFailure::WrongSpace => "the other box does not have the space this invite names",
    }
}
