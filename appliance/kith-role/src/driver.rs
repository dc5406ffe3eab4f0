//! Runs a machine on tokio: facts and time go in, outputs go to the hands.

use std::future::pending;

use kith_core::machine::Machine;
use tokio::time::sleep_until;

use crate::clock::SystemClock;

/// What happened next, as the hands tell the driver.
#[derive(Debug)]
pub enum Next<I> {
    /// A fact for the machine.
    Input(I),
    /// Nothing that the machine has to know; the hands only want to be heard by [`Hands::settled`].
    Nothing,
    /// The machine is to stop.
    Stop,
}

/// What carries out the outputs of a machine, and hears the world for it.
pub trait Hands<M: Machine> {
    /// Waits for what happens next. It may be dropped while it waits and called again, and must not lose
    /// anything by that.
    fn next(&mut self) -> impl Future<Output = Next<M::Input>> + Send;

    /// Carries out one output. The machine waits meanwhile, so what takes long is for a task.
    fn perform(&mut self, output: M::Output);

    /// The machine has nothing more to say for now: the moment for a snapshot.
    fn settled(&mut self, _machine: &M) {}
}

/// Drives `machine` until its hands say stop, and gives it back with them.
pub async fn drive<M: Machine, H: Hands<M>>(
    mut machine: M,
    mut hands: H,
    clock: SystemClock,
) -> (M, H) {
    perform_all(&mut machine, &mut hands);
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
            biased;
            next = hands.next() => match next {
                Next::Input(input) => machine.handle_input(clock.now(), input),
                Next::Nothing => {}
                Next::Stop => return (machine, hands),
            },
            () = alarm => {}
        }
        perform_all(&mut machine, &mut hands);
        // Not left to the alarm alone, which hands that always have something next would starve.
        if machine.poll_timeout().is_some_and(|at| at <= clock.now()) {
            machine.handle_timeout(clock.now());
            perform_all(&mut machine, &mut hands);
        }
    }
}

fn perform_all<M: Machine, H: Hands<M>>(machine: &mut M, hands: &mut H) {
    while let Some(output) = machine.poll_output() {
        hands.perform(output);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kith_core::time::Instant;
    use tokio::sync::mpsc;

    use super::*;

    const BEAT: Duration = Duration::from_secs(25);

    #[tokio::test(start_paused = true)]
    async fn a_silent_hour_is_a_beat_every_25_seconds() {
        let (sender, inputs) = mpsc::channel(1);
        let end = async {
            tokio::time::sleep(Duration::from_secs(3_600)).await;
            drop(sender);
        };
        let running = drive(Heart::default(), Log::of(inputs), SystemClock::start());
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
        let running = drive(Heart::default(), Log::of(inputs), SystemClock::start());
        let ((heart, log), ()) = tokio::join!(running, end);
        let seconds: Vec<_> = log.said.iter().map(|at| at.as_micros() / 1_000_000).collect();
        assert_eq!(seconds, [10, 20, 30, 40, 50]);
        assert_eq!(heart.inputs, 5);
        assert!(log.settled >= 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_machine_that_is_due_comes_up_however_much_there_is_to_hear() {
        let (sender, inputs) = mpsc::channel(100);
        for _ in 0..100 {
            sender.try_send(()).unwrap();
        }
        drop(sender);
        let heart = Heart { hasty: true, ..Heart::default() };
        let (heart, _) = drive(heart, Log::of(inputs), SystemClock::start()).await;
        assert!(heart.timeouts >= 100, "{}", heart.timeouts);
    }

    #[tokio::test(start_paused = true)]
    async fn a_machine_that_is_always_due_still_hears_its_inputs() {
        let (sender, inputs) = mpsc::channel(8);
        for _ in 0..8 {
            sender.try_send(()).unwrap();
        }
        drop(sender);
        let heart = Heart { hasty: true, ..Heart::default() };
        let (heart, _) = drive(heart, Log::of(inputs), SystemClock::start()).await;
        assert_eq!(heart.inputs, 8);
    }

    /// Beats when nothing was heard for [`BEAT`], and at every input.
    #[derive(Default)]
    struct Heart {
        last: Instant,
        beats: Vec<Instant>,
        inputs: usize,
        timeouts: usize,
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
            self.timeouts += 1;
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

    struct Log {
        inputs: mpsc::Receiver<()>,
        said: Vec<Instant>,
        settled: usize,
    }

    impl Log {
        fn of(inputs: mpsc::Receiver<()>) -> Self {
            Self { inputs, said: Vec::new(), settled: 0 }
        }
    }

    impl Hands<Heart> for Log {
        async fn next(&mut self) -> Next<()> {
            self.inputs.recv().await.map_or(Next::Stop, Next::Input)
        }

        fn perform(&mut self, at: Instant) {
            self.said.push(at);
        }

        fn settled(&mut self, _: &Heart) {
            self.settled += 1;
        }
    }
}
