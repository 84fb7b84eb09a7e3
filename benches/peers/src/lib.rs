//! What the peers in Rust have in common: HTTP up to the 101 (hyper), and Redis (see [`hub`]). What each
//! does with a socket from there on is its own, in `src/bin`.
//!
//! From the environment: `PORT`, where to listen, and `REDIS_PORT`, both on 127.0.0.1.
//!
//! * `GET /?channel=NAME` (once or several times) becomes a WebSocket as soon as Redis has acknowledged all
//!   of these channels; then it gets every message of theirs as a text frame.
//! * `GET /echo` becomes a WebSocket that gets its own messages back.

mod hub;

use std::collections::BTreeSet;
use std::error::Error as StdError;
use std::fmt::Display;
use std::io;
use std::process;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpSocket};

use hub::Hub;
pub use hub::{Message, Messages};

/// Whatever went wrong; it ends the connection, and only that.
pub type Error = Box<dyn StdError + Send + Sync>;
/// What each request is answered with: a 101, or a status that says why not.
pub type Answer = Response<Empty<Bytes>>;

/// How many may wait to be accepted. The benchmark opens thousands at once, and a connection that is dropped
/// here comes back only after a second.
const ACCEPT_QUEUE: u32 = 4096;

/// A WebSocket library, and how it is used.
pub trait Peer: 'static {
    /// What the library wants to be given a message as. A clone of it has to be cheap.
    type Message: Message;
    /// An open WebSocket.
    type Socket: Send;

    /// The 101 for a request, and the socket that there will be once it has been sent.
    fn upgrade(
        request: &mut Request<Incoming>,
    ) -> Result<(Answer, impl Future<Output = Result<Self::Socket, Error>> + Send + 'static), Error>;

    /// Sends every message back.
    fn echo(socket: Self::Socket) -> impl Future<Output = Result<(), Error>> + Send;

    /// Sends the messages until the client leaves or has fallen too far behind.
    fn fan_out(
        socket: Self::Socket,
        messages: Messages<Self::Message>,
    ) -> impl Future<Output = Result<(), Error>> + Send;
}

/// Runs a peer until the process is ended. There is one thread, as the benchmark gives each server one core.
pub fn run<P: Peer>() {
    let served = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::from)
        .and_then(|runtime| runtime.block_on(serve::<P>()));
    if let Err(error) = served {
        fail(error);
    }
}

/// Ends the process: a server that lacks one of its parts would only be measured wrongly.
fn fail(error: impl Display) -> ! {
    eprintln!("{error}");
    process::exit(1)
}

async fn serve<P: Peer>() -> Result<(), Error> {
    raise_descriptor_limit()?;
    let hub = Hub::connect(port("REDIS_PORT")?).await?;
    let listener = listen(port("PORT")?)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let hub = hub.clone();
        let service = service_fn(move |request| answer::<P>(hub.clone(), request));
        // What ends a connection is not worth a word: clients come and go.
        tokio::spawn(
            http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades(),
        );
    }
}

fn port(variable: &str) -> Result<u16, Error> {
    let value = std::env::var(variable).map_err(|error| format!("{variable}: {error}"))?;
    value.parse().map_err(|error| format!("{variable}={value}: {error}").into())
}

fn listen(port: u16) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(([127, 0, 0, 1], port).into())?;
    socket.listen(ACCEPT_QUEUE)
}

fn raise_descriptor_limit() -> io::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?)
}

async fn answer<P: Peer>(
    hub: Arc<Hub<P::Message>>,
    mut request: Request<Incoming>,
) -> Result<Answer, Error> {
    let echo = match request.uri().path() {
        "/" => false,
        "/echo" => true,
        _ => return status(StatusCode::NOT_FOUND),
    };
    let (response, socket) = P::upgrade(&mut request)?;
    if echo {
        tokio::spawn(async { P::echo(socket.await?).await });
        return Ok(response);
    }
    let query = request.uri().query().unwrap_or_default().as_bytes();
    let channels: BTreeSet<String> = form_urlencoded::parse(query)
        .filter(|(field, _)| field == "channel")
        .map(|(_, channel)| channel.into_owned())
        .collect();
    if channels.is_empty() {
        return status(StatusCode::BAD_REQUEST);
    }
    let messages = hub.join(&channels).await;
    tokio::spawn(async move {
        let fanned_out = async { P::fan_out(socket.await?, messages).await }.await;
        hub.leave(&channels).await;
        fanned_out
    });
    Ok(response)
}

fn status(status: StatusCode) -> Result<Answer, Error> {
    Ok(Response::builder().status(status).body(Empty::new())?)
}
