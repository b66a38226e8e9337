//! What the portal listed against what is in an order's folder: a file beside the files, so that they can be checked
//! wherever the folder goes. Described by `docs/manifest.schema.json`.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::download::order_dir::steps;
use crate::download::verify::has_size;
use crate::model::{FailureKind, FileOrigin, FileRecord, Lane, MANIFEST_NAME, OrderStatus, Outcome, PoNumber, Receipt};

/// The version of the manifest's shape.
const SCHEMA: u32 = 1;

/// No manifest is longer: what is longer was not written by this program.
const MAX_BYTES: u64 = 64 << 20;

/// The manifest of one order's folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of this shape; 1.
    pub schema: u32,
    /// Which order.
    pub po_number: PoNumber,
    /// How it ended.
    pub status: OrderStatus,
    /// The supplier as the order's page shows it.
    pub supplier: Option<String>,
    /// The address of the order's page.
    pub url: String,
    /// How many attachments the portal listed, those listed twice included.
    pub listed_count: usize,
    /// How many of them were listed again.
    pub repeated_count: usize,
    /// In which lane the order was judged; none when it was not come to, or by an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lane: Option<Lane>,
    /// Why it was judged in the tab although frames were allowed; empty when there is nothing to say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub lane_reason: String,
    /// The files that are attachments of the order.
    pub files: Vec<ManifestFile>,
    /// The attachments that were listed and could not be fetched.
    pub missing: Vec<ManifestMissing>,
    /// The attachments that were listed and not wanted.
    #[serde(default)]
    pub left_out: Vec<ManifestExcluded>,
    /// Files of an earlier run that the portal does not list any more, or not with these bytes.
    #[serde(default)]
    pub earlier: Vec<ManifestFile>,
}

/// A file that must be in the folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestFile {
    /// Its name in the folder.
    pub file: String,
    /// The name as the portal gave it.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// What the bytes are, as a media type, if their signature shows it.
    pub media_type: Option<String>,
    /// Which page listed it.
    pub source: FileOrigin,
    /// How many attachments it is: more than one when attachments of one name have the same bytes.
    pub attachment_count: usize,
}

/// An attachment that was listed and could not be fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestMissing {
    /// The name as the page listed it.
    pub name: String,
    /// Which page listed it.
    pub source: FileOrigin,
    /// The class of failure.
    pub kind: FailureKind,
    /// What happened.
    pub reason: String,
}

/// An attachment that was listed and not wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestExcluded {
    /// The name as the page listed it.
    pub name: String,
    /// Which page listed it.
    pub source: FileOrigin,
    /// Why it is not wanted.
    pub reason: String,
}

impl Manifest {
    /// What `outcome` says about the files in the folder called `relative`, which is at `folder`.
    pub(crate) fn of(po: &PoNumber, outcome: &Outcome, relative: &str, folder: &Path) -> Self {
        let nothing = Receipt::default();
        let receipt = outcome.receipt().unwrap_or(&nothing);
        let here = |file: &FileRecord| {
            let name = file.path.strip_prefix(relative)?.strip_prefix('/')?.to_owned();
            Some(ManifestFile {
                file: name,
                name: file.name.clone(),
                size: file.size,
                sha256: file.sha256.clone(),
                media_type: file.media_type.clone(),
                source: file.source,
                attachment_count: file.listings.len(),
            })
        };
        let files: Vec<_> = receipt.files.iter().filter_map(here).collect();
        let gap = |missing: &crate::model::MissingFile| ManifestMissing {
            name: missing.name.clone(),
            source: missing.source,
            kind: missing.failure.kind,
            reason: missing.failure.message.clone(),
        };
        let left_out = |file: &crate::model::ExcludedFile| ManifestExcluded {
            name: file.name.clone(),
            source: file.source,
            reason: file.reason.clone(),
        };
        Self {
            schema: SCHEMA,
            po_number: po.clone(),
            status: outcome.status(),
            supplier: receipt.supplier.clone(),
            url: receipt.url.clone(),
            listed_count: receipt.listed_count,
            repeated_count: receipt.repeated_count,
            lane: receipt.lane,
            lane_reason: receipt.lane_reason.clone(),
            earlier: still_there(folder, &files),
            files,
            missing: receipt.missing.iter().map(gap).collect(),
            left_out: receipt.left_out.iter().map(left_out).collect(),
        }
    }

    /// Reads the manifest in `folder`, if there is one. Blocks while it reads.
    ///
    /// # Errors
    /// Of the disk, and `InvalidData` when it is not a manifest, or one of a later version.
    pub fn read(folder: &Path) -> io::Result<Option<Self>> {
        let path = folder.join(MANIFEST_NAME);
        let size = match fs::symlink_metadata(&path) {
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?.len(),
        };
        let not_ours = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
        if size > MAX_BYTES {
            return Err(not_ours(format!("{size} bytes are too long for a manifest")));
        }
        let read: Self = serde_json::from_slice(&fs::read(&path)?).map_err(|why| not_ours(why.to_string()))?;
        if read.schema > SCHEMA {
            return Err(not_ours(format!("it was written by a newer version (schema {})", read.schema)));
        }
        // somebody may have written into it what leads elsewhere
        if let Some(file) = read.all_files().find(|file| !is_plain(&file.file)) {
            return Err(not_ours(format!("{:?} is not a file name in the folder", file.file)));
        }
        Ok(Some(read))
    }

    /// All files that must be in the folder.
    pub fn all_files(&self) -> impl Iterator<Item = &ManifestFile> {
        self.files.iter().chain(&self.earlier)
    }

    /// Puts it into `folder` in one step, over an earlier one: drafted in `drafts`, or beside it if that is on another
    /// disk.
    pub(crate) fn write(&self, folder: &Path, drafts: &Path) -> io::Result<()> {
        match self.write_by(folder, drafts, "manifest-") {
            Err(why) if why.kind() == io::ErrorKind::CrossesDevices => self.write_by(folder, folder, steps::PART_START),
            other => other,
        }
    }

    fn write_by(&self, folder: &Path, drafts: &Path, prefix: &str) -> io::Result<()> {
        let mut builder = tempfile::Builder::new();
        // as any file that the user makes
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        steps::make_folder(drafts)?;
        let mut draft = builder.prefix(prefix).suffix(steps::PART_END).tempfile_in(drafts)?;
        serde_json::to_writer_pretty(&mut draft, self)?;
        draft.write_all(b"\n")?;
        draft.as_file().sync_all()?;
        let path = draft.into_temp_path();
        steps::rename(&path, &folder.join(MANIFEST_NAME))
    }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && name != ".." && name != "." && !name.contains(['/', '\\', '\0'])
}

/// What an earlier run has left in `folder` according to its manifest, if it is still there and none of `files`.
fn still_there(folder: &Path, files: &[ManifestFile]) -> Vec<ManifestFile> {
    let earlier = Manifest::read(folder).unwrap_or_else(|why| {
        tracing::warn!(folder = %folder.display(), %why, "the earlier manifest cannot be read and is replaced");
        None
    });
    let is_left = |file: &ManifestFile| {
        files.iter().all(|now| now.file != file.file) && has_size(&folder.join(&file.file), file.size)
    };
    earlier.map(|manifest| manifest.all_files().filter(|file| is_left(file)).cloned().collect()).unwrap_or_default()
}
