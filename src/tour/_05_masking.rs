//! Chapter 5: why does a client hide its bytes behind a key that travels with them?
//!
//! Each frame of a client has MASK set and four bytes of key, and its payload is combined with them by
//! exclusive or: byte `i` with byte `i mod 4` of the key. Who does it again has the payload back. This
//! keeps no secret, for the key stands right before what it hides. It protects neither the client nor the
//! server, but *somebody in between*.
//!
//! Imagine a proxy that knows nothing of WebSocket and watches for HTTP. A page of a stranger opens a
//! WebSocket to the stranger's own server, through that proxy, and sends a message that reads like a
//! request for somebody else's script; its server sends what reads like the answer. The proxy believes
//! both, and caches the answer for everybody behind it. That was tried before the protocol was finished,
//! and it worked (RFC 6455 section 10.3). So a browser draws a new key for each frame, behind the script's
//! back: then no script can choose the bytes on the wire.
//!
//! The server masks nothing. Who speaks there is not a script in a stranger's page. And without keys the
//! frame of a message is the same for every client, which chapter 10 lives on.
//!
//! **Predict**: a client masks with the key `00 00 00 00`. Is that allowed? And what does a frame without a
//! key get?
//!
//! ```
//! use barewire::websocket::form::Form;
//! use barewire::websocket::frame;
//! use barewire::websocket::mask::Mask;
//! use barewire::websocket::message::MessageError;
//!
//! //  payload                0x48   0x65   0x6c   0x6c   0x6f      H e l l o
//! //  key, repeated          0x37   0xfa   0x21   0x3d   0x37
//! let mut wire = [           0x7f,  0x9f,  0x4d,  0x51,  0x58];
//! Mask([0x37, 0xfa, 0x21, 0x3d]).apply(0, &mut wire);
//! assert_eq!(&wire, b"Hello");
//!
//! // What a script wanted on the wire, and what it gets there, for it did not choose the key.
//! let wanted = b"GET /jquery.js HTTP/1.1\r\nHost: victim.example\r\n\r\n";
//! let mut sent = *wanted;
//! Mask([0x9b, 0x03, 0xc4, 0x5e]).apply(0, &mut sent);
//! assert!(!sent.windows(4).any(|bytes| wanted.windows(4).any(|four| four == bytes)));
//!
//! // The network may cut a payload: the offset says where in the key the next piece begins.
//! let (left, right) = sent.split_at_mut(10);
//! Mask([0x9b, 0x03, 0xc4, 0x5e]).apply(0, left);
//! Mask([0x9b, 0x03, 0xc4, 0x5e]).apply(10, right);
//! assert_eq!(&sent, wanted);
//!
//! // From 126 bytes on, the length stands between: fe is MASK and 126, then 16 bits, then the key.
//! //          FIN op  MASK+126  length      key
//! let long =  [0x81,  0xfe,     0x00, 0x7e, 0x9b, 0x03, 0xc4, 0x5e];
//! let (header, size) = frame::decode(&long, Form::Plain)?.expect("it is whole");
//! assert_eq!((header.length, header.mask.0, size), (126, [0x9b, 0x03, 0xc4, 0x5e], 8));
//!
//! // Zeros are a key like any other: the protection is thrown away, and no rule is broken.
//! //          FIN op  MASK len   key         payload
//! let zeros = [0x81,  0x80 | 1,  0, 0, 0, 0, b'a'];
//! assert!(frame::decode(&zeros, Form::Plain).is_ok());
//! // No key at all breaks one (section 5.1), and is told so with 1002, at the second byte.
//! let none =  [0x81,  1];
//! assert_eq!(frame::decode(&none, Form::Plain), Err(MessageError::Unmasked));
//! assert_eq!(MessageError::Unmasked.close_code().value(), 1002);
//! # Ok::<(), MessageError>(())
//! ```
//!
//! Why is the server so strict about it? A client that masks sometimes would protect nobody, and only a
//! rule that every server enforces is kept by every client.
//!
//! **Where to look**: [`Mask::apply`](crate::websocket::mask::Mask::apply), twenty lines that go over words
//! as long as the key; [`frame::decode`](crate::websocket::frame::decode) for the rule, at the byte that
//! breaks it.
//!
//! Back: [4, messages in pieces](super::_04_messages_in_pieces) · next: [6, the close handshake](super::_06_close_handshake)
