//! Counters for Prometheus; no peer has a label, since a page of figures must not map a neighbourhood.

use kith_model::status::Metric;
use kith_proto::replica::PeerState;

use super::Desk;

impl Desk {
    pub(super) fn metrics(&self) -> Vec<Metric> {
        let counts = self.store.counts();
        let counters = self.hub.counters();
        let connected = self.peers.iter().filter(|peer| peer.state == PeerState::Connected).count();
        let mut metrics = vec![
            gauge(
                "kith_uptime_seconds",
                "Time since the node started.",
                self.clock.uptime().as_secs_f64(),
            ),
            gauge("kith_peers_connected", "Boxes connected now.", connected as f64),
            gauge("kith_store_records", "Records kept.", counts.records as f64),
            gauge("kith_store_blocks", "Blocks kept.", counts.blocks as f64),
            gauge("kith_store_block_bytes", "Bytes of blocks kept.", counts.block_bytes as f64),
        ];
        if let Ok(space) = self.store.free_space() {
            metrics.push(gauge(
                "kith_store_free_bytes",
                "Bytes free on the disk.",
                space.free as f64,
            ));
        }
        let totals = [
            (
                "kith_recon_opened_total",
                "Comparisons of record sets opened.",
                counters.recon_opened,
            ),
            ("kith_recon_equal_total", "Comparisons that found nothing new.", counters.recon_equal),
            ("kith_recon_frames_total", "Frames of comparisons, both ways.", counters.recon_frames),
            ("kith_recon_bytes_total", "Bytes of those frames.", counters.recon_bytes),
            (
                "kith_records_received_total",
                "Records received and kept.",
                counters.records_received,
            ),
            ("kith_records_sent_total", "Records sent.", counters.records_sent),
            (
                "kith_records_refused_total",
                "Records refused as malformed or forged.",
                counters.records_refused,
            ),
            ("kith_blocks_received_total", "Blocks received and kept.", counters.blocks_received),
            (
                "kith_blocks_received_bytes_total",
                "Bytes of those blocks.",
                counters.block_bytes_received,
            ),
            (
                "kith_blocks_refused_total",
                "Blocks that were not what was asked for.",
                counters.blocks_refused,
            ),
            (
                "kith_peers_dropped_total",
                "Connections closed for misbehaviour.",
                counters.peers_dropped,
            ),
        ];
        metrics.extend(totals.map(|(name, help, value)| counter(name, help, value as f64)));
        metrics
    }
}

fn gauge(name: &str, help: &str, value: f64) -> Metric {
    metric("gauge", name, help, value)
}

fn counter(name: &str, help: &str, value: f64) -> Metric {
    metric("counter", name, help, value)
}

fn metric(kind: &str, name: &str, help: &str, value: f64) -> Metric {
    let (name, help, kind) = (name.to_owned(), help.to_owned(), kind.to_owned());
    Metric { name, help, kind, labels: Vec::new(), value }
}
