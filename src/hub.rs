//! Who subscribes to which channel, and so which channels the bus must be asked for.
//!
//! What to notice:
//! * The hub knows names and ids only. It never sees a byte of a message: those go straight from
//!   the bus into the channel's log (`broadcast`).
//! * A client is admitted when every channel it asked for is live, which with Redis means
//!   acknowledged. Until then it waits here and nowhere else.
//! * What the hub wants done it says as [`HubEvent`]s; it never calls anybody back.
//!
//! ```text
//!   unwanted -- a client wants it: Subscribe -----------------------------------> asked
//!   asked    -- acknowledged: whoever waits is admitted ------------------------> live
//!   asked    -- denied: whoever waits is refused | the link is lost: the same --> unwanted
//!   live     -- the link is lost -----------------------------------------------> silent
//!   silent   -- acknowledged: Gap, and whoever waits is admitted ---------------> live
//!   asked, live, silent -- its last client leaves: Unsubscribe -----------------> unwanted
//! ```
//!
//! Asked and silent are both not live: the bus has been asked and has not answered. But in a silent one
//! stand clients that were admitted while it was live. What changes any of this is in this file.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use slotmap::{SecondaryMap, SlotMap, new_key_type};

use crate::channel::Channel;
use crate::now::Now;

new_key_type! {
    /// Names one client, and never another one that comes to stand in its place: the key holds a
    /// generation.
    pub struct ClientId;
    /// Names one channel for as long as somebody subscribes to it or waits for it.
    pub struct ChannelId;
}

/// What the hub wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HubEvent {
    /// The channel has its first client: the bus shall subscribe to it and answer with
    /// [`Hub::acknowledged`] or [`Hub::denied`].
    Subscribe(Channel),
    /// The channel's last client has left: the bus shall unsubscribe from it. The id is void now.
    Unsubscribe(ChannelId, Channel),
    /// Every channel the client asked for is live: send its 101 and let it join these logs.
    Admit(ClientId, Box<[ChannelId]>),
    /// The client cannot have what it asked for; it holds no channel any more.
    Refuse(ClientId, Unavailable),
    /// Since this time the channel was not live, though clients subscribed to it, and now that is
    /// over: whoever subscribes to it still may have missed something.
    Gap(ChannelId, Duration),
}

/// Why a client that waits is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// The bus cannot be reached now: 503, try again later.
    Bus,
    /// The bus denies the channel to this server: 403.
    Denied(Channel),
}

/// One channel that somebody subscribes to or waits for.
#[derive(Debug)]
struct Entry {
    name: Channel,
    /// Clients that were admitted or wait. At 0 the entry goes.
    clients: usize,
    live: bool,
    /// Since when it has not been live any more, to those who were admitted while it was.
    silent_since: Option<Duration>,
    /// Those who wait, and some who have gone: to find one who goes would cost a walk for each.
    waiting: Vec<ClientId>,
}

/// What a client waits for: the channels it asked for, and how many of those are not live yet.
#[derive(Debug)]
struct Wish {
    channels: Box<[ChannelId]>,
    missing: usize,
}

/// The channels that somebody wants, and the clients that wait for them.
///
/// A client that has been admitted is not kept here, only counted: its list of channels stands in
/// `broadcast`, once, and comes back through [`Hub::leave`].
#[derive(Debug, Default)]
pub struct Hub {
    ids: HashMap<Channel, ChannelId>,
    channels: SlotMap<ChannelId, Entry>,
    wishes: SecondaryMap<ClientId, Wish>,
    events: VecDeque<HubEvent>,
}

impl Hub {
    /// `client` wants these channels, none of them twice. It is admitted when all are live; when
    /// one is not and the bus is not `reachable`, it is refused at once.
    pub fn want(&mut self, client: ClientId, wanted: &[Channel], reachable: bool) {
        if !reachable && !wanted.iter().all(|name| self.is_live(name)) {
            self.events.push_back(HubEvent::Refuse(client, Unavailable::Bus));
            return;
        }
        let channels: Box<[ChannelId]> = wanted.iter().map(|name| self.enter(name)).collect();
        let mut missing = 0;
        for id in &channels {
            if let Some(entry) = self.channels.get_mut(*id).filter(|entry| !entry.live) {
                // Most have gone. To look for them not before that costs each newcomer a constant.
                if entry.waiting.len() > 2 * entry.clients {
                    entry.waiting.retain(|client| self.wishes.contains_key(*client));
                }
                entry.waiting.push(client);
                missing += 1;
            }
        }
        if missing == 0 {
            self.events.push_back(HubEvent::Admit(client, channels));
        } else {
            self.wishes.insert(client, Wish { channels, missing });
        }
    }

    /// The bus delivers this channel from here on. What the hub wants has all been done before: an
    /// answer to what it wanted earlier is no answer to what it wants now.
    pub fn acknowledged(&mut self, name: &str) {
        let Some(id) = self.id(name) else { return };
        let Some(entry) = self.channels.get_mut(id) else { return };
        entry.live = true;
        // Before anybody is admitted, for newcomers have missed nothing.
        let gap = entry.silent_since.take().map(|since| HubEvent::Gap(id, since));
        self.events.extend(gap);
        for client in std::mem::take(&mut entry.waiting) {
            let Some(wish) = self.wishes.get_mut(client) else { continue };
            wish.missing = wish.missing.saturating_sub(1);
            if wish.missing == 0
                && let Some(wish) = self.wishes.remove(client)
            {
                self.events.push_back(HubEvent::Admit(client, wish.channels));
            }
        }
    }

    /// The bus refuses this channel: whoever waits for it is refused. Gives back the channel's id
    /// if clients that were admitted earlier still stand on it (the bus may change its mind while
    /// the link is down), for they must be told.
    pub fn denied(&mut self, name: &str) -> Option<ChannelId> {
        let id = self.id(name)?;
        let entry = self.channels.get_mut(id)?;
        let name = entry.name.clone();
        for client in std::mem::take(&mut entry.waiting) {
            if self.withdraw(client) {
                let why = Unavailable::Denied(name.clone());
                self.events.push_back(HubEvent::Refuse(client, why));
            }
        }
        self.channels.contains_key(id).then_some(id)
    }

    /// The bus is gone: no channel of it is live, and nobody is kept waiting for one. `is_local`
    /// names the channels that never depended on the bus.
    pub fn link_lost(&mut self, is_local: impl Fn(&Channel) -> bool, now: Now) {
        let waiting: Vec<ClientId> = self.wishes.keys().collect();
        for client in waiting {
            self.withdraw(client);
            self.events.push_back(HubEvent::Refuse(client, Unavailable::Bus));
        }
        // Whoever is still here was admitted.
        for entry in self.channels.values_mut().filter(|entry| !is_local(&entry.name)) {
            if std::mem::take(&mut entry.live) {
                entry.silent_since = Some(now.since_start);
            }
            entry.waiting.clear();
        }
    }

    /// A client that waits has gone, or need not be answered any more. False if it was not waiting.
    pub fn withdraw(&mut self, client: ClientId) -> bool {
        let Some(wish) = self.wishes.remove(client) else { return false };
        for id in &wish.channels {
            self.leave(*id);
        }
        true
    }

    /// One client less on this channel.
    pub fn leave(&mut self, id: ChannelId) {
        let Some(entry) = self.channels.get_mut(id) else { return };
        entry.clients = entry.clients.saturating_sub(1);
        if entry.clients > 0 {
            return;
        }
        if let Some(entry) = self.channels.remove(id) {
            self.ids.remove(&entry.name);
            self.events.extend(entry.silent_since.map(|since| HubEvent::Gap(id, since)));
            self.events.push_back(HubEvent::Unsubscribe(id, entry.name));
        }
    }

    /// The next thing to be done, in the order in which it was decided.
    pub fn poll_event(&mut self) -> Option<HubEvent> {
        self.events.pop_front()
    }

    /// True while something is to be done.
    #[must_use]
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// The id under which messages for `name` are appended, if anybody wants them.
    #[must_use]
    pub fn id(&self, name: &str) -> Option<ChannelId> {
        self.ids.get(name).copied()
    }

    /// How many channels somebody wants.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels.len()
    }

    fn is_live(&self, name: &Channel) -> bool {
        let entry = self.ids.get(name).and_then(|id| self.channels.get(*id));
        entry.is_some_and(|entry| entry.live)
    }

    fn enter(&mut self, name: &Channel) -> ChannelId {
        let id = match self.ids.get(name) {
            Some(id) => *id,
            None => self.begin(name),
        };
        if let Some(entry) = self.channels.get_mut(id) {
            entry.clients += 1;
        }
        id
    }

    fn begin(&mut self, name: &Channel) -> ChannelId {
        let id = self.channels.insert(Entry {
            name: name.clone(),
            clients: 0,
            live: false,
            silent_since: None,
            waiting: Vec::new(),
        });
        self.ids.insert(name.clone(), id);
        self.events.push_back(HubEvent::Subscribe(name.clone()));
        id
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;
    use proptest::sample::{Index, select, subsequence};

    use super::*;

    struct Scene {
        hub: Hub,
        clients: SlotMap<ClientId, ()>,
    }

    impl Scene {
        fn new() -> Self {
            Self { hub: Hub::default(), clients: SlotMap::with_key() }
        }

        fn client_wants(&mut self, names: &[&str]) -> ClientId {
            let client = self.clients.insert(());
            let names: Vec<Channel> = names.iter().map(|name| channel(name)).collect();
            self.hub.want(client, &names, true);
            client
        }

        fn events(&mut self) -> Vec<HubEvent> {
            std::iter::from_fn(|| self.hub.poll_event()).collect()
        }

        fn admitted(&mut self) -> Vec<ClientId> {
            let admit = |event| match event {
                HubEvent::Admit(client, _) => Some(client),
                HubEvent::Subscribe(_)
                | HubEvent::Unsubscribe(..)
                | HubEvent::Refuse(..)
                | HubEvent::Gap(..) => None,
            };
            self.events().into_iter().filter_map(admit).collect()
        }
    }

    fn channel(name: &str) -> Channel {
        Channel::new(name).unwrap()
    }

    fn at(seconds: u64) -> Now {
        Now::default().later(Duration::from_secs(seconds))
    }

    #[test]
    fn first_client_subscribes_and_is_admitted_only_when_acknowledged() {
        let mut scene = Scene::new();
        let client = scene.client_wants(&["ruby"]);
        assert_eq!(scene.events(), [HubEvent::Subscribe(channel("ruby"))]);
        scene.hub.acknowledged("ruby");
        assert_eq!(scene.admitted(), [client]);
    }

    #[test]
    fn second_client_of_a_live_channel_is_admitted_at_once() {
        let mut scene = Scene::new();
        scene.client_wants(&["ruby"]);
        scene.hub.acknowledged("ruby");
        scene.events();
        let second = scene.client_wants(&["ruby"]);
        assert_eq!(scene.admitted(), [second]);
    }

    #[test]
    fn client_of_two_channels_waits_for_the_slower_one() {
        let mut scene = Scene::new();
        let client = scene.client_wants(&["ruby", "news"]);
        scene.hub.acknowledged("news");
        assert_eq!(scene.admitted(), []);
        scene.hub.acknowledged("ruby");
        assert_eq!(scene.admitted(), [client]);
    }

    #[test]
    fn last_leave_unsubscribes_and_voids_the_id() {
        let mut scene = Scene::new();
        scene.client_wants(&["ruby"]);
        scene.client_wants(&["ruby"]);
        scene.hub.acknowledged("ruby");
        scene.events();
        let id = scene.hub.id("ruby").unwrap();
        scene.hub.leave(id);
        assert_eq!(scene.events(), []);
        scene.hub.leave(id);
        assert_eq!(scene.events(), [HubEvent::Unsubscribe(id, channel("ruby"))]);
        assert_eq!(scene.hub.id("ruby"), None);
        scene.client_wants(&["ruby"]);
        assert_ne!(scene.hub.id("ruby"), Some(id), "a wanted-again channel is a new one");
    }

    #[test]
    fn withdrawing_the_only_waiting_client_unsubscribes() {
        let mut scene = Scene::new();
        let client = scene.client_wants(&["ruby", "news"]);
        scene.events();
        assert!(scene.hub.withdraw(client));
        assert!(!scene.hub.withdraw(client));
        assert_eq!(scene.events().len(), 2);
        assert_eq!(scene.hub.channels(), 0);
        scene.hub.acknowledged("ruby"); // the answer to what was asked before
        assert_eq!(scene.events(), []);
    }

    #[test]
    fn those_who_came_and_went_while_a_channel_was_not_live_are_forgotten() {
        let mut scene = Scene::new();
        let stays = scene.client_wants(&["ruby"]);
        for _ in 0..1000 {
            let goes = scene.client_wants(&["ruby"]);
            scene.hub.withdraw(goes);
        }
        let id = scene.hub.id("ruby").unwrap();
        assert!(scene.hub.channels[id].waiting.len() < 10);
        scene.events();
        scene.hub.acknowledged("ruby");
        assert_eq!(scene.admitted(), [stays]);
    }

    #[test]
    fn a_denied_channel_refuses_those_who_wait_and_gives_up_their_other_channels() {
        let mut scene = Scene::new();
        let client = scene.client_wants(&["ruby", "secret"]);
        scene.events();
        assert_eq!(scene.hub.denied("secret"), None);
        let events = scene.events();
        assert!(events.contains(&HubEvent::Refuse(client, Unavailable::Denied(channel("secret")))));
        assert_eq!(scene.hub.channels(), 0);
    }

    #[test]
    fn a_channel_denied_after_a_reconnect_is_named_for_its_subscribers() {
        let mut scene = Scene::new();
        scene.client_wants(&["ruby"]);
        scene.hub.acknowledged("ruby");
        scene.hub.link_lost(|_| false, at(1));
        assert_eq!(scene.hub.denied("ruby"), scene.hub.id("ruby"));
        assert!(scene.hub.id("ruby").is_some());
    }

    #[test]
    fn without_a_bus_only_what_is_live_already_can_be_had() {
        let mut scene = Scene::new();
        let early = scene.client_wants(&["awake"]);
        scene.hub.acknowledged("awake");
        let waits = scene.client_wants(&["ruby"]);
        scene.events();
        scene.hub.link_lost(|name| name.as_str() == "awake", at(1));
        let refused = HubEvent::Refuse(waits, Unavailable::Bus);
        assert!(scene.events().contains(&refused));

        scene.hub.want(waits, &[channel("ruby")], false);
        assert_eq!(scene.events(), [refused]);
        scene.hub.want(waits, &[channel("awake")], false);
        assert_eq!(scene.admitted(), [waits]);
        assert_ne!(early, waits);
    }

    #[test]
    fn an_acknowledgement_after_the_link_came_back_makes_the_channel_live_again() {
        let mut scene = Scene::new();
        scene.client_wants(&["ruby"]);
        scene.hub.acknowledged("ruby");
        scene.hub.link_lost(|_| false, at(1));
        scene.events();
        let late = scene.client_wants(&["ruby"]);
        assert_eq!(scene.admitted(), [], "not before Redis has said so again");
        scene.hub.acknowledged("ruby");
        assert_eq!(scene.admitted(), [late]);
    }

    #[test]
    fn a_gap_lasts_from_the_first_loss_until_the_channel_is_live_or_nobody_is_left() {
        let mut scene = Scene::new();
        scene.client_wants(&["ruby"]);
        let waits_elsewhere = scene.client_wants(&["ruby", "news"]);
        scene.client_wants(&["rust"]);
        scene.hub.acknowledged("ruby");
        scene.hub.acknowledged("rust");
        scene.events();
        scene.hub.link_lost(|_| false, at(1));
        scene.hub.link_lost(|_| false, at(2));
        scene.hub.want(waits_elsewhere, &[channel("ruby")], true);
        let (ruby, rust) = (scene.hub.id("ruby").unwrap(), scene.hub.id("rust").unwrap());
        scene.events();
        scene.hub.acknowledged("ruby");
        let admit = HubEvent::Admit(waits_elsewhere, [ruby].into());
        let gap = |id| HubEvent::Gap(id, Duration::from_secs(1));
        assert_eq!(scene.events(), [gap(ruby), admit], "who is new has missed nothing");
        scene.hub.leave(rust);
        assert_eq!(scene.events(), [gap(rust), HubEvent::Unsubscribe(rust, channel("rust"))]);
    }

    include!("../tests/sources/diagram.rs");

    fn state(scene: &Scene) -> &'static str {
        let Some(id) = scene.hub.id("ruby") else { return "unwanted" };
        let Entry { live, silent_since, .. } = &scene.hub.channels[id];
        match (live, silent_since) {
            (false, None) => "asked",
            (true, None) => "live",
            (false, Some(_)) => "silent",
            (true, Some(_)) => panic!("live, and silent"),
        }
    }

    fn asked() -> Scene {
        let mut scene = Scene::new();
        wanted(&mut scene);
        scene
    }

    fn live() -> Scene {
        let mut scene = asked();
        acknowledged(&mut scene);
        scene
    }

    fn silent() -> Scene {
        let mut scene = live();
        link_lost(&mut scene);
        scene
    }

    fn wanted(scene: &mut Scene) {
        scene.client_wants(&["ruby"]);
    }

    fn acknowledged(scene: &mut Scene) {
        scene.hub.acknowledged("ruby");
    }

    fn denied(scene: &mut Scene) {
        scene.hub.denied("ruby");
    }

    fn link_lost(scene: &mut Scene) {
        scene.hub.link_lost(|_| false, at(1));
    }

    /// One client leaves that was admitted, or that waits.
    fn left(scene: &mut Scene) {
        let Scene { hub, clients } = scene;
        if clients.keys().any(|client| hub.withdraw(client)) {
            return;
        }
        if let Some(id) = hub.id("ruby") {
            hub.leave(id);
        }
    }

    /// One edge: a channel in the state it leaves, the cause as the diagram names it, how that comes
    /// about, and the state it leads to.
    type Edge = (fn() -> Scene, &'static str, fn(&mut Scene), &'static str);

    const EDGES: &[Edge] = &[
        (Scene::new, "a client wants it: Subscribe", wanted, "asked"),
        (asked, "acknowledged: whoever waits is admitted", acknowledged, "live"),
        (asked, "denied: whoever waits is refused", denied, "unwanted"),
        (asked, "the link is lost: the same", link_lost, "unwanted"),
        (live, "the link is lost", link_lost, "silent"),
        (silent, "acknowledged: Gap, and whoever waits is admitted", acknowledged, "live"),
        (asked, "its last client leaves: Unsubscribe", left, "unwanted"),
        (live, "its last client leaves: Unsubscribe", left, "unwanted"),
        (silent, "its last client leaves: Unsubscribe", left, "unwanted"),
    ];

    #[test]
    fn walks_the_diagram() {
        for (from, cause, happens, to) in EDGES {
            let mut scene = from();
            let before = state(&scene);
            happens(&mut scene);
            assert_eq!(state(&scene), *to, "{before} -- {cause}");
        }
        let walked = EDGES.iter().map(|(from, cause, _, to)| (state(&from()), *cause, *to));
        diagram::assert_drawn(include_str!("hub.rs"), walked);
    }

    /// A channel in one state, and what leaves it there.
    type Stays = (fn() -> Scene, &'static [fn(&mut Scene)]);

    #[test]
    fn everything_else_stays_where_it_is() {
        fn one_of_two_left(scene: &mut Scene) {
            wanted(scene);
            left(scene);
        }
        // No bus denies what is live: it was not asked for it again.
        const STAYS: [Stays; 4] = [
            (Scene::new, &[acknowledged, denied, link_lost, left]),
            (asked, &[wanted, one_of_two_left]),
            (live, &[wanted, acknowledged, one_of_two_left]),
            (silent, &[wanted, denied, link_lost, one_of_two_left]),
        ];
        for (row, (from, happenings)) in STAYS.iter().enumerate() {
            for (column, happens) in happenings.iter().enumerate() {
                let mut scene = from();
                let before = state(&scene);
                happens(&mut scene);
                assert_eq!(state(&scene), before, "row {row}, column {column}");
            }
        }
    }

    const NAMES: [&str; 3] = ["news", "ruby", "rust"];

    #[derive(Clone, Debug)]
    enum Step {
        /// A newcomer wants these channels.
        Want(Vec<&'static str>),
        /// One of the clients goes, and another may come to stand in its place.
        Go(Index),
        Acknowledge(&'static str),
        Deny(&'static str),
        LoseTheLink,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => subsequence(&NAMES[..], 1..=3).prop_map(Step::Want),
            4 => any::<Index>().prop_map(Step::Go),
            4 => select(&NAMES[..]).prop_map(Step::Acknowledge),
            1 => select(&NAMES[..]).prop_map(Step::Deny),
            1 => Just(Step::LoseTheLink),
        ]
    }

    /// A hub, and the same without counting anything: who wants what, and what is live.
    struct Model {
        scene: Scene,
        waiting: BTreeMap<ClientId, Vec<&'static str>>,
        admitted: BTreeMap<ClientId, Vec<&'static str>>,
        live: BTreeSet<&'static str>,
        /// What is live no more, though somebody was admitted to it while it was.
        silent: BTreeSet<&'static str>,
        /// The ids that clients were admitted with.
        ids: BTreeMap<ClientId, Box<[ChannelId]>>,
        /// What the bus was asked for and not told to leave.
        asked_for: BTreeSet<Channel>,
    }

    impl Model {
        fn new() -> Self {
            Self {
                scene: Scene::new(),
                waiting: BTreeMap::new(),
                admitted: BTreeMap::new(),
                live: BTreeSet::new(),
                silent: BTreeSet::new(),
                ids: BTreeMap::new(),
                asked_for: BTreeSet::new(),
            }
        }

        fn step(&mut self, step: Step) {
            let mut refused = BTreeSet::new();
            match step {
                Step::Want(names) => {
                    self.waiting.insert(self.scene.client_wants(&names), names);
                }
                Step::Go(which) => {
                    let clients: Vec<ClientId> = self.scene.clients.keys().collect();
                    if !clients.is_empty() {
                        self.go(*which.get(&clients));
                    }
                }
                Step::Acknowledge(name) => {
                    self.scene.hub.acknowledged(name);
                    self.live.insert(name);
                }
                // What was acknowledged is denied only after the link was lost.
                Step::Deny(name) if self.live.contains(name) => {}
                Step::Deny(name) => {
                    self.scene.hub.denied(name);
                    refused =
                        self.take_waiting(|names| names.contains(&name)).into_keys().collect();
                }
                Step::LoseTheLink => {
                    self.scene.hub.link_lost(|_| false, at(1));
                    refused = self.take_waiting(|_| true).into_keys().collect();
                    self.silent.extend(self.live.intersection(&self.wanted()));
                    self.live.clear();
                }
            }
            self.live = self.live.intersection(&self.wanted()).copied().collect();
            let live = self.live.clone();
            let ready = self.take_waiting(|names| names.iter().all(|name| live.contains(name)));
            let admitted = ready.keys().copied().collect();
            self.admitted.extend(ready);
            let wanted = self.wanted();
            let before = self.silent.len();
            self.silent.retain(|name| wanted.contains(name) && !self.live.contains(name));
            self.expect(admitted, refused, before - self.silent.len());
        }

        fn go(&mut self, client: ClientId) {
            let was_waiting = self.waiting.remove(&client).is_some();
            assert_eq!(self.scene.hub.withdraw(client), was_waiting);
            self.admitted.remove(&client);
            for id in self.ids.remove(&client).unwrap_or_default() {
                self.scene.hub.leave(id);
            }
            self.scene.clients.remove(client);
        }

        /// Those clients that wait and of whose channels this is true.
        fn take_waiting(
            &mut self,
            is_it: impl Fn(&[&str]) -> bool,
        ) -> BTreeMap<ClientId, Vec<&'static str>> {
            let all = std::mem::take(&mut self.waiting).into_iter();
            let (taken, left) = all.partition(|(_, names)| is_it(names));
            self.waiting = left;
            taken
        }

        fn wanted(&self) -> BTreeSet<&'static str> {
            self.waiting.values().chain(self.admitted.values()).flatten().copied().collect()
        }

        /// The hub says that these are admitted and refused, and nobody else.
        fn expect(
            &mut self,
            mut admitted: BTreeSet<ClientId>,
            mut refused: BTreeSet<ClientId>,
            mut gaps: usize,
        ) {
            for event in self.scene.events() {
                match event {
                    HubEvent::Admit(client, channels) => {
                        assert!(admitted.remove(&client), "{client:?} too early");
                        self.ids.insert(client, channels);
                    }
                    HubEvent::Refuse(client, _) => {
                        assert!(refused.remove(&client), "{client:?} for no reason");
                        self.scene.clients.remove(client);
                    }
                    HubEvent::Subscribe(name) => assert!(self.asked_for.insert(name)),
                    HubEvent::Unsubscribe(_, name) => assert!(self.asked_for.remove(&name)),
                    HubEvent::Gap(..) => gaps -= 1,
                }
            }
            assert!(admitted.is_empty() && refused.is_empty(), "{admitted:?} {refused:?}");
            assert_eq!(gaps, 0, "gaps that were not said");
            let asked_for: BTreeSet<&str> = self.asked_for.iter().map(Channel::as_str).collect();
            assert_eq!(asked_for, self.wanted());
        }
    }

    proptest! {
        #[test]
        fn each_is_admitted_when_all_it_wants_is_live_and_not_before(
            steps in prop::collection::vec(step(), 0..60)
        ) {
            let mut model = Model::new();
            for step in steps {
                model.step(step);
            }
        }
    }
}
