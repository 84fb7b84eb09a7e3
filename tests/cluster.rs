//! More than one machine: two servers on two nodes of a real Redis Cluster, which a third is told what to say.
//!
//! What to notice:
//! * Pub/Sub knows no slots: a cluster passes every message on to all of its nodes. So a server needs one of
//!   them, any, and no idea that there is a cluster.
//! * The order is that of the node that was published to.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test stands on the other side of the socket, and panics to fail"
)]

mod support;

use std::thread;
use std::time::Duration;

use support::redis::{RedisServer, publish, quiet_port};
use support::{SOON, Server, eventually};

/// How long three nodes may take until they agree on who they are.
const FORMATION: Duration = Duration::from_secs(30);

/// Three nodes that share the 16,384 slots of a cluster between them.
fn cluster() -> Option<[RedisServer; 3]> {
    let start = |bus: u16| {
        let bus = bus.to_string();
        RedisServer::start(&["--cluster-enabled", "yes", "--cluster-port", &bus])
    };
    let buses = [quiet_port(), quiet_port(), quiet_port()];
    let nodes = [start(buses[0])?, start(buses[1])?, start(buses[2])?];
    for (node, slots) in nodes.iter().zip([[0, 5460], [5461, 10_922], [10_923, 16_383]]) {
        let mut connection = node.connection();
        let mut own = redis::cmd("CLUSTER");
        own.arg("ADDSLOTSRANGE").arg(&slots).exec(&mut connection).expect("it takes slots");
        for (other, bus) in nodes.iter().zip(buses) {
            let mut meet = redis::cmd("CLUSTER");
            meet.arg("MEET").arg("127.0.0.1").arg(other.port()).arg(bus);
            meet.exec(&mut connection).expect("it meets the others");
        }
    }
    eventually("three nodes are a cluster", FORMATION, || {
        nodes.iter().all(|node| {
            let mut connection = node.connection();
            let info: String =
                redis::cmd("CLUSTER").arg("INFO").query(&mut connection).expect("CLUSTER INFO");
            info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
        })
    });
    Some(nodes)
}

#[test]
fn what_one_node_is_told_reaches_the_clients_of_servers_on_the_others() {
    const MESSAGES: usize = 2_000;
    let Some(nodes) = cluster() else { return };
    let servers = [0, 1].map(|node: usize| Server::start(&["--redis", &nodes[node].url()]));
    let readers = servers.each_ref().map(|server| {
        let mut clients = [(); 3].map(|()| {
            eventually("the link is up", SOON, || {
                server.client().try_upgrade("/?channel=ruby", "").status == 101
            });
            server.subscriber("/?channel=ruby")
        });
        thread::spawn(move || {
            for client in &mut clients {
                for number in 0..MESSAGES {
                    assert_eq!(client.message(), number.to_string(), "once, and in order");
                }
                assert!(client.is_silent_for(Duration::from_millis(100)), "and nothing twice");
            }
        })
    });
    let mut third = nodes[2].connection();
    for number in 0..MESSAGES {
        publish(&mut third, "ruby", number.to_string());
    }
    for reader in readers {
        reader.join().expect("each client got each message");
    }
}

#[test]
fn a_node_that_goes_takes_nothing_from_the_clients_of_another() {
    let Some([first, mut second, third]) = cluster() else { return };
    let servers = [&first, &second].map(|node| Server::start(&["--redis", &node.url()]));
    let mut clients = servers.each_ref().map(|server| {
        eventually("the link is up", SOON, || {
            server.client().try_upgrade("/?channel=ruby", "").status == 101
        });
        server.subscriber("/?channel=ruby")
    });
    third.publish("ruby", "all are here");
    for client in &mut clients {
        assert_eq!(client.message(), "all are here");
    }
    second.stop();
    eventually("its server knows", SOON, || servers[1].client().get("/readyz").status == 503);
    third.publish("ruby", "one has gone");
    assert_eq!(clients[0].message(), "one has gone");
    second.resume_or_start();
    eventually("it is back", FORMATION, || servers[1].client().get("/readyz").status == 200);
    // What was published meanwhile is lost to this client: it is told so, and comes back.
    assert_eq!(clients[1].closed(), (1012, "redis gap".to_owned()));
    clients[1] = servers[1].subscriber("/?channel=ruby");
    eventually("the cluster has it back", FORMATION, || {
        third.publish("ruby", "again");
        thread::sleep(Duration::from_millis(20));
        !clients[1].has_nothing()
    });
    assert_eq!(clients[1].message(), "again");
}
