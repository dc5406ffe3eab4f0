//! The desk: the one thread that carries out commands, whoever gives them.
//!
//! It owns accounts, clock and pen, so nothing of them is shared. It never waits for a peer or a
//! passphrase: those answer later through the same queue. What it changes is durable before it says so.

mod access;
mod accounts;
mod board;
mod claim;
mod files;
mod joining;
mod metrics;
mod peers;
mod reading;
mod spaces;
mod status;
#[cfg(test)]
pub(crate) mod tests;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use kith_core::record::SpaceId;
use kith_core::time::UnixTime;
use kith_files::Files;
use kith_model::caller::{Credential, Scope};
use kith_model::command::{Command, Request};
use kith_model::refusal::{Refusal, RefusalKind};
use kith_model::reply::Reply;
use kith_model::status::{NetworkGlance, Revisions};
use kith_proto::governance::Governance;
use kith_store::Store;
use tokio::sync::{mpsc, oneshot};

use crate::account::limiter::Limiter;
use crate::account::passphrase::Cost;
use crate::account::session::Browser;
use crate::account::{Accounts, Who};
use crate::clock::Clock;
use crate::hasher::Hasher;
use crate::hub::HubHandle;
use crate::pen::Pen;
use crate::recall::Publisher;
use crate::words;

/// Requests that may wait at the desk; more are made to wait at their own door.
pub(crate) const QUEUE: usize = 64;

/// Where the answer to a request goes.
pub(crate) type Answerer = oneshot::Sender<Result<Reply, Refusal>>;

/// What reaches the desk.
pub(crate) enum Message {
    /// Somebody asks.
    Ask(Box<Request>, Answerer),
    /// Somebody asks for something that is done elsewhere: may they, and what is their name?
    Admit(Box<Request>, oneshot::Sender<Result<String, Refusal>>),
    /// Which space somebody may write content for.
    WhereToWrite(Credential, Option<String>, oneshot::Sender<Result<SpaceId, Refusal>>),
    /// A passphrase has been hashed; goes on where its command left off.
    Hashed(Box<dyn FnOnce(&mut Desk) + Send>),
    /// News from the network side.
    News(News),
    /// Somebody wants to know whether the desk still works.
    Turn(crate::pulse::Turn),
    /// The node stops.
    Stop,
}

impl core::fmt::Debug for Message {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Ask(..) => "Ask",
            Self::Admit(..) => "Admit",
            Self::WhereToWrite(..) => "WhereToWrite",
            Self::Hashed(_) => "Hashed",
            Self::News(_) => "News",
            Self::Turn(_) => "Turn",
            Self::Stop => "Stop",
        })
    }
}

/// News from the network side.
#[derive(Debug)]
pub(crate) enum News {
    /// The other boxes changed.
    Peers(Vec<kith_proto::replica::PeerSnapshot>),
    /// Downloads changed.
    Transfers(Vec<kith_proto::replica::TransferSnapshot>),
    /// Records arrived.
    Records,
    /// A box of a shared space was reached, perhaps at an address worth remembering.
    Met(kith_core::identity::NodeId, Option<std::net::SocketAddr>),
    /// A space that was being joined has answered.
    Joined(SpaceId),
    /// Joining a space came to an end.
    JoinFailed(SpaceId, String),
    /// Members' clocks agree, or a time server has set ours: the present is about this.
    TimeConfirmed(UnixTime),
    /// The disk refused a write.
    DiskFailed(Refusal),
    /// The disk took a write.
    DiskWorks,
    /// The network of the box changed, or nobody answers for it any more.
    Network(Option<NetworkGlance>),
    /// Addresses of this host changed.
    Addresses(Vec<std::net::SocketAddr>),
}

/// What the desk is built from.
pub(crate) struct Parts {
    /// The store.
    pub store: Store,
    /// The file layer, for key files.
    pub files: Arc<dyn Files>,
    /// Where the box keeps everything.
    pub state: PathBuf,
    /// The box's clock.
    pub clock: Arc<Clock>,
    /// The way to the network side.
    pub hub: HubHandle,
    /// The queue itself, for answers that come later.
    pub queue: mpsc::Sender<Message>,
    /// Where the status is published, and what else the door looks up by itself.
    pub published: Publisher,
    /// The claim secret of this start, while nobody owns the box.
    pub claim: Option<String>,
}

/// The desk's state.
pub(crate) struct Desk {
    store: Store,
    files: Arc<dyn Files>,
    state: PathBuf,
    clock: Arc<Clock>,
    hub: HubHandle,
    queue: mpsc::Sender<Message>,
    published: Publisher,
    claim: Option<String>,
    accounts: Accounts,
    limiter: Limiter,
    hasher: Hasher,
    cost: Cost,
    pen: Pen,
    peers: Vec<kith_proto::replica::PeerSnapshot>,
    transfers: Vec<kith_proto::replica::TransferSnapshot>,
    joining: BTreeMap<SpaceId, Vec<Answerer>>,
    /// What the disk said last, and when, until it works again.
    disk: Option<(Refusal, UnixTime)>,
    /// The network in short, as it was told last.
    network: Option<NetworkGlance>,
    revisions: Revisions,
    /// Whether the published status may be out of date.
    stale: bool,
    /// Governance by space, as of so many records in the store.
    governed: RefCell<(u64, BTreeMap<SpaceId, Arc<Governance>>)>,
}

impl core::fmt::Debug for Desk {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Desk").field("state", &self.state).finish_non_exhaustive()
    }
}

/// What a handler makes of a command.
#[expect(clippy::large_enum_variant, reason = "taken apart as soon as it is made, once a command")]
enum Outcome {
    /// An answer right away.
    Now(Result<Reply, Refusal>),
    /// The handler has kept the way to the caller and answers later.
    Later,
}

impl Desk {
    /// Sets the desk up; on a first start it makes the owner's account and space.
    ///
    /// # Errors
    /// When the disk or the keys refuse.
    pub(crate) fn open(parts: Parts) -> Result<Self, Refusal> {
        let accounts = Accounts::load(&parts.store);
        let hasher = Hasher::start().map_err(words::of_io)?;
        let pen = Pen::new(parts.store.clone(), Arc::clone(&parts.clock));
        let mut desk = Self {
            store: parts.store,
            files: parts.files,
            state: parts.state,
            clock: parts.clock,
            hub: parts.hub,
            queue: parts.queue,
            published: parts.published,
            claim: parts.claim,
            accounts,
            limiter: Limiter::default(),
            hasher,
            cost: cost_for_this_board(),
            pen,
            peers: Vec::new(),
            transfers: Vec::new(),
            joining: BTreeMap::new(),
            disk: None,
            network: None,
            revisions: Revisions::default(),
            stale: false,
            governed: RefCell::default(),
        };
        desk.first_start()?;
        desk.publish();
        desk.publish_roll();
        Ok(desk)
    }

    /// Whether the box has an owner.
    #[must_use]
    pub(crate) fn claimed(&self) -> bool {
        self.accounts.claimed()
    }

    /// Works until told to stop.
    pub(crate) fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        while let Some(message) = messages.blocking_recv() {
            if matches!(message, Message::Stop) {
                break;
            }
            self.take(message);
            if self.stale && messages.is_empty() {
                self.stale = false;
                self.publish();
            }
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Ask(request, reply) => self.ask(*request, reply),
            Message::Admit(request, reply) => {
                let admitted = self.admit(self.clock.wall(), &request);
                let _ = reply.send(admitted.map(|who| who.principal.account.unwrap_or_default()));
            }
            Message::WhereToWrite(credential, space, reply) => {
                let _ = reply.send(self.where_to_write(&credential, space.as_deref()));
            }
            Message::Hashed(go_on) => {
                self.about_to_change();
                go_on(self);
            }
            Message::News(news) => {
                self.about_to_change();
                self.news(news);
            }
            Message::Turn(turned) => {
                let _ = turned.send(());
            }
            Message::Stop => {}
        }
    }

    fn ask(&mut self, request: Request, reply: Answerer) {
        let now = self.clock.wall();
        let who = match self.admit(now, &request) {
            Ok(who) => who,
            Err(refusal) => return answer(reply, Err(refusal)),
        };
        if request.command.right().1 != Scope::Read {
            self.about_to_change();
        }
        let mut reply = Some(reply);
        let outcome = self.carry_out(now, &who, request, &mut reply);
        let outcome = match (outcome, self.save()) {
            (Outcome::Now(Ok(_)) | Outcome::Later, Err(refusal)) => Outcome::Now(Err(refusal)),
            (outcome, _) => outcome,
        };
        if let (Outcome::Now(result), Some(reply)) = (outcome, reply) {
            answer(reply, result);
        }
    }

    /// One arm for each command; the work is in the room beside this file that the arm names.
    #[expect(clippy::wildcard_enum_match_arm, reason = "access::room_of names every command")]
    fn carry_out(
        &mut self,
        now: UnixTime,
        who: &Who,
        request: Request,
        reply: &mut Option<Answerer>,
    ) -> Outcome {
        let source = request.source;
        match request.command {
            command @ (Command::Claim { .. }
            | Command::Login { .. }
            | Command::Passphrase { .. }
            | Command::AccountJoin { .. }) => {
                self.with_passphrase(now, who, (command, source), reply)
            }
            Command::Join { code } => self.join(now, who, &code, reply),
            Command::TakeOver { ticket, agent } => {
                let browser = Browser { agent: &agent, source: &source, device: None };
                let taken = self.accounts.take_over(now, &ticket, browser);
                Outcome::Now(taken.map(Reply::LoggedIn))
            }
            command => Outcome::Now(self.answer_now(now, who, command)),
        }
    }

    fn answer_now(&mut self, now: UnixTime, who: &Who, command: Command) -> Result<Reply, Refusal> {
        match access::room_of(&command) {
            access::Room::Accounts => self.account_command(now, who, command),
            access::Room::Spaces => self.space_command(now, who, command),
            access::Room::Board => self.board_command(who, command),
            access::Room::Files => self.file_command(who, command),
            access::Room::Peers => self.peer_command(who, command),
            access::Room::Box => self.box_command(who, command),
        }
    }

    /// Writes what the accounts collected.
    fn save(&mut self) -> Result<(), Refusal> {
        let changes = self.accounts.changes();
        if changes.is_empty() {
            return Ok(());
        }
        let written = crate::ledger::write(&self.store, &changes).map_err(|error| {
            // What is in memory must not run ahead of what is on disk.
            self.accounts = Accounts::load(&self.store);
            self.disk_refused(words::of_store(&error))
        });
        self.publish_roll();
        written
    }

    /// Lets the door know who is signed in.
    fn publish_roll(&mut self) {
        let roll = self.accounts.roll(self.clock.wall());
        self.published.publish(roll);
    }

    /// What was published, and what the door keeps of earlier answers, is about to be out of date.
    fn about_to_change(&mut self) {
        self.stale = true;
        self.published.about_to_change();
    }

    /// Remembers that the disk refused, for the overview, and passes the words on.
    fn disk_refused(&mut self, refusal: Refusal) -> Refusal {
        if matches!(refusal.kind, RefusalKind::NoSpace | RefusalKind::DiskFailed) {
            let since = self.disk.as_ref().map_or_else(|| self.clock.wall(), |(_, since)| *since);
            self.disk = Some((refusal.clone(), since));
        }
        refusal
    }

    fn news(&mut self, news: News) {
        match news {
            News::Peers(peers) => {
                self.peers = peers;
                self.revisions.peers += 1;
            }
            News::Transfers(transfers) => {
                self.transfers = transfers;
                self.revisions.files += 1;
            }
            News::Records => {
                self.stop_unlisted();
                self.revisions.board += 1;
                self.revisions.files += 1;
            }
            News::Met(node, address) => self.remember_peer(node, address),
            News::Joined(space) => self.joined(space),
            News::JoinFailed(space, why) => self.join_failed(space, &why),
            News::TimeConfirmed(now) => self.time_confirmed(now),
            News::DiskFailed(refusal) => {
                self.disk_refused(refusal);
            }
            News::DiskWorks => self.disk = None,
            News::Network(glance) => {
                self.network = glance;
                self.revisions.network += 1;
            }
            News::Addresses(addresses) => self.hub.set_addresses(addresses),
        }
    }
}

impl Desk {
    /// Members vouch for a time; the replica hears whether our clock agrees.
    fn time_confirmed(&self, seen: UnixTime) {
        if self.clock.confirm(seen) {
            let now = self.clock.wall();
            self.hub.tell(kith_proto::replica::Input::WallClock { now, trusted: true });
        }
    }
}

fn answer(reply: Answerer, result: Result<Reply, Refusal>) {
    // Whoever asked may have hung up; the command was carried out all the same.
    let _ = reply.send(result);
}

/// Boards with little memory hash in less of it.
fn cost_for_this_board() -> Cost {
    const SMALL_BOARD_KIB: u64 = 160 * 1024;
    let info = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = info.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let total = total.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok());
    if total.is_some_and(|kib| kib <= SMALL_BOARD_KIB) { Cost::SMALL } else { Cost::NORMAL }
}

/// The refusal when the node is stopping or overrun.
#[must_use]
pub(crate) fn busy() -> Refusal {
    Refusal::new(RefusalKind::Internal, "the box is stopping; try again in a moment")
}
