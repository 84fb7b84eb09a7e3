//! fastwebsockets 0.10 as a server that does barewire's job.
//!
//! Tuned as its documentation says:
//!
//! * The library writes each frame at once. Where several are ready, they go through tokio's `BufWriter` and are
//!   flushed together, for which it has its own `flush`.
//! * A message is lent to each client's frame as it is: no copy, no check of UTF-8. `set_writev`, which is on by
//!   default, keeps it from being copied behind its header from 1 KiB on.
//! * Its features are the defaults, so the UTF-8 of what comes in is checked with SIMD. Frames are unmasked in
//!   place. (The example `echo_server` also lifts tokio's budget from its connections; that made no difference.)
//!
//! It has no permessage-deflate.

use std::pin::pin;
use std::task::Poll;

use barewire_peers::{Answer, Error, Messages, Peer};
use bytes::Bytes;
use fastwebsockets::{
    FragmentCollectorRead, Frame, OpCode, Payload, WebSocket, WebSocketError, WebSocketRead,
    WebSocketWrite,
};
use futures_util::{FutureExt, StreamExt, poll};
use hyper::Request;
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{BufWriter, ReadHalf, WriteHalf};
use tokio::sync::Mutex;

/// How much of a burst is collected for one write: more than this was not faster.
const WRITE_BUFFER: usize = 32 * 1024;

type Stream = TokioIo<Upgraded>;

struct FastWebSockets;

impl Peer for FastWebSockets {
    type Message = Bytes;
    type Socket = WebSocket<Stream>;

    fn upgrade(
        request: &mut Request<Incoming>,
    ) -> Result<(Answer, impl Future<Output = Result<Self::Socket, Error>> + Send + 'static), Error>
    {
        let (response, socket) = fastwebsockets::upgrade::upgrade(request)?;
        Ok((response, async { Ok(socket.await?) }))
    }

    async fn echo(socket: Self::Socket) -> Result<(), Error> {
        let (mut read, mut write) = split(socket);
        // Answering pings and closes is left to this loop, so that there is one writer.
        read.set_auto_pong(false);
        read.set_auto_close(false);
        let mut read = FragmentCollectorRead::new(read);
        let mut nothing_to_send =
            async |_: Frame<'_>| Err::<(), _>(WebSocketError::ConnectionClosed);
        loop {
            let mut next = pin!(read.read_frame(&mut nothing_to_send));
            let frame = match poll!(next.as_mut()) {
                Poll::Ready(frame) => frame?,
                Poll::Pending => {
                    write.flush().await?;
                    next.await?
                }
            };
            match frame.opcode {
                OpCode::Text | OpCode::Binary => write.write_frame(frame).await?,
                OpCode::Ping => write.write_frame(Frame::pong(frame.payload)).await?,
                OpCode::Close => {
                    write.write_frame(Frame::close_raw(frame.payload)).await?;
                    return Ok(write.flush().await?);
                }
                OpCode::Pong | OpCode::Continuation => {}
            }
        }
    }

    async fn fan_out(socket: Self::Socket, mut messages: Messages<Bytes>) -> Result<(), Error> {
        let (mut read, write) = split(socket);
        let write = Mutex::new(write);

        // Pings and a close are answered by reading; what else clients say is dropped.
        let reading = async {
            let mut answer = async |frame: Frame<'_>| {
                let mut write = write.lock().await;
                write.write_frame(frame).await?;
                write.flush().await
            };
            while read.read_frame(&mut answer).await?.opcode != OpCode::Close {}
            Ok(())
        };
        let writing = async {
            while let Some(message) = messages.next().await {
                let mut write = write.lock().await;
                write.write_frame(Frame::text(Payload::Borrowed(&message?))).await?;
                while let Some(Some(message)) = messages.next().now_or_never() {
                    write.write_frame(Frame::text(Payload::Borrowed(&message?))).await?;
                }
                write.flush().await?;
            }
            Ok(())
        };
        tokio::select! {
            result = reading => result,
            result = writing => result,
        }
    }
}

fn split(
    socket: WebSocket<Stream>,
) -> (WebSocketRead<ReadHalf<Stream>>, WebSocketWrite<BufWriter<WriteHalf<Stream>>>) {
    socket.split(|stream| {
        let (read, write) = tokio::io::split(stream);
        (read, BufWriter::with_capacity(WRITE_BUFFER, write))
    })
}

fn main() {
    barewire_peers::run::<FastWebSockets>();
}
