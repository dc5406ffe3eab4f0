//! `kith files`: putting files and folders in, and getting them out.
//!
//! The node never opens a path named here: every file crosses the socket as an open descriptor.

use clap::{Args, Subcommand};
use kith_core::body::normal_path;
use kith_model::control::Place;

use super::Desk;
use crate::client::Client;
use crate::failure::{Failure, Outcome};

mod add;
mod folder;
mod get;
mod list;
mod out;

/// Files and folders
#[derive(Debug, Args)]
pub(crate) struct Files {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Put in a file or a folder
    Add(add::Add),
    /// What there is
    #[command(visible_alias = "list")]
    Ls(list::Ls),
    /// Copy a file or a folder out
    Get(get::Get),
    /// Remove a file or a folder
    Rm(list::Rm),
    /// Write a file or a folder as a CAR file, as IPFS tools read it
    Export(get::Export),
    /// The collections of a space
    Collections(list::Collections),
}

/// Which files are meant.
#[derive(Debug, Args)]
struct In {
    /// In which collection [default: shared]
    #[arg(long, value_name = "C")]
    collection: Option<String>,
    /// In which space, by name or id
    #[arg(long, value_name = "S")]
    space: Option<String>,
}

impl In {
    /// Where `name` is; a space given by name is looked up.
    async fn place(self, client: &mut Client, name: &str) -> Outcome<Place> {
        let path = good_path(name)?;
        let space = client.space(self.space).await?;
        Ok(Place { space, collection: self.collection, path })
    }
}

/// The path somebody typed, in the form the box keeps it.
fn good_path(typed: &str) -> Outcome<String> {
    normal_path(typed)
        .map_err(|error| Failure::Usage(format!("“{}”: {error}", crate::show::plain(typed))))
}

impl Files {
    pub(crate) async fn carry_out(self, desk: &Desk) -> Outcome {
        match self.what {
            What::Add(verb) => verb.carry_out(desk).await,
            What::Ls(verb) => verb.carry_out(desk).await,
            What::Get(verb) => verb.carry_out(desk).await,
            What::Rm(verb) => verb.carry_out(desk).await,
            What::Export(verb) => verb.carry_out(desk).await,
            What::Collections(verb) => verb.carry_out(desk).await,
        }
    }
}
