//! What conntrack need not know: the household's DNS, DHCP and panel. A full table, or thousands of
//! questions a second, then lock nobody out.

use super::text::Chain;
use super::{Rules, household};

pub(super) fn chains(rules: &Rules) -> [Chain; 2] {
    let mut asked =
        Chain::base("untracked", "type filter hook prerouting priority raw; policy accept;");
    let mut answered =
        Chain::base("untracked_answers", "type filter hook output priority raw; policy accept;");
    asked.why("the household's DNS, DHCP and panel need no conntrack, so a full table harms none");
    let to_box = format!("iifname {} fib daddr . iif type local", household());
    asked.rule(format!("{to_box} udp dport {{ 53, 67 }} notrack"));
    asked.rule(format!("{to_box} tcp dport {{ 53, {} }} notrack", rules.panel_port));
    answered.rule(format!("oifname {} udp sport {{ 53, 67 }} notrack", household()));
    answered.rule(format!(
        "oifname {} tcp sport {{ 53, {} }} notrack",
        household(),
        rules.panel_port
    ));
    [asked, answered]
}
