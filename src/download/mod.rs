//! Files: where they arrive, when they are complete, whether they are what they claim to be, and how they get
//! their place. A file in an order's folder is always whole and verified; repeating a step places nothing twice.

#![cfg_attr(
    not(feature = "cli"),
    allow(dead_code, unused_imports, reason = "part of it is for the command line alone")
)]

mod audit;
mod error;
mod order_dir;
mod output_lock;
mod progress;
mod staging;
pub mod transfer;
mod verify;
mod watch;

pub use audit::{Audit, AuditProblem, audit};
pub use error::DownloadError;
pub use order_dir::OrderDir;
pub use order_dir::finalize::finalize;
#[cfg(feature = "internals")]
pub use order_dir::manifest::{Manifest, ManifestExcluded, ManifestFile, ManifestMissing};
pub(crate) use order_dir::naming::percent_decoded;
#[cfg(feature = "internals")]
pub use order_dir::naming::safe_folder;
pub use order_dir::naming::{candidate_names, extension, safe_name};
pub use output_lock::OutputLock;
pub use progress::{FinishedDownload, TransferLimits};
pub use staging::StagingDir;
pub(crate) use verify::opaque_id;
pub use verify::{LoginSigns, Verified, VerifyRules, is_intact, verify};
pub use watch::{DownloadLimits, Outlook, await_arrival};
