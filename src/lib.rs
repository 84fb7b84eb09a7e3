//! Barewire: a WebSocket server on raw nonblocking sockets. So far it answers HTTP,
//! echoes on `/echo`, and passes on what is published
//! to Redis.

pub mod broadcast;
pub mod channel;
pub mod conn;
pub mod http;
pub mod hub;
pub mod limits;
pub mod net;
pub mod now;
pub mod options;
pub mod origin;
pub mod page;
pub mod redis;
pub mod secret;
pub mod site;
pub mod timers;
pub mod upgrade;
pub mod websocket;
