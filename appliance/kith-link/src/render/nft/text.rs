//! nft's own text: how sets, chains and strings are written.

/// The longest comment of a rule in bytes (`NFTNL_UDATA_COMMENT_MAXLEN`, less its end).
pub const COMMENT_BYTES: usize = 127;

/// A string of nft. Its scanner knows no escapes: a string ends at the next quotation mark, so what would
/// end it or the line becomes an apostrophe or a space, and what is too long is cut between characters.
///
/// Interface names hold none of these, so they come out as they went in.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        let c = match c {
            '"' => '\'',
            '\\' => '/',
            c if c.is_control() || is_hidden(c) => ' ',
            c => c,
        };
        if out.len() + c.len_utf8() > COMMENT_BYTES + 1 {
            break;
        }
        out.push(c);
    }
    out.push('"');
    out
}

/// Characters that are not seen and turn the direction of what is read (Unicode, UAX #9), or end a line.
const fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// A named set.
#[derive(Debug)]
pub(super) struct Set {
    /// Its name.
    pub(super) name: &'static str,
    /// What is in it, for people.
    pub(super) why: &'static str,
    /// Type and flags.
    pub(super) kind: &'static str,
    /// Its elements in nft's form.
    pub(super) elements: Vec<String>,
}

impl Set {
    /// A set whose elements come from packets and outlive a new ruleset.
    pub(super) const fn filled_by_packets(
        name: &'static str,
        why: &'static str,
        kind: &'static str,
    ) -> Self {
        Self { name, why, kind, elements: Vec::new() }
    }

    fn is_filled_by_packets(&self) -> bool {
        self.kind.ends_with("dynamic")
    }
}

/// A chain: where it hooks in and what it does, line by line.
#[derive(Debug)]
pub(super) struct Chain {
    name: &'static str,
    hook: Option<&'static str>,
    lines: Vec<String>,
}

impl Chain {
    /// A chain that packets pass by themselves.
    pub(super) const fn base(name: &'static str, hook: &'static str) -> Self {
        Self { name, hook: Some(hook), lines: Vec::new() }
    }

    /// A chain that others jump to.
    pub(super) const fn new(name: &'static str) -> Self {
        Self { name, hook: None, lines: Vec::new() }
    }

    /// Adds a rule.
    pub(super) fn rule(&mut self, rule: impl Into<String>) {
        self.lines.push(rule.into());
    }

    /// Adds words about the next rules. They are the program's own.
    pub(super) fn why(&mut self, words: &'static str) {
        self.lines.push(format!("# {words}"));
    }
}

/// The transaction that makes the table what is given and drops all other rules in it.
pub(super) fn table(name: &str, head: &str, sets: &[Set], chains: &[Chain]) -> String {
    let mut out = head.to_owned();
    out.push_str(&format!("add table inet {name}\nflush table inet {name}\n"));
    for set in sets.iter().filter(|set| !set.is_filled_by_packets()) {
        let Set { name: set, kind, .. } = set;
        out.push_str(&format!("add set inet {name} {set} {{ {kind}; }}\n"));
        out.push_str(&format!("flush set inet {name} {set}\n"));
    }
    out.push_str(&format!("\ntable inet {name} {{\n"));
    for (number, set) in sets.iter().enumerate() {
        separate(&mut out, number);
        write_set(&mut out, set);
    }
    for (number, chain) in chains.iter().enumerate() {
        separate(&mut out, number + sets.len());
        write_chain(&mut out, chain);
    }
    out.push_str("}\n");
    out
}

fn separate(out: &mut String, number: usize) {
    if number > 0 {
        out.push('\n');
    }
}

fn write_set(out: &mut String, set: &Set) {
    out.push_str(&format!("\t# {}\n\tset {} {{\n", set.why, set.name));
    for part in set.kind.split("; ") {
        out.push_str(&format!("\t\t{part}\n"));
    }
    if !set.elements.is_empty() {
        out.push_str(&format!("\t\telements = {{ {} }}\n", set.elements.join(", ")));
    }
    out.push_str("\t}\n");
}

fn write_chain(out: &mut String, chain: &Chain) {
    out.push_str(&format!("\tchain {} {{\n", chain.name));
    if let Some(hook) = chain.hook {
        out.push_str(&format!("\t\t{hook}\n"));
    }
    for line in &chain.lines {
        out.push_str(&format!("\t\t{line}\n"));
    }
    out.push_str("\t}\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_ends_where_it_should() {
        assert_eq!(quoted("eth0"), "\"eth0\"");
        assert_eq!(quoted("a\" accept; #\n"), "\"a' accept; # \"");
        assert_eq!(quoted("back\\slash"), "\"back/slash\"");
        assert_eq!(quoted("right\u{202e}left"), "\"right left\"");
    }

    #[test]
    fn a_long_comment_is_cut_between_characters() {
        let cut = quoted(&"é".repeat(80));
        assert_eq!(cut.len(), 126 + 2);
        assert!(cut.ends_with("é\""));
    }
}
