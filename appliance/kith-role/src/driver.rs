//! Runs a machine on tokio: inputs and time go in, outputs go to the hands.

use std::future::pending;

use kith_core::machine::Machine;
use tokio::sync::mpsc;
use tokio::time::sleep_until;

use crate::clock::SystemClock;

/// Inputs taken at once before the hands hear that all is settled.
const BATCH: usize = 32;

/// What carries out the outputs of a machine.
pub trait Hands<M: Machine> {
    /// Carries out one output. The machine waits meanwhile: hand long work to a task, and never wait
    /// here for room in the machine's own inputs.
    fn perform(&mut self, output: M::Output) -> impl Future<Output = ()> + Send;

    /// The machine has nothing more to say for now: the moment for a snapshot.
    fn settled(&mut self, _machine: &M) {}
}

/// Drives `machine` until every sender of `inputs` is dropped, and gives it back with its hands.
pub async fn drive<M: Machine, H: Hands<M>>(
    mut machine: M,
    mut hands: H,
    clock: SystemClock,
    mut inputs: mpsc::Receiver<M::Input>,
) -> (M, H) {
    let mut batch = Vec::with_capacity(BATCH);
    perform_all(&mut machine, &mut hands).await;
    loop {
        hands.settled(&machine);
        let due = machine.poll_timeout();
        let alarm = async {
            match due {
                Some(at) => sleep_until(clock.deadline(at)).await,
                None => pending().await,
            }
        };
        tokio::select! {
            count = inputs.recv_many(&mut batch, BATCH) => {
                if count == 0 {
                    return (machine, hands);
                }
                for input in batch.drain(..) {
                    machine.handle_input(clock.now(), input);
                    perform_all(&mut machine, &mut hands).await;
                }
            }
            () = alarm => {
                machine.handle_timeout(clock.now());
                perform_all(&mut machine, &mut hands).await;
            }
        }
    }
}

async fn perform_all<M: Machine, H: Hands<M>>(machine: &mut M, hands: &mut H) {
    while let Some(output) = machine.poll_output() {
        hands.perform(output).await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kith_core::time::Instant;

    use super::*;

    const BEAT: Duration = Duration::from_secs(25);

    #[tokio::test(start_paused = true)]
    async fn a_silent_hour_is_a_beat_every_25_seconds() {
        let (sender, inputs) = mpsc::channel(1);
        let end = async {
            tokio::time::sleep(Duration::from_secs(3_600)).await;
            drop(sender);
        };
        let running = drive(Heart::default(), Log::default(), SystemClock::start(), inputs);
        let ((_, log), ()) = tokio::join!(running, end);
        assert_eq!(log.said.len(), 144);
        assert_eq!(log.said[143].as_micros(), 3_600_000_000);
    }

    #[tokio::test(start_paused = true)]
    async fn an_input_is_answered_at_once_and_moves_the_deadline() {
        let (sender, inputs) = mpsc::channel(8);
        let end = async {
            for _ in 0..5 {
                tokio::time::sleep(Duration::from_secs(10)).await;
                sender.send(()).await.unwrap();
            }
            drop(sender);
        };
        let running = drive(Heart::default(), Log::default(), SystemClock::start(), inputs);
        let ((heart, log), ()) = tokio::join!(running, end);
        let seconds: Vec<_> = log.said.iter().map(|at| at.as_micros() / 1_000_000).collect();
        assert_eq!(seconds, [10, 20, 30, 40, 50]);
        assert_eq!(heart.inputs, 5);
        assert!(log.settled >= 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_machine_that_is_always_due_still_hears_its_inputs() {
        let (sender, inputs) = mpsc::channel(8);
        for _ in 0..8 {
            sender.try_send(()).unwrap();
        }
        drop(sender);
        let heart = Heart { hasty: true, ..Heart::default() };
        let (heart, _) = drive(heart, Log::default(), SystemClock::start(), inputs).await;
        assert_eq!(heart.inputs, 8);
    }

    /// Beats when nothing was heard for [`BEAT`], and at every input.
    #[derive(Default)]
    struct Heart {
        last: Instant,
        beats: Vec<Instant>,
        inputs: usize,
        hasty: bool,
    }

    impl Machine for Heart {
        type Input = ();
        type Output = Instant;

        fn handle_input(&mut self, now: Instant, (): ()) {
            self.inputs += 1;
            self.last = now;
            self.beats.push(now);
        }

        fn handle_timeout(&mut self, now: Instant) {
            if now >= self.last + BEAT {
                self.last = now;
                self.beats.push(now);
            }
        }

        fn poll_output(&mut self) -> Option<Instant> {
            self.beats.pop()
        }

        fn poll_timeout(&self) -> Option<Instant> {
            Some(if self.hasty { Instant::ZERO } else { self.last + BEAT })
        }
    }

    #[derive(Default)]
    struct Log {
        said: Vec<Instant>,
        settled: usize,
    }

    impl Hands<Heart> for Log {
        async fn perform(&mut self, at: Instant) {
            self.said.push(at);
        }

        fn settled(&mut self, _: &Heart) {
            self.settled += 1;
        }
    }
}
