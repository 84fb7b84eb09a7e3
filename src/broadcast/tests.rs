//! The log against what it replaces: a queue for each client, which is slow and obviously right.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;
use slotmap::SlotMap;

use super::pass::MOST_GATHERED_BYTES;
use super::*;
use crate::websocket::deflate::Agreement;
use crate::websocket::extension;
use crate::websocket::frame::server_frame_length;

const BACKLOG: usize = 64;

fn frame_of(payload: &[u8], form: Form) -> Vec<u8> {
    let mut bytes = Vec::new();
    Encoder::default().encode(form, Kind::of(payload), payload, &mut bytes);
    bytes
}

/// The wire form of a window. In a build without compression there is only one form.
fn deflate(bits: u8) -> Form {
    let offer = format!("permessage-deflate; server_max_window_bits={bits}");
    let offers = extension::offers([offer.as_bytes()].into_iter()).unwrap();
    Agreement::negotiate(&offers).map_or(Form::Plain, Agreement::form)
}

/// A broadcast and ids to play with.
struct Scene {
    broadcast: Broadcast,
    clients: SlotMap<ClientId, ()>,
    channels: Vec<ChannelId>,
}

impl Scene {
    fn new(channels: usize) -> Self {
        let mut ids = SlotMap::with_key();
        Self {
            broadcast: Broadcast::new(BACKLOG, usize::MAX),
            clients: SlotMap::with_key(),
            channels: (0..channels).map(|_| ids.insert(())).collect(),
        }
    }

    fn client(&mut self) -> ClientId {
        self.client_on(&[0])
    }

    fn client_on(&mut self, channels: &[usize]) -> ClientId {
        self.client_in(channels, Form::Plain)
    }

    fn client_in(&mut self, channels: &[usize], form: Form) -> ClientId {
        let client = self.clients.insert(());
        let ids: Vec<ChannelId> = channels.iter().map(|n| self.channels[*n]).collect();
        self.broadcast.join(client, &ids, form);
        client
    }

    fn publish(&mut self, payload: &[u8]) {
        self.broadcast.append(self.channels[0], payload);
    }

    /// One whole pass; each socket takes what `room` gives it.
    fn pass(&mut self, mut room: impl FnMut(ClientId) -> usize) -> BTreeMap<ClientId, Vec<u8>> {
        let mut received: BTreeMap<ClientId, Vec<u8>> = BTreeMap::new();
        while let Some(Delivery { client, bytes }) = self.broadcast.next_delivery() {
            let taken = bytes.len().min(room(client));
            received.entry(client).or_default().extend(&bytes[..taken]);
            self.broadcast.delivered(taken);
        }
        received
    }

    /// A blocked client's socket takes `room` bytes more.
    fn resume(&mut self, client: ClientId, mut room: usize) -> Vec<u8> {
        let mut received = Vec::new();
        while let Some((log, bytes)) = self.broadcast.owed(client) {
            let (owed, taken) = (bytes.len(), bytes.len().min(room));
            received.extend(&bytes[..taken]);
            self.broadcast.wrote(client, log, taken);
            room -= taken;
            if taken < owed {
                break;
            }
        }
        received
    }
}

include!("../../tests/sources/diagram.rs");

/// One client on one channel, with "Hello" and "abc" to come: 7 and 5 bytes with their headers.
fn with_two_frames_to_come() -> (Scene, ClientId) {
    let mut scene = Scene::new(1);
    let client = scene.client();
    scene.publish(b"Hello");
    scene.publish(b"abc");
    (scene, client)
}

/// The same after a pass in which its socket took so many bytes.
fn after_a_pass(taken: usize) -> (Scene, ClientId) {
    let (mut scene, client) = with_two_frames_to_come();
    scene.pass(|_| taken);
    (scene, client)
}

fn state(scene: &Scene, client: ClientId) -> &'static str {
    let Some(subscriber) = scene.broadcast.subscribers.get(client) else { return "gone" };
    let is_blocked = scene.broadcast.logs[subscriber.seats[0].log].worst_lag().is_some();
    match (is_blocked, scene.broadcast.is_inside_frame(client)) {
        (false, false) => "ready",
        (true, false) => "blocked",
        (true, true) => "inside",
        (false, true) => panic!("inside a frame, and part of the next pass"),
    }
}

/// One edge of the diagram at the head of `broadcast.rs`: a client in the state it leaves, the cause,
/// how that comes about, and the state it leads to.
type Edge = (fn() -> (Scene, ClientId), &'static str, fn(&mut Scene, ClientId), &'static str);

const ALL: &str = "the socket takes all there is";
const WHOLE: &str = "the socket takes a part, up to the end of a frame";
const PART: &str = "the socket takes a part, and stops inside a frame";

fn joins(scene: &mut Scene, client: ClientId) {
    scene.broadcast.join(client, &scene.channels, Form::Plain);
}

fn leaves(scene: &mut Scene, client: ClientId) {
    scene.broadcast.leave(client, usize::MAX);
}

fn takes<const TAKEN: usize>(scene: &mut Scene, client: ClientId) {
    if state(scene, client) == "ready" {
        scene.pass(|_| TAKEN);
    } else {
        scene.resume(client, TAKEN);
    }
}

fn gone() -> (Scene, ClientId) {
    let (mut scene, client) = with_two_frames_to_come();
    leaves(&mut scene, client);
    (scene, client)
}

const EDGES: &[Edge] = &[
    (gone, "it joins", joins, "ready"),
    (with_two_frames_to_come, ALL, takes::<12>, "ready"),
    (with_two_frames_to_come, WHOLE, takes::<7>, "blocked"),
    (with_two_frames_to_come, WHOLE, takes::<0>, "blocked"),
    (with_two_frames_to_come, PART, takes::<3>, "inside"),
    (with_two_frames_to_come, "it leaves", leaves, "gone"),
    (|| after_a_pass(0), ALL, takes::<12>, "ready"),
    (|| after_a_pass(0), WHOLE, takes::<7>, "blocked"),
    (|| after_a_pass(0), PART, takes::<8>, "inside"),
    (|| after_a_pass(0), "it leaves", leaves, "gone"),
    (|| after_a_pass(3), ALL, takes::<9>, "ready"),
    (|| after_a_pass(3), WHOLE, takes::<4>, "blocked"),
    (|| after_a_pass(3), PART, takes::<1>, "inside"),
    (|| after_a_pass(3), PART, takes::<5>, "inside"),
    (|| after_a_pass(3), "it leaves", leaves, "gone"),
];

#[test]
fn walks_the_diagram() {
    let before = |edge: &Edge| {
        let (scene, client) = edge.0();
        state(&scene, client)
    };
    for edge @ (from, cause, happens, to) in EDGES {
        let (mut scene, client) = from();
        happens(&mut scene, client);
        assert_eq!(state(&scene, client), *to, "{} -- {cause}", before(edge));
    }
    let walked = EDGES.iter().map(|edge| (before(edge), edge.1, edge.3));
    diagram::assert_drawn(include_str!("../broadcast.rs"), walked);
}

#[test]
fn what_others_do_leaves_a_cursor_in_its_state() {
    let others: [fn(&mut Scene); 4] = [
        |scene| scene.publish(b"more"),
        |scene| {
            scene.client();
        },
        |scene| scene.broadcast.end_slice(),
        |scene| {
            let other = scene.client();
            scene.publish(b"more");
            scene.pass(|client| if client == other { 0 } else { usize::MAX });
            leaves(scene, other);
        },
    ];
    for from in [gone, with_two_frames_to_come, || after_a_pass(0), || after_a_pass(3)] {
        for (row, others_do) in others.iter().enumerate() {
            let (mut scene, client) = from();
            let before = state(&scene, client);
            others_do(&mut scene);
            assert_eq!(state(&scene, client), before, "row {row}");
        }
    }
}

#[test]
fn a_pass_carries_all_messages_in_one_delivery_for_each_client() {
    let mut scene = Scene::new(1);
    let (a, b) = (scene.client(), scene.client());
    scene.publish(b"Hello");
    scene.publish(&[0xff]);
    let expected = b"\x81\x05Hello\x82\x01\xff".to_vec();
    let mut deliveries = 0;
    let received = scene.pass(|_| {
        deliveries += 1;
        usize::MAX
    });
    assert_eq!(received, BTreeMap::from([(a, expected.clone()), (b, expected)]));
    assert_eq!(deliveries, 2);
}

#[test]
fn a_log_that_nobody_is_behind_in_owns_no_memory() {
    let mut scene = Scene::new(1);
    scene.client();
    scene.publish(b"Hello");
    assert_eq!(scene.broadcast.log_bytes(), 7);
    scene.pass(|_| usize::MAX);
    assert_eq!(scene.broadcast.log_bytes(), 0);
    assert!(!scene.broadcast.has_deliveries());
}

#[test]
fn a_newcomer_gets_only_what_is_appended_after_it_joined() {
    let mut scene = Scene::new(1);
    let early = scene.client();
    scene.publish(b"1");
    let late = scene.client();
    scene.publish(b"2");
    let received = scene.pass(|_| usize::MAX);
    assert_eq!(received[&early], b"\x81\x011\x81\x012");
    assert_eq!(received[&late], b"\x81\x012");
}

#[test]
fn a_blocked_client_is_no_part_of_later_passes_and_goes_on_where_it_was() {
    let mut scene = Scene::new(1);
    let (quick, slow) = (scene.client(), scene.client());
    scene.publish(b"Hello");
    scene.pass(|client| if client == slow { 3 } else { usize::MAX });
    assert!(scene.broadcast.is_inside_frame(slow));
    scene.publish(b"abc");
    let received = scene.pass(|_| usize::MAX);
    assert_eq!(received.keys().collect::<Vec<_>>(), [&quick], "the pass does not even try it");
    assert_eq!(scene.resume(slow, usize::MAX), b"ello\x81\x03abc");
    assert!(!scene.broadcast.is_inside_frame(slow));
    assert_eq!(scene.broadcast.log_bytes(), 0);
    scene.publish(b"d");
    assert_eq!(scene.pass(|_| usize::MAX).len(), 2, "and then it is part of them again");
}

#[test]
fn a_partial_write_that_ends_on_a_boundary_is_not_inside_a_frame() {
    let mut scene = Scene::new(1);
    let client = scene.client();
    scene.publish(b"Hello");
    scene.publish(b"abc");
    scene.pass(|_| 7);
    assert!(!scene.broadcast.is_inside_frame(client));
    scene.resume(client, 1);
    assert!(scene.broadcast.is_inside_frame(client));
    scene.resume(client, 1);
    assert!(scene.broadcast.is_inside_frame(client));
    scene.resume(client, 3);
    assert!(!scene.broadcast.is_inside_frame(client));
}

#[test]
fn inside_a_frame_of_one_log_the_others_wait() {
    let mut scene = Scene::new(2);
    let client = scene.client_on(&[0, 1]);
    let [first, second] = scene.channels[..] else { panic!() };
    scene.broadcast.append(second, b"second");
    scene.pass(|_| 1);
    scene.broadcast.append(first, b"first");
    scene.pass(|_| 0);
    assert_eq!(scene.resume(client, usize::MAX), b"\x06second\x81\x05first");
}

#[test]
fn lagging_begins_above_the_backlog_and_names_the_furthest_behind_first() {
    let mut scene = Scene::new(1);
    let (slower, slow) = (scene.client(), scene.client());
    scene.publish(&[b'x'; 30]);
    scene.pass(|client| usize::from(client == slow) * 10);
    scene.publish(&[b'x'; 30]);
    scene.pass(|_| 0);
    assert_eq!(scene.broadcast.lagging(), None, "64 bytes behind, and that is the backlog");
    scene.publish(b"");
    assert_eq!(scene.broadcast.lagging(), Some(slower));
    scene.broadcast.leave(slower, 0);
    assert_eq!(scene.broadcast.lagging(), None);
    scene.publish(&[b'x'; 9]);
    assert_eq!(scene.broadcast.lagging(), Some(slow));
}

#[test]
fn above_what_all_logs_may_hold_whoever_holds_back_most_has_to_go() {
    let mut scene = Scene::new(3);
    scene.broadcast.most_bytes = 100;
    let clients = [0, 1, 2].map(|channel| scene.client_on(&[channel]));
    for (channel, bytes) in [(0, 20), (1, 40), (2, 30)] {
        scene.broadcast.append(scene.channels[channel], &vec![b'x'; bytes]);
    }
    assert!(!scene.broadcast.is_full(), "96 bytes with their headers");
    scene.publish(b"more");
    assert!(scene.broadcast.is_full(), "who can take bytes has to get them first");
    assert_eq!(scene.broadcast.most_held_back(), None, "and nobody holds anything back");
    scene.pass(|_| 0);
    assert!(!scene.broadcast.is_full(), "blocked clients hold nobody up");
    assert_eq!(scene.broadcast.log_bytes(), 102);
    let (log, target) = scene.broadcast.most_held_back().unwrap();
    assert_eq!((scene.broadcast.holds_back(log), target), (Some(clients[1]), 100));
    scene.broadcast.leave(clients[1], 0);
    assert_eq!((scene.broadcast.most_held_back(), scene.broadcast.log_bytes()), (None, 60));
    for client in clients {
        scene.broadcast.leave(client, 0);
    }
    assert_eq!(scene.broadcast.log_bytes(), 0);
}

#[test]
fn who_is_blocked_is_not_closed_for_what_others_have_still_to_get() {
    let mut scene = Scene::new(2);
    scene.broadcast.most_bytes = 100;
    scene.client_on(&[1]);
    scene.broadcast.append(scene.channels[1], b"x");
    scene.pass(|_| 0);
    scene.client_on(&[0]);
    scene.publish(&[b'x'; 120]);
    assert_eq!(
        scene.broadcast.most_held_back(),
        None,
        "123 bytes are held, of which 3 by who is blocked"
    );
    scene.pass(|_| usize::MAX);
    assert_eq!(scene.broadcast.most_held_back(), None);
}

#[test]
fn a_mark_is_passed_when_its_own_pass_has_ended() {
    let mut scene = Scene::new(1);
    let slow = scene.client();
    scene.client();
    scene.publish(b"one");
    let first = scene.broadcast.mark(scene.channels[0]).unwrap();
    scene.broadcast.next_delivery();
    scene.broadcast.delivered(usize::MAX);
    scene.publish(b"two");
    let second = scene.broadcast.mark(scene.channels[0]).unwrap();
    assert!(!scene.broadcast.has_passed(&first));
    scene.broadcast.next_delivery();
    scene.broadcast.delivered(usize::MAX);
    scene.broadcast.next_delivery(); // of the pass behind it
    assert!(scene.broadcast.has_passed(&first) && !scene.broadcast.has_passed(&second));
    scene.broadcast.delivered(usize::MAX);
    scene.pass(|client| if client == slow { 0 } else { usize::MAX });
    assert!(scene.broadcast.has_passed(&second), "a blocked client is not waited for");
}

#[test]
fn a_mark_that_is_passed_stays_so() {
    let mut scene = Scene::new(1);
    scene.client();
    scene.publish(b"Hello");
    scene.pass(|_| 1);
    scene.publish(b"abc");
    let mark = scene.broadcast.mark(scene.channels[0]).unwrap();
    scene.pass(|_| 0);
    assert!(scene.broadcast.has_passed(&mark), "nobody is ready, so nobody is waited for");
    scene.client();
    scene.publish(b"d");
    assert!(scene.broadcast.next_delivery().is_some());
    assert!(scene.broadcast.has_passed(&mark), "the newcomer's pass begins behind it");
}

#[test]
fn leaving_inside_a_frame_takes_the_rest_of_it_along_up_to_a_limit() {
    for (max_rest, expected) in [(4, Rest::Bytes(b"ello".to_vec())), (3, Rest::TooLong)] {
        let mut scene = Scene::new(1);
        let client = scene.client();
        scene.publish(b"Hello");
        scene.publish(b"more");
        scene.pass(|_| 3);
        let left = scene.broadcast.leave(client, max_rest);
        assert_eq!(left, Left { channels: scene.channels.clone(), rest: expected });
        assert_eq!(scene.broadcast.log_bytes(), 0);
    }
}

#[test]
fn an_append_to_a_channel_without_subscribers_keeps_nothing() {
    let mut scene = Scene::new(1);
    assert_eq!(scene.broadcast.append(scene.channels[0], b"x"), 0);
    let client = scene.client();
    scene.broadcast.leave(client, 0);
    assert_eq!(scene.broadcast.append(scene.channels[0], b"x"), 0);
    assert!(!scene.broadcast.has_deliveries());
}

#[test]
fn a_log_is_full_only_through_its_own_pass_never_through_blocked_clients() {
    let mut scene = Scene::new(1);
    scene.client();
    scene.publish(&[b'x'; BACKLOG]);
    assert!(scene.broadcast.is_full());
    scene.pass(|_| 0);
    assert!(!scene.broadcast.is_full());
}

#[test]
fn what_several_logs_owe_a_client_goes_out_together() {
    let mut scene = Scene::new(4);
    let (several, alone) = (scene.client_on(&[0, 1, 2]), scene.client_on(&[1]));
    for (channel, text) in [(1, &b"one"[..]), (0, b"zero"), (2, b"two"), (3, b"nobody's")] {
        scene.broadcast.append(scene.channels[channel], text);
    }
    // From the pass of channel 1, and up to the middle of what is channel 0's.
    let all = b"\x81\x03one\x81\x04zero\x81\x03two";
    let mut room = 8;
    let mut room = |client| if client == several { std::mem::take(&mut room) } else { usize::MAX };
    let received = scene.pass(&mut room);
    assert_eq!(received[&several], all[..8]);
    assert_eq!(received[&alone], all[..5]);
    assert!(scene.broadcast.is_inside_frame(several));
    assert_eq!(scene.resume(several, usize::MAX), all[8..]);
    assert_eq!(scene.broadcast.log_bytes(), 0);
}

#[test]
fn more_than_64_kib_is_not_copied_to_be_written_together() {
    let mut scene = Scene::new(2);
    scene.client_on(&[0, 1]);
    scene.broadcast.append(scene.channels[0], b"x");
    scene.broadcast.append(scene.channels[1], &[b'x'; MOST_GATHERED_BYTES]);
    assert_eq!(scene.broadcast.next_delivery().unwrap().bytes, b"\x81\x01x");
    scene.broadcast.delivered(3);
    assert_eq!(scene.broadcast.next_delivery().unwrap().bytes.len(), MOST_GATHERED_BYTES + 10);
}

#[test]
fn slices_take_turns_between_logs() {
    let mut scene = Scene::new(2);
    let clients: Vec<ClientId> = (0..4).map(|n| scene.client_on(&[n % 2])).collect();
    for channel in scene.channels.clone() {
        scene.broadcast.append(channel, b"x");
    }
    let mut order = Vec::new();
    while scene.broadcast.next_delivery().is_some() {
        let log = scene.broadcast.passes[0];
        order.push(scene.broadcast.logs[log].channel());
        scene.broadcast.delivered(usize::MAX);
        scene.broadcast.end_slice();
    }
    let [first, second] = scene.channels[..] else { panic!() };
    assert_eq!(order, [first, second, first, second]);
    assert!(clients.iter().all(|client| scene.broadcast.owed(*client).is_none()));
}

#[test]
fn a_log_whose_passes_never_rest_gives_back_what_everybody_has() {
    let mut scene = Scene::new(1);
    for _ in 0..3 {
        scene.client();
    }
    // A message in every turn, and turns that do not get round to everybody.
    for _ in 0..1000 {
        scene.publish(b"Hello");
        assert!(scene.broadcast.next_delivery().is_some());
        scene.broadcast.delivered(usize::MAX);
        scene.broadcast.end_slice();
        assert!(scene.broadcast.has_deliveries());
    }
    assert!(scene.broadcast.log_bytes() < 100, "{}", scene.broadcast.log_bytes());
}

#[test]
#[cfg(feature = "deflate")]
fn a_message_is_encoded_once_for_each_form_that_somebody_subscribes_in() {
    let mut scene = Scene::new(1);
    let text = "Hello ".repeat(20);
    let plain = scene.client();
    let (wide, narrow) = (scene.client_in(&[0], deflate(15)), scene.client_in(&[0], deflate(9)));
    let wide_too = scene.client_in(&[0], deflate(15));
    assert_eq!(scene.broadcast.logs.len(), 3);
    scene.publish(text.as_bytes());
    scene.publish(b"short");
    let received = scene.pass(|_| usize::MAX);
    assert_eq!(received[&plain], [b"\x81\x78", text.as_bytes(), b"\x81\x05short"].concat());
    for client in [wide, narrow, wide_too] {
        let [0xc1, length, ..] = received[&client][..] else { panic!("{:?}", received[&client]) };
        assert!(usize::from(length) < text.len() / 2, "{length}");
        assert!(received[&client].ends_with(b"\x81\x05short"));
    }
    assert_eq!(received[&wide], received[&wide_too]);
    for client in [wide, wide_too] {
        scene.broadcast.leave(client, 0);
    }
    assert_eq!(scene.broadcast.logs.len(), 2, "nothing is encoded that nobody reads");
}

#[test]
fn a_subscriber_of_one_channel_costs_little() {
    assert!(size_of::<Subscriber>() <= 40, "{}", size_of::<Subscriber>());
    assert_eq!(size_of::<Seat>(), 12, "and this much on the heap for each channel");
}

/// What may happen, in any order, also between the deliveries of a pass.
#[derive(Clone, Debug)]
enum Step {
    Join(Vec<usize>, u8),
    Leave(usize),
    Publish(usize, Vec<u8>),
    Deliver { count: usize, room: usize },
    EndSlice,
    Resume { client: usize, room: usize },
    CloseLagging,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let room = prop_oneof![Just(usize::MAX), 0..20_usize];
    let payload = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..12),
        Just(vec![b'x'; 125]), // with its channel 126: a header of four bytes, or compressed
    ];
    let step = prop_oneof![
        2 => prop_oneof![Just(vec![0]), Just(vec![1]), Just(vec![0, 1]), Just(vec![2, 0, 1])]
            .prop_flat_map(|channels| (Just(channels), prop_oneof![Just(0), 8..=15_u8]))
            .prop_map(|(channels, bits)| Step::Join(channels, bits)),
        1 => any::<usize>().prop_map(Step::Leave),
        4 => (0..3_usize, payload).prop_map(|(channel, payload)| Step::Publish(channel, payload)),
        4 => (0..6_usize, room.clone()).prop_map(|(count, room)| Step::Deliver { count, room }),
        1 => Just(Step::EndSlice),
        3 => (any::<usize>(), room).prop_map(|(client, room)| Step::Resume { client, room }),
        1 => Just(Step::CloseLagging),
    ];
    prop::collection::vec(step, 0..120)
}

/// One client of the model: a queue of frames for each channel, as most servers have it.
struct Queues {
    form: Form,
    queues: BTreeMap<usize, VecDeque<Vec<u8>>>,
    received: Vec<u8>,
}

impl Queues {
    /// Checks that `bytes` are what this client may be sent next: whole frames from the heads of
    /// its queues, of which the last may be unfinished.
    fn receive(&mut self, bytes: &[u8]) {
        self.received.extend(bytes);
        while let Some(length) = server_frame_length(&self.received) {
            let length = usize::try_from(length).unwrap();
            let Some(frame) = self.received.get(..length) else { break };
            let queue = self
                .queues
                .values_mut()
                .find(|queue| queue.front().is_some_and(|next| next == frame))
                .expect("a frame that is next in one of its channels");
            queue.pop_front();
            self.received.drain(..length);
        }
    }

    /// Whatever has come of an unfinished frame is the beginning of one that is next.
    fn is_consistent(&self) -> bool {
        self.received.is_empty()
            || self
                .queues
                .values()
                .any(|queue| queue.front().is_some_and(|next| next.starts_with(&self.received)))
    }

    fn owed_bytes(&self) -> usize {
        let all = self.queues.values().flatten();
        all.map(Vec::len).sum::<usize>() - self.received.len()
    }
}

struct Model {
    scene: Scene,
    clients: BTreeMap<ClientId, Queues>,
    /// Clients whose socket was full: the loop gives them nothing before they can take more.
    blocked: std::collections::BTreeSet<ClientId>,
}

impl Model {
    fn new() -> Self {
        Self { scene: Scene::new(3), clients: BTreeMap::new(), blocked: Default::default() }
    }

    fn pick(&self, n: usize) -> Option<ClientId> {
        (!self.clients.is_empty())
            .then(|| *self.clients.keys().nth(n % self.clients.len()).unwrap())
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Join(channels, bits) => {
                let form = deflate(bits); // Plain, for a window that is declined
                let client = self.scene.client_in(&channels, form);
                let queues = channels.into_iter().map(|n| (n, VecDeque::new())).collect();
                self.clients.insert(client, Queues { form, queues, received: Vec::new() });
            }
            Step::Leave(n) => {
                if let Some(client) = self.pick(n) {
                    self.leave(client);
                }
            }
            Step::Publish(n, mut payload) => {
                // So that a frame tells which channel it is of.
                payload.insert(0, b"abc"[n]);
                self.scene.broadcast.append(self.scene.channels[n], &payload);
                for client in self.clients.values_mut() {
                    if let Some(queue) = client.queues.get_mut(&n) {
                        queue.push_back(frame_of(&payload, client.form));
                    }
                }
            }
            Step::Deliver { count, room } => self.deliver(count, room),
            Step::EndSlice => self.scene.broadcast.end_slice(),
            Step::Resume { client, room } => {
                if let Some(client) = self.pick(client) {
                    self.resume(client, room);
                }
            }
            Step::CloseLagging => {
                while let Some(client) = self.scene.broadcast.lagging() {
                    assert!(self.clients[&client].owed_bytes() > BACKLOG, "closed without cause");
                    self.leave(client);
                }
            }
        }
    }

    fn leave(&mut self, client: ClientId) {
        let mut queues = self.clients.remove(&client).unwrap();
        self.blocked.remove(&client);
        let left = self.scene.broadcast.leave(client, usize::MAX);
        if let Rest::Bytes(rest) = left.rest {
            queues.receive(&rest);
        }
        assert!(queues.received.is_empty(), "it leaves at a frame boundary");
    }

    fn deliver(&mut self, count: usize, room: usize) {
        for _ in 0..count {
            let Some(Delivery { client, bytes }) = self.scene.broadcast.next_delivery() else {
                return;
            };
            let is_blocked = self.blocked.contains(&client);
            let taken = if is_blocked { 0 } else { bytes.len().min(room) };
            if taken < bytes.len() {
                self.blocked.insert(client);
            }
            self.clients.get_mut(&client).unwrap().receive(&bytes[..taken]);
            self.scene.broadcast.delivered(taken);
        }
    }

    fn resume(&mut self, client: ClientId, room: usize) {
        let received = self.scene.resume(client, room);
        self.clients.get_mut(&client).unwrap().receive(&received);
        if self.scene.broadcast.owed(client).is_none() {
            self.blocked.remove(&client);
        } else {
            self.blocked.insert(client);
        }
    }

    fn check(&self) {
        for (client, queues) in &self.clients {
            assert!(queues.is_consistent());
            let is_inside = !queues.received.is_empty();
            assert_eq!(self.scene.broadcast.is_inside_frame(*client), is_inside);
        }
    }

    /// Everybody can take everything now: nothing may be left over, anywhere.
    fn finish(&mut self) {
        for client in self.clients.keys().copied().collect::<Vec<_>>() {
            self.resume(client, usize::MAX);
        }
        self.deliver(usize::MAX, usize::MAX);
        for queues in self.clients.values() {
            assert_eq!(queues.owed_bytes(), 0, "something was skipped");
        }
        assert_eq!(self.scene.broadcast.log_bytes(), 0);
        assert_eq!(self.scene.broadcast.lagging(), None);
    }
}

proptest! {
    #[test]
    fn every_client_receives_exactly_what_a_queue_of_its_own_would_have_given_it(
        steps in steps()
    ) {
        let mut model = Model::new();
        for step in steps {
            model.step(step);
            model.check();
        }
        model.finish();
    }
}
