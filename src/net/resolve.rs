//! Host names to addresses, without stopping the loop.
//!
//! What to notice:
//! * The system's resolver only knows how to block. So each look-up has a short-lived thread, and the loop
//!   hears of the answer like of anything else: through the poll, which a waker wakes.
//! * One look-up at a time: an answer is that of the first question, and a name server that is dead holds
//!   one thread and not one for each try.
//! * An address is never looked up, so a server whose Redis has one stays with one thread for ever.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::{io, thread};

use mio::{Registry, Token, Waker};

/// Looks names up.
#[derive(Debug)]
pub(super) struct Resolver {
    waker: Arc<Waker>,
    sender: Sender<Vec<SocketAddr>>,
    receiver: Receiver<Vec<SocketAddr>>,
    /// Who waits, the first of them for the thread that is under way.
    questions: VecDeque<Question>,
}

/// Whose socket an address is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    Link,
    Publisher,
}

#[derive(Debug)]
struct Question {
    asker: Asker,
    host: String,
    port: u16,
}

impl Resolver {
    pub(super) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        let (sender, receiver) = channel();
        let waker = Arc::new(Waker::new(registry, token)?);
        Ok(Self { waker, sender, receiver, questions: VecDeque::new() })
    }

    /// The addresses at once where `host` is one itself; otherwise they come by
    /// [`Resolver::answer`]. Who asks again while a question of its own waits, asks only once.
    pub(super) fn ask(&mut self, asker: Asker, host: &str, port: u16) -> Option<Vec<SocketAddr>> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Some(vec![SocketAddr::new(address, port)]);
        }
        if !self.questions.iter().any(|question| question.asker == asker) {
            self.questions.push_back(Question { asker, host: host.to_owned(), port });
            if self.questions.len() == 1 {
                self.look_up();
            }
        }
        None
    }

    /// An answer that has come: whose, and the addresses. None of them means no such host.
    pub(super) fn answer(&mut self) -> Option<(Asker, Vec<SocketAddr>)> {
        let addresses = self.receiver.try_recv().ok()?;
        let asker = self.questions.pop_front()?.asker;
        self.look_up();
        Some((asker, addresses))
    }

    fn look_up(&self) {
        let Some(Question { host, port, .. }) = self.questions.front() else { return };
        let (host, port) = (host.clone(), *port);
        let (sender, waker) = (self.sender.clone(), Arc::clone(&self.waker));
        let look_up = move || {
            let addresses = (host.as_str(), port).to_socket_addrs();
            // If the loop has gone, nobody needs the answer.
            let _ = sender.send(addresses.map(Iterator::collect).unwrap_or_default());
            let _ = waker.wake();
        };
        if let Err(error) = thread::Builder::new().name("resolve".to_owned()).spawn(look_up) {
            log::error!("cannot start a thread to look up a host name: {error}");
            let _ = self.sender.send(Vec::new());
            let _ = self.waker.wake();
        }
    }
}
