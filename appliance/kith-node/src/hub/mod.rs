//! The hub: the one loop of the network side. It drives the replica and lends it hands.
//!
//! Facts come from the tasks of connections and streams, from the archive's thread and from the desk;
//! the replica decides; [`perform`] does what it wants. The loop itself never waits for a peer, the disk
//! or the desk.

mod handle;
mod link;
mod perform;
mod stream;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kith_core::machine::Machine as _;
use kith_net::quic::{Connection, Endpoint};
use kith_proto::replica::{DialId, Input, LinkId, LinkUp, Replica, StreamId};
use kith_role::clock::SystemClock;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) use handle::{Facts, HubHandle, Identity};
use link::Link;
use stream::StreamHandle;

use crate::archive::Archive;
use crate::desk::{Message, News};

/// Events of streams and connections that may wait; each may hold a frame of 1 MiB, so they are few.
const EVENTS: usize = 12;

/// Facts handled before the outputs are performed and the news told.
const TURN: usize = 32;

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
}

/// What the hub is built from.
#[derive(Debug)]
pub(crate) struct Parts {
    /// The machine.
    pub replica: Replica,
    /// The UDP socket's endpoint.
    pub endpoint: Endpoint,
    /// The store's hand.
    pub archive: Archive,
    /// The desk's queue.
    pub desk: mpsc::Sender<Message>,
    /// What the rest of the node tells.
    pub facts: mpsc::Receiver<Input>,
    /// Shared figures.
    pub shared: Arc<Facts>,
    /// The monotonic clock.
    pub clock: SystemClock,
}

/// The loop's state.
#[derive(Debug)]
pub(crate) struct Hub {
    replica: Replica,
    endpoint: Endpoint,
    archive: Archive,
    desk: mpsc::Sender<Message>,
    facts: mpsc::Receiver<Input>,
    shared: Arc<Facts>,
    clock: SystemClock,
    events: mpsc::Receiver<Event>,
    report: mpsc::Sender<Event>,
    links: BTreeMap<LinkId, Link>,
    streams: BTreeMap<StreamId, StreamHandle>,
    next_link: u64,
    tasks: JoinSet<()>,
    /// News for the desk that its full queue has not taken yet.
    untold: Untold,
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
    pub(crate) fn new(parts: Parts) -> Self {
        let (report, events) = mpsc::channel(EVENTS);
        Self {
            replica: parts.replica,
            endpoint: parts.endpoint,
            archive: parts.archive,
            desk: parts.desk,
            facts: parts.facts,
            shared: parts.shared,
            clock: parts.clock,
            events,
            report,
            links: BTreeMap::new(),
            streams: BTreeMap::new(),
            next_link: 0,
            tasks: JoinSet::new(),
            untold: Untold::default(),
        }
    }

    /// Runs until told to stop, then closes every connection.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        self.tasks.spawn(link::accept_all(self.endpoint.clone(), self.report.clone()));
        let mut news_due = None;
        loop {
            let deadline = self.sleep_until(news_due);
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(fact) = self.facts.recv() => self.take_facts(fact),
                Some(event) = self.events.recv() => self.take_events(event),
                Some(_) = self.tasks.join_next() => {}
                () = sleep(deadline) => self.replica.handle_timeout(self.clock.now()),
            }
            while let Some(output) = self.replica.poll_output() {
                self.perform(output);
            }
            news_due = self.tell_news(news_due);
        }
        self.endpoint.close(0, "this box is stopping").await;
    }

    fn sleep_until(&self, news_due: Option<tokio::time::Instant>) -> Option<tokio::time::Instant> {
        let machine = self.replica.poll_timeout().map(|at| self.clock.deadline(at));
        machine.into_iter().chain(news_due).min()
    }

    fn take_facts(&mut self, first: Input) {
        self.replica.handle_input(self.clock.now(), first);
        for _ in 1..TURN {
            let Ok(fact) = self.facts.try_recv() else { break };
            self.replica.handle_input(self.clock.now(), fact);
        }
    }

    fn take_events(&mut self, first: Event) {
        self.take_event(first);
        for _ in 1..TURN {
            let Ok(event) = self.events.try_recv() else { break };
            self.take_event(event);
        }
    }

    fn take_event(&mut self, event: Event) {
        let fact = match event {
            Event::Fact(fact) => fact,
            Event::Connected(connection, dial) => self.connected(connection, dial),
            Event::Opened(link, halves) => {
                let Some(stream) = self.opened(link, halves) else { return };
                stream
            }
        };
        self.forget_what_ended(&fact);
        self.replica.handle_input(self.clock.now(), fact);
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

    /// Tells the desk what changed, now and then; answers when to do so again if something waits.
    fn tell_news(&mut self, due: Option<tokio::time::Instant>) -> Option<tokio::time::Instant> {
        let now = tokio::time::Instant::now();
        if !self.untold.any() {
            return None;
        }
        match due {
            None => return Some(now + NEWS_EVERY),
            Some(due) if now < due => return Some(due),
            Some(_) => {}
        }
        self.shared.set_counters(self.replica.counters());
        for news in self.untold.take(&self.replica) {
            if let Err(mpsc::error::TrySendError::Full(Message::News(news))) =
                self.desk.try_send(Message::News(news))
            {
                self.untold.put_back(news);
            }
        }
        self.untold.any().then_some(now + NEWS_EVERY)
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
