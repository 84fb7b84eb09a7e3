//! tokio-tungstenite 0.30 (tungstenite 0.30) as a server that does barewire's job.
//!
//! Tuned as its documentation says:
//!
//! * A burst is written by one system call. `forward` feeds the socket whatever is ready and flushes it when
//!   there is no more, as in the crate's `echo-server` example; up to `write_buffer_size` (by default
//!   128 KiB) is held back until then.
//! * A message is shared by all clients: `Utf8Bytes`, whose clone copies nothing, and whose UTF-8 is checked
//!   once.
//! * `read_buffer_size` is 4 KiB: "a lot of connections and don't need high read load performance". The default
//!   of 128 KiB is allocated for each connection, and cleared before each read.
//! * HTTP is left to hyper, as in the example `server-custom-accept`: the library's own handshake answers at
//!   once, and cannot wait for Redis.
//!
//! It has no permessage-deflate.

use std::future;

use barewire_peers::{Answer, Error, Messages, Peer};
use futures_util::{SinkExt, StreamExt, TryStreamExt};
use http_body_util::Empty;
use hyper::Request;
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

const READ_BUFFER: usize = 4 * 1024;

struct TokioTungstenite;

impl Peer for TokioTungstenite {
    type Message = Utf8Bytes;
    type Socket = WebSocketStream<TokioIo<Upgraded>>;

    fn upgrade(
        request: &mut Request<Incoming>,
    ) -> Result<(Answer, impl Future<Output = Result<Self::Socket, Error>> + Send + 'static), Error>
    {
        let response = create_response_with_body(request, Empty::new)?;
        let upgrade = hyper::upgrade::on(request);
        let socket = async {
            let stream = TokioIo::new(upgrade.await?);
            let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER);
            Ok(WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await)
        };
        Ok((response, socket))
    }

    async fn echo(socket: Self::Socket) -> Result<(), Error> {
        let (sink, stream) = socket.split();
        let messages =
            stream.try_filter(|message| future::ready(message.is_text() || message.is_binary()));
        Ok(messages.forward(sink).await?)
    }

    async fn fan_out(socket: Self::Socket, messages: Messages<Utf8Bytes>) -> Result<(), Error> {
        let (sink, stream) = socket.split();
        // Pings and a close are answered by reading; what else clients say is dropped.
        let read = stream.map_err(Error::from).try_for_each(|_| future::ready(Ok(())));
        let write = messages
            .map_ok(Message::Text)
            .map_err(Error::from)
            .forward(sink.sink_map_err(Error::from));
        tokio::select! {
            result = read => result,
            result = write => result,
        }
    }
}

fn main() {
    barewire_peers::run::<TokioTungstenite>();
}
