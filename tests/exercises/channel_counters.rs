//! Exercise `channel_counters`: how many messages came on each channel, in /metrics, for a bounded number
//! of channels.

use std::collections::BTreeMap;

use super::support::{Client, SOON, Server, eventually};
use super::{Exercise, leaves};

const CHANNEL_COUNTERS: Exercise = Exercise {
    name: "channel_counters",
    begin: "src/metrics.rs, beside `Tally`; src/net/fanout.rs, `append`, is where a message is counted",
};

const NAME: &str = "barewire_channel_messages_total";

/// Channels that have a sample of their own.
const MOST: usize = 100;

fn server() -> Server {
    Server::start(&["--channel", "*", "--awake", "off"])
}

/// A client of all these channels.
fn subscriber(server: &Server, names: &[String]) -> Client {
    let query: Vec<_> = names.iter().map(|name| format!("channel={name}")).collect();
    server.subscriber(&format!("/?{}", query.join("&")))
}

/// The samples, by what stands between the quotation marks.
fn samples(server: &Server) -> BTreeMap<String, u64> {
    let text = server.client().get("/metrics").text();
    let kind = format!("# TYPE {NAME} counter");
    let is_there = text.lines().any(|line| line == kind);
    CHANNEL_COUNTERS.expects(&format!("a line `{kind}` in /metrics"), is_there, "none");
    let prefix = format!("{NAME}{{channel=\"");
    let mut samples = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with(NAME)) {
        let sample = line.strip_prefix(&prefix).and_then(|rest| rest.rsplit_once("\"} "));
        let sample = sample.and_then(|(name, count)| Some((name, count.parse().ok()?)));
        let expected = format!("lines such as {prefix}ruby\"}} 3");
        CHANNEL_COUNTERS.expects(&expected, sample.is_some(), line);
        if let Some((name, count)) = sample {
            let before = samples.insert(name.to_owned(), count);
            CHANNEL_COUNTERS.expects("one sample for each", before.is_none(), line);
        }
    }
    samples
}

#[test]
#[ignore = "exercise: channel_counters"]
fn each_message_is_counted_once_for_its_channel() {
    let server = server();
    let names = ["ruby", "news"].map(str::to_owned);
    let mut client = subscriber(&server, &names);
    for _ in 0..3 {
        server.publish("ruby", b"Hello");
    }
    server.publish("news", b"Hello");
    server.publish("deserted", b"nobody subscribes, so no other counter counts it either");
    let counted = samples(&server);
    let expected = BTreeMap::from([("ruby".to_owned(), 3), ("news".to_owned(), 1)]);
    CHANNEL_COUNTERS.expects("ruby 3, news 1", counted == expected, &counted);
    // Everybody goes; then somebody comes.
    leaves(&mut client);
    let is_empty = || server.metric("barewire_channels") == 0.0;
    eventually("the hub forgets the channels", SOON, is_empty);
    let _client = subscriber(&server, &names);
    server.publish("ruby", b"Hello");
    let counted = samples(&server).get("ruby").copied();
    let expected = "4 for ruby: a counter never goes back, though its channel came and went";
    CHANNEL_COUNTERS.expects(expected, counted == Some(4), counted);
}

/// A label that clients choose is memory that clients choose, here and in Prometheus.
#[test]
#[ignore = "exercise: channel_counters"]
fn a_hundred_channels_are_counted_by_name_and_all_others_together() {
    let server = server();
    let names: Vec<_> = (0..150).map(|number| format!("room-{number}")).collect();
    let (some, others) = names.split_at(75);
    let _clients = [subscriber(&server, some), subscriber(&server, others)];
    for name in &names {
        server.publish(name, b"Hello");
    }
    server.publish("room-0", b"Hello");
    server.publish("room-149", b"Hello");
    let counted = samples(&server);
    let expected = format!("{MOST} channels by name, and one sample for the rest");
    CHANNEL_COUNTERS.expects(&expected, counted.len() == MOST + 1, counted.len());
    for (name, count) in [("room-0", 2), ("room-99", 1), ("", 51)] {
        let expected = format!("{NAME}{{channel=\"{name}\"}} {count}");
        CHANNEL_COUNTERS.expects(&expected, counted.get(name) == Some(&count), counted.get(name));
    }
    let all = server.metric("barewire_messages_total");
    let sum: u64 = counted.values().sum();
    let is_whole = format!("{sum}") == format!("{all}");
    CHANNEL_COUNTERS.expects(
        "all together, what barewire_messages_total says",
        is_whole,
        (sum, all),
    );
}

#[test]
#[ignore = "exercise: channel_counters"]
fn a_name_cannot_break_out_of_its_quotation_marks() {
    let server = server();
    let _client = server.subscriber("/?channel=say%20%22hi%22%5Cnow");
    server.publish("say%20%22hi%22%5Cnow", b"Hello");
    let counted = samples(&server);
    let expected = r#"in a label's value \ is written \\, and " is written \""#;
    let is_escaped = counted.get(r#"say \"hi\"\\now"#) == Some(&1);
    CHANNEL_COUNTERS.expects(expected, is_escaped, &counted);
}
