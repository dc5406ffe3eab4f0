//! `kith set`: values into the draft of the command line.

use clap::Args;
use kith_model::network::ask::NetworkAsk;
use kith_model::settings::show::typed;

use super::Desk;
use super::changes::count;
use crate::failure::{Failure, Outcome};

/// Put values into your draft; kith apply makes them hold
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  kith set wifi.guest.ssid Visitors wifi.guest.enabled on\n  \
                  kith set lan.ports lan1,lan2\n  \
                  kith set uplink.+ \"{ device = 'eth0' }\"\n  \
                  kith set --default radio.phy0.channel")]
pub(crate) struct Set {
    /// Keys, each with its value in TOML; texts need no quotes
    #[arg(value_name = "KEY VALUE", required = true)]
    pairs: Vec<String>,
    /// The keys go back to their defaults; what is a list or a section goes away
    #[arg(long)]
    default: bool,
}

impl Set {
    pub(crate) async fn carry_out(self, desk: &Desk) -> Outcome {
        let values = if self.default {
            self.pairs.into_iter().map(|key| (key, None)).collect()
        } else {
            pairs(&self.pairs)?
        };
        let draft = desk.link().await?.settings(NetworkAsk::DraftSet { values }).await?;
        count(desk, &draft)
    }
}

fn pairs(words: &[String]) -> Outcome<Vec<(String, Option<String>)>> {
    let pair = |pair: &[String]| match pair {
        [key, value] => Ok((key.clone(), Some(typed(key, value)?))),
        _ => Err(Failure::Usage("the last key has no value: kith set KEY VALUE".to_owned())),
    };
    words.chunks(2).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_come_in_pairs() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let values = pairs(&words("wifi.guest.enabled on country DE")).unwrap();
        let expected = [("wifi.guest.enabled", "true"), ("country", "\"DE\"")];
        assert!(values.iter().map(|(k, v)| (k.as_str(), v.as_deref().unwrap())).eq(expected));
        assert_eq!(pairs(&words("country")).unwrap_err().exit_code(), 2);
        let failure = pairs(&words("contry DE")).unwrap_err().to_string();
        assert!(failure.contains("did you mean country?"), "{failure}");
    }
}
