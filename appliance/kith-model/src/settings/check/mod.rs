//! What cannot be or should not be in settings of which each value by itself is sound.
//!
//! Errors keep a change from being applied; advice does not. What depends on the hardware is advice only:
//! radios come and go, and settings that wait for one are no mistake.

mod firewall;
mod hardware;
mod networks;
mod wifi;

pub use hardware::{Hardware, hardware};
pub use networks::pool;

use super::Settings;
use super::path::Path;
use super::text;
use crate::network::change::Finding;

/// What is wrong with settings, and advice, as far as they say by themselves. The findings name their
/// keys but no lines; [`text::located`] adds those.
#[must_use]
pub fn check(settings: &Settings) -> Vec<Finding> {
    let mut findings = Findings::default();
    networks::check(settings, &mut findings);
    wifi::check(settings, &mut findings);
    firewall::check(settings, &mut findings);
    findings.0
}

/// Reads a document and says everything about it that can be said without the hardware, in the order of
/// its lines. The settings are there when it can be read, even if something else is wrong with it.
#[must_use]
pub fn document(text: &str) -> (Option<Settings>, Vec<Finding>) {
    match text::parse(text) {
        Ok(settings) => {
            let mut findings = text::located(text, check(&settings));
            findings.sort_by_key(|finding| (finding.line, finding.column));
            (Some(settings), findings)
        }
        Err(findings) => (None, findings),
    }
}

/// Whether something is wrong, beside advice.
#[must_use]
pub fn any_error(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| !finding.advice)
}

/// Collects findings.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn error(&mut self, key: &str, message: impl Into<String>) {
        self.add(key, message.into(), false);
    }

    fn advice(&mut self, key: &str, message: impl Into<String>) {
        self.add(key, message.into(), true);
    }

    fn add(&mut self, key: &str, message: String, advice: bool) {
        // Many forwards can be wrong in the same way.
        if self.0.len() < text::MAX_FINDINGS {
            let key = Path::read(key).map_or_else(|| key.to_owned(), |path| path.to_string());
            self.0.push(Finding { key, message, advice, ..Finding::default() });
        }
    }
}

#[cfg(test)]
mod tests;
