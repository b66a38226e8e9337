//! Files: where they land, when they have really arrived, whether they are what they claim to be, and how they get
//! their place. A file in an order's folder is always whole and verified; repeating a step places nothing twice.

mod audit;
mod error;
mod order_dir;
mod output_lock;
mod staging;
mod verify;
mod watch;

pub use audit::{Audit, Finding, audit};
pub use error::DownloadError;
pub use order_dir::OrderFolder;
pub use order_dir::finalize::conclude;
pub use order_dir::manifest::{Manifest, ManifestFile, ManifestGap, ManifestLeftOut};
pub(crate) use order_dir::naming::percent_decoded;
pub use order_dir::naming::{choose_names, extension, safe_folder, safe_name};
pub use output_lock::Claim;
pub use staging::Landing;
pub(crate) use verify::opaque_id;
pub use verify::{Verified, is_intact, verify};
pub use watch::{Arrived, Bounds, await_arrival};
