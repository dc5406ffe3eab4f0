//! The hub: the one loop of the network side. It drives the replica and lends it hands.
//!
//! Facts come from the tasks of connections and streams, from the archive's thread and from the desk;
//! the replica decides; [`perform`] does what it wants. `kith_role::driver` is the loop, and it never
//! waits for a peer, the disk or the desk.

mod handle;
mod link;
mod perform;
mod stream;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kith_net::quic::{Connection, Endpoint};
use kith_proto::replica::{DialId, Input, LinkId, LinkUp, Output, Replica, StreamId};
use kith_role::clock::SystemClock;
use kith_role::driver::{Hands, Next, drive};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) use handle::{Facts, HubHandle, Identity};
use link::Link;
use stream::StreamHandle;

use crate::archive::Archive;
use crate::desk::{Message, News};
use crate::pulse::Turn;

/// Events of streams and connections that may wait; each may hold a frame of 1 MiB, so they are few.
const EVENTS: usize = 12;

/// Pages are told of changes at most so often.
const NEWS_EVERY: Duration = Duration::from_millis(250);

/// What the tasks of connections and streams report.
#[derive(Debug)]
enum Event {
    /// A fact for the replica.
    Fact(Input),
    /// A connection is up.
    Connected(Connection, Option<DialId>),
    /// The peer opened a stream.
    Opened(LinkId, stream::Halves),
    /// A stream's task has ended.
    Gone(StreamId),
}

/// What the hub is built from.
#[derive(Debug)]
pub(crate) struct Parts {
    /// The UDP socket's endpoint.
    pub endpoint: Endpoint,
    /// The store's hand.
    pub archive: Archive,
    /// The desk's queue.
    pub desk: mpsc::Sender<Message>,
    /// What the rest of the node tells.
    pub facts: mpsc::Receiver<Input>,
    /// Who wants to know whether the loop still turns.
    pub turns: mpsc::Receiver<Turn>,
    /// Shared figures.
    pub shared: Arc<Facts>,
}

/// The hands of the replica.
#[derive(Debug)]
pub(crate) struct Hub {
    endpoint: Endpoint,
    archive: Archive,
    desk: mpsc::Sender<Message>,
    facts: mpsc::Receiver<Input>,
    turns: mpsc::Receiver<Turn>,
    shared: Arc<Facts>,
    events: mpsc::Receiver<Event>,
    report: mpsc::Sender<Event>,
    links: BTreeMap<LinkId, Link>,
    streams: BTreeMap<StreamId, StreamHandle>,
    next_link: u64,
    tasks: JoinSet<()>,
    /// News that the desk has not been told yet, and when it will be.
    untold: Untold,
    news_due: Option<tokio::time::Instant>,
    stop: CancellationToken,
}

/// Which pages' parts changed since the desk was told last.
#[derive(Debug, Default)]
struct Untold {
    peers: bool,
    transfers: bool,
    other: Vec<News>,
}

impl Hub {
    /// A hub that is not running yet.
    #[must_use]
    pub(crate) fn new(parts: Parts, stop: CancellationToken) -> Self {
        let (report, events) = mpsc::channel(EVENTS);
        Self {
            endpoint: parts.endpoint,
            archive: parts.archive,
            desk: parts.desk,
            facts: parts.facts,
            turns: parts.turns,
            shared: parts.shared,
            events,
            report,
            links: BTreeMap::new(),
            streams: BTreeMap::new(),
            next_link: 0,
            tasks: JoinSet::new(),
            untold: Untold::default(),
            news_due: None,
            stop,
        }
    }

    /// Drives the replica until told to stop, then closes every connection.
    pub(crate) async fn run(mut self, replica: Replica, clock: SystemClock) {
        self.tasks.spawn(link::accept_all(self.endpoint.clone(), self.report.clone()));
        let (_, hub) = drive(replica, self, clock).await;
        hub.endpoint.close(0, "this box is stopping").await;
    }

    /// What an event means to the replica, if anything.
    fn take(&mut self, event: Event) -> Option<Input> {
        let fact = match event {
            Event::Fact(fact) => fact,
            Event::Gone(stream) => {
                self.streams.remove(&stream);
                return None;
            }
            Event::Connected(connection, dial) => self.connected(connection, dial),
            Event::Opened(link, halves) => self.opened(link, halves)?,
        };
        self.forget_what_ended(&fact);
        Some(fact)
    }

    fn connected(&mut self, connection: Connection, dial: Option<DialId>) -> Input {
        let link = LinkId(self.next_link);
        self.next_link += 1;
        let fact = Input::LinkUp(LinkUp {
            link,
            dial,
            peer: connection.peer(),
            address: connection.remote_address(),
            end: connection.end(),
            exporter: *connection.exporter(),
        });
        self.tasks.spawn(link::attend(link, connection.clone(), self.report.clone()));
        self.shared.link_up(link, connection.clone());
        self.links.insert(link, Link::new(connection));
        fact
    }

    fn opened(&mut self, link: LinkId, halves: stream::Halves) -> Option<Input> {
        let kind = halves.kind;
        let known = self.links.get_mut(&link)?;
        let stream = StreamId { link, ours: false, number: known.next_number() };
        let open = stream::Opening::Accepted(halves);
        self.start_stream(stream, open);
        Some(Input::StreamOpened { stream, kind })
    }

    fn start_stream(&mut self, stream: StreamId, opening: stream::Opening) {
        let (handle, task) = stream::start(
            stream,
            opening,
            stream::Hands { report: self.report.clone(), archive: self.archive.clone() },
        );
        self.streams.insert(stream, handle);
        self.tasks.spawn(task);
    }

    fn forget_what_ended(&mut self, fact: &Input) {
        if let Input::LinkDown { link, .. } = fact {
            self.links.remove(link);
            self.shared.link_down(*link);
            self.streams.retain(|stream, _| stream.link != *link);
        }
    }

    /// Tells the desk what changed, now and then.
    fn tell_news(&mut self, replica: &Replica) {
        let now = tokio::time::Instant::now();
        let due = match (self.untold.any(), self.news_due) {
            (false, _) => None,
            (true, None) => Some(now + NEWS_EVERY),
            (true, Some(due)) if now < due => Some(due),
            (true, Some(_)) => {
                self.tell_now(replica);
                self.untold.any().then_some(now + NEWS_EVERY)
            }
        };
        self.news_due = due;
    }

    fn tell_now(&mut self, replica: &Replica) {
        self.shared.set_counters(replica.counters());
        for news in self.untold.take(replica) {
            if let Err(mpsc::error::TrySendError::Full(Message::News(news))) =
                self.desk.try_send(Message::News(news))
            {
                self.untold.put_back(news);
            }
        }
    }
}

impl Hands<Replica> for Hub {
    async fn next(&mut self) -> Next<Input> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Next::Stop,
            Some(turned) = self.turns.recv() => {
                let _ = turned.send(());
                Next::Nothing
            }
            Some(fact) = self.facts.recv() => Next::Input(fact),
            // While the disk is behind, peers wait: what they send would pile up before it.
            Some(event) = self.events.recv(), if self.archive.has_room() => {
                self.take(event).map_or(Next::Nothing, Next::Input)
            }
            Some(_) = self.tasks.join_next() => Next::Nothing,
            () = sleep(self.news_due) => Next::Nothing,
        }
    }

    fn perform(&mut self, output: Output) {
        self.carry_out(output);
    }

    fn settled(&mut self, replica: &Replica) {
        self.tell_news(replica);
    }
}

impl Untold {
    fn any(&self) -> bool {
        self.peers || self.transfers || !self.other.is_empty()
    }

    fn take(&mut self, replica: &Replica) -> Vec<News> {
        let mut news = std::mem::take(&mut self.other);
        if std::mem::take(&mut self.peers) {
            news.push(News::Peers(replica.peers()));
        }
        if std::mem::take(&mut self.transfers) {
            news.push(News::Transfers(replica.transfers()));
        }
        news
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "all other news wait as they are")]
    fn put_back(&mut self, news: News) {
        match news {
            News::Peers(_) => self.peers = true,
            News::Transfers(_) => self.transfers = true,
            other => self.other.push(other),
        }
    }
}

async fn sleep(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
