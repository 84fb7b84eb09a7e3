//! What an idle client costs: bytes of memory, counted as they are allocated, without any socket.
//!
//! What to notice:
//! * Every client is brought there by a handshake, so whatever that leaves behind is counted.
//! * Counted between two powers of two, where each array that grows by doubling is as full as it gets:
//!   the difference is what clients need, and not what happened to be reserved.
//! * The socket's own 4 bytes, what the poll has said of it, and the timer's entry are the loop's, and not in
//!   here: together some 60 more. (`benches/run memory` counts it all, with real clients.)

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test panics to fail"
)]

use std::rc::Rc;
use std::time::Duration;

use barewire::broadcast::Broadcast;
use barewire::channel::Glob;
use barewire::conn::{Conn, Event};
use barewire::hub::{ClientId, Hub, HubEvent};
use barewire::now::Now;
use barewire::site::{Entrance, Site};
use peak_alloc::PeakAlloc;
use slotmap::SlotMap;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

const NOW: Now = Now { since_start: Duration::ZERO, unix: Duration::from_secs(1_000_000_000) };

/// Half of the most clients: with optimisation a million together, else fewer, for time.
const HALF: usize = if cfg!(debug_assertions) { 1 << 13 } else { 1 << 19 };

/// The most bytes for a client on one channel, and for each channel more.
const ONE_CHANNEL: usize = 192;
const EACH_FURTHER: usize = 32;

/// The machines of many clients, as the loop holds them.
struct Clients {
    site: Rc<Site>,
    conns: SlotMap<ClientId, Conn>,
    hub: Hub,
    broadcast: Broadcast,
}

impl Clients {
    fn new() -> Self {
        let channels = vec![Glob::new("*").unwrap()];
        let site = Site { channels, ..Site::default() };
        let broadcast = Broadcast::new(site.backlog_bytes, site.limits.all_logs_bytes);
        Self { site: Rc::new(site), conns: SlotMap::with_key(), hub: Hub::default(), broadcast }
    }

    /// One more, subscribed to so many channels.
    fn join(&mut self, channels: usize) {
        let id = self.conns.insert(Conn::new(Rc::clone(&self.site), Entrance::LOOPBACK, NOW));
        let names: Vec<_> = (0..channels).map(|n| format!("channel=c{n}")).collect();
        let mut request = format!(
            "GET /?{} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
            names.join("&")
        )
        .into_bytes();
        let conn = self.conns.get_mut(id).unwrap();
        conn.receive(&mut request, NOW);
        let Some(Event::Wants(wanted)) = conn.poll_event() else { panic!("it wants channels") };
        self.hub.want(id, &wanted, true);
        while let Some(event) = self.hub.poll_event() {
            match event {
                HubEvent::Subscribe(channel) => self.hub.acknowledged(channel.as_str()),
                HubEvent::Admit(id, channels) => {
                    let conn = self.conns.get_mut(id).unwrap();
                    conn.admit(NOW);
                    assert!(conn.output().starts_with(b"HTTP/1.1 101 "));
                    conn.wrote(conn.output().len(), NOW);
                    self.broadcast.join(id, &channels, conn.form());
                }
                HubEvent::Unsubscribe(..) | HubEvent::Refuse(..) | HubEvent::Gap(..) => {
                    panic!("all are welcome")
                }
            }
        }
    }
}

/// Bytes for each client, between half and all of them.
fn bytes_per_client(channels: usize) -> usize {
    let mut clients = Clients::new();
    // One place of the map is its own.
    (1..HALF).for_each(|_| clients.join(channels));
    let before = HEAP.current_usage();
    (0..HALF).for_each(|_| clients.join(channels));
    (HEAP.current_usage() - before) / HALF
}

#[test]
fn an_idle_client_costs_little_and_each_further_channel_next_to_nothing() {
    let [one, nine] = [1, 9].map(bytes_per_client);
    println!("{one} bytes on one channel, {} for each further one", (nine - one).div_ceil(8));
    assert!(one <= ONE_CHANNEL, "{one}");
    assert!(nine - one <= 8 * EACH_FURTHER, "{} for eight more", nine - one);
}
