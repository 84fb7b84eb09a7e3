//! The tour: fifteen short chapters that explain, byte by byte, how a browser's `new WebSocket(url)`
//! becomes a stream of messages from Redis. **Begin with [chapter 0](_00_the_origin)**, or with
//! [chapter 1](_01_seven_bytes) if you only want the bytes.
//!
//! What to notice:
//! * It is for somebody who has written some Rust and never a protocol. It takes an afternoon: each chapter
//!   is a page, with one idea.
//! * Every example is a test of the real code: `cargo test --doc tour` runs them all. So a chapter that is
//!   wrong fails.
//! * Each chapter asks you to *predict* something before it is shown. Answer first, in a word, on paper:
//!   who has guessed wrong remembers.
//!
//! # All of it in one picture
//!
//! What happens, from the top down, and on the left the chapter that explains it:
//!
//! ```text
//!        browser                          this server                        Redis
//!
//!        new WebSocket("ws://localhost:8080/?channel=ruby")
//!    2     | GET /?channel=ruby HTTP/1.1
//!          | Upgrade: websocket
//!          | Sec-WebSocket-Key: dGhl...
//!          '--------------------------->  conn: Head
//!                                         conn: Waiting
//!    9                                      |  hub: the first client on ruby
//!                                           '-- *2 $9 SUBSCRIBE $4 ruby ----->
//!                                           .<- *3 $9 subscribe $4 ruby :1 ---
//!    3     . 101 Switching Protocols        |
//!          | Sec-WebSocket-Accept: s3pP...  |
//!    7     <----------------------------  conn: Open
//!
//!                                                      redis-cli publish ruby Hello
//!    9                                      .<- *3 $7 message $4 ruby $5 Hello
//!   10                                    broadcast: one append, a cursor for each client
//!    8     .<-- 81 05 48 65 6c 6c 6f ---  net: one write for each client
//!    1   onmessage("Hello")
//!
//!        close()
//!    5     '--> 88 82 37 fa 21 3d 34 12 --  conn: Linger
//!    6     .<-- 88 02 03 e8 --------------
//! ```
//!
//! # The chapters
//!
//! | chapter | the question it answers |
//! | --- | --- |
//! | [0: where it came from](_00_the_origin) | what did the experiment do that this grew from, and where is each step now? |
//! | [1: seven bytes of a frame](_01_seven_bytes) | what do `81 05 48 65 6c 6c 6f` say? |
//! | [2: hello in HTTP](_02_hello_in_http) | how does a WebSocket begin, and when is a request complete? |
//! | [3: the accept key](_03_the_accept_key) | what does the server prove, and why with SHA-1? |
//! | [4: messages in pieces](_04_messages_in_pieces) | what is a message, if it comes in fragments and the network cuts those too? |
//! | [5: masking](_05_masking) | why does a client hide its bytes behind a key that travels with them? |
//! | [6: the close handshake](_06_close_handshake) | who says goodbye, who hangs up, and who is left with TIME_WAIT? |
//! | [7: a connection without a socket](_07_without_a_socket) | how can one machine be driven by a loop, by a blocking thread and by a fuzzer? |
//! | [8: edges and their traps](_08_edge_triggering) | what does the system say when a socket is ready, and when does it say nothing? |
//! | [9: one Redis, many subscribers](_09_one_redis_for_all) | how many SUBSCRIBEs do ten thousand clients cost? |
//! | [10: a log instead of queues](_10_log_or_queues) | what does one message to everybody cost? |
//! | [11: back-pressure](_11_back_pressure) | what happens to a client that stops reading? |
//! | [12: what can go wrong](_12_what_can_go_wrong) | which traps did this server meet, and which test guards each? |
//! | [13: fuzzing](_13_fuzzing) | how does one find what nobody thought of? |
//! | [14: numbers to repeat](_14_numbers) | what does all that cost, and how can I measure it myself? |
//!
//! # How to read
//!
//! `cargo doc --open` in one window, an editor on `src` in the other, a terminal with `cargo run` in the
//! third (`RUST_LOG=info,barewire::wire=trace cargo run` shows every frame), and <http://localhost:8080/> open in a browser: the page shows the bytes of each frame. At the
//! end of each chapter stands *Where to look*; open those functions before you go on. Then change a byte in
//! the example of the chapter and see what the test says.
//!
//! The chapters go the way of a conversation: a frame, which is the smallest thing that is complete; hello,
//! messages, goodbye; who drives all that; and everybody at once.
//! [The map](crate#where-to-find-what-in-the-order-in-which-it-is-best-read) goes through the same files
//! from the bottom up, each as a whole: WebSocket, HTTP, the bridge between them, one client, the hub, the
//! log, Redis, and the loop last. That is for the second reading.
//!
//! Besides, `barewire explain 81 85 37 fa 21 3d 7f 9f 4d 51 58` takes apart any bytes that you meet.
//! `tests/scripts` holds whole conversations, in the notation in which a running server logs them
//! ([`trace`](crate::trace)): read one after each chapter, `echo.txt` first. And when you know the way,
//! `tests/exercises/README.md` has something to do.

pub mod _00_the_origin;
pub mod _01_seven_bytes;
pub mod _02_hello_in_http;
pub mod _03_the_accept_key;
pub mod _04_messages_in_pieces;
pub mod _05_masking;
pub mod _06_close_handshake;
pub mod _07_without_a_socket;
pub mod _08_edge_triggering;
pub mod _09_one_redis_for_all;
pub mod _10_log_or_queues;
pub mod _11_back_pressure;
pub mod _12_what_can_go_wrong;
pub mod _13_fuzzing;
pub mod _14_numbers;
