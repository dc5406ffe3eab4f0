//! The connection to a running node, and the few questions every verb shares.

use std::fs::File;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use anyhow::Context as _;
use kith_core::record::SpaceId;
use kith_model::command::Command;
use kith_model::control::{Answer, Ask, MAX_MESSAGE, Place};
use kith_model::reply::{FileEntry, Reply, Space};
use kith_model::role::{self, SuperviseAsk, Supervision};
use kith_role::socket::{self, Channel, ChannelError, ChannelSender};
use kith_supervise::status;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::failure::{Failure, Outcome};
use crate::progress::Progress;

/// The node's socket in the state.
const NODE: &str = "node.sock";

/// How long a node that is being started may take before somebody at a prompt is told.
const START: Duration = Duration::from_secs(15);

/// How long a node may think about a command. The longest, a join, gives up after a minute by itself.
const PATIENCE: Duration = Duration::from_secs(90);

/// How often a node that is being started is tried.
const RETRY: Duration = Duration::from_millis(50);

/// A connection to a running node.
#[derive(Debug)]
pub(crate) struct Client {
    channel: Channel,
}

/// One file to be imported.
#[derive(Debug)]
pub(crate) struct Source {
    /// Its path in the folder; empty when it is all there is.
    pub(crate) name: String,
    /// Where it is.
    pub(crate) path: PathBuf,
}

impl Client {
    /// Connects to the node of `state`. One that its supervisor is just starting is waited for.
    pub(crate) async fn connect(state: &Path) -> Outcome<Self> {
        let deadline = tokio::time::Instant::now() + START;
        loop {
            let failure = match socket::connect(state, NODE, MAX_MESSAGE).await {
                Ok(channel) => return Ok(Self { channel }),
                Err(error) => Failure::unreached(state, error, Failure::NoNode),
            };
            if !matches!(failure, Failure::NoNode(_)) {
                return Err(failure);
            }
            let Some(supervision) = supervision(state).await else { return Err(failure) };
            if tokio::time::Instant::now() >= deadline {
                return Err(Failure::NotAnswering(starting(&supervision)));
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Gives one command as the owner and waits for its reply.
    pub(crate) async fn command(&mut self, command: Command) -> Outcome<Reply> {
        let asking = async {
            self.send(&Ask::Command(command), &[]).await?;
            self.reply(|_| {}).await
        };
        tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| Err(silent()))
    }

    /// Copies something out into `descriptor`.
    pub(crate) async fn copy(
        &mut self,
        ask: Ask,
        descriptor: OwnedFd,
        progress: impl FnMut(u64),
    ) -> Outcome<FileEntry> {
        self.send(&ask, &[descriptor.as_fd()]).await?;
        // Only the node's copy is left, so whoever reads a pipe sees its end when the node is done.
        drop(descriptor);
        file(self.reply(progress).await?)
    }

    /// Puts in a file or a folder. Files are opened one by one as the node takes them. Ends the
    /// connection: an import that breaks off leaves nothing else to say.
    pub(crate) async fn import(
        self,
        place: Place,
        folder: bool,
        sources: Vec<Source>,
        progress: &mut Progress,
    ) -> Outcome<FileEntry> {
        let (sender, mut receiver) = self.channel.into_split();
        let mut sending = pin!(send_all(sender, Ask::Import { place, folder }, sources));
        let mut sent = None;
        // Both at once: a node that reports progress and one that reads wait for each other otherwise.
        loop {
            let answer = tokio::select! {
                // That the node stopped reading is worth less than what it says about it.
                result = &mut sending, if sent.is_none() => {
                    sent = Some(result?);
                    continue;
                }
                received = receiver.receive::<Answer>() => received,
            };
            match answer.map_err(lost)?.ok_or_else(hung_up)?.0 {
                Answer::Progress { done, .. } => progress.at(done),
                Answer::Reply(reply) => return file(*reply),
                Answer::Refused(refusal) => return Err(refusal.into()),
            }
        }
    }

    /// The id of a space that somebody named by id or by name.
    pub(crate) async fn space(&mut self, wanted: Option<String>) -> Outcome<Option<String>> {
        let Some(wanted) = wanted else { return Ok(None) };
        if wanted.parse::<SpaceId>().is_ok() {
            return Ok(Some(wanted));
        }
        let Reply::Spaces(spaces) = self.command(Command::Spaces).await? else {
            return Err(Failure::off_topic());
        };
        only_space(&spaces, &wanted).map(Some)
    }

    async fn send(&mut self, ask: &Ask, descriptors: &[BorrowedFd<'_>]) -> Outcome {
        self.channel.send(ask, descriptors).await.map_err(lost)
    }

    /// The answer that ends the question; `progress` is told of those before.
    async fn reply(&mut self, mut progress: impl FnMut(u64)) -> Outcome<Reply> {
        loop {
            let (answer, _) =
                self.channel.receive::<Answer>().await.map_err(lost)?.ok_or_else(hung_up)?;
            match answer {
                Answer::Progress { done, .. } => progress(done),
                Answer::Reply(reply) => return Ok(*reply),
                Answer::Refused(refusal) => return Err(refusal.into()),
            }
        }
    }
}

/// How the supervisor of `state` and its roles are, if there is one.
pub(crate) async fn supervision(state: &Path) -> Option<Supervision> {
    ask_supervisor(state, SuperviseAsk::Status).await.ok()
}

/// What the supervisor of `state` answers.
pub(crate) async fn ask_supervisor<T: Serialize + DeserializeOwned>(
    state: &Path,
    ask: SuperviseAsk,
) -> Outcome<T> {
    let connected = socket::connect(state, status::SOCKET, role::MAX_MESSAGE).await;
    let mut channel =
        connected.map_err(|error| Failure::unreached(state, error, Failure::NoNode))?;
    channel.send(&ask, &[]).await.map_err(lost)?;
    Ok(channel.receive::<T>().await.map_err(lost)?.ok_or_else(hung_up)?.0)
}

/// The outer failure is ours and ends the import; the inner one is the node's, which may say why.
async fn send_all(
    mut sender: ChannelSender,
    first: Ask,
    sources: Vec<Source>,
) -> Outcome<Result<(), ChannelError>> {
    if let Err(error) = sender.send(&first, &[]).await {
        return Ok(Err(error));
    }
    for Source { name, path } in sources {
        let file = File::open(&path).with_context(|| format!("cannot read {}", path.display()))?;
        if let Err(error) = sender.send(&Ask::ImportFile { path: name }, &[file.as_fd()]).await {
            return Ok(Err(error));
        }
    }
    Ok(sender.send(&Ask::ImportEnd, &[]).await)
}

fn file(reply: Reply) -> Outcome<FileEntry> {
    let Reply::File(entry) = reply else { return Err(Failure::off_topic()) };
    Ok(entry)
}

fn lost(error: ChannelError) -> Failure {
    anyhow::Error::new(error).context("the connection to the node is lost").into()
}

fn starting(supervision: &Supervision) -> String {
    let ends = supervision.roles.iter().filter_map(|role| role.last_end.as_deref());
    let why = ends.map(|end| format!("; the last one ended because {end}")).collect::<String>();
    format!("the node is being started and does not answer yet{why}")
}

fn silent() -> Failure {
    Failure::NotAnswering(format!("the node has not answered for {} seconds", PATIENCE.as_secs()))
}

fn hung_up() -> Failure {
    anyhow::anyhow!("the node ended before it answered; kith status says how it is").into()
}

fn only_space(spaces: &[Space], wanted: &str) -> Outcome<String> {
    let mut meant = spaces.iter().filter(|space| space.name == wanted);
    match (meant.next(), meant.next()) {
        (Some(space), None) => Ok(space.id.clone()),
        (Some(_), Some(_)) => Err(Failure::Usage(format!(
            "more than one space is called {wanted}: give the id that kith space list shows"
        ))),
        (None, _) => Err(Failure::Usage(format!(
            "no space is called {wanted} here: kith space list shows which there are"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read as _, Write as _};

    use kith_model::refusal::{Refusal, RefusalKind};

    use super::*;

    #[tokio::test]
    async fn an_import_hands_over_every_file_in_order() {
        let temp = tempfile::tempdir().unwrap();
        let (client, node) = pair();
        let sources = sources(temp.path(), 1_000);
        let node = async move {
            let mut node = node;
            let mut seen = Vec::new();
            loop {
                match node.receive::<Ask>().await.unwrap().unwrap() {
                    (Ask::ImportFile { path }, mut files) => {
                        let mut text = String::new();
                        let file = files.pop().unwrap();
                        File::from(file).read_to_string(&mut text).unwrap();
                        seen.push((path, text));
                        // A node that speaks while it is spoken to must not stop either.
                        let done = seen.len() as u64;
                        node.send(&Answer::Progress { done, total: None }, &[]).await.unwrap();
                    }
                    (Ask::ImportEnd, _) => break,
                    (Ask::Import { .. } | Ask::Command(_) | Ask::Get(_) | Ask::Export(_), _) => {}
                }
            }
            node.send(&Answer::Reply(Box::new(Reply::File(entry()))), &[]).await.unwrap();
            seen
        };
        let importing =
            async { client.import(place(), true, sources, &mut Progress::silent()).await.unwrap() };
        let (kept, seen) = tokio::join!(importing, node);
        assert_eq!(kept, entry());
        assert_eq!(seen.len(), 1_000);
        assert!(
            seen.iter().enumerate().all(|(i, (path, text))| *path == i.to_string() && path == text)
        );
    }

    #[tokio::test]
    async fn a_refusal_in_the_middle_of_an_import_is_what_people_read() {
        let temp = tempfile::tempdir().unwrap();
        let (client, mut node) = pair();
        let sources = sources(temp.path(), 1_000);
        let node = async move {
            node.receive::<Ask>().await.unwrap();
            let refusal = Refusal::new(RefusalKind::NoSpace, "the disk is full");
            node.send(&Answer::Refused(refusal), &[]).await.unwrap();
        };
        let mut progress = Progress::silent();
        let importing = client.import(place(), true, sources, &mut progress);
        let refused = tokio::join!(importing, node).0;
        assert_eq!(refused.unwrap_err().to_string(), "the disk is full");
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_read_breaks_the_import_off() {
        let (client, mut node) = pair();
        let sources = vec![Source { name: "x".to_owned(), path: "/nonexistent".into() }];
        let mut progress = Progress::silent();
        let importing = client.import(place(), true, sources, &mut progress);
        let node = async move {
            while let Some((ask, _)) = node.receive::<Ask>().await.unwrap() {
                assert!(!matches!(ask, Ask::ImportEnd), "half a folder is never complete");
            }
        };
        let failure = tokio::join!(importing, node).0.unwrap_err();
        assert!(failure.to_string().starts_with("cannot read /nonexistent"), "{failure}");
    }

    #[tokio::test]
    async fn what_is_copied_out_arrives_in_the_descriptor() {
        let (mut client, mut node) = pair();
        let (mut reader, writer) = io::pipe().unwrap();
        let node = async {
            let (ask, mut files) = node.receive::<Ask>().await.unwrap().unwrap();
            assert_eq!(ask, Ask::Get(place()));
            File::from(files.pop().unwrap()).write_all(b"soup").unwrap();
            node.send(&Answer::Progress { done: 4, total: Some(4) }, &[]).await.unwrap();
            node.send(&Answer::Reply(Box::new(Reply::File(entry()))), &[]).await.unwrap();
        };
        let mut done = Vec::new();
        let copying = client.copy(Ask::Get(place()), writer.into(), |bytes| done.push(bytes));
        tokio::join!(copying, node).0.unwrap();
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), done), ("soup", vec![4]));
    }

    #[tokio::test]
    async fn a_node_that_goes_away_is_said() {
        let (mut client, node) = pair();
        drop(node);
        let failure = client.command(Command::Status).await.unwrap_err();
        assert_eq!(failure.exit_code(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_hangs_is_not_waited_for_for_ever() {
        let (mut client, _node) = pair();
        let failure = client.command(Command::Status).await.unwrap_err();
        assert_eq!(failure.exit_code(), 4);
        assert_eq!(failure.to_string(), "the node has not answered for 90 seconds");
    }

    #[test]
    fn a_space_is_meant_by_its_name_unless_two_have_it() {
        let spaces = [space("a", "Garden"), space("b", "Yard")];
        assert_eq!(only_space(&spaces, "Yard").unwrap(), "b");
        assert_eq!(only_space(&spaces, "Attic").unwrap_err().exit_code(), 2);
        let twins = [space("a", "Yard"), space("b", "Yard")];
        assert!(only_space(&twins, "Yard").unwrap_err().to_string().starts_with("more than one"));
    }

    fn pair() -> (Client, Channel) {
        let (ours, theirs) = Channel::pair(MAX_MESSAGE).unwrap();
        (Client { channel: ours }, Channel::from_fd(theirs, MAX_MESSAGE).unwrap())
    }

    fn sources(folder: &Path, count: usize) -> Vec<Source> {
        let source = |i: usize| {
            let path = folder.join(i.to_string());
            std::fs::write(&path, i.to_string()).unwrap();
            Source { name: i.to_string(), path }
        };
        (0..count).map(source).collect()
    }

    fn place() -> Place {
        Place { space: None, collection: None, path: "soup".to_owned() }
    }

    fn entry() -> FileEntry {
        FileEntry {
            space: String::new(),
            path: "soup".to_owned(),
            folder: false,
            root: None,
            size: 4,
            mime: None,
            author: None,
            author_name: None,
            time: 0,
            here: 4,
            complete: true,
        }
    }

    fn space(id: &str, name: &str) -> Space {
        Space {
            id: id.to_owned(),
            name: name.to_owned(),
            role: None,
            members: 1,
            public: Vec::new(),
            default: false,
            pending: false,
        }
    }
}
