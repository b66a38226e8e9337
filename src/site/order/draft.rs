//! The receipt of one attempt, while it is being written: every attachment that was listed is in it exactly once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::open::ListingPage;
use crate::backend::AttemptError;
use crate::config::RequisitionRule;
use crate::download::{extension, opaque_id};
use crate::model::{
    ExcludedFile, Failure, FailureKind, FileOrigin, FileRecord, ListingId, MissingFile, PoNumber, Receipt,
};
use crate::site::page::classify::without_query;
use crate::site::page::identity::listed::ListedAttachment;
use crate::site::page::others::OtherAttachment;
use crate::site::page::readiness::unlisted::Unlisted;
use crate::text;

/// What a listing is called that may have no name.
fn name_of(listed: &ListedAttachment) -> &str {
    if listed.label.is_empty() { "an attachment without a name" } else { &listed.label }
}

/// A receipt that is not complete yet.
pub(crate) struct ReceiptDraft {
    pub(crate) receipt: Receipt,
    po: PoNumber,
    /// Listings that are not files.
    others: BTreeSet<ListingId>,
    /// Listings that had no turn yet: missing, if the attempt ends now.
    untried: Vec<MissingFile>,
    /// How much of what was counted the page has listed that is being read, and how much of that again.
    page_counts: (usize, usize),
    /// The longest wait that the portal has asked for when it did not give a file.
    retry_after: Option<Duration>,
}

impl ReceiptDraft {
    pub(crate) fn new(po: &PoNumber, url: String, filter: String) -> Self {
        let receipt = Receipt { url, filter, ..Receipt::default() };
        Self {
            receipt,
            po: po.clone(),
            others: BTreeSet::new(),
            untried: Vec::new(),
            page_counts: (0, 0),
            retry_after: None,
        }
    }

    /// From now on another page is counted.
    pub(crate) fn begin_page(&mut self) {
        self.page_counts = (0, 0);
    }

    /// The page lists so many attachments, and so many of them are not on another page.
    pub(crate) fn count_listed(&mut self, most_listed: usize, new_count: usize) {
        let (listed, repeated) = (most_listed.max(new_count), most_listed.saturating_sub(new_count));
        let Receipt { listed_count, repeated_count, .. } = &mut self.receipt;
        *listed_count = *listed_count - self.page_counts.0 + listed;
        *repeated_count = *repeated_count - self.page_counts.1 + repeated;
        self.page_counts = (listed, repeated);
    }

    /// These attachments get their turns now.
    pub(crate) fn expect(&mut self, new: &[ListedAttachment], place: &ListingPage) {
        let failure = || Failure::new(FailureKind::StepTimeout, "not tried: the attempt ended first");
        self.untried.extend(new.iter().map(|listed| MissingFile {
            name: name_of(listed).to_owned(),
            listing: listed.id.clone(),
            source: place.origin,
            failure: failure(),
        }));
    }

    /// The receipt of an attempt that ends now, with what had no turn yet among the missing.
    pub(crate) fn interim(&self) -> Receipt {
        let mut receipt = self.receipt.clone();
        receipt.missing.extend(self.untried.iter().cloned());
        receipt
    }

    /// The receipt of an attempt that has ended with `error`.
    pub(crate) fn conclude(mut self, error: &AttemptError) -> Receipt {
        self.untried.iter_mut().for_each(|missing| missing.failure.kind = error.kind);
        self.receipt.missing.append(&mut self.untried);
        self.receipt
    }

    /// The file is in its place. Two attachments with one name and the same bytes are one file.
    pub(crate) fn keep(&mut self, record: FileRecord) {
        self.receipt.missing.retain(|missing| !record.listings.contains(&missing.listing));
        self.untried.retain(|missing| !record.listings.contains(&missing.listing));
        for other in self.receipt.files.iter_mut().filter(|other| other.path != record.path && other.listings.len() > 1)
        {
            // it was fetched again, and it is another file than it seemed to be
            let mut left: Vec<_> = other.listings.iter().filter(|id| !record.listings.contains(id)).cloned().collect();
            if !left.is_empty() {
                other.listings = std::mem::take(&mut left);
            }
        }
        match self.receipt.files.iter_mut().find(|file| file.path == record.path) {
            Some(file) => {
                let new: Vec<_> = record.listings.into_iter().filter(|id| !file.listings.contains(id)).collect();
                file.listings.extend(new);
            }
            None => self.receipt.files.push(record),
        }
    }

    /// The attachment is not wanted.
    pub(crate) fn leave_out(&mut self, listed: &ListedAttachment, source: FileOrigin, reason: String) {
        let (name, listing) = (listed.label.clone(), listed.id.clone());
        tracing::debug!(po = %self.po, name, reason, "an attachment is left out");
        self.receipt.missing.retain(|missing| missing.listing != listing);
        self.untried.retain(|missing| missing.listing != listing);
        self.receipt.left_out.push(ExcludedFile { name, listing, source, reason });
    }

    /// The attachment could not be fetched. Said again, the last reason counts.
    pub(crate) fn miss(&mut self, listed: &ListedAttachment, place: &ListingPage, error: &AttemptError) {
        let (listing, source, failure) = (listed.id.clone(), place.origin, error.to_failure());
        let name = name_of(listed);
        tracing::warn!(po = %self.po, name, kind = %failure.kind, reason = %failure.message, "an attachment is missing");
        self.retry_after = self.retry_after.max(error.retry_after);
        self.untried.retain(|missing| missing.listing != listing);
        let missing = MissingFile { name: name.to_owned(), listing, source, failure };
        match self.receipt.missing.iter_mut().find(|earlier| earlier.listing == missing.listing) {
            Some(earlier) => *earlier = missing,
            None => self.receipt.missing.push(missing),
        }
    }

    /// The attachment is not a file. One that two pages list is named once.
    pub(crate) fn name_other(&mut self, other: OtherAttachment, place: &ListingPage) {
        let OtherAttachment { name, id: listing, reason } = other;
        if self.receipt.left_out.iter().any(|known| known.listing == listing) {
            return;
        }
        tracing::info!(po = %self.po, name, reason, "an attachment is not fetched");
        self.receipt.listed_count += 1;
        self.others.insert(listing.clone());
        self.receipt.left_out.push(ExcludedFile { name, listing, source: place.origin, reason });
    }

    /// The names of all files that were listed, whether they came, are missing or are not wanted.
    pub(crate) fn file_names(&self) -> impl Iterator<Item = &str> {
        let Receipt { files, missing, left_out, .. } = &self.receipt;
        let left_out = left_out.iter().filter(|file| !self.others.contains(&file.listing));
        let names = files.iter().map(|file| &file.name).chain(missing.iter().map(|missing| &missing.name));
        names.chain(left_out.map(|file| &file.name)).map(String::as_str)
    }

    /// Whether the order's requisition is to be looked at. The files that the order lists count, wanted or not: it is the order
    /// that has nothing, and not the filter.
    pub(crate) fn wants_requisition(&self, rule: RequisitionRule) -> bool {
        let mut names = self.file_names();
        match rule {
            RequisitionRule::Never => false,
            RequisitionRule::WhenEmpty => names.next().is_none(),
            RequisitionRule::WhenNoPdf => !names.any(|name| extension(name).as_deref() == Some("pdf")),
            RequisitionRule::Always => true,
        }
    }

    /// The page has attachments that it does not list.
    pub(crate) fn miss_unlisted(&mut self, place: &ListingPage, unlisted: &Unlisted) {
        let Unlisted { count, why, kind } = unlisted;
        let name = text::count(*count, "more attachment");
        tracing::warn!(po = %self.po, name, reason = why, "the list of a page is incomplete");
        let failure = Failure::new(*kind, format!("{why}: open {} in a browser", without_query(place.url.as_str())));
        let listing = opaque_id(&format!("unlisted {} {why}", place.url));
        self.receipt.listed_count += count;
        self.receipt.missing.push(MissingFile { name, listing, source: place.origin, failure });
    }

    /// What is missing, as the attempt's error. Of several kinds, the one that another try may fix decides.
    pub(crate) fn shortfall(&self) -> Option<AttemptError> {
        let receipt = &self.receipt;
        let hope = |missing: &&MissingFile| match missing.failure.kind {
            FailureKind::DownloadStalled | FailureKind::DownloadCorrupt | FailureKind::StepTimeout => 0,
            FailureKind::FileUnavailable => 1,
            _ => 2,
        };
        let worst = receipt.missing.iter().min_by_key(hope)?;
        let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for missing in &receipt.missing {
            by_reason.entry(&missing.failure.message).or_default().push(&missing.name);
        }
        let reasons: Vec<_> =
            by_reason.iter().map(|(reason, names)| format!("{}: {reason}", names.join(", "))).collect();
        let total = receipt.missing.len() + receipt.files.len();
        let message = format!("{} of {total} attachments are missing ({})", receipt.missing.len(), reasons.join("; "));
        let error = AttemptError::new(worst.failure.kind, message);
        Some(AttemptError { retry_after: self.retry_after, ..error })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attachment_that_is_no_file_does_not_stand_for_one() {
        let po: PoNumber = "PO7".parse().unwrap();
        let url = "https://acme.test/order_headers/7".parse().unwrap();
        let place = ListingPage { url, origin: FileOrigin::Order, po: po.clone(), what: String::new() };
        let mut draft = ReceiptDraft::new(&po, String::new(), String::new());
        let web = OtherAttachment { name: "x.pdf".into(), id: opaque_id("web"), reason: "a web address".into() };
        draft.name_other(web.clone(), &place);
        draft.name_other(web, &place);
        assert_eq!((draft.file_names().count(), draft.receipt.left_out.len(), draft.receipt.listed_count), (0, 1, 1));
        let left_out =
            ExcludedFile { name: "a.pdf".into(), listing: opaque_id("a"), source: place.origin, reason: String::new() };
        draft.receipt.left_out.push(left_out);
        assert_eq!(draft.file_names().collect::<Vec<_>>(), ["a.pdf"]);
    }
}
