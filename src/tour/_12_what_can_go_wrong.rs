//! Chapter 12: which traps did this server meet, and which test guards each?
//!
//! Each of these was met: while this was written, in a prototype before it, in an attack on it, under a
//! fuzzer, or in another server of this kind. Read each up to its colon, and say what you would do.
//! (`tests/tour.rs` checks that each test named here is there.)
//!
//! # Bytes and time
//!
//! * A mask, a character or a header begins anew with each piece that the network cuts:
//!   `cutting_the_bytes_anywhere_changes_nothing` in `src/conn/tests/law.rs`.
//! * A parser begins anew with each piece, so a head that drips costs the square of its length:
//!   `no_byte_is_looked_at_again_before_its_line_or_its_head_ends` in `src/http/request.rs`.
//! * Memory is reserved for a length that is only announced: `a_declared_length_allocates_nothing` in
//!   `src/websocket/message.rs`.
//! * Empty fragments are free for who sends them, and cost us work:
//!   `s10_4_too_many_fragments_fail_even_if_they_are_empty` in `src/websocket/message.rs`.
//! * What was inflated is measured when all of it is out:
//!   `a_bomb_ends_at_the_limit_and_takes_no_more_memory` in `src/websocket/deflate.rs`.
//! * One read of compressed messages is answered with a thousand times its bytes, before anybody else has a
//!   turn: `little_is_read_at_once_from_who_may_compress` in `src/conn/tests/law.rs`.
//! * Somebody sets the clock back, and deadlines move with it: `a_wall_clock_that_jumps_moves_no_deadline`
//!   in `src/conn/tests.rs`.
//! * The process was stopped for a minute, and takes its own silence for its clients':
//!   `a_process_that_was_stopped_closes_nobody_for_its_own_silence` in `tests/signals.rs`.
//! * A ping without a payload holds a NUL byte, at which curl on a terminal gives up:
//!   `open_silence_is_pinged_and_then_closed_and_any_byte_is_life` in `src/conn/tests.rs`.
//!
//! # Ends
//!
//! * A socket is closed with unread bytes, which resets it and destroys the answer that is on its way:
//!   `s9112_9_6_a_refusal_reaches_a_client_that_is_still_sending` in `tests/http.rs`.
//! * A client closes its sending side, and what it was still to be told is lost:
//!   `a_half_close_while_echoes_are_written_loses_none_of_them` in `tests/wire.rs`.
//! * Requests that were put off because nobody reads the answers are told that they came late:
//!   `head_whose_answers_are_not_read_in_time_is_told_nothing_new` in `src/conn/tests.rs`.
//! * A request is hidden behind a refused handshake: `head_whose_upgrade_is_refused_is_followed_by_nothing`
//!   in `src/conn/tests.rs`.
//! * Who never answers a Close, or talks on and on behind it, is waited for:
//!   `s7_1_1_who_talks_on_and_on_behind_a_close_is_cut_off` in `tests/wire.rs`.
//!
//! # The loop
//!
//! * What a turn leaves unread for fairness is never told of again: `tungstenite_gets_back_what_it_sends`
//!   in `tests/websocket.rs`.
//! * The end of the input comes with the last bytes, and gives no edge of its own:
//!   `a_half_close_at_any_point_is_an_end_behind_what_was_asked_for` in `tests/wire.rs`.
//! * An event or an id that was fetched before its client went reaches the newcomer in the same slot:
//!   `each_is_admitted_when_all_it_wants_is_live_and_not_before` in `src/hub.rs`,
//!   `resets_at_every_point_many_at_once_leave_nothing_behind_and_disturb_nobody` in `tests/wire.rs`.
//! * Out of descriptors, accepting spins, or is never tried again:
//!   `out_of_descriptors_accepting_pauses_without_spinning_and_goes_on_by_itself` in `tests/wire.rs`.
//! * A log that nobody reads blocks the loop that writes it: `a_log_that_nobody_reads_stops_nothing` in
//!   `tests/signals.rs`.
//! * A client that sends and does not read has answers made for it without end:
//!   `open_that_does_not_read_is_not_read_from` in `src/conn/tests.rs`.
//!
//! # Fan-out
//!
//! * A pong or a Close is written into the middle of a frame that is half out:
//!   `a_partial_write_that_ends_on_a_boundary_is_not_inside_a_frame` in `src/broadcast/tests.rs`, and
//!   `the_rest_of_a_frame_goes_out_before_the_close_behind_it` in `src/conn/tests.rs`.
//! * Who leaves during a pass has somebody skipped:
//!   `every_client_receives_exactly_what_a_queue_of_its_own_would_have_given_it` in
//!   `src/broadcast/tests.rs`.
//! * With a message in every turn a pass never rests, and its log grows for ever:
//!   `a_log_whose_passes_never_rest_gives_back_what_everybody_has` in `src/broadcast/tests.rs`.
//! * Each log is bounded, and all of them together are not:
//!   `above_what_all_logs_may_hold_whoever_holds_back_most_has_to_go` in `src/broadcast/tests.rs`.
//!
//! # Redis
//!
//! * The 101 comes before Redis is listening, and the first messages are lost:
//!   `what_is_published_right_behind_the_101_is_never_lost` in `tests/redis.rs`.
//! * An acknowledgement for who has gone is taken for that of who came just behind: `whole_server` and
//!   `the_driver_of_whole_server_makes_the_turn_of_net` in `tests/fuzz_replay.rs`.
//! * Connected again, and subscribed to nothing: `after_a_disconnect_all_that_is_wanted_is_asked_for_anew`
//!   in `src/redis/subscriptions.rs`.
//! * Half a message of the old connection is completed by the new one:
//!   `live_half_a_message_before_the_end_is_never_delivered` in `src/redis/link.rs`.
//! * One denied channel denies all that were named with it: `live_denied_channel_takes_no_other_with_it` in
//!   `src/redis/link.rs`.
//! * A Redis that is stopped still takes bytes, and seems alive:
//!   `a_frozen_redis_is_noticed_and_used_again_when_it_thaws` in `tests/redis.rs`.
//! * The parser swallows a wrong byte that arrives alone:
//!   `parser_swallows_a_wrong_type_byte_that_arrives_alone_and_the_extent_does_not` in
//!   `src/redis/replies.rs`.
//!
//! # And one of them tried
//!
//! **Predict**: a frame announces 2⁶³ − 1 bytes, the most that its header can say. What does it cost?
//!
//! ```
//! use barewire::websocket::form::Form;
//! use barewire::websocket::message::{Assembler, MessageError, MessageLimits};
//!
//! let limits = MessageLimits { max_message_bytes: 65_536, max_fragments: 1_000 };
//! let mut assembler = Assembler::default();
//! let mut most = [
//! //  FIN op  MASK len    64 bits of length                                key
//!     0x82,   0x80 | 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,  0, 0, 0, 0,
//! ];
//! // It ends at its header, before a byte of payload was waited for. No sum can overflow on the
//! // way, for there is none: the length is compared with what is left of the limit.
//! assert_eq!(assembler.receive(&mut most, Form::Plain, &limits), Err(MessageError::TooBig));
//! assert!(assembler.is_idle(), "and nothing is on the heap");
//! ```
//!
//! **Where to look**: the test of a trap that you would not have seen; and `fuzz/bugs/`, seventeen failures
//! of other servers, to be planted here and found.
//!
//! Back: [11, back-pressure](super::_11_back_pressure) · next: [13, fuzzing](super::_13_fuzzing)
