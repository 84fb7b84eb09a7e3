//! Redis, and who listens to what: one tokio broadcast channel for each Redis channel.
//!
//! A broadcast channel is tokio's own answer to one-to-many: a message is stored once, and each client is a
//! cursor. It is bounded too: a client that falls [`BACKLOG`] messages behind is told so, and let go.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::Either;
use futures_util::stream::{SelectAll, select_all};
use redis::RedisResult;
use redis::aio::{PubSubSink, PubSubStream};
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;

use crate::fail;

/// How many messages a channel keeps for those who have not read them yet: as many as the benchmark has in
/// flight, and not more, because tokio allocates room for all of them for each channel (some 64 KiB).
const BACKLOG: usize = 1024;

/// What a library takes as the content of a text frame.
pub trait Message: TryFrom<Bytes, Error: Display> + Clone + Send + 'static {}
impl<M: TryFrom<Bytes, Error: Display> + Clone + Send + 'static> Message for M {}

/// All messages for one client, or the news that some were lost. Of several channels, only those that have
/// something are looked at; one alone, which is what most clients have, does without that apparatus.
pub type Messages<M> = Either<BroadcastStream<M>, SelectAll<BroadcastStream<M>>>;

/// The link to Redis and the channels it is subscribed to.
pub(crate) struct Hub<M> {
    /// For commands. Locked over the whole of a change, so that there is one change at a time.
    link: tokio::sync::Mutex<PubSubSink>,
    /// Those that Redis has acknowledged.
    channels: Mutex<HashMap<String, broadcast::Sender<M>>>,
}

impl<M: Message> Hub<M> {
    /// Connects to Redis, and delivers its messages from there on.
    pub(crate) async fn connect(redis_port: u16) -> RedisResult<Arc<Self>> {
        let client = redis::Client::open(("127.0.0.1", redis_port))?;
        let (link, incoming) = client.get_async_pubsub().await?.split();
        let hub = Arc::new(Self { link: link.into(), channels: Mutex::default() });
        tokio::spawn(hub.clone().deliver(incoming));
        Ok(hub)
    }

    /// The messages of these channels from now on, once Redis has acknowledged all of them.
    pub(crate) async fn join(&self, names: &BTreeSet<String>) -> Messages<M> {
        if let Some(messages) = self.listen(names) {
            return messages;
        }
        let mut link = self.link.lock().await;
        let missing: Vec<_> = {
            let channels = self.channels();
            names.iter().filter(|name| !channels.contains_key(*name)).collect()
        };
        if !missing.is_empty() {
            link.subscribe(&missing).await.unwrap_or_else(|error| fail(error));
            let opened =
                missing.into_iter().map(|name| (name.clone(), broadcast::Sender::new(BACKLOG)));
            self.channels().extend(opened);
        }
        self.listen(names).expect("no channel is taken away while the link is locked")
    }

    /// Unsubscribes from those of these channels that nobody listens to any more.
    pub(crate) async fn leave(&self, names: &BTreeSet<String>) {
        let mut link = self.link.lock().await;
        let deserted: Vec<_> = {
            let mut channels = self.channels();
            let take_away = |name: &&String| match channels.get(*name) {
                Some(channel) if channel.receiver_count() == 0 => channels.remove(*name).is_some(),
                _ => false,
            };
            names.iter().filter(take_away).collect()
        };
        if !deserted.is_empty() {
            link.unsubscribe(&deserted).await.unwrap_or_else(|error| fail(error));
        }
    }

    /// Listens to all of these channels, if Redis is subscribed to all of them.
    fn listen(&self, names: &BTreeSet<String>) -> Option<Messages<M>> {
        let channels = self.channels();
        let mut streams = names
            .iter()
            .map(|name| Some(BroadcastStream::new(channels.get(name)?.subscribe())))
            .collect::<Option<Vec<_>>>()?;
        Some(if streams.len() == 1 {
            Either::Left(streams.remove(0))
        } else {
            Either::Right(select_all(streams))
        })
    }

    /// Hands what Redis sends to the channels. After each 128 messages tokio has this task make way for the
    /// clients' (its "budget"), so a flood does not push a client out that would keep up.
    async fn deliver(self: Arc<Self>, mut incoming: PubSubStream) {
        while let Some(message) = incoming.next().await {
            let payload = Bytes::copy_from_slice(message.get_payload_bytes());
            let payload = M::try_from(payload).unwrap_or_else(|error| fail(error));
            if let Some(channel) = self.channels().get(message.get_channel_name()) {
                _ = channel.send(payload); // an error says only that nobody listens at present
            }
        }
        fail("Redis has closed the connection")
    }

    fn channels(&self) -> MutexGuard<'_, HashMap<String, broadcast::Sender<M>>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
