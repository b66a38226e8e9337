//! How attempts and orders end.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Failure, FailureKind, RunId};

/// Where a file was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum FileOrigin {
    /// On the order page.
    #[default]
    Order,
    /// On the page of the order's requisition.
    Requisition,
}

/// The file in each order's folder that says what is in it and why. No attachment ever gets this name.
pub const MANIFEST_NAME: &str = "_manifest.json";

/// A file that lies, verified, in its order's folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Relative to the output folder, with `/` between the parts on every system.
    pub path: String,
    /// The name as the portal gave it, untouched: it may hold anything and is never used as a path.
    pub name: String,
    /// Bytes on disk.
    pub size: u64,
    /// SHA-256 of the bytes, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// What the bytes are, as a media type, if their signature tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Which page listed it.
    pub source: FileOrigin,
    /// The attachments that it is, see [`ListingId`]: more than one when attachments of one name have the same bytes.
    /// Records of before there were any have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listings: Vec<ListingId>,
}

/// Tells an attachment from the others of its order, from one attempt to the next. It is made of what the page says of
/// it, but does not show it: the address of an attachment may hold a token.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ListingId(String);

impl ListingId {
    /// An id of this text, which tells nothing to whoever reads it.
    #[must_use]
    pub fn new(opaque: impl Into<String>) -> Self {
        Self(opaque.into())
    }
}

/// An attachment that the page listed and that could not be had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingFile {
    /// The name as the page listed it.
    pub name: String,
    /// Which attachment it is.
    #[serde(default)]
    pub listing: ListingId,
    /// Which page listed it.
    pub source: FileOrigin,
    /// Why it is not there.
    pub failure: Failure,
}

/// An attachment that the page listed and that this run did not want.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExcludedFile {
    /// The name as the page listed it.
    pub name: String,
    /// Which attachment it is.
    pub listing: ListingId,
    /// Which page listed it.
    pub source: FileOrigin,
    /// Why it is not wanted.
    pub reason: String,
}

/// What an attempt brought: what the page listed against what arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The supplier as the page shows it, if it shows one.
    pub supplier: Option<String>,
    /// The address of the order page.
    pub url: String,
    /// How many attachments the pages listed, those listed twice included.
    pub listed_count: usize,
    /// How many of them were listed again.
    #[serde(default)]
    pub repeated_count: usize,
    /// The order's folder, relative to the output folder with `/` between the parts; empty before there is one.
    pub folder: String,
    /// The files in the order's folder.
    pub files: Vec<FileRecord>,
    /// What the pages listed and the folder lacks.
    pub missing: Vec<MissingFile>,
    /// What the pages listed and the filters exclude.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<ExcludedFile>,
    /// What was wanted, in words; empty when everything was.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub filter: String,
    /// In which lane the order was judged; none in records of earlier versions, and of attempts that did not come to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lane: Option<Lane>,
    /// Why it was not judged in a faster lane, in words; empty when there is nothing to say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub lane_reason: String,
}

/// A way to bring an order's files. What comes of an order never depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// In the page itself, one order at a time, with the browser's own downloads.
    Tab,
    /// In a frame, several orders at a time, with files by HTTP.
    Frames,
}

impl Receipt {
    /// How many attachments of those that were listed are there; two that are one file count twice.
    #[must_use]
    pub fn arrived_count(&self) -> usize {
        self.files.iter().map(|file| file.listings.len()).sum()
    }

    /// Whether what was listed and what is there are equal, attachment by attachment, except what the filters exclude.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let accounted_for = self.arrived_count() + self.repeated_count + self.left_out.len();
        self.missing.is_empty() && accounted_for == self.listed_count
    }
}

/// How one attempt ended; consumes the lease.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AttemptEnd {
    /// Everything that the page listed is there (perhaps nothing was listed).
    Done(Receipt),
    /// It failed; the receipt still holds what is in the order's folder.
    Failed(Failure, Option<Receipt>),
    /// The session could not log in, for a reason that says nothing about the order. The order was not touched.
    NotBegun(Failure),
    /// Nobody touched the order: the grant found its caller gone.
    Returned,
}

/// How an order ends: exactly one per order and run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "what", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// Every listed file is there, verified.
    Completed(Receipt),
    /// The portal lists none.
    NoAttachments(Receipt),
    /// Some of the listed files are there; the failure says why not all.
    Partial(Receipt, Failure),
    /// The portal has no such order. The receipt says at least where that was seen.
    #[serde(with = "ended_badly")]
    NotFound(Failure, Option<Receipt>),
    /// It failed for good. The receipt says at least which page to look at.
    #[serde(with = "ended_badly")]
    Failed(Failure, Option<Receipt>),
    /// Quarantined, or cancelled by the caller, without a verdict of the portal.
    #[serde(with = "ended_badly")]
    Skipped(Failure, Option<Receipt>),
}

/// What an earlier run knows of an order that is submitted again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PriorResult {
    /// It ended like this in that run. It is admitted and settled in one step, and not fetched.
    Ended(Outcome, RunId),
    /// It is fetched, except for the files that are in its folder already.
    Begun(Receipt),
}

impl Outcome {
    /// The status that people know from their sheets.
    #[must_use]
    pub fn status(&self) -> OrderStatus {
        match self {
            Self::Completed(_) => OrderStatus::Completed,
            Self::NoAttachments(_) => OrderStatus::NoAttachments,
            Self::Partial(..) => OrderStatus::Partial,
            Self::NotFound(..) => OrderStatus::PoNotFound,
            Self::Failed(failure, _) if failure.kind == FailureKind::AccessDenied => OrderStatus::AccessDenied,
            Self::Failed(failure, _) if failure.kind == FailureKind::RequisitionDenied => OrderStatus::PrNotAccessible,
            Self::Failed(..) => OrderStatus::Failed,
            Self::Skipped(..) => OrderStatus::Skipped,
        }
    }

    /// What was brought, if anything was.
    #[must_use]
    pub fn receipt(&self) -> Option<&Receipt> {
        match self {
            Self::Completed(receipt) | Self::NoAttachments(receipt) | Self::Partial(receipt, _) => Some(receipt),
            Self::NotFound(_, receipt) | Self::Failed(_, receipt) | Self::Skipped(_, receipt) => receipt.as_ref(),
        }
    }

    /// The same, to be completed; an outcome that has none yet gets an empty one.
    pub fn receipt_mut(&mut self) -> &mut Receipt {
        match self {
            Self::Completed(receipt) | Self::NoAttachments(receipt) | Self::Partial(receipt, _) => receipt,
            Self::NotFound(_, receipt) | Self::Failed(_, receipt) | Self::Skipped(_, receipt) => {
                receipt.get_or_insert_default()
            }
        }
    }

    /// The files in the order's folder.
    #[must_use]
    pub fn files(&self) -> &[FileRecord] {
        self.receipt().map_or(&[], |receipt| &receipt.files)
    }

    /// Why it did not go well, unless it did.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Completed(_) | Self::NoAttachments(_) => None,
            Self::Partial(_, failure)
            | Self::NotFound(failure, _)
            | Self::Failed(failure, _)
            | Self::Skipped(failure, _) => Some(failure),
        }
    }

    /// Whether nothing is left to do: everything is there, or there is nothing to fetch.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.failure().is_none()
    }
}

/// Written as the failure with one more key, so that a record from before there were receipts is still read.
mod ended_badly {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Failure, Receipt};

    #[derive(Serialize)]
    struct Written<'a> {
        #[serde(flatten)]
        failure: &'a Failure,
        #[serde(skip_serializing_if = "Option::is_none")]
        receipt: &'a Option<Receipt>,
    }

    #[derive(Deserialize)]
    struct Read {
        #[serde(flatten)]
        failure: Failure,
        #[serde(default)]
        receipt: Option<Receipt>,
    }

    pub(crate) fn serialize<S: Serializer>(
        failure: &Failure,
        receipt: &Option<Receipt>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        Written { failure, receipt }.serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<(Failure, Option<Receipt>), D::Error> {
        Read::deserialize(from).map(|Read { failure, receipt }| (failure, receipt))
    }
}

/// The statuses of reports and folder names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum OrderStatus {
    /// Every listed file is there, verified.
    Completed,
    /// Some of the listed files are there.
    Partial,
    /// It failed for good.
    Failed,
    /// The portal lists none.
    NoAttachments,
    /// The portal has no such order.
    PoNotFound,
    /// This login may not see the order, or none of its files.
    AccessDenied,
    /// The order has no attachments, and this login may not see its requisition.
    PrNotAccessible,
    /// Quarantined or cancelled.
    Skipped,
    /// The run ended before the order did.
    NotDone,
}

impl OrderStatus {
    /// All of them, in the order in which a summary counts them.
    pub const ALL: [Self; 9] = [
        Self::Completed,
        Self::NoAttachments,
        Self::Partial,
        Self::PoNotFound,
        Self::AccessDenied,
        Self::PrNotAccessible,
        Self::Failed,
        Self::Skipped,
        Self::NotDone,
    ];

    /// The word in reports and folder names.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "COMPLETED",
            Self::Partial => "PARTIAL",
            Self::Failed => "FAILED",
            Self::NoAttachments => "NO_ATTACHMENTS",
            Self::PoNotFound => "PO_NOT_FOUND",
            Self::AccessDenied => "ACCESS_DENIED",
            Self::PrNotAccessible => "PR_NOT_ACCESSIBLE",
            Self::Skipped => "SKIPPED",
            Self::NotDone => "NOT_DONE",
        }
    }
}

impl fmt::Display for OrderStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_that_was_written_without_a_receipt_is_still_read() {
        let old = r#"{"kind":"failed","what":{"kind":"page_changed","message":"new page"}}"#;
        let failure = Failure::new(FailureKind::PageChanged, "new page");
        assert_eq!(serde_json::from_str::<Outcome>(old).unwrap(), Outcome::Failed(failure.clone(), None));
        assert_eq!(serde_json::to_string(&Outcome::Failed(failure, None)).unwrap(), old);
    }

    #[test]
    fn an_order_that_the_login_may_not_see_has_not_failed_in_journals_of_older_versions_either() {
        let old = r#"{"kind":"failed","what":{"kind":"access_denied","message":"not yours"}}"#;
        assert_eq!(serde_json::from_str::<Outcome>(old).unwrap().status(), OrderStatus::AccessDenied);
        for kind in FailureKind::ALL {
            let status = Outcome::Failed(Failure::new(kind, ""), None).status();
            let is_denied = matches!(kind, FailureKind::AccessDenied | FailureKind::RequisitionDenied);
            assert_eq!(status == OrderStatus::Failed, !is_denied, "{kind}");
        }
    }

    #[test]
    fn every_outcome_survives_the_journal_with_its_receipt() {
        let failure = || Failure::new(FailureKind::StepTimeout, "slow");
        let receipt = || Receipt { url: "https://acme.test/order_headers/7".to_owned(), ..Receipt::default() };
        for outcome in [
            Outcome::Completed(receipt()),
            Outcome::NoAttachments(receipt()),
            Outcome::Partial(receipt(), failure()),
            Outcome::NotFound(failure(), Some(receipt())),
            Outcome::Failed(failure(), Some(receipt())),
            Outcome::Skipped(failure(), Some(receipt())),
        ] {
            let text = serde_json::to_string(&outcome).unwrap();
            let mut read: Outcome = serde_json::from_str(&text).unwrap();
            assert_eq!(read, outcome, "{text}");
            assert_eq!(*read.receipt_mut(), receipt());
        }
    }
}
