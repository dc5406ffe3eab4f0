//! The disk's own place: orders are carried out one after the other, off the loop.

use std::path::PathBuf;
use std::sync::Arc;

use kith_files::{Files, Kind};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::drive::Fact;
use crate::control::Input;
use crate::store::{Order, StoreError, carry_out};

/// Starts it; there is one order at a time.
pub(super) fn start(
    (files, folder): (Arc<dyn Files>, PathBuf),
    facts: mpsc::Sender<Fact>,
    tasks: &mut JoinSet<()>,
) -> mpsc::Sender<Box<Order>> {
    let (orders, mut inbox) = mpsc::channel::<Box<Order>>(1);
    tasks.spawn(async move {
        while let Some(order) = inbox.recv().await {
            let (files, folder) = (Arc::clone(&files), folder.clone());
            let work = move || carry_out(&*files, &folder, &order);
            let result = tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(broken()));
            if facts.send(Fact::Input(Input::Stored(result))).await.is_err() {
                return;
            }
        }
    });
    orders
}

fn broken() -> StoreError {
    StoreError {
        kind: Kind::Io,
        message: "writing the settings broke; the log has more".to_owned(),
    }
}
