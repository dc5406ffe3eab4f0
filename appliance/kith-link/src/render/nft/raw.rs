//! What conntrack need not know: the household's DNS and DHCP, and the panel where it has the port of the
//! web. A full table, or thousands of questions a second, then lock nobody out.
//!
//! A panel on another port is reached by that of the web as well, which is translated and so has to be
//! known.

use super::nat::WEB;
use super::text::Chain;
use super::{Rules, household};

pub(super) fn chains(rules: &Rules) -> [Chain; 2] {
    let mut asked =
        Chain::base("untracked", "type filter hook prerouting priority raw; policy accept;");
    let mut answered =
        Chain::base("untracked_answers", "type filter hook output priority raw; policy accept;");
    asked.why("these need no conntrack, so a full table harms none of them");
    let ports = if rules.panel_port == WEB { "{ 53, 80 }" } else { "53" };
    let to_box = format!("iifname {} fib daddr . iif type local", household());
    asked.rule(format!("{to_box} udp dport {{ 53, 67 }} notrack"));
    asked.rule(format!("{to_box} tcp dport {ports} notrack"));
    answered.rule(format!("oifname {} udp sport {{ 53, 67 }} notrack", household()));
    answered.rule(format!("oifname {} tcp sport {ports} notrack", household()));
    [asked, answered]
}
