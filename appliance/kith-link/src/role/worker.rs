//! The hands' own place: they do one job at a time, and listen when they have none.

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::drive::Fact;
use super::offers::Offers;
use crate::control::{Input, Job, Outcome};
use crate::hands::{Event, Hands};

/// Starts it; there is one job at a time.
pub(super) fn start<H: Hands + 'static>(
    mut hands: H,
    mut offers: Option<Offers>,
    facts: mpsc::Sender<Fact>,
    tasks: &mut JoinSet<()>,
) -> mpsc::Sender<Job> {
    let (jobs, mut inbox) = mpsc::channel::<Job>(1);
    tasks.spawn(async move {
        loop {
            let input = tokio::select! {
                biased;
                job = inbox.recv() => match job {
                    Some(job) => Input::Done(carry_out(&mut hands, job).await),
                    None => return,
                },
                event = hands.event() => {
                    if let (Some(offers), Event::Offered { device, offer }) = (&mut offers, &event) {
                        offers.take(device, offer);
                    }
                    Input::Happened(event)
                }
            };
            if facts.send(Fact::Input(input)).await.is_err() {
                return;
            }
        }
    });
    jobs
}

async fn carry_out<H: Hands>(hands: &mut H, job: Job) -> Outcome {
    match job {
        Job::Look => Outcome::Looked(hands.look().await.map(Box::new)),
        Job::Perform(step) => {
            tracing::debug!(%step, "doing");
            Outcome::Performed(hands.perform(&step).await)
        }
        Job::Survey => Outcome::Surveyed(hands.survey().await),
        Job::Ping(mac) => Outcome::Pinged(hands.ping(mac).await),
        Job::Probe { device, target } => Outcome::Probed(hands.probe(&device, target).await),
        Job::Check(daemon) => Outcome::Answers(hands.answers(&daemon).await),
        Job::AskFor(address) => Outcome::AskedFor(hands.ask_for(address).await),
        Job::ReportHung(daemon) => {
            hands.report_hung(&daemon).await;
            Outcome::Reported
        }
    }
}
