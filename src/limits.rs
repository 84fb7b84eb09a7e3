//! Every limit on clients that nobody needs to tune, in one place, each with its reason.
//!
//! What to notice:
//! * What somebody may want to tune is an option; what concerns Redis stands in `redis/mod.rs`.
//! * They are a value and no constants: a test makes its own and reaches them sooner.
//! * Most refuse or close somebody. The budgets, slices and accepts refuse nobody: they only end somebody's
//!   part of a turn, so that all others have theirs.

use std::time::Duration;

use crate::http::HeadLimits;

/// The limits. `Limits::default()` is what the server runs with; tests make their own to reach
/// them sooner.
#[derive(Clone, Debug)]
pub struct Limits {
    /// A request's head: 8 KiB and 100 fields, as much as the proxies in front of us pass on.
    pub head: HeadLimits,
    /// The time for a whole head, from accept or from the end of the answer before: 10 s. It is
    /// absolute, so that one byte now and then does not prolong it.
    pub handshake: Duration,
    /// The time for the whole body of a `POST`: 30 s.
    pub body: Duration,
    /// Channels that one client may subscribe to: 100.
    pub channels_per_client: usize,
    /// Channels that all clients together may subscribe to: 100,000. Each has a place in the hub and a
    /// log, and is a name that Redis has to be asked for after each outage.
    pub channels: usize,
    /// Frames in one message: 131,072. Each costs us work, also an empty one; the largest message
    /// of the Autobahn suite comes in 65,536.
    pub fragments: u32,
    /// How long a peer may take to answer our Close: 5 s.
    pub close_handshake: Duration,
    /// How long the peer may take to read the last answer: 10 s, after which it is reset.
    pub last_write: Duration,
    /// How long the peer may take, after that, to read the end of a connection: 2 s. What it sends
    /// meanwhile is thrown away, however much it is: it may be the rest of what was refused.
    pub linger: Duration,
    /// Requests on one kept-alive connection: 1,000. Then it is closed, so that no client holds a
    /// place for ever.
    pub requests: u32,
    /// Output of one client above which its input waits: 16 KiB. Memory for a client that sends
    /// and does not read is bounded by this and one read.
    pub outbox_mark_bytes: usize,
    /// Memory that is kept when an output was written whole, for the next one: 256 KiB, which holds the
    /// echoes of one read with room to spare.
    pub spare_bytes: usize,
    /// What the kernel takes for a socket beyond what it can send at once: 128 KiB, where it can be told.
    pub unsent_bytes: u32,
    /// Who is told of a gap at once: 100 clients, every 100 ms, so 1,000 in a second come back.
    pub gap_closes: usize,
    /// See [`Limits::gap_closes`].
    pub gap_pause: Duration,
    /// The buffer that all sockets are read into: 128 KiB, one for the process. With 64 KiB, four echoes
    /// of 16 KiB, headers included, were two reads, which cost a seventh.
    pub read_buffer_bytes: usize,
    /// What is read at once from a client that may compress: 512 bytes, and each such read counts as
    /// a whole buffer. DEFLATE can make a thousand bytes of one, which is half a mebibyte then.
    pub compressed_read_bytes: usize,
    /// What one socket may deliver in one turn: 256 KiB. The rest of it waits for the next turn, so
    /// that nobody starves the others.
    pub read_budget_bytes: usize,
    /// What is read from Redis in one turn: 1 MiB.
    pub bus_budget_bytes: usize,
    /// What the logs of all channels may hold together: 256 MiB (in buffers that may own twice that).
    /// Above that, whoever holds back most is closed, however little that is.
    pub all_logs_bytes: usize,
    /// Of a frame that a client is cut off in the middle of, at most this much is copied for it
    /// alone: 64 KiB. Who misses more is reset.
    pub rest_bytes: usize,
    /// One log's share of a turn: 512 clients and 4 MiB. Then the next log has its slice.
    pub slice_clients: usize,
    /// See [`Limits::slice_clients`].
    pub slice_bytes: usize,
    /// All logs' share of a turn: 4 slices. Then the sockets are looked at again.
    pub slices: usize,
    /// Connections above `--max-connections` that are being told so at the same time: 32. Further
    /// ones wait to be accepted.
    pub refusals: usize,
    /// Connections to the addresses of operators, which `--max-connections` does not count: 16. Further
    /// ones wait to be accepted.
    pub operators: usize,
    /// Connections accepted in one turn: 64. A storm of newcomers waits in the kernel's queue while
    /// those who are here are served.
    pub accepts: usize,
    /// The kernel's queue of connections that wait to be accepted: 4,096, which Linux cuts to its
    /// own `net.core.somaxconn`.
    pub listen_queue: i32,
    /// When the process is out of descriptors, how soon accepting is tried again: 100 ms. The
    /// readiness of a listener is told once and not again while its queue is not empty.
    pub accept_pause: Duration,
    /// Descriptors kept for what is no client: 64. Listeners and the spare one of each, operators, Redis,
    /// standard streams.
    pub reserved_descriptors: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: HeadLimits::default(),
            handshake: Duration::from_secs(10),
            body: Duration::from_secs(30),
            channels_per_client: 100,
            channels: 100_000,
            fragments: 131_072,
            close_handshake: Duration::from_secs(5),
            last_write: Duration::from_secs(10),
            linger: Duration::from_secs(2),
            requests: 1_000,
            outbox_mark_bytes: 16 << 10,
            spare_bytes: 256 << 10,
            gap_closes: 100,
            gap_pause: Duration::from_millis(100),
            unsent_bytes: 128 << 10,
            read_buffer_bytes: 128 << 10,
            compressed_read_bytes: 512,
            read_budget_bytes: 256 << 10,
            bus_budget_bytes: 1 << 20,
            all_logs_bytes: 256 << 20,
            rest_bytes: 64 << 10,
            slice_clients: 512,
            slice_bytes: 4 << 20,
            slices: 4,
            refusals: 32,
            operators: 16,
            accepts: 64,
            listen_queue: 4_096,
            accept_pause: Duration::from_millis(100),
            reserved_descriptors: 64,
        }
    }
}
