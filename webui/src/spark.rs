//! Curves of the last 24 hours as one inline SVG path each: no script, and a sentence beside it says the
//! same.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use kith_model::network::ask::Graph;

use crate::view::{Markup, escape};

/// Points of a curve; more cannot be seen on a phone.
const POINTS: usize = 120;

/// Height of a curve in units of its own.
const HEIGHT: f32 = 24.0;

/// For how long curves are shown before they are asked for again, in milliseconds: the box takes one
/// sample a minute.
const KEPT_MS: u64 = 60_000;

/// Curves by name.
pub(crate) type Curves = Arc<Vec<(String, Markup)>>;

/// The curves that were drawn last, and when.
#[derive(Default)]
pub(crate) struct Drawn(Mutex<Option<(u64, Curves)>>);

impl Drawn {
    /// The curves, unless they are too old.
    pub(crate) fn fresh(&self, now: u64) -> Option<Curves> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, curves) = kept.as_ref()?;
        (now.saturating_sub(*at) < KEPT_MS).then(|| Arc::clone(curves))
    }

    /// Draws and keeps them.
    pub(crate) fn keep(&self, now: u64, graphs: &[Graph]) -> Curves {
        let curves = graphs.iter().filter_map(|graph| Some((graph.name.clone(), draw(graph)?)));
        let curves = Arc::new(curves.collect::<Vec<_>>());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, Arc::clone(&curves)));
        curves
    }
}

/// A curve from its least to its greatest sample; gaps where nothing was sampled. Nothing for fewer than
/// two samples.
fn draw(graph: &Graph) -> Option<Markup> {
    let points = thin(&graph.samples);
    let seen = || points.iter().flatten().copied().filter(|value| value.is_finite());
    if seen().count() < 2 {
        return None;
    }
    let least = seen().fold(f32::INFINITY, f32::min).min(0.0);
    let most = seen().fold(f32::NEG_INFINITY, f32::max);
    let span = if most > least { most - least } else { 1.0 };
    let mut path = String::new();
    let mut drawing = false;
    for (x, point) in points.iter().enumerate() {
        match point.filter(|value| value.is_finite()) {
            Some(value) => {
                let y = HEIGHT - 1.0 - (value - least) / span * (HEIGHT - 2.0);
                let _ = write!(path, "{}{x} {y:.1}", if drawing { 'L' } else { 'M' });
                drawing = true;
            }
            None => drawing = false,
        }
    }
    let width = points.len().max(2) - 1;
    Some(Markup(format!(
        "<svg class=\"spark\" aria-hidden=\"true\" viewBox=\"0 0 {width} {HEIGHT}\" preserveAspectRatio=\"none\"><path d=\"{}\"/></svg>",
        escape(&path)
    )))
}

/// At most [`POINTS`] samples: the mean of each stretch.
fn thin(samples: &[Option<f32>]) -> Vec<Option<f32>> {
    let stretch = samples.len().div_ceil(POINTS).max(1);
    let mean = |stretch: &[Option<f32>]| {
        let count = stretch.iter().flatten().count();
        #[expect(clippy::cast_precision_loss, reason = "a few samples")]
        (count > 0).then(|| stretch.iter().flatten().sum::<f32>() / count as f32)
    };
    samples.chunks(stretch).map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(samples: Vec<Option<f32>>) -> Graph {
        Graph { name: "internet".into(), samples, ..Graph::default() }
    }

    #[test]
    fn a_day_becomes_a_short_path_with_its_gaps() {
        let day = (0..1_440_u16)
            .map(|i| (!(700..=800).contains(&i)).then(|| f32::from(i % 40)))
            .collect();
        let svg = draw(&graph(day)).unwrap().0;
        assert!(svg.len() < 2_000, "{}", svg.len());
        assert_eq!(svg.matches('M').count(), 2, "{svg}");
    }

    #[test]
    fn what_is_no_curve_is_not_drawn() {
        assert_eq!(draw(&graph(Vec::new())), None);
        assert_eq!(draw(&graph(vec![None, Some(1.0)])), None);
        assert_eq!(draw(&graph(vec![Some(f32::NAN), Some(f32::INFINITY), Some(1.0)])), None);
        let flat = draw(&graph(vec![Some(0.0); 5])).unwrap().0;
        assert!(!flat.contains("NaN"), "{flat}");
    }

    #[test]
    fn curves_are_kept_for_a_minute() {
        let drawn = Drawn::default();
        drawn.keep(1_000, &[graph(vec![Some(1.0), Some(2.0)])]);
        assert_eq!(drawn.fresh(60_999).unwrap().len(), 1);
        assert!(drawn.fresh(61_000).is_none());
    }
}
