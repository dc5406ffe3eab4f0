//! Happy eyeballs (RFC 8305): several ways at once, started a little apart, the first to work wins.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until};

use super::DialError;

/// How long a way has to itself before the next is tried as well (RFC 8305, section 5).
const APART: Duration = Duration::from_millis(250);

/// Runs `ways` in their order and answers with the first that works; else with the most telling error.
///
/// A way that fails lets the next one start at once.
pub(super) async fn first<T, F>(ways: impl Iterator<Item = F>) -> Result<T, DialError>
where
    F: Future<Output = Result<T, DialError>>,
{
    let mut waiting = ways.fuse();
    let mut running = FuturesUnordered::new();
    let mut worst = DialError::NoAddress;
    let mut next_at = Instant::now();
    let mut exhausted = false;
    loop {
        tokio::select! {
            () = sleep_until(next_at), if !exhausted => match waiting.next() {
                Some(way) => {
                    running.push(way);
                    next_at = Instant::now() + APART;
                }
                None => exhausted = true,
            },
            Some(result) = running.next(), if !running.is_empty() => match result {
                Ok(won) => return Ok(won),
                Err(error) => {
                    if weight(&error) >= weight(&worst) {
                        worst = error;
                    }
                    next_at = Instant::now();
                }
            },
            else => return Err(worst),
        }
        if exhausted && running.is_empty() {
            return Err(worst);
        }
    }
}

/// How much an error tells: an answer from the wrong box more than silence.
fn weight(error: &DialError) -> u8 {
    match error {
        DialError::NoAddress => 0,
        DialError::Address { .. } => 1,
        DialError::Silence(_) => 2,
        DialError::Ourselves(_) | DialError::OtherProtocol(_) => 3,
        DialError::Closed { .. } => 4,
        DialError::OtherKey(_) => 5,
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn ways_start_a_quarter_of_a_second_apart_and_the_first_answer_wins() {
        let began = Instant::now();
        let ways = [(9_000, Some(1)), (400, Some(2)), (300, Some(3))];
        assert_eq!(first(ways.into_iter().map(way)).await, Ok(2));
        assert_eq!(began.elapsed(), APART + Duration::from_millis(400));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_lets_the_next_start_at_once() {
        let began = Instant::now();
        let ways = [(10, None), (10, None), (10, Some(3))];
        assert_eq!(first(ways.into_iter().map(way)).await, Ok(3));
        assert_eq!(began.elapsed(), Duration::from_millis(30));
    }

    #[tokio::test(start_paused = true)]
    async fn of_all_failures_the_most_telling_is_told() {
        let other = || async { Err::<u8, _>(DialError::OtherKey(anywhere())) };
        let silent = || async { Err::<u8, _>(DialError::Silence(anywhere())) };
        let ways =
            [0, 1, 2].map(|i| async move { if i == 1 { other().await } else { silent().await } });
        assert_eq!(first(ways.into_iter()).await, Err(DialError::OtherKey(anywhere())));
        assert_eq!(
            first(std::iter::empty::<std::future::Ready<_>>()).await,
            Err::<u8, _>(DialError::NoAddress)
        );
    }

    async fn way((millis, answer): (u64, Option<u8>)) -> Result<u8, DialError> {
        sleep(Duration::from_millis(millis)).await;
        answer.ok_or(DialError::Silence(anywhere()))
    }

    fn anywhere() -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], 9))
    }
}
