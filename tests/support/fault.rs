//! A proxy between the server and Redis that can be made to do to them what networks do.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What is done to the bytes that pass, in both directions and on all connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// They come so much later.
    Delay(Duration),
    /// They pass in pieces of so many, each ten milliseconds behind the one before.
    Throttle(usize),
    /// They are taken and thrown away.
    BlackHole,
    /// They are not even taken: the peer is gone, and nobody has said so. New connections neither.
    HalfOpen,
    /// So many more come from Redis, then the connection ends.
    CutAfter(usize),
    /// Every connection is ended at once.
    Refuse,
}

/// The proxy. Its threads end with it.
pub(crate) struct FaultProxy {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    fault: Mutex<Fault>,
    is_over: AtomicBool,
}

impl FaultProxy {
    /// In front of this port of 127.0.0.1.
    pub(crate) fn start(upstream: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        listener.set_nonblocking(true).expect("nonblocking");
        let shared =
            Arc::new(Shared { fault: Mutex::new(Fault::None), is_over: AtomicBool::new(false) });
        let proxy = Self { port, shared: Arc::clone(&shared) };
        thread::spawn(move || {
            while !shared.is_over() {
                match listener.accept() {
                    Ok((client, _)) => join(client, upstream, &shared),
                    Err(_) => thread::sleep(Duration::from_millis(2)),
                }
            }
        });
        proxy
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// From now on.
    pub(crate) fn set(&self, fault: Fault) {
        *self.shared.fault.lock().expect("nobody panics with it") = fault;
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    fn fault(&self) -> Fault {
        *self.fault.lock().expect("nobody panics with it")
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }
}

fn join(client: TcpStream, upstream: u16, shared: &Arc<Shared>) {
    if shared.fault() == Fault::Refuse {
        return;
    }
    // Redis may be away: then this is closed, which the server takes for an end.
    let Ok(redis) = TcpStream::connect(("127.0.0.1", upstream)) else { return };
    for (from, to, from_redis) in [(&client, &redis, false), (&redis, &client, true)] {
        let (from, to) = (from.try_clone().expect("a clone"), to.try_clone().expect("a clone"));
        from.set_nonblocking(false).expect("blocking");
        from.set_read_timeout(Some(Duration::from_millis(5))).expect("a time");
        to.set_nodelay(true).expect("no delay");
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            pump(&from, &to, from_redis, &shared);
            from.shutdown(Shutdown::Both).ok();
            to.shutdown(Shutdown::Both).ok();
        });
    }
}

/// Passes bytes on until either side ends, or a fault ends both.
fn pump(mut from: &TcpStream, mut to: &TcpStream, from_redis: bool, shared: &Shared) {
    let mut buffer = vec![0; 64 << 10];
    // What was sent while this side was half open is lost with it: it never comes back.
    let mut is_lost = false;
    while !shared.is_over() {
        let fault = shared.fault();
        if fault == Fault::HalfOpen || is_lost {
            is_lost = true;
            if fault == Fault::None {
                return;
            }
            thread::sleep(Duration::from_millis(5));
            continue;
        }
        if fault == Fault::Refuse {
            return;
        }
        let size = match from.read(&mut buffer) {
            Ok(0) => return,
            Ok(size) => size,
            Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) => {
                continue;
            }
            Err(_) => return,
        };
        let bytes = &buffer[..size];
        let sent = match shared.fault() {
            Fault::Delay(time) => {
                thread::sleep(time);
                to.write_all(bytes)
            }
            Fault::Throttle(piece) => bytes.chunks(piece).try_for_each(|piece| {
                thread::sleep(Duration::from_millis(10));
                to.write_all(piece)
            }),
            Fault::BlackHole => Ok(()),
            Fault::CutAfter(left) if from_redis => {
                to.write_all(&bytes[..size.min(left)]).ok();
                if size >= left {
                    return;
                }
                *shared.fault.lock().expect("nobody panics with it") = Fault::CutAfter(left - size);
                Ok(())
            }
            Fault::None | Fault::CutAfter(_) | Fault::HalfOpen | Fault::Refuse => {
                to.write_all(bytes)
            }
        };
        if sent.is_err() {
            return;
        }
    }
}
