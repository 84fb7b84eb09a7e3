//! As much HTTP/1.1 (RFC 9112, RFC 9110) as a small, strict origin server needs.
//!
//! What to notice:
//! * It is a set of machines of bytes: pieces come in, a head, a body or an error comes out, and
//!   how the pieces were cut never matters. There is no socket and no clock in here.
//! * It is strict: whatever two parsers could read differently is refused with the exact status,
//!   for the other parser may be the proxy in front, and the difference is where requests are
//!   smuggled.
//! * It knows nothing of what HTTP is used for here. To switch protocols is another file's
//!   business.
//!
//! A request is a request line, field lines and an empty line, each ended by CR LF; then perhaps a
//! body. Everything hard about it lies in what must *not* be accepted: one parser's bare LF, second
//! Content-Length or folded line is another's end of the request. So each rule is one variant of
//! [`HttpError`], with the section it comes from, and each is applied at the first
//! byte that can decide it.
//!
//! ```
//! use barewire::http::{HeadLimits, Method, Scan, Target, parse};
//!
//! let limits = HeadLimits::default();
//! let mut scan = Scan::default();
//! let bytes = b"GET /?channel=caf%C3%A9 HTTP/1.1\r\nHost: localhost:8080\r\n\r\nand more";
//!
//! // The first piece ends in the middle of a name. That is no error, only not yet a head.
//! assert_eq!(parse(&bytes[..40], &mut scan, &limits), Ok(None));
//!
//! let (head, used) = parse(bytes, &mut scan, &limits)?.expect("the head is complete");
//! assert_eq!(head.method, Method::Get);
//! assert_eq!(&bytes[used..], b"and more");
//! assert!(head.host.is_some_and(|host| host.is_loopback_name()));
//!
//! let target = Target::parse(head.target)?;
//! assert_eq!(target.query_values("channel").collect::<Vec<_>>(), ["café"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Reading order
//!
//! | file | the question it answers |
//! | --- | --- |
//! | `line.rs` | where does a line end, and what may stand in it? |
//! | `request_line.rs` | what is to be done, with what, in which version? |
//! | `fields.rs` | is this a field, and what do the fields under a name say? |
//! | `framing.rs` | where does the body end? |
//! | `host.rs` | whom does the client believe it is talking to? |
//! | `head.rs` | what do the fields together say about the connection? |
//! | `request.rs` | how does a head come together, however the bytes come? |
//! | `error.rs`, `status.rs` | what is the peer told? |
//! | `target.rs` | what are the path and the query? |
//! | `body.rs` | what was in the body? |
//! | `response.rs` | what is answered? |
//!
//! # Where this server differs from the RFCs, or chooses among what they allow
//!
//! Each row begins with an RFC and its section. `tests/http/rules.txt` has raw requests for every one
//! of them, and for all the rules that leave no choice.
//!
//! | rule | what this server does | why |
//! | --- | --- | --- |
//! | 9112 2.2: a bare LF may be taken for a line end | 400 | parsers disagree about it: smuggling |
//! | 9112 2.2: a bare CR is invalid or becomes a space | 400 | the same |
//! | 9112 2.2: a line with white space before the first field is refused or skipped | 400 | the same |
//! | 9112 2.2: at least one empty line before the request line should be skipped | two are, a third is 400 | an endless stream of them is no client |
//! | 9112 3: any white space may separate the words of a request line | exactly one space | the section itself warns of the lenient reading |
//! | 9112 3.2: an invalid request line is answered 400, or 301 with a right one | 400 | what was meant is a guess |
//! | 9112 3.2.1: the target has only characters of RFC 3986 | in the query also ``{ } \| \ ^ ` ``, and `[ ]` anywhere | browsers send them as they are, and nobody reads them otherwise |
//! | 9112 3.3: an empty host is refused, or replaced by a default | 400 | no client of an http URI sends one |
//! | 9112 5.2: obs-fold becomes spaces or is refused | 400 | no client needs it |
//! | 9112 6.1: Content-Length beside Transfer-Encoding may be ignored | 400 | which of them counts is what two parsers disagree about |
//! | 9112 6.3: equal Content-Length values may be merged | 400 | one parser merges, another takes the first or the last: with two of them, who sends two is smuggling |
//! | 9112 7.1: a chunk's size may have any number of digits | sixteen at most, else 400 | they fill 64 bits, and nobody writes so many zeros |
//! | 9112 7.1.1: white space may precede a chunk extension | 400 where it follows the size | `5 ` and `5` were two sizes to two parsers |
//! | 9112 7.1.2: trailers may be kept or dropped | checked, then dropped | nothing here needs them |
//! | 9112 8: an incomplete request may be answered | with 408 when its time is up; at the client's end with nothing | who has ended does not wait for an answer |
//! | 9112 9.3: an HTTP/1.0 connection may be kept on request | always closed | rare, and one rule fewer |
//! | 9112 9.3: a connection may go on after an error | it ends with every answer but 200 | a body may follow that nobody has read |
//! | 9112 9.6: close ends the connection after the final response | a handshake may name it beside upgrade: 101 | a 101 is no final response, and there is none behind it |
//! | 9110 2.5: a higher minor version is read as the highest known | so it is: 1.2 to 1.9 are 1.1 | as asked; many servers refuse them |
//! | 9110 5.5: CR, LF or NUL in a value is refused or becomes a space | 400 | as for a bare CR |
//! | 9110 5.5: control characters other than CR, LF and NUL may be kept | 400 | no client needs them, and logs and terminals suffer |
//! | 9110 5.6.1: empty list elements are ignored | so it is, but in Transfer-Encoding they are 400 | `,chunked` has hidden chunks from proxies |
//! | 9110 7.4: a host that is not the server's own may be refused | every host is answered | only publishing and Origin ask for the name, and they do |
//! | 9110 8.4: a content coding that is not acceptable may be 415 | published as it is | it is the affair of those who read the message |
//! | 9110 9.1: a method that no resource has should be 501 | 405 with Allow for the known ones, CONNECT included | so 15.5.6 describes it, and it says what would do |
//! | 9110 9.3.1: a GET may have a body | 400, as for all but `POST /publish` | the section itself warns of smuggling |
//! | 9110 10.1.1: 100 may be left out where the body is already there | it is always sent | so that cutting the bytes changes nothing |
//! | 9110 10.1.1: 100-continue without a body must not be sent | ignored | harmless |
//! | 9110 10.1.1: another expectation may be ignored | 417 | who expects something should not be left to believe in it |
//! | 9110 13.2.1: preconditions are evaluated | ignored | nothing here has a validator to compare |
//! | 9110 14.2: Range may be ignored | ignored | the whole is small |
//! | 3986 2.5: escapes may spell any bytes | 400 unless they are UTF-8 | names of channels are text |
//! | 3986 3.2.2: a host may have escapes, punctuation, `[v1.x]`, a zone, any port | 400, and above port 65535 | no host name has, and a comma looks like a list |

pub mod body;
pub mod error;
pub mod fields;
pub mod framing;
pub mod head;
pub mod host;
mod line;
pub mod request;
pub mod request_line;
pub mod response;
pub mod status;
pub mod target;

pub use body::Body;
pub use error::HttpError;
pub use fields::{Fields, Repeated};
pub use framing::Framing;
pub use head::Head;
pub use host::{Host, split_origin};
pub use request::{HeadLimits, Scan, asks_for_head_only, parse};
pub use request_line::{Method, Version};
pub use response::{CONTINUE, Delivery, Response};
pub use status::Status;
pub use target::{Target, encode};

#[cfg(test)]
mod tests;
