//! What is counted, and how Prometheus reads it (text format 0.0.4).
//!
//! What to notice:
//! * Only what happens is counted. What there *is* (connections, subscribers, bytes in logs) is looked
//!   at when somebody asks, so it cannot drift away from the truth.
//! * Everything is shared and has one thread, so a count is a `Cell`: one addition, and no lock.
//! * No label comes from a peer: its values are statuses, registered close codes and words of this file.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use std::time::Duration;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(Cell<u64>);

impl Counter {
    /// One more.
    pub fn add_one(&self) {
        self.add(1);
    }

    /// So many more.
    pub fn add(&self, more: usize) {
        self.0.set(self.0.get().saturating_add(u64::try_from(more).unwrap_or(u64::MAX)));
    }

    /// How much it is.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.get()
    }
}

/// How often each of several things happened, by a number that has a meaning elsewhere: a status, a
/// close code. Those that are expected are told of from the start, so that the first is a change.
#[derive(Debug)]
pub struct Tally(RefCell<BTreeMap<u16, u64>>);

impl Tally {
    fn new(expected: &[u16]) -> Self {
        Self(RefCell::new(expected.iter().map(|code| (*code, 0)).collect()))
    }

    /// It happened once more.
    pub fn add_one(&self, code: u16) {
        *self.0.borrow_mut().entry(code.min(MOST_CODE)).or_default() += 1;
    }
}

/// Codes from here on are anybody's own (RFC 6455 section 7.4.2). They are counted as one: a client
/// could make two thousand labels of them.
const MOST_CODE: u16 = 3000;

/// Upper bounds of the classes of a [`Histogram`], in seconds.
const BOUNDS: [f64; 11] = [1e-5, 5e-5, 2.5e-4, 1e-3, 2.5e-3, 1e-2, 2.5e-2, 0.1, 0.25, 1.0, 5.0];

/// How long something took, in classes.
#[derive(Debug, Default)]
pub struct Histogram {
    classes: [Cell<u64>; BOUNDS.len()],
    count: Cell<u64>,
    sum: Cell<Duration>,
}

impl Histogram {
    /// It took this long once more.
    pub fn observe(&self, time: Duration) {
        let seconds = time.as_secs_f64();
        let classes = BOUNDS.iter().zip(&self.classes);
        if let Some((_, class)) = classes.into_iter().find(|(bound, _)| seconds <= **bound) {
            class.set(class.get() + 1);
        }
        self.count.set(self.count.get() + 1);
        self.sum.set(self.sum.get() + time);
    }
}

/// All that is counted, since the start.
#[derive(Debug)]
pub struct Metrics {
    /// Connections accepted.
    pub connections: Counter,
    /// Those of them for which there was no room.
    pub turned_away: Counter,
    /// Requests for an upgrade, by the status of the answer.
    pub handshakes: Tally,
    /// Ends of WebSockets that we began, by close code.
    pub closes: Tally,
    /// Ends of WebSockets that clients began, by close code; 1005 without a code, 1006 without a Close.
    pub client_closes: Tally,
    /// Clients that fell too far behind.
    pub lagged: Counter,
    /// Messages from clients on a WebSocket, and their bytes.
    pub client_messages: Counter,
    /// See [`Metrics::client_messages`].
    pub client_message_bytes: Counter,
    /// Messages of channels: from Redis, from publishers, from `awake`. And their bytes.
    pub messages: Counter,
    /// See [`Metrics::messages`].
    pub message_bytes: Counter,
    /// The same, times the clients that each was for.
    pub deliveries: Counter,
    /// See [`Metrics::deliveries`].
    pub delivery_bytes: Counter,
    /// Messages over `--max-publish`.
    pub too_large: Counter,
    /// Times that Redis was there again.
    pub redis_reconnects: Counter,
    /// Gaps of channels, and how long they were together.
    pub gaps: Counter,
    /// See [`Metrics::gaps`].
    pub gap_time: Cell<Duration>,
    /// From a turn's first event to its end.
    pub turns: Histogram,
    /// From a message's append to its last write; of one message at a time.
    pub deliveries_took: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            connections: Counter::default(),
            turned_away: Counter::default(),
            handshakes: Tally::new(&[101, 400, 403, 404, 426, 503]),
            closes: Tally::new(&[1001, 1002, 1007, 1008, 1009, 1012, 1013]),
            client_closes: Tally::new(&[1000, 1001, 1005, 1006]),
            lagged: Counter::default(),
            client_messages: Counter::default(),
            client_message_bytes: Counter::default(),
            messages: Counter::default(),
            message_bytes: Counter::default(),
            deliveries: Counter::default(),
            delivery_bytes: Counter::default(),
            too_large: Counter::default(),
            redis_reconnects: Counter::default(),
            gaps: Counter::default(),
            gap_time: Cell::default(),
            turns: Histogram::default(),
            deliveries_took: Histogram::default(),
        }
    }
}

/// What there is at this moment.
#[derive(Clone, Debug, Default)]
pub struct Gauges {
    /// Connections open.
    pub connections: usize,
    /// How many there may be.
    pub most_connections: usize,
    /// Clients that are subscribed.
    pub subscribers: usize,
    /// Channels that somebody wants.
    pub channels: usize,
    /// Bytes that the logs hold.
    pub log_bytes: usize,
    /// With Redis: whether the link is live, and the last round trip of a PING.
    pub redis: Option<(bool, Option<Duration>)>,
    /// What the system says about this process, where it does.
    pub process: Option<Process>,
}

/// What the system says about a process.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    /// Processor time, user and system.
    pub cpu: Duration,
    /// Memory that is resident.
    pub resident_bytes: u64,
    /// Descriptors open.
    pub open_descriptors: u64,
    /// How many there may be.
    pub most_descriptors: u64,
    /// When it started, as unix time.
    pub started: Duration,
}

impl Metrics {
    /// A gap of a channel that lasted so long.
    pub fn gap(&self, time: Duration) {
        self.gaps.add_one();
        self.gap_time.set(self.gap_time.get() + time);
    }

    /// A message of a channel to so many clients.
    pub fn message(&self, bytes: usize, clients: usize) {
        self.messages.add_one();
        self.message_bytes.add(bytes);
        self.deliveries.add(clients);
        self.delivery_bytes.add(bytes.saturating_mul(clients));
    }

    /// The text that `GET /metrics` answers.
    #[must_use]
    pub fn text(&self, gauges: &Gauges) -> String {
        let mut page = Page(String::new());
        page.gauge("connections", "Connections that are open.", gauges.connections);
        page.counter("connections_total", "Connections that were accepted.", &self.connections);
        let help = "Connections that there may be.";
        page.gauge("max_connections", help, gauges.most_connections);
        let help = "Connections for which there was no room.";
        page.counter("turned_away_total", help, &self.turned_away);
        page.head("handshakes_total", "Answers to upgrades, by status.", "counter");
        page.tally("handshakes_total", "status", &self.handshakes);
        page.gauge("subscribers", "Clients that are subscribed.", gauges.subscribers);
        page.gauge("channels", "Channels that somebody wants.", gauges.channels);
        page.head("closes_total", "Ends of WebSockets, by who began and close code.", "counter");
        page.tally("closes_total", "by=\"server\",code", &self.closes);
        page.tally("closes_total", "by=\"client\",code", &self.client_closes);
        page.counter("lagged_total", "Clients that fell too far behind.", &self.lagged);
        let help = "Messages that clients sent on WebSockets.";
        page.counter("client_messages_total", help, &self.client_messages);
        page.counter("client_message_bytes_total", "Their bytes.", &self.client_message_bytes);
        page.counter("messages_total", "Messages of channels that came.", &self.messages);
        page.counter("message_bytes_total", "Their bytes.", &self.message_bytes);
        let help = "Messages of channels, times the clients each was for.";
        page.counter("deliveries_total", help, &self.deliveries);
        page.counter("delivery_bytes_total", "Their bytes.", &self.delivery_bytes);
        let help = "Messages over --max-publish, which were dropped.";
        page.counter("too_large_total", help, &self.too_large);
        page.gauge("log_bytes", "Bytes that the logs of all channels hold.", gauges.log_bytes);
        let help = "Times that messages of a channel may have been lost.";
        page.counter("gaps_total", help, &self.gaps);
        page.head("gap_seconds_total", "How long these were together.", "counter");
        page.sample("gap_seconds_total", self.gap_time.get().as_secs_f64());
        if let Some((is_live, round_trip)) = gauges.redis {
            page.gauge("redis_up", "Whether the link to Redis is live.", u8::from(is_live));
            let help = "Times that Redis was there again.";
            page.counter("redis_reconnects_total", help, &self.redis_reconnects);
            if let Some(round_trip) = round_trip {
                let help = "The last round trip of a PING.";
                page.gauge("redis_ping_seconds", help, round_trip.as_secs_f64());
            }
        }
        page.histogram("turn_seconds", "From a turn's first event to its end.", &self.turns);
        let help = "From a message's append to its last write.";
        page.histogram("delivery_seconds", help, &self.deliveries_took);
        page.head("build_info", "The version.", "gauge");
        page.sample(concat!("build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"}"), 1);
        if let Some(process) = &gauges.process {
            page.process(process);
        }
        page.0
    }
}

/// The text as it grows. Names have `barewire_` before them; those of a process are Prometheus' own.
struct Page(String);

impl Page {
    fn head(&mut self, name: &str, help: &str, kind: &str) {
        self.line(format_args!("# HELP barewire_{name} {help}\n# TYPE barewire_{name} {kind}"));
    }

    fn sample(&mut self, name: &str, value: impl Display) {
        self.line(format_args!("barewire_{name} {value}"));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // A String takes whatever there is memory for.
        let _ = writeln!(self.0, "{line}");
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, help, "gauge");
        self.sample(name, value);
    }

    fn counter(&mut self, name: &str, help: &str, value: &Counter) {
        self.head(name, help, "counter");
        self.sample(name, value.get());
    }

    fn tally(&mut self, name: &str, label: &str, tally: &Tally) {
        for (code, count) in tally.0.borrow().iter() {
            let code = if *code == MOST_CODE { "other".to_owned() } else { code.to_string() };
            self.sample(&format!("{name}{{{label}=\"{code}\"}}"), count);
        }
    }

    fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        self.head(name, help, "histogram");
        let mut below = 0;
        for (bound, class) in BOUNDS.iter().zip(&histogram.classes) {
            below += class.get();
            self.sample(&format!("{name}_bucket{{le=\"{bound}\"}}"), below);
        }
        self.sample(&format!("{name}_bucket{{le=\"+Inf\"}}"), histogram.count.get());
        self.sample(&format!("{name}_sum"), histogram.sum.get().as_secs_f64());
        self.sample(&format!("{name}_count"), histogram.count.get());
    }

    fn process(&mut self, process: &Process) {
        let Process { cpu, resident_bytes, open_descriptors, most_descriptors, started } = *process;
        let cpu = cpu.as_secs_f64().to_string();
        let started = started.as_secs_f64().to_string();
        for (name, kind, help, value) in [
            ("cpu_seconds_total", "counter", "Processor time, user and system.", cpu),
            ("resident_memory_bytes", "gauge", "Resident memory.", resident_bytes.to_string()),
            ("open_fds", "gauge", "Open descriptors.", open_descriptors.to_string()),
            ("max_fds", "gauge", "Descriptors that there may be.", most_descriptors.to_string()),
            ("start_time_seconds", "gauge", "Start of the process, unix time.", started),
        ] {
            self.line(format_args!("# HELP process_{name} {help}\n# TYPE process_{name} {kind}"));
            self.line(format_args!("process_{name} {value}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_each_time_once_and_says_how_many_were_at_most_so_long() {
        let metrics = Metrics::default();
        for milliseconds in [1, 2, 200, 60_000] {
            metrics.turns.observe(Duration::from_millis(milliseconds));
        }
        let text = metrics.text(&Gauges::default());
        for line in [
            "# TYPE barewire_turn_seconds histogram",
            "barewire_turn_seconds_bucket{le=\"0.00025\"} 0",
            "barewire_turn_seconds_bucket{le=\"0.001\"} 1",
            "barewire_turn_seconds_bucket{le=\"0.0025\"} 2",
            "barewire_turn_seconds_bucket{le=\"0.25\"} 3",
            "barewire_turn_seconds_bucket{le=\"5\"} 3",
            "barewire_turn_seconds_bucket{le=\"+Inf\"} 4",
            "barewire_turn_seconds_sum 60.203",
            "barewire_turn_seconds_count 4",
        ] {
            assert!(text.lines().any(|other| other == line), "{line}\n{text}");
        }
    }

    #[test]
    fn every_name_is_told_about_before_its_first_sample_and_once() {
        let metrics = Metrics::default();
        metrics.handshakes.add_one(101);
        metrics.closes.add_one(1001);
        let process = Process {
            cpu: Duration::from_millis(1),
            resident_bytes: 2,
            open_descriptors: 3,
            most_descriptors: 4,
            started: Duration::from_secs(5),
        };
        let redis = Some((true, Some(Duration::from_millis(6))));
        let text = metrics.text(&Gauges { redis, process: Some(process), ..Gauges::default() });
        let mut told: Vec<(&str, &str)> = Vec::new();
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["#", "HELP", _, ..] => {}
                ["#", "TYPE", name, kind] => {
                    assert!(told.iter().all(|(other, _)| *other != name), "{name} twice");
                    assert_eq!(name.ends_with("_total"), kind == "counter", "{name}");
                    told.push((name, kind));
                }
                [sample, value] => {
                    let (name, kind) = told.last().unwrap();
                    assert!(sample.starts_with(name), "{sample} behind {name}");
                    let rest = sample.strip_prefix(name).unwrap();
                    let is_own = rest.is_empty() || rest.starts_with('{') || *kind == "histogram";
                    assert!(is_own, "{sample}");
                    assert!(value.parse::<f64>().is_ok(), "{line}");
                }
                _ => panic!("{line}"),
            }
        }
        assert_eq!(told.len(), 30, "{text}");
    }
}
