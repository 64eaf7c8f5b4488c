//! What broken networks, machines that sleep, and ill will do to the monitor.

use super::*;

const FAR: &str = "192.0.2.1:5000";

#[test]
fn a_rare_sender_that_does_not_state_its_interval_is_found_out() {
    for seconds in [5, 30] {
        let mut post = Post::new(|_| {});
        for seq in 1..=10 {
            post.hear_from(FAR, format!("Heartbeat {seq} {}", 1_700_000_000 + seconds * seq).as_bytes());
            post.pass(seconds * SECOND);
        }
        assert_eq!(post.told(), ["new", "up"], "every {seconds} s");
        assert_eq!(post.peer().interval, seconds * SECOND);
    }
}
