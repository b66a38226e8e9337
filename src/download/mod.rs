//! Files: where they land, when they have really arrived, whether they are what they claim to be, and how they get
//! their place. A file in an order's folder is always whole and verified; repeating a step places nothing twice.

mod arrival;
mod audit;
mod claim;
mod conclude;
mod declared;
mod disk;
mod ending;
mod error;
mod folder;
mod landing;
mod manifest;
mod markup;
mod naming;
mod place;
mod signature;
mod verify;

pub use arrival::{Arrived, Bounds, await_arrival};
pub use audit::{Audit, Finding, audit};
pub use claim::Claim;
pub use conclude::conclude;
pub use error::DownloadError;
pub use folder::OrderFolder;
pub use landing::Landing;
pub use manifest::{Manifest, ManifestFile, ManifestGap, ManifestLeftOut};
pub(crate) use naming::percent_decoded;
pub use naming::{choose_names, extension, safe_folder, safe_name};
pub(crate) use verify::opaque_id;
pub use verify::{Verified, is_intact, verify};
