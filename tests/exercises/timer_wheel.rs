//! Exercise `timer_wheel`: a wheel in place of the heap of `src/timers.rs`. It obeys the heap's law, for
//! fewer steps.

#[path = "yours/timer_wheel.rs"]
mod yours;

use std::time::Duration;

use proptest::prelude::*;

use self::yours::Wheel;
use super::Exercise;
use barewire::timers::Timers;

const TIMER_WHEEL: Exercise = Exercise {
    name: "timer_wheel",
    begin: "tests/exercises/yours/timer_wheel.rs; src/timers.rs says what the loop relies on",
};

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[test]
#[ignore = "exercise: timer_wheel"]
fn keys_come_up_in_the_order_of_their_deadlines_and_not_before() {
    let mut wheel = Wheel::new();
    for (deadline, key) in [(30, 'c'), (10, 'a'), (20, 'b'), (100_000, 'd')] {
        wheel.arm(ms(deadline), key);
    }
    let next = wheel.next_deadline();
    let is_early = next.is_some_and(|next| next <= ms(10));
    TIMER_WHEEL.expects("next_deadline() is 10 ms, or earlier", is_early, next);
    for (now, expected) in [
        (9, None),
        (25, Some((ms(10), 'a'))),
        (25, Some((ms(20), 'b'))),
        (25, None),
        (99_999, Some((ms(30), 'c'))),
        (99_999, None),
        (100_000, Some((ms(100_000), 'd'))),
    ] {
        let got = wheel.expired(ms(now));
        TIMER_WHEEL.expects(&format!("{expected:?} at {now} ms"), got == expected, got);
    }
    let next = wheel.next_deadline();
    TIMER_WHEEL.expects("no deadline is left", next.is_none(), next);
}

#[test]
#[ignore = "exercise: timer_wheel"]
fn a_part_of_a_millisecond_is_rounded_up_and_what_is_late_comes_at_once() {
    let mut wheel = Wheel::new();
    wheel.arm(Duration::from_micros(1500), 'a');
    let got = [wheel.expired(ms(1)), wheel.expired(ms(2))];
    TIMER_WHEEL.expects("1.5 ms comes up at 2 ms", got == [None, Some((ms(2), 'a'))], got);
    wheel.expired(ms(5000));
    wheel.arm(ms(3000), 'b');
    let got = wheel.expired(ms(5000));
    TIMER_WHEEL.expects("what was armed late comes up", got == Some((ms(3000), 'b')), got);
}

/// What a program does: arm something so much later, or let so much time pass.
#[derive(Clone, Debug)]
enum Step {
    Arm(u64),
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // The borders of slots of every size, what lies beside them, and anything.
    let near = |most: u32| {
        (0..most, 0..5_u64).prop_map(|(bits, by): (u32, u64)| (1_u64 << bits).max(2) + by - 2)
    };
    // Time passes in steps small enough for a wheel that goes through every millisecond of it: that this
    // is too slow is shown elsewhere.
    let armed = prop_oneof![4 => 0..300_u64, 4 => near(40), 1 => 0..100_000_u64];
    let passed = prop_oneof![6 => 0..300_u64, 3 => near(18), 1 => 0..100_000_u64];
    let step = prop_oneof![2 => armed.prop_map(Step::Arm), 1 => passed.prop_map(Step::Pass)];
    prop::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// The law: whatever is armed and however time passes, the same comes up as from the heap, at the
    /// same call and in the order of the deadlines.
    #[test]
    #[ignore = "exercise: timer_wheel"]
    fn what_comes_up_is_what_the_heap_says(steps in steps()) {
        let (mut heap, mut wheel) = (Timers::default(), Wheel::new());
        let mut now = 0;
        for (key, step) in steps.iter().enumerate() {
            match step {
                Step::Arm(later) => {
                    heap.arm(ms(now + later), key);
                    wheel.arm(ms(now + later), key);
                }
                Step::Pass(time) => now += time,
            }
            let by_heap: Vec<_> = std::iter::from_fn(|| heap.expired(ms(now))).collect();
            let mut by_wheel: Vec<_> = std::iter::from_fn(|| wheel.expired(ms(now))).collect();
            let is_sorted = by_wheel.is_sorted_by_key(|(at, _)| *at);
            TIMER_WHEEL.must("the earliest deadline first", is_sorted, &by_wheel)?;
            // Which of two keys with the same deadline is first is nobody's business.
            by_wheel.sort_unstable();
            let expected = format!("{by_heap:?} at {now} ms");
            TIMER_WHEEL.must(&expected, by_wheel == by_heap, &by_wheel)?;
            let (latest, next) = (heap.next_deadline(), wheel.next_deadline());
            let is_same = latest.is_some() == next.is_some() && next <= latest;
            TIMER_WHEEL.must(&format!("next_deadline() is {latest:?} at most"), is_same, next)?;
        }
    }
}

/// The loop sleeps until `next_deadline()` and looks then: how often until nothing is left.
fn turns(wheel: &mut Wheel<u64>) -> usize {
    let mut turns = 0;
    let mut last = None;
    while let Some(next) = wheel.next_deadline() {
        let expected = "next_deadline() moves on, or the loop turns for ever";
        TIMER_WHEEL.expects(expected, last.is_none_or(|last| next > last), (last, next));
        last = Some(next);
        turns += 1;
        while let Some((at, key)) = wheel.expired(next) {
            TIMER_WHEEL.expects("each at its own time", at == ms(key) && at == next, (at, key));
        }
    }
    turns
}

#[test]
#[ignore = "exercise: timer_wheel"]
fn a_hundred_thousand_clients_cost_a_few_steps_each() {
    const CLIENTS: u64 = 100_000;
    let mut wheel = Wheel::new();
    // Deadlines all over a minute, in no order: 7,919 is a prime.
    for client in 0..CLIENTS {
        let deadline = 1 + client * 7_919 % 60_000;
        wheel.arm(ms(deadline), deadline);
    }
    let armed = wheel.steps();
    let is_constant = (CLIENTS..=4 * CLIENTS).contains(&armed);
    TIMER_WHEEL.expects("1 to 4 steps to arm one", is_constant, format!("{armed} for all"));
    let turns = turns(&mut wheel);
    TIMER_WHEEL.expects("60,000 turns, and few more", (60_000..70_000).contains(&turns), turns);
    let steps = wheel.steps();
    let is_constant = steps <= 10 * CLIENTS;
    TIMER_WHEEL.expects("at most 10 steps for each, all in all", is_constant, steps);
}

/// A process that was stopped, or that has one client which is silent for a day, does not walk through
/// every millisecond.
#[test]
#[ignore = "exercise: timer_wheel"]
fn a_day_without_anything_costs_hardly_a_step() {
    const DAY: u64 = 24 * 60 * 60 * 1000;
    let mut wheel = Wheel::new();
    wheel.arm(ms(DAY), DAY);
    let woken = turns(&mut wheel);
    TIMER_WHEEL.expects("1 to 10 turns of the loop", (1..=10).contains(&woken), woken);
    wheel.arm(ms(2 * DAY), 2 * DAY);
    let got = wheel.expired(ms(2 * DAY));
    TIMER_WHEEL.expects("it comes up, a day later", got == Some((ms(2 * DAY), 2 * DAY)), got);
    let steps = wheel.steps();
    TIMER_WHEEL.expects("all in all 2 to 1,000 steps", (2..=1000).contains(&steps), steps);
    // And it has no end that a deadline could lie behind: 2^40 ms are 35 years.
    let borders = (28..=40_u32).flat_map(|bits| [0, 1, 2].map(|by| (1_u64 << bits) - 1 + by));
    for at in borders.rev() {
        wheel.arm(ms(at), at);
    }
    let woken = turns(&mut wheel);
    let is_few = (39..=500).contains(&woken);
    TIMER_WHEEL.expects("39 deadlines in 35 years are 39 to 500 turns", is_few, woken);
}
