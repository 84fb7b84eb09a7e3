//! What is said to Redis: commands as bytes, until the socket has taken them.
//!
//! What to notice:
//! * Every argument goes out with its length in front, so no channel name and no password can smuggle
//!   a command in, whatever bytes it has.
//! * Commands are only ever appended, so their order here is the order of the answers.
//! * No `Debug` here, nor on anything that holds this: there may be a password in the bytes.

use ::redis::Cmd;

/// Commands on their way to the socket.
#[derive(Default)]
pub(super) struct Commands {
    bytes: Vec<u8>,
    written: usize,
}

impl Commands {
    /// Adds a command: its verb, then its arguments.
    pub(super) fn say<Word: AsRef<[u8]>>(&mut self, words: impl IntoIterator<Item = Word>) {
        let mut command = Cmd::new();
        for word in words {
            command.arg(word.as_ref());
        }
        command.write_packed_command(&mut self.bytes);
    }

    /// Adds what stands in `later`, and empties it.
    pub(super) fn append(&mut self, later: &mut Self) {
        self.bytes.append(&mut later.bytes);
        later.written = 0;
    }

    /// What the socket has not taken yet.
    pub(super) fn rest(&self) -> &[u8] {
        self.bytes.get(self.written..).unwrap_or_default()
    }

    /// The socket took `count` bytes off the front of [`rest`](Self::rest).
    pub(super) fn wrote(&mut self, count: usize) {
        self.written = self.written.saturating_add(count);
        if self.written >= self.bytes.len() {
            // Nothing is kept: an idle link owns no buffer, and no bytes of an AUTH.
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(say: impl FnOnce(&mut Commands)) -> String {
        let mut commands = Commands::default();
        say(&mut commands);
        commands.rest().escape_ascii().to_string()
    }

    #[test]
    fn commands_are_arrays_of_bulk_strings() {
        assert_eq!(said(|c| c.say(["PING"])), r"*1\r\n$4\r\nPING\r\n");
        assert_eq!(said(|c| c.say(["AUTH", "pw"])), r"*2\r\n$4\r\nAUTH\r\n$2\r\npw\r\n");
        assert_eq!(
            said(|c| c.say(["AUTH", "u", ""])),
            r"*3\r\n$4\r\nAUTH\r\n$1\r\nu\r\n$0\r\n\r\n"
        );
        assert_eq!(
            said(|c| c.say(["SUBSCRIBE", "a", "bc"])),
            r"*3\r\n$9\r\nSUBSCRIBE\r\n$1\r\na\r\n$2\r\nbc\r\n"
        );
    }

    #[test]
    fn no_argument_can_smuggle_a_command_in() {
        assert_eq!(
            said(|c| c.say([&b"PUBLISH"[..], b"x", b"\r\nQUIT\r\n"])),
            r"*3\r\n$7\r\nPUBLISH\r\n$1\r\nx\r\n$8\r\n\r\nQUIT\r\n\r\n"
        );
    }

    #[test]
    fn what_was_written_is_gone_and_the_rest_stays_in_order() {
        let (mut commands, mut later) = (Commands::default(), Commands::default());
        commands.say(["PING"]);
        commands.wrote(8);
        assert_eq!(commands.rest(), b"PING\r\n");
        later.say(["PING"]);
        commands.append(&mut later);
        assert_eq!(commands.rest(), b"PING\r\n*1\r\n$4\r\nPING\r\n");
        assert_eq!(later.rest(), b"");
        commands.wrote(20);
        assert_eq!((commands.rest(), commands.bytes.capacity()), (&b""[..], 0));
        commands.wrote(1);
        commands.say(["PING"]);
        assert_eq!(commands.rest().len(), 14);
    }
}
